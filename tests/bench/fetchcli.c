/* SPDX-License-Identifier: Apache-2.0
 *
 * fetchcli: one consumer of many partitions, without a client library, so that what a fetch costs
 * the broker can be seen, with fetch sessions (KIP-227) and without.
 *
 *   fetchcli -b HOST:PORT -t TOPIC -P partitions [-S 0|1] [-w max wait ms] [-d seconds]
 *
 * One Fetch v11 after the other, of all partitions from their ends. With -S 1 it opens a session
 * and then names only partitions whose offset has moved, as the Java client does; when the broker
 * gives none (session 0) it goes on in full. Latencies are those of whole fetches. Prints
 * {"session":…, "fetches":…, "request_bytes":…, "reply_bytes":…} (the bytes of one fetch, on
 * average, without those that opened the session), and then a result line as rawcli does. */
#include "bench_util.h"
#include "rawwire.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTITIONS_MAX = 100000, PARTITION_BYTES = 28, BATCH_HEADER = 61, REPLY_MAX = 64 << 20 };
enum { LATEST = -1, WARM_UP = 3 }; /* fetches before anything is counted */

struct options {
    struct raw_address address;
    const char *topic;
    int partitions, wait_ms;
    bool wants_session;
    double seconds;
};

struct partition {
    int64_t offset;
    bool has_moved;
};

static struct options opt = {.topic = "t", .partitions = 1000, .seconds = 5};
static struct partition *parts;
static struct result res;
static struct latencies lat;
static uint8_t *out, *in;
static int fd;
static int64_t session, epoch;
static uint64_t request_bytes, reply_bytes, fetches;

/* --- frames --- */

static struct raw_in
call(uint8_t *end)
{
    int64_t len;

    raw_put_size(out, end, 0);
    raw_write_all(fd, out, (size_t)(end - out));
    raw_read_all(fd, in, 4);
    len = raw_get(in, 4);
    if (len < 4 || len > REPLY_MAX) {
        raw_fail("a reply of an absurd size");
    }
    raw_read_all(fd, in, (size_t)len);
    request_bytes += (uint64_t)(end - out);
    reply_bytes += 4 + (uint64_t)len;
    return (struct raw_in){.p = in + 4, .end = in + len};
}

/* ListOffsets v1 of every end. */
static void
find_ends(void)
{
    uint8_t *p = raw_put_header(out, 2, 1);
    struct raw_in reply;
    size_t len;

    p = raw_put(p, -1, 4); /* replica */
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, opt.partitions, 4);
    for (int i = 0; i < opt.partitions; i++) {
        p = raw_put(p, i, 4);
        p = raw_put(p, LATEST, 8);
    }
    reply = call(p);
    raw_take(&reply, 4);
    raw_take_string(&reply, &len);
    for (int64_t n = raw_take(&reply, 4); n > 0; n--) {
        int64_t index = raw_take(&reply, 4);

        if (index < 0 || index >= opt.partitions || raw_take(&reply, 2) != 0) {
            raw_fail("ListOffsets failed");
        }
        raw_take(&reply, 8); /* timestamp */
        parts[index].offset = raw_take(&reply, 8);
    }
}

static uint8_t *
put_partitions(uint8_t *p, bool is_full)
{
    uint8_t *count;
    int n = 0;

    count = p = raw_put_string(raw_put(p, 1, 4), opt.topic);
    p += 4;
    for (int i = 0; i < opt.partitions; i++) {
        if (!is_full && !parts[i].has_moved) {
            continue;
        }
        p = raw_put(p, i, 4);
        p = raw_put(p, -1, 4); /* leader epoch */
        p = raw_put(p, parts[i].offset, 8);
        p = raw_put(p, -1, 8); /* log start */
        p = raw_put(p, 1 << 20, 4);
        parts[i].has_moved = false;
        n++;
    }
    if (n == 0) {
        return raw_put(count - 2 - strlen(opt.topic) - 4, 0, 4); /* no topic */
    }
    raw_put(count, n, 4);
    return p;
}

static uint8_t *
request_fetch(void)
{
    uint8_t *p = raw_put_header(out, 1, 11);

    p = raw_put(p, -1, 4); /* replica */
    p = raw_put(p, opt.wait_ms, 4);
    p = raw_put(p, 1, 4); /* min bytes */
    p = raw_put(p, 50 << 20, 4);
    p = raw_put(p, 0, 1); /* isolation */
    p = raw_put(p, session, 4);
    p = raw_put(p, session != 0 ? epoch : opt.wants_session ? 0 : -1, 4);
    p = put_partitions(p, session == 0);
    p = raw_put(p, 0, 4); /* forgotten topics */
    return raw_put_string(p, "");
}

