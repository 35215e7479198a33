/* SPDX-License-Identifier: Apache-2.0
 *
 * Brokers within a test: listeners on loopback, one thread for all of them, answers made by the
 * test from the schema tables. Every request that came is noted.
 *
 * A test fills in versions (what a broker advertises) and answer; brokers have the ids 1, 2, ... */
#ifndef SLUICE_UNIT_CLI_FAKE_CLUSTER_H
#define SLUICE_UNIT_CLI_FAKE_CLUSTER_H

#include "../unit.h"
#include "base/buf.h"
#include "wire/frame.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/metadata.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAKE_BROKERS_MAX = 3, FAKE_CONNS_MAX = 16, FAKE_NOTES_MAX = 256, FAKE_FRAME_MAX = 65536 };

struct fake_note {
    int32_t broker;
    int16_t key, version;
};

struct fake_cluster;
/* Fills *out, a response of that API; in is the decoded request. Called on the cluster's thread. */
typedef void (*fake_answer_fn)(struct fake_cluster *f, const struct fake_note *q, const void *in,
                               void *out, struct arena *arena);

struct fake_cluster {
    size_t broker_count;
    int16_t versions[128]; /* by key: the highest that is advertised; -1: the API is not */
    fake_answer_fn answer; /* for all but ApiVersions */
    size_t cut;            /* answers end after that many bytes; 0: whole */
    uint64_t garble;       /* not 0: one byte of each answer is another; the seed */
    int32_t hidden;        /* a broker that advertises a port where nobody listens; 0: none */

    int listeners[FAKE_BROKERS_MAX];
    uint16_t ports[FAKE_BROKERS_MAX];
    int stop[2]; /* a pipe */
    pthread_t thread;
    struct fake_note notes[FAKE_NOTES_MAX];
    _Atomic size_t note_count;
};

