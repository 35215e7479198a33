/* One writer per key at a time. Claims in flight are as many as the pool has threads, so a list is
 * the right table. */
#include "storage-fs/fs_int.h"

#include <string.h>

struct fs_claim *
fs__claim_find(const sluice_instance *fs, const char *key)
{
    for (struct fs_claim *c = fs->claims; c != NULL; c = c->next) {
        if (strcmp(c->key, key) == 0) {
            return c;
        }
    }
    return NULL;
}

sluice_status
fs__claim_take(sluice_instance *fs, struct fs_claim *c, const char *key)
{
    const struct fs_claim *other;
    while ((other = fs__claim_find(fs, key)) != NULL) {
        if (other->is_doomed) {
            return fs__fail(fs, SLUICE_EIO, "%s", fs->poison_why);
        }
        pthread_cond_wait(&fs->claims_changed, &fs->lock);
    }
    *c = (struct fs_claim){.next = fs->claims, .key = key};
    fs->claims = c;
    return SLUICE_OK;
}

void
fs__claim_give(sluice_instance *fs, struct fs_claim *c)
{
    for (struct fs_claim **at = &fs->claims; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    pthread_cond_broadcast(&fs->claims_changed);
}

void
fs__claim_doom(sluice_instance *fs, struct fs_claim *c)
{
    struct fs_claim *kept = (struct fs_claim *)fs__alloc(sizeof(*kept));
    fs__claim_give(fs, c);
    *kept = (struct fs_claim){.next = fs->claims, .key = fs__strdup(c->key), .is_doomed = true};
    fs->claims = kept;
}
