/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log cat TOPIC`: records of a topic, straight from the store. Partition after partition up
 * to the end that is known when it begins; with --follow all of them from then on, in the order in
 * which they are seen. */
#include "base/gate.h"
#include "cli/admin_int.h"
#include "cli/log_int.h"
#include "cli/value_int.h"
#include "reader/wait.h"
#include "wire/records.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { READ_BYTES = 4 << 20, SCRATCH_MAX = 256 << 20, OPEN_MS = 60000, PARTITIONS_MAX = 100000 };
enum { PAUSE_MS = 50, PAUSES_MAX = 1200, TOPIC_MS = 2000, REFRESH_MS = 10000 };

struct cat {
    const struct cli__args *args;
    const char *topic;
    int64_t only, from_offset, from_ms, to; /* -1: not given */
    struct reader *reader;
    struct reader_part *parts;
    int64_t *next;     /* per partition: the offset that comes next */
    int64_t *since_ms; /* per partition: until one of this time or later, records are passed over */
    size_t count;
    int32_t known; /* partitions of the topic that were looked at */
    struct bytes scratch;
};

/* --- printing --- */

/* U+0080 to U+009F: a terminal may obey them. */
static bool
is_c1(struct span s, size_t at)
{
    return s.ptr[at] == 0xc2 && s.len - at > 1 && s.ptr[at + 1] >= 0x80 && s.ptr[at + 1] < 0xa0;
}

static void
print_bytes(struct span s)
{
    if (s.ptr == NULL) {
        (void)fputs("-", stdout);
        return;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (is_c1(s, i)) {
            (void)printf("\\x%02x\\x%02x", s.ptr[i], s.ptr[i + 1]);
            i++;
        } else if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f || s.ptr[i] == '\\') {
            (void)printf("\\x%02x", s.ptr[i]);
        } else {
            (void)putchar(s.ptr[i]);
        }
    }
}

static void
print_line(int32_t partition, const struct record *r)
{
    char at[40];
    struct tm tm;
    time_t seconds = (time_t)(r->timestamp / 1000);
    if (r->timestamp < 0 || gmtime_r(&seconds, &tm) == NULL) {
        (void)snprintf(at, sizeof(at), "-");
    } else {
        size_t n = strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(at + n, sizeof(at) - n, ".%03dZ", (int)(r->timestamp % 1000));
    }
    (void)printf("%" PRId32 "\t%" PRId64 "\t%s\t", partition, r->offset, at);
    print_bytes(r->key);
    (void)putchar('\t');
    print_bytes(r->value);
    (void)putchar('\n');
}

static const char hex_digits[] = "0123456789abcdef";

/* A string, or null; bytes that are no UTF-8 as {"hex": "..."}. */
static json_t *
json_bytes(struct span s)
{
    if (s.ptr == NULL) {
        return json_null();
    }
    json_t *text = json_stringn((const char *)s.ptr, s.len);
    if (text != NULL) {
        return text;
    }
    char *hex = (char *)sl_alloc(2 * s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        hex[2 * i] = hex_digits[s.ptr[i] >> 4];
        hex[2 * i + 1] = hex_digits[s.ptr[i] & 15];
    }
    json_t *wrapped = json_pack("{s:s}", "hex", hex);
    sl_free(hex);
    return wrapped;
}

static json_t *
json_headers(const struct record *r)
{
    json_t *all = json_array();
    struct span rest = r->headers, key, value;
    while (record_header_next(&rest, &key, &value)) {
        (void)json_array_append_new(all, json_pack("[o,o]", json_bytes(key), json_bytes(value)));
    }
    return all;
}

static void
print_json(int32_t partition, const struct record *r)
{
    json_t *o = json_pack("{s:i, s:I, s:I, s:o, s:o}", "partition", (int)partition, "offset",
                          (json_int_t)r->offset, "timestamp", (json_int_t)r->timestamp, "key",
                          json_bytes(r->key), "value", json_bytes(r->value));
    if (r->header_count > 0) {
        (void)json_object_set_new(o, "headers", json_headers(r));
    }
    (void)json_dumpf(o, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(o);
}

/* --- reading --- */

static bool
problem(const struct cat *c, int32_t partition, int64_t offset, const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "sluice log: %s, partition %" PRId32 ", offset %" PRId64 ": %s\n",
                  c->topic, partition, offset, what);
    return false;
}

static bool
print_batch(struct cat *c, size_t i, struct span batch, int64_t end)
{
    struct record_iter it;
    struct record r;
    enum sl_err rc = records_open(batch, &c->scratch, &it);
    if (rc != SL_OK) {
        return problem(c, c->parts[i].partition, c->next[i], "its batch does not decompress");
    }
    bool is_control = (it.batch.attributes & BATCH_ATTR_CONTROL) != 0; /* no application's */
    while (!is_control && record_next(&it, &r)) {
        if (r.offset < c->next[i] || r.offset >= end || r.timestamp < c->since_ms[i]) {
            continue;
        }
        c->since_ms[i] = INT64_MIN;
        if (c->args->is_json) {
            print_json(c->parts[i].partition, &r);
        } else {
            print_line(c->parts[i].partition, &r);
        }
    }
    return it.rc == SL_OK ||
           problem(c, c->parts[i].partition, c->next[i], "a record of its batch is malformed");
}

static bool
print_batches(struct cat *c, size_t i, struct span run, int64_t end)
{
    struct batch_info info;
    struct span batch;
    while (batch_next(&run, &info, &batch)) {
        if (!print_batch(c, i, batch, end)) {
            return false;
        }
        int64_t next = batch_last_offset(&info) + 1;
        c->next[i] = next > c->next[i] ? next : c->next[i];
    }
    return true;
}

/* A reader that was suspended for long finds its entries collected, and opens the journal anew. */
static void
read_or_wait(const struct reader_part *p, int64_t offset, struct part_read *r)
{
    reader_wait_read(p, offset, READ_BYTES, r);
    for (int i = 0; i < PAUSES_MAX && r->rc == SL_ENOT_OPEN; i++) {
        part_read_fini(r);
        gate_pause(PAUSE_MS);
        reader_wait_read(p, offset, READ_BYTES, r);
    }
}

/* Prints from next[i] on. False: it failed, and was told. *ret_moved: was there anything? */
static bool
read_some(struct cat *c, size_t i, int64_t end, bool *ret_moved)
{
    struct part_read r;
    int64_t before = c->next[i];
    read_or_wait(&c->parts[i], before, &r);
    bool is_right = r.rc == SL_OK || r.rc == SL_EOFFSET_RANGE;
    if (r.rc == SL_EOFFSET_RANGE && r.log_start > before) { /* trimmed meanwhile */
        (void)fprintf(stderr,
                      "sluice log: %s, partition %" PRId32 ": offsets %" PRId64 " to %" PRId64
                      " were deleted\n",
                      c->topic, c->parts[i].partition, before, r.log_start - 1);
        c->next[i] = r.log_start;
    } else if (!is_right) {
        (void)problem(
            c, c->parts[i].partition, before,
            r.rc == SL_EUNKNOWN_PARTITION ? "the topic was deleted meanwhile"
            : r.rc == SL_EPARTITION_FAILED
                ? "an object that holds it is damaged or missing, or its journal cannot be"
                  " opened: `sluice log verify` names it"
                : sl_err_text(r.rc));
    } else if (r.piece_count > 0) {
        struct buf *all = part_read_join(&r);
        is_right = print_batches(c, i, all == NULL ? r.pieces[0].bytes : buf_span(all), end);
        buf_unref(&all);
    }
    part_read_fini(&r);
    *ret_moved = c->next[i] > before;
    return is_right && ferror(stdout) == 0;
}

static int64_t
end_of(const struct cat *c, size_t i)
{
    int64_t end = c->parts[i].end;
    return c->to >= 0 && c->to < end ? c->to : end;
}

static bool
cat_known(struct cat *c)
{
    for (size_t i = 0; i < c->count; i++) {
        int64_t end = end_of(c, i);
        bool moved = true;
        while (c->next[i] < end && moved) {
            if (!read_some(c, i, end, &moved)) {
                return false;
            }
        }
        if (c->next[i] < end) {
            return problem(c, c->parts[i].partition, c->next[i],
                           "there is nothing, though the log goes on: `sluice log verify` may say"
                           " why");
        }
    }
    return true;
}

/* --- where to begin --- */

static bool
begin_at(struct cat *c, size_t i)
{
    const struct reader_part *p = &c->parts[i];
    c->next[i] = p->start;
    c->since_ms[i] = INT64_MIN;
    if (c->from_offset > p->end && cli__value(c->args, CLI__FOLLOW) == NULL) {
        (void)fprintf(stderr,
                      "sluice log: %s, partition %" PRId32 ": it ends at offset %" PRId64 "\n",
                      c->topic, p->partition, p->end);
    }
    if (c->from_offset >= 0) {
        c->next[i] = c->from_offset > p->start ? c->from_offset : p->start;
    } else if (c->from_ms >= 0) {
        enum sl_err rc = reader_wait_time(p, c->from_ms, &c->next[i]);
        if (rc != SL_OK) {
            return problem(c, p->partition, p->start, sl_err_text(rc));
        }
        c->since_ms[i] = c->from_ms;
        c->next[i] = c->next[i] < 0 ? p->end : c->next[i];
    }
    return true;
}

static void
parts_room(struct cat *c, int32_t count)
{
    size_t n = (size_t)count;
    c->parts = (struct reader_part *)sl_realloc(c->parts, n * sizeof(*c->parts));
    c->next = (int64_t *)sl_realloc(c->next, n * sizeof(*c->next));
    c->since_ms = (int64_t *)sl_realloc(c->since_ms, n * sizeof(*c->since_ms));
}

/* --- follow --- */

static bool
is_through(const struct cat *c, int64_t end)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->next[i] < end) {
            return false;
        }
    }
    return true;
}

/* In journals of which nothing is read nobody looks for what comes. */
static enum sl_err
part_find_anew(struct cat *c, int32_t partition, struct reader_part *ret)
{
    enum sl_err rc = reader_wait_part(c->reader, c->topic, partition, ret);
    for (uint32_t j = 0; rc != SL_OK && j < reader_options_of(c->reader)->journals; j++) {
        (void)reader_wait_refresh(c->reader, j, REFRESH_MS);
        rc = reader_wait_part(c->reader, c->topic, partition, ret);
    }
    return rc;
}

/* Partitions that the topic got meanwhile are followed, too; what is not open yet, the next time.
 */
static bool
parts_added(struct cat *c)
{
    (void)reader_wait_refresh(c->reader, 0, REFRESH_MS);
    int32_t count = reader_wait_count(c->reader, c->topic);
    while (c->only < 0 && c->known < count && c->known < PARTITIONS_MAX) {
        struct reader_part p;
        if (part_find_anew(c, c->known, &p) != SL_OK ||
            !uuid_eq(&p.topic_id, &c->parts[0].topic_id)) { /* made again: not the one we read */
            return true;
        }
        parts_room(c, count);
        c->parts[c->count] = p;
        c->known++;
        if (!begin_at(c, c->count++)) {
            return false;
        }
    }
    return true;
}

static bool
cat_follow(struct cat *c)
{
    int64_t end = c->to >= 0 ? c->to : INT64_MAX;
    int64_t looked_ms = cli__now_ms();
    while (!is_through(c, end) && fflush(stdout) == 0 && !cli__is_unheard()) {
        if (cli__now_ms() - looked_ms >= TOPIC_MS) {
            if (!parts_added(c)) {
                return false;
            }
            looked_ms = cli__now_ms();
        }
        (void)reader_wait_any(c->reader, c->parts, c->next, c->count, 1000);
        for (size_t i = 0; i < c->count; i++) {
            bool moved;
            if (c->next[i] < end && !read_some(c, i, end, &moved)) {
                return false;
            }
        }
    }
    return true;
}

/* --- all of it --- */

static bool
parts_find(struct cat *c)
{
    int32_t count = reader_wait_count(c->reader, c->topic);
    if (count < 0 && reader_wait_knows(c->reader) != SL_OK) {
        (void)fprintf(stderr, "sluice log: which topics there are is not known, because journal 0"
                              " cannot be read: `sluice log verify` says why\n");
        return false;
    }
    if (count < 0 || count > PARTITIONS_MAX) {
        (void)fprintf(stderr, "sluice log: there is no topic %s in this store\n", c->topic);
        return false;
    }
    if (c->only >= count) {
        (void)fprintf(stderr,
                      "sluice log: %s has no partition %" PRId64 ": they are 0 to %" PRId32 "\n",
                      c->topic, c->only, count - 1);
        return false;
    }
    bool is_right = true;
    parts_room(c, count);
    c->known = count;
    for (int32_t p = 0; p < count; p++) {
        if (c->only >= 0 && p != c->only) {
            continue;
        }
        enum sl_err rc = reader_wait_part(c->reader, c->topic, p, &c->parts[c->count]);
        if (rc != SL_OK) {
            is_right = problem(c, p, 0, sl_err_text(rc)); /* the others are printed */
            continue;
        }
        is_right = begin_at(c, c->count) && is_right;
        c->count++;
    }
    return is_right;
}

static int
cat(const struct reader_options *bucket, void *arg)
{
    struct cat *c = (struct cat *)arg;
    c->reader = reader_wait_open(bucket, OPEN_MS);
    if (c->reader == NULL) {
        (void)fprintf(stderr, "sluice log: the store does not answer\n");
        return EXIT_FAILURE;
    }
    bytes_init(&c->scratch, SCRATCH_MAX);
    bool is_right = parts_find(c);
    is_right = cat_known(c) && is_right;
    if (is_right && c->count > 0 && cli__value(c->args, CLI__FOLLOW) != NULL) {
        is_right = cat_follow(c);
    }
    bytes_fini(&c->scratch);
    sl_free(c->parts);
    sl_free(c->next);
    sl_free(c->since_ms);
    reader_wait_close(&c->reader);
    return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- arguments --- */

int
cli__log_cat_main(const struct cli__args *args)
{
    struct cat c = {.args = args, .topic = args->word};
    if (!cli__number(args, cli__value(args, CLI__PARTITION), 0, &c.only) ||
        !cli__number(args, cli__value(args, CLI__FROM_OFFSET), 0, &c.from_offset) ||
        !cli__number(args, cli__value(args, CLI__TO), 0, &c.to) ||
        !cli__time(args, cli__value(args, CLI__FROM_TIME), &c.from_ms)) {
        return EXIT_USAGE;
    }
    if (c.from_offset >= 0 && c.from_ms >= 0) {
        return cli__usage(args, "--from-offset and --from-time are two places to begin at");
    }
    struct config *cfg = cli__config_get(args);
    int status = cfg == NULL ? EXIT_USAGE : args->hooks->offline(cfg, cat, &c);
    config_destroy(&cfg);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
