/* SPDX-License-Identifier: Apache-2.0
 *
 * rdkbench: load through librdkafka, as applications have it. One process, log-like payloads, one
 * JSON object on stdout.
 *
 *   rdkbench -b HOST:PORT -t TOPIC -m produce|paced|sync|consume [-P partitions] [-s value size]
 *            [-d seconds] [-n most messages] [-r messages/s] [-c writers] [-X key=value ...]
 *
 * produce: as fast as it goes, round robin over the partitions.
 * paced:   open loop at a fixed rate. Latency counts from when a message was *due*, so that a stall
 *          is charged to every message that it delays (no coordinated omission).
 * sync:    -c producers with one message in flight each.
 * consume: assigns all partitions at offset 0, until -n messages or the ends.
 *
 * acks=all and linger.ms=5 (sync: 0) unless -X says otherwise. */
#include "bench_util.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES ((size_t)64 << 20)
#define MAX_OPTIONS 64
#define MAX_WRITERS 256
#define WARM_MESSAGES 50
#define WARM_SYNC 5

typedef void report_fn(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque);

struct options {
    const char *boot, *topic, *mode;
    const char *keys[MAX_OPTIONS], *values[MAX_OPTIONS];
    int extra, partitions, writers;
    size_t value_size;
    long max_messages;
    double seconds, rate;
};

static struct options opt = {.boot = "127.0.0.1:9092",
                             .topic = "t",
                             .mode = "produce",
                             .partitions = 1,
                             .writers = 1,
                             .value_size = 1024,
                             .max_messages = 1L << 40,
                             .seconds = 3,
                             .rate = 10000};
static uint8_t *ring;
static struct result res;
static struct latencies lat;
static bool keep_latencies;
/* Writers of mode sync share res and lat. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
fail(const char *text)
{
    fprintf(stderr, "rdkbench: %s\n", text);
    exit(1);
}

static void *
payload(long i)
{
    size_t slots = RING_BYTES / opt.value_size;

    return ring + (size_t)i % slots * opt.value_size;
}

/* Callbacks run inside rd_kafka_poll, on the thread that produces. */
static void
on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (m->err) {
        res.failed++;
        res.last_error = m->err;
        return;
    }
    res.ok++;
    if (keep_latencies) {
        latencies_add(&lat, now_us() - (uint64_t)(uintptr_t)m->_private);
    }
}

static void
on_sync_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    *(int *)m->_private = m->err ? 2 : 1;
}

static void
set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char text[256];

    if (rd_kafka_conf_set(conf, key, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fail(text);
    }
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, report_fn *report, const char *linger)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *rk;

    set(conf, "bootstrap.servers", opt.boot);
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", linger);
        set(conf, "acks", "all");
        set(conf, "queue.buffering.max.messages", "500000");
        rd_kafka_conf_set_dr_msg_cb(conf, report);
    } else {
        set(conf, "group.id", "rdkbench");
        set(conf, "enable.partition.eof", "true");
        set(conf, "enable.auto.commit", "false");
        set(conf, "auto.offset.reset", "earliest");
    }
    for (int i = 0; i < opt.extra; i++) {
        set(conf, opt.keys[i], opt.values[i]);
    }
    rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk == NULL) {
        fail(text);
    }
    return rk;
}

static int
produce_one(rd_kafka_topic_t *topic, long i, uint64_t tag)
{
    return rd_kafka_produce(topic, (int)(i % opt.partitions), 0, payload(i), opt.value_size, NULL,
                            0, (void *)(uintptr_t)tag);
}

/* Connects, learns the topic, and forgets what the first messages took. */
static void
warm_up(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *metadata;

    if (rd_kafka_metadata(rk, 0, topic, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("no metadata");
    }
    rd_kafka_metadata_destroy(metadata);
    for (long i = 0; i < WARM_MESSAGES; i++) {
        produce_one(topic, i, now_us());
    }
    rd_kafka_flush(rk, 10000);
    res.ok = 0;
    lat.n = 0;
}

static void
produce_flat_out(rd_kafka_t *rk, rd_kafka_topic_t *topic, uint64_t end)
{
    for (long i = 0; i < opt.max_messages; i++) {
        if ((i & 255) == 0) {
            if (now_us() >= end) {
                break;
            }
            rd_kafka_poll(rk, 0);
        }
        while (produce_one(topic, i, 0) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                fail(rd_kafka_err2str(rd_kafka_last_error()));
            }
            rd_kafka_poll(rk, 20);
        }
    }
}

static void
produce_paced(rd_kafka_t *rk, rd_kafka_topic_t *topic, uint64_t start, uint64_t end)
{
    const struct timespec pause = {0, 200000};
    long i = 0;

    for (uint64_t now = start; now < end && i < opt.max_messages; now = now_us()) {
        long due = (long)((double)(now - start) * opt.rate / 1e6);

        for (; i < due; i++) {
            produce_one(topic, i, start + (uint64_t)((double)i * 1e6 / opt.rate));
        }
        rd_kafka_poll(rk, 0);
        nanosleep(&pause, NULL);
    }
}

