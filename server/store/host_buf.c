#include "store/host_buf.h"

struct host_buf {
    sluice_buf pub;
    _Atomic uint32_t refs;
    struct buf *b;
};

static void
host_retain(sluice_buf *pub)
{
    struct host_buf *h = SL_CONTAINER_OF(pub, struct host_buf, pub);
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
}

static void
host_release(sluice_buf *pub)
{
    struct host_buf *h = SL_CONTAINER_OF(pub, struct host_buf, pub);
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
        buf_unref(&h->b);
        sl_free(h);
    }
}

sluice_buf *
host_buf_new(size_t len, uint8_t **writable)
{
    struct host_buf *h = (struct host_buf *)sl_alloc(sizeof(*h));
    h->b = buf_new(len);
    h->b->len = len;
    atomic_init(&h->refs, 1);
    h->pub = (sluice_buf){sizeof(h->pub), {h->b->data, len}, host_retain, host_release};
    *writable = h->b->data;
    return &h->pub;
}

struct buf *
host_buf_take(sluice_buf **pb)
{
    sluice_buf *pub = *pb;
    *pb = NULL;
    if (pub == NULL) {
        return NULL;
    }
    struct buf *b;
    if (pub->release == host_release) {
        struct host_buf *h = SL_CONTAINER_OF(pub, struct host_buf, pub);
        b = buf_ref(h->b);
        if (pub->bytes.len < b->len) {
            b->len = pub->bytes.len;
        }
    } else {
        b = buf_copy(span_of(pub->bytes.ptr, pub->bytes.len));
    }
    pub->release(pub);
    return b;
}