static bool
fake_read(int fd, uint8_t *to, size_t n)
{
    return recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static void
fake_versions(const struct fake_cluster *f, struct api_versions_response *out, struct arena *arena)
{
    size_t count;
    const struct api_info *table = api_info_table(&count);
    out->api_keys.items =
        (struct api_versions_response_api *)arena_array(arena, count, sizeof(*out->api_keys.items));
    for (size_t i = 0; i < count; i++) {
        if (table[i].key < 128 && f->versions[table[i].key] >= 0) {
            out->api_keys.items[out->api_keys.count++] = (struct api_versions_response_api){
                .api_key = table[i].key, .max_version = f->versions[table[i].key]};
        }
    }
}

/* Another byte somewhere behind the header. Of what comes first, one answer in 16 only: else
 * nothing would be asked behind it. */
static void
fake_garble(struct fake_cluster *f, int16_t key, struct bytes *answer)
{
    f->garble = f->garble * 6364136223846793005u + 1442695040888963407u;
    bool is_spared =
        (key == API_API_VERSIONS || key == API_METADATA) && (f->garble >> 20) % 16 != 0;
    if (!is_spared && answer->len > 8) {
        answer->data[8 + (f->garble >> 33) % (answer->len - 8)] = (uint8_t)(f->garble >> 25);
    }
}

/* One request and its answer; false ends the connection. */
static bool
fake_serve_one(struct fake_cluster *f, int fd, int32_t broker)
{
    static uint8_t frame[FAKE_FRAME_MAX];
    static _Alignas(16) uint8_t in[512], out[512];
    struct request_header h;
    struct arena arena;
    struct bytes to;
    uint8_t size[4];
    if (!fake_read(fd, size, 4) || get_u32(size) > sizeof(frame) ||
        !fake_read(fd, frame, get_u32(size)) ||
        request_header_parse(span_of(frame, get_u32(size)), &h) != SL_OK || h.info == NULL ||
        !h.is_known_version) {
        return false;
    }
    const struct fake_note q = {broker, h.api_key, h.api_version};
    f->notes[f->note_count % FAKE_NOTES_MAX] = q;
    f->note_count++;
    arena_init(&arena, 1 << 20);
    bytes_init(&to, 1 << 20);
    bool is_right = wire_decode(h.info->request, h.api_version, h.body, &arena, in) == SL_OK;
    wire_defaults(h.info->response->root, out);
    if (is_right && h.api_key == API_API_VERSIONS) {
        fake_versions(f, (struct api_versions_response *)out, &arena);
    } else if (is_right) {
        f->answer(f, &q, in, out, &arena);
    }
    size_t start = response_begin(&to, &h);
    is_right = is_right && wire_encode(h.info->response, h.api_version, out, &to) == SL_OK &&
               response_end(&to, start, 0) == SL_OK;
    if (f->garble != 0) {
        fake_garble(f, h.api_key, &to);
    }
    size_t n = f->cut > 0 && f->cut < to.len ? f->cut : to.len;
    is_right = is_right && send(fd, to.data, n, MSG_NOSIGNAL) == (ssize_t)n && n == to.len;
    bytes_fini(&to);
    arena_fini(&arena);
    return is_right;
}

static void *
fake_run(void *arg)
{
    struct fake_cluster *f = (struct fake_cluster *)arg;
    struct pollfd fds[1 + FAKE_BROKERS_MAX + FAKE_CONNS_MAX] = {
        {.fd = f->stop[0], .events = POLLIN}};
    int32_t brokers[1 + FAKE_BROKERS_MAX + FAKE_CONNS_MAX] = {0};
    nfds_t count = 1;
    for (size_t i = 0; i < f->broker_count; i++, count++) {
        fds[count] = (struct pollfd){.fd = f->listeners[i], .events = POLLIN};
        brokers[count] = (int32_t)i + 1;
    }
    nfds_t first = count;
    while (poll(fds, count, -1) > 0 && fds[0].revents == 0) {
        for (nfds_t i = count; i-- > first;) {
            if (fds[i].revents != 0 && !fake_serve_one(f, fds[i].fd, brokers[i])) {
                (void)close(fds[i].fd);
                fds[i] = fds[--count];
                brokers[i] = brokers[count];
            }
        }
        for (nfds_t i = 1; i < first; i++) {
            if (fds[i].revents != 0 && count < 1 + FAKE_BROKERS_MAX + FAKE_CONNS_MAX) {
                brokers[count] = brokers[i];
                fds[count++] =
                    (struct pollfd){.fd = accept(fds[i].fd, NULL, NULL), .events = POLLIN};
            }
        }
    }
    while (count-- > first) {
        (void)close(fds[count].fd);
    }
    return NULL;
}

/* Every API at its highest version; set what differs before fake_start. */
static void
fake_init(struct fake_cluster *f, size_t broker_count, fake_answer_fn answer)
{
    size_t count;
    const struct api_info *table = api_info_table(&count);
    memset(f, 0, sizeof(*f));
    memset(f->versions, -1, sizeof(f->versions));
    for (size_t i = 0; i < count; i++) {
        if (table[i].key < 128) {
            f->versions[table[i].key] = table[i].max_version;
        }
    }
    f->broker_count = broker_count;
    f->answer = answer;
}

static void
fake_start(struct fake_cluster *f)
{
    for (size_t i = 0; i < f->broker_count; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);
        f->listeners[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(f->listeners[i], (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(f->listeners[i], 8), 0);
        assert_int_equal(getsockname(f->listeners[i], (struct sockaddr *)&a, &len), 0);
        f->ports[i] = ntohs(a.sin_port);
    }
    assert_int_equal(pipe(f->stop), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static void
fake_stop(struct fake_cluster *f)
{
    assert_int_equal(write(f->stop[1], "x", 1), 1);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    (void)close(f->stop[0]);
    (void)close(f->stop[1]);
    for (size_t i = 0; i < f->broker_count; i++) {
        (void)close(f->listeners[i]);
    }
}

/* How often a broker was asked that; 0: any broker. */
static size_t
fake_asked(const struct fake_cluster *f, int32_t broker, int16_t key)
{
    size_t n = 0;
    for (size_t i = 0; i < f->note_count && i < FAKE_NOTES_MAX; i++) {
        n += f->notes[i].key == key && (broker == 0 || f->notes[i].broker == broker);
    }
    return n;
}

/* The version of the last such question; -1: there was none. */
static int16_t
fake_version(const struct fake_cluster *f, int16_t key)
{
    int16_t version = -1;
    for (size_t i = 0; i < f->note_count && i < FAKE_NOTES_MAX; i++) {
        version = f->notes[i].key == key ? f->notes[i].version : version;
    }
    return version;
}

/* Metadata: all brokers, controller 1, one topic whose partitions are led by leaders[]. */
static void
fake_metadata(struct fake_cluster *f, const char *topic, const int32_t *leaders, size_t count,
              struct metadata_response *out, struct arena *arena)
{
    struct metadata_response_topic *t =
        (struct metadata_response_topic *)arena_array(arena, 1, sizeof(*t));
    struct metadata_response_partition *ps =
        (struct metadata_response_partition *)arena_array(arena, count, sizeof(*ps));
    out->brokers.items = (struct metadata_response_broker *)arena_array(
        arena, f->broker_count, sizeof(*out->brokers.items));
    out->brokers.count = f->broker_count;
    for (size_t i = 0; i < f->broker_count; i++) {
        out->brokers.items[i] = (struct metadata_response_broker){
            .node_id = (int32_t)i + 1,
            .host = span_cstr("127.0.0.1"),
            .port = f->hidden == (int32_t)i + 1 ? 1 : f->ports[i]};
    }
    out->controller_id = 1;
    out->cluster_id = span_cstr("fake");
    metadata_response_topic_init(t);
    t->name = span_cstr(topic);
    for (size_t i = 0; i < count; i++) {
        metadata_response_partition_init(&ps[i]);
        ps[i].partition_index = (int32_t)i;
        ps[i].leader_id = leaders[i];
    }
    t->partitions.items = ps;
    t->partitions.count = count;
    out->topics.items = t;
    out->topics.count = 1;
}

#endif
