/* Replies as lists of pieces. */
#include "api/request.h"

void
out_add(struct out *o, struct span bytes, struct buf **owner)
{
    if (bytes.len == 0) {
        if (owner != NULL) {
            buf_unref(owner);
        }
        return;
    }
    if (o->count == o->cap) {
        o->cap = o->cap == 0 ? 4 : o->cap * 2;
        o->pieces = (struct out_piece *)sl_realloc(o->pieces, o->cap * sizeof(o->pieces[0]));
    }
    struct out_piece *piece = &o->pieces[o->count++];
    piece->bytes = bytes;
    piece->owner = NULL;
    if (owner != NULL) {
        piece->owner = *owner;
        *owner = NULL;
    }
    o->total_bytes += bytes.len;
}

void
out_fini(struct out *o)
{
    for (size_t i = 0; i < o->count; i++) {
        buf_unref(&o->pieces[i].owner);
    }
    sl_free(o->pieces);
    *o = (struct out){0};
}
