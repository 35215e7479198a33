/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice segment dump|verify`: a .kfs file, or an object of the configured store. */
#include "segment/segment.h"

#include "cli/cli_int.h"
#include "reader/wait.h"
#include "segment/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct segment_files_read {
    const struct cli__args *args;
    const char *name;
    struct buf *kfs, *index; /* NULL: there is none */
    bool may_have_gaps;
    int status;
};

static int
complain(const char *name, const char *what)
{
    (void)fprintf(stderr, "sluice segment: %s: %s\n", name, what);
    return EXIT_FAILED;
}

/* --- dump --- */

static void
print_head(const struct segment_view *v)
{
    (void)printf("segment: offsets %" PRId64 " to %" PRId64 ", %d records, %zu bytes of batches, "
                 "created %" PRId64 " ms, body CRC %08x\n",
                 v->base_offset, v->last_offset, (int)v->message_count, v->body.len, v->created_ms,
                 v->crc);
}

static void
print_batch(const struct batch_info *b, size_t position)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", "?", "?", "?"};
    (void)printf("  byte %zu: offset %" PRId64 " to %" PRId64 ", %d records, %u bytes, %s, time "
                 "%" PRId64 " to %" PRId64,
                 position, b->base_offset, batch_last_offset(b), (int)b->count, b->size_bytes,
                 codecs[batch_codec_of(b)], b->base_timestamp, b->max_timestamp);
    if (b->producer_id >= 0) {
        (void)printf(", producer %" PRId64 " epoch %d sequence %d", b->producer_id,
                     (int)b->producer_epoch, (int)b->base_sequence);
    }
    (void)printf("\n");
}

static int
dump(struct segment_files_read *f)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    if (segment_open(buf_span(f->kfs), &v, &err) != SL_OK) {
        return complain(f->name, err.msg);
    }
    print_head(&v);
    struct span rest = v.body, batch;
    struct batch_info info;
    while (batch_next(&rest, &info, &batch)) {
        print_batch(&info, SEGMENT_HEADER_BYTES + (size_t)(batch.ptr - v.body.ptr));
    }
    if (rest.len > 0) {
        return complain(f->name, "what follows is no whole record batch");
    }
    return EXIT_DONE;
}

/* --- verify --- */

static int
verify_index(const struct segment_files_read *f, const struct segment_view *v)
{
    struct segment_index ix;
    struct sl_error err = SL_ERROR_INIT;
    if (f->index == NULL) {
        (void)printf("%s: no .index beside it\n", f->name);
        return EXIT_DONE;
    }
    if (segment_index_open(buf_span(f->index), &ix, &err) != SL_OK ||
        segment_index_verify(&ix, v, &err) != SL_OK) {
        (void)fprintf(stderr, "sluice segment: the .index of %s: %s\n", f->name, err.msg);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int
verify(struct segment_files_read *f)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    if (segment_open(buf_span(f->kfs), &v, &err) != SL_OK ||
        segment_verify(&v, f->may_have_gaps, &err) != SL_OK) {
        return complain(f->name, err.msg);
    }
    int status = verify_index(f, &v);
    if (status == EXIT_DONE) {
        (void)printf("%s: ok, offsets %" PRId64 " to %" PRId64 ", %d records\n", f->name,
                     v.base_offset, v.last_offset, (int)v.message_count);
    }
    return status;
}

static int
work(struct segment_files_read *f)
{
    f->status = strcmp(f->args->word, "dump") == 0 ? dump(f) : verify(f);
    return f->status;
}

/* --- where the bytes come from --- */

/* "x.kfs" -> "x.index". False when the name does not end so. */
static bool
index_name(const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    if (n < 5 || strcmp(name + n - 4, ".kfs") != 0) {
        return false;
    }
    int len = snprintf(out, cap, "%.*s.index", (int)(n - 4), name);
    return len > 0 && (size_t)len < cap;
}

static struct buf *
file_read(const char *path)
{
    struct stat st;
    FILE *in = fopen(path, "rbe");
    if (in == NULL) {
        return NULL;
    }
    struct buf *b = NULL;
    if (fstat(fileno(in), &st) == 0 && st.st_size >= 0 && st.st_size <= INT32_MAX) {
        b = buf_new((size_t)st.st_size);
        b->len = fread(b->data, 1, (size_t)st.st_size, in);
    }
    (void)fclose(in);
    return b;
}

static int
from_file(struct segment_files_read *f)
{
    char index[4096];
    f->kfs = file_read(f->name);
    if (f->kfs == NULL) {
        char why[96] = "";
        return complain(f->name, strerror_r(errno, why, sizeof(why)));
    }
    f->index = index_name(f->name, index, sizeof(index)) ? file_read(index) : NULL;
    return work(f);
}

static struct buf *
object_read(const struct reader_options *bucket, const char *key, char why[320])
{
    struct store_call call = {.kind = STORE_GET};
    if (strlen(key) >= sizeof(call.key)) {
        (void)snprintf(why, 320, "no such file, and too long for a key");
        return NULL;
    }
    memcpy(call.key, key, strlen(key) + 1);
    store_wait(bucket->sched, bucket->store, &call);
    if (call.outcome != STORE_DONE) {
        (void)snprintf(why, 320, "%s",
                       call.outcome == STORE_ABSENT ? "neither a file nor an object of the store"
                                                    : call.why);
        return NULL;
    }
    return call.body;
}

static int
from_store(const struct reader_options *bucket, void *arg)
{
    struct segment_files_read *f = (struct segment_files_read *)arg;
    char index[STORE_KEY_MAX];
    char why[320];
    f->kfs = object_read(bucket, f->name, why);
    if (f->kfs == NULL) {
        return complain(f->name, why);
    }
    f->index = index_name(f->name, index, sizeof(index)) ? object_read(bucket, index, why) : NULL;
    return work(f);
}

/* Compacted ones have a generation in their name. */
static bool
is_compacted(const char *name)
{
    const char *at = strstr(name, "segment-");
    return at != NULL && strchr(at + strlen("segment-"), '-') != NULL;
}

int
cli__segment(const struct cli__args *args)
{
    struct segment_files_read f = {.args = args, .name = args->second};
    bool is_known = strcmp(args->word, "dump") == 0 || strcmp(args->word, "verify") == 0;
    if (!is_known || args->second == NULL) {
        (void)fprintf(stderr, "sluice segment: dump FILE-OR-KEY, or verify FILE-OR-KEY\n");
        return EXIT_USAGE;
    }
    f.may_have_gaps = is_compacted(f.name);
    int status;
    struct stat st;
    if (stat(f.name, &st) == 0) {
        status = from_file(&f);
    } else {
        struct config *cfg = cli__config_get(args);
        status = cfg == NULL ? EXIT_USAGE : args->hooks->offline(cfg, from_store, &f);
        config_destroy(&cfg);
    }
    buf_unref(&f.kfs);
    buf_unref(&f.index);
    return fflush(stdout) == 0 ? status : EXIT_FAILED;
}
