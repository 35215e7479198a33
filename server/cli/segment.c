/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice segment dump|verify`: a .kfs file, or an object of the configured store. */
#include "segment/segment.h"

#include "cli/cli_int.h"
#include "reader/wait.h"
#include "segment/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct segment_files_read {
    const struct cli__args *args;
    const char *name;
    struct buf *kfs, *index; /* NULL: there is none */
    char index_why[320];     /* not "": it may be there, and cannot be read */
    bool may_have_gaps;
    bool is_asked; /* the store was opened */
    int (*work)(struct segment_files_read *f);
};

static int
complain(const char *name, const char *what)
{
    (void)fprintf(stderr, "sluice segment: %s: %s\n", name, what);
    return EXIT_FAILED;
}

/* Without what stands before it: a topic may be called segment-x. */
static const char *
last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

/* Compacted ones have a generation in their name. */
static bool
is_compacted(const char *name)
{
    static const char head[] = "segment-";
    const char *last = last_part(name);
    return strncmp(last, head, sizeof(head) - 1) == 0 &&
           strchr(last + sizeof(head) - 1, '-') != NULL;
}

/* The offset in its name; -1: it is not called as segments are. */
static int64_t
base_in_name(const char *name)
{
    char key[SEGMENT_KEY_MAX];
    struct segment_name n;
    enum segment_file file;
    int len = snprintf(key, sizeof(key), "n/t/0/%s", last_part(name));
    bool is_named =
        len > 0 && (size_t)len < sizeof(key) && segment_key_parse(span_cstr(key), &n, &file);
    return is_named ? n.base_offset : -1;
}

/* --- dump --- */

/* One object on a line: the segment, then each batch. */
static void
print_json(json_t *o)
{
    (void)json_dumpf(o, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(o);
}

static void
head_json(const struct segment_view *v)
{
    print_json(json_pack("{s:I, s:I, s:i, s:I, s:I, s:I}", "first", (json_int_t)v->base_offset,
                         "last", (json_int_t)v->last_offset, "records", (int)v->message_count,
                         "body_bytes", (json_int_t)v->body.len, "created_ms",
                         (json_int_t)v->created_ms, "body_crc", (json_int_t)v->crc));
}

static const char *
codec_name(const struct batch_info *b)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd", "?", "?", "?"};
    return names[batch_codec_of(b)];
}

static void
batch_json(const struct batch_info *b, size_t position)
{
    print_json(json_pack(
        "{s:I, s:I, s:I, s:i, s:I, s:s, s:I, s:I, s:I, s:i, s:i, s:b}", "position",
        (json_int_t)position, "first", (json_int_t)b->base_offset, "last",
        (json_int_t)batch_last_offset(b), "records", (int)b->count, "bytes",
        (json_int_t)b->size_bytes, "codec", codec_name(b), "base_timestamp",
        (json_int_t)b->base_timestamp, "max_timestamp", (json_int_t)b->max_timestamp, "producer_id",
        (json_int_t)b->producer_id, "producer_epoch", (int)b->producer_epoch, "sequence",
        (int)b->base_sequence, "control", (b->attributes & BATCH_ATTR_CONTROL) != 0));
}

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
    (void)printf("  byte %zu: offset %" PRId64 " to %" PRId64 ", %d records, %u bytes, %s, time "
                 "%" PRId64 " to %" PRId64,
                 position, b->base_offset, batch_last_offset(b), (int)b->count, b->size_bytes,
                 codec_name(b), b->base_timestamp, b->max_timestamp);
    if (b->producer_id >= 0) {
        (void)printf(", producer %" PRId64 " epoch %d sequence %d", b->producer_id,
                     (int)b->producer_epoch, (int)b->base_sequence);
    }
    (void)printf((b->attributes & BATCH_ATTR_CONTROL) != 0 ? ", control\n" : "\n");
}

static int
dump(struct segment_files_read *f)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    if (segment_open(buf_span(f->kfs), &v, &err) != SL_OK) {
        return complain(f->name, err.msg);
    }
    void (*head)(const struct segment_view *v) = f->args->is_json ? head_json : print_head;
    void (*each)(const struct batch_info *b, size_t position) =
        f->args->is_json ? batch_json : print_batch;
    head(&v);
    struct span rest = v.body, batch;
    struct batch_info info;
    while (batch_next(&rest, &info, &batch)) {
        each(&info, SEGMENT_HEADER_BYTES + (size_t)(batch.ptr - v.body.ptr));
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
    if (f->index == NULL && f->index_why[0] != '\0') {
        (void)fprintf(stderr, "sluice segment: the .index of %s: %s\n", f->name, f->index_why);
        return EXIT_FAILED;
    }
    if (f->index == NULL) {
        (void)fprintf(stderr, "sluice segment: %s: no .index beside it\n", f->name);
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
    if (base_in_name(f->name) >= 0 && base_in_name(f->name) != v.base_offset) {
        (void)fprintf(stderr, "sluice segment: %s: it begins at offset %" PRId64 "\n", f->name,
                      v.base_offset);
        return EXIT_FAILED;
    }
    int status = verify_index(f, &v);
    if (status == EXIT_DONE && f->args->is_json) {
        head_json(&v);
    } else if (status == EXIT_DONE) {
        (void)printf("%s: ok, offsets %" PRId64 " to %" PRId64 ", %d records\n", f->name,
                     v.base_offset, v.last_offset, (int)v.message_count);
    }
    return status;
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

/* NULL, and why; "" when there is no such file. Not opened unless it is a file: a pipe would wait
 * for its writer. */
static struct buf *
file_read(const char *path, char why[320])
{
    struct stat st;
    FILE *in = NULL;
    struct buf *b = NULL;
    why[0] = '\0';
    if (stat(path, &st) != 0 || (S_ISREG(st.st_mode) && (in = fopen(path, "rbe")) == NULL)) {
        char text[96] = "";
        (void)snprintf(why, 320, "%s",
                       errno == ENOENT ? "" : strerror_r(errno, text, sizeof(text)));
    } else if (!S_ISREG(st.st_mode)) {
        (void)snprintf(why, 320, "%s, not a file: name a .kfs file, or the key of one in the store",
                       S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
    } else if (st.st_size > INT32_MAX) {
        (void)snprintf(why, 320, "%lld bytes: no segment is larger than 2 GiB",
                       (long long)st.st_size);
    } else {
        b = buf_new((size_t)st.st_size + 1);
        b->len = fread(b->data, 1, (size_t)st.st_size, in);
        if (ferror(in)) {
            buf_unref(&b);
            (void)snprintf(why, 320, "it cannot be read to its end");
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return b;
}

static int
from_file(struct segment_files_read *f)
{
    char index[4096], why[320];
    f->kfs = file_read(f->name, why);
    if (f->kfs == NULL) {
        return complain(f->name, why[0] != '\0' ? why : "it is gone");
    }
    f->index = index_name(f->name, index, sizeof(index)) ? file_read(index, f->index_why) : NULL;
    return f->work(f);
}

/* NULL, and why; "" when there is no such object. */
static struct buf *
object_read(const struct reader_options *bucket, const char *key, char why[320])
{
    struct store_call call = {.kind = STORE_GET};
    why[0] = '\0';
    if (strlen(key) >= sizeof(call.key)) {
        (void)snprintf(why, 320, "no such file, and too long for a key");
        return NULL;
    }
    memcpy(call.key, key, strlen(key) + 1);
    store_wait(bucket->sched, bucket->store, &call);
    if (call.outcome != STORE_DONE && call.outcome != STORE_ABSENT) {
        (void)snprintf(why, 320, "%s", call.why[0] != '\0' ? call.why : sl_err_text(call.rc));
    }
    return call.outcome == STORE_DONE ? call.body : NULL;
}

static int
from_store(const struct reader_options *bucket, void *arg)
{
    struct segment_files_read *f = (struct segment_files_read *)arg;
    char index[STORE_KEY_MAX];
    char why[320];
    f->is_asked = true;
    f->kfs = object_read(bucket, f->name, why);
    if (f->kfs == NULL) {
        return complain(f->name,
                        why[0] != '\0' ? why : "neither a file nor an object of the store");
    }
    f->index =
        index_name(f->name, index, sizeof(index)) ? object_read(bucket, index, f->index_why) : NULL;
    return f->work(f);
}

static int
run(const struct cli__args *args, int (*work)(struct segment_files_read *f))
{
    struct segment_files_read f = {.args = args, .name = args->word, .work = work};
    f.may_have_gaps = is_compacted(f.name);
    size_t n = strlen(f.name);
    if (n > 6 && strcmp(f.name + n - 6, ".index") == 0) {
        return complain(f.name, "that is the index of a segment; name the .kfs beside it");
    }
    int status;
    struct stat st;
    if (stat(f.name, &st) == 0 || errno == EACCES) {
        status = from_file(&f);
    } else {
        struct config *cfg = cli__config_get(args);
        status = cfg == NULL ? EXIT_USAGE : args->hooks->offline(cfg, from_store, &f);
        config_destroy(&cfg);
        if (status != EXIT_DONE && !f.is_asked) {
            (void)complain(f.name, "no such file, and the store that may have an object of this"
                                   " name cannot be read");
        }
    }
    buf_unref(&f.kfs);
    buf_unref(&f.index);
    return fflush(stdout) == 0 ? status : EXIT_FAILED;
}

static int
dump_main(const struct cli__args *args)
{
    return run(args, dump);
}

static int
verify_main(const struct cli__args *args)
{
    return run(args, verify);
}

const struct cli__command cli__segment_verbs[] = {
    {.name = "segment dump",
     .options = CLI__CONFIG | CLI__SET | CLI__JSON,
     .word = "FILE-OR-KEY",
     .is_word_needed = true,
     .summary = "print header, batches and footer",
     .details = "Prints header, batches and footer; with --json an object a line.",
     .run = dump_main},
    {.name = "segment verify",
     .options = CLI__CONFIG | CLI__SET | CLI__JSON,
     .word = "FILE-OR-KEY",
     .is_word_needed = true,
     .summary = "check all of it, and the .index beside it",
     .details = "Checks all of it, and the .index beside it when there is one.",
     .run = verify_main},
    {0},
};