static void
take_batches(struct partition *part, const uint8_t *p, size_t n)
{
    while (n >= BATCH_HEADER) {
        size_t len = (size_t)raw_get(p + 8, 4) + 12;

        if (len > n || len < BATCH_HEADER) {
            return;
        }
        res.ok += (uint64_t)raw_get(p + 57, 4);
        part->offset = raw_get(p, 8) + raw_get(p + 23, 4) + 1;
        part->has_moved = true;
        p += len;
        n -= len;
    }
}

static void
take_partition(struct raw_in *reply)
{
    int64_t index = raw_take(reply, 4), n;

    if (raw_take(reply, 2) != 0 || index < 0 || index >= opt.partitions) {
        raw_fail("a partition has an error");
    }
    raw_take_bytes(reply, 3 * 8); /* high watermark, last stable offset, log start */
    n = raw_take(reply, 4);       /* aborted transactions */
    raw_take_bytes(reply, n > 0 ? (size_t)n * 16 : 0);
    raw_take(reply, 4); /* preferred replica */
    n = raw_take(reply, 4);
    if (n > 0) {
        take_batches(&parts[index], raw_take_bytes(reply, (size_t)n), (size_t)n);
    }
}

static void
fetch(void)
{
    uint64_t start = now_us();
    struct raw_in reply = call(request_fetch());
    size_t len;

    raw_take(&reply, 4); /* throttle time */
    if (raw_take(&reply, 2) != 0) {
        raw_fail("a fetch failed as a whole");
    }
    session = raw_take(&reply, 4);
    epoch++;
    for (int64_t topics = raw_take(&reply, 4); topics > 0; topics--) {
        raw_take_string(&reply, &len);
        for (int64_t n = raw_take(&reply, 4); n > 0; n--) {
            take_partition(&reply);
        }
    }
    latencies_add(&lat, now_us() - start);
    fetches++;
}

/* --- the program --- */

static void
take_address(char *value)
{
    opt.address = raw_address_of(value);
}

static void
take_session(char *value)
{
    opt.wants_session = number_of(value) != 0;
}

static void
parse(int argc, char **argv)
{
    static const struct bench_option table[] = {
        {'b', .call = take_address},
        {'t', .text = &opt.topic},
        {'P', .number = &opt.partitions},
        {'S', .call = take_session},
        {'w', .number = &opt.wait_ms},
        {'d', .real = &opt.seconds},
        {0},
    };

    bench_options(argc, argv, table);
    if (opt.address.host == NULL || opt.partitions < 1 || opt.partitions > PARTITIONS_MAX ||
        strlen(opt.topic) > 200) {
        raw_fail("fetchcli: an option is missing or out of range");
    }
}

static void
start(void)
{
    parts = calloc((size_t)opt.partitions, sizeof *parts);
    out = malloc(1024 + (size_t)opt.partitions * PARTITION_BYTES);
    in = malloc(REPLY_MAX);
    if (parts == NULL || out == NULL || in == NULL) {
        raw_fail("out of memory");
    }
    fd = raw_dial(&opt.address);
    find_ends();
    for (int i = 0; i < WARM_UP; i++) {
        fetch();
    }
    latencies_init(&lat);
    request_bytes = reply_bytes = fetches = 0;
    res.ok = 0;
}

int
main(int argc, char **argv)
{
    uint64_t began, end;

    parse(argc, argv);
    latencies_init(&lat);
    start();
    printf("{\"settled_s\":0}\n");
    fflush(stdout);
    began = now_us();
    end = began + (uint64_t)(opt.seconds * 1e6);
    while (now_us() < end) {
        fetch();
    }
    res.elapsed_s = (double)(now_us() - began) / 1e6;
    printf("{\"session\":%lld,\"fetches\":%llu,\"request_bytes\":%.0f,\"reply_bytes\":%.0f}\n",
           (long long)session, (unsigned long long)fetches, (double)request_bytes / (double)fetches,
           (double)reply_bytes / (double)fetches);
    result_print(&res, &lat);
    return 0;
}