static void
mode_produce(bool paced)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, on_report, "5");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, opt.topic, NULL);
    uint64_t start, end;

    keep_latencies = paced;
    warm_up(rk, topic);
    start = now_us();
    end = start + (uint64_t)(opt.seconds * 1e6);
    if (paced) {
        produce_paced(rk, topic, start, end);
    } else {
        produce_flat_out(rk, topic, end);
    }
    rd_kafka_flush(rk, 30000);
    res.elapsed_s = (double)(now_us() - start) / 1e6;
    res.bytes = res.ok * opt.value_size;
}

/* One message and its report: true when it was acknowledged. */
static bool
sync_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, long writer, long i)
{
    int state = 0;

    if (rd_kafka_produce(topic, (int)(writer % opt.partitions), 0, payload(i), opt.value_size, NULL,
                         0, &state) != 0) {
        return false;
    }
    while (state == 0) {
        rd_kafka_poll(rk, 1000);
    }
    return state == 1;
}

static void *
sync_writer(void *arg)
{
    long id = (long)(intptr_t)arg;
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, on_sync_report, "0");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, opt.topic, NULL);
    uint64_t end;

    for (long i = 0; i < WARM_SYNC; i++) {
        sync_one(rk, topic, id, i);
    }
    end = now_us() + (uint64_t)(opt.seconds * 1e6);
    for (long i = 0; now_us() < end; i++) {
        uint64_t start = now_us();
        bool ok = sync_one(rk, topic, id, i);

        pthread_mutex_lock(&lock);
        res.ok += ok;
        res.failed += !ok;
        latencies_add(&lat, now_us() - start);
        pthread_mutex_unlock(&lock);
    }
    rd_kafka_flush(rk, 5000);
    return NULL;
}

static void
mode_sync(void)
{
    pthread_t threads[MAX_WRITERS];

    for (intptr_t i = 0; i < opt.writers; i++) {
        if (pthread_create(&threads[i], NULL, sync_writer, (void *)i) != 0) {
            fail("cannot start a thread");
        }
    }
    for (int i = 0; i < opt.writers; i++) {
        pthread_join(threads[i], NULL);
    }
    res.elapsed_s = opt.seconds;
    res.bytes = res.ok * opt.value_size;
}

/* Counts one message; true when it is the end of a partition. */
static bool
count_message(const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return true;
    }
    if (m->err) {
        res.failed++;
        res.last_error = m->err;
        return false;
    }
    res.ok++;
    res.bytes += m->len;
    return false;
}

static void
mode_consume(void)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, NULL, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(opt.partitions);
    static rd_kafka_message_t *batch[4096];
    uint64_t start, last, end;
    rd_kafka_queue_t *queue;
    int ends = 0;

    rd_kafka_poll_set_consumer(rk);
    for (int p = 0; p < opt.partitions; p++) {
        rd_kafka_topic_partition_list_add(list, opt.topic, p)->offset = 0;
    }
    start = last = now_us();
    end = start + (uint64_t)(opt.seconds * 1e6);
    rd_kafka_assign(rk, list);
    queue = rd_kafka_queue_get_consumer(rk);
    while ((long)res.ok < opt.max_messages && ends < opt.partitions && last < end) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 500, batch, 4096);

        for (ssize_t i = 0; i < n; i++) {
            ends += count_message(batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
        last = now_us();
    }
    res.elapsed_s = (double)(last - start) / 1e6;
}

static void
add_extra(char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || opt.extra == MAX_OPTIONS) {
        fail("-X wants key=value");
    }
    *equals = '\0';
    opt.keys[opt.extra] = text;
    opt.values[opt.extra++] = equals + 1;
}

static void
take_count(char *value)
{
    opt.max_messages = (long)number_of(value);
}

static void
parse(int argc, char **argv)
{
    static const struct bench_option table[] = {
        {'b', .text = &opt.boot},
        {'t', .text = &opt.topic},
        {'m', .text = &opt.mode},
        {'P', .number = &opt.partitions},
        {'s', .size = &opt.value_size},
        {'d', .real = &opt.seconds},
        {'n', .call = take_count},
        {'r', .real = &opt.rate},
        {'c', .number = &opt.writers},
        {'X', .call = add_extra},
        {0},
    };

    bench_options(argc, argv, table);
    if (opt.partitions < 1 || opt.writers < 1 || opt.writers > MAX_WRITERS || opt.value_size < 1 ||
        opt.value_size > RING_BYTES) {
        fail("an option is out of range");
    }
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    latencies_init(&lat);
    ring = malloc(RING_BYTES);
    if (ring == NULL) {
        fail("out of memory");
    }
    if (strcmp(opt.mode, "consume") != 0) {
        loglike(ring, RING_BYTES);
    }
    if (strcmp(opt.mode, "produce") == 0 || strcmp(opt.mode, "paced") == 0) {
        mode_produce(strcmp(opt.mode, "paced") == 0);
    } else if (strcmp(opt.mode, "sync") == 0) {
        mode_sync();
    } else if (strcmp(opt.mode, "consume") == 0) {
        mode_consume();
    } else {
        fail("no such mode");
    }
    result_print(&res, &lat);
    _exit(res.failed != 0); /* destroying the clients would cost a second and measure nothing */
}
