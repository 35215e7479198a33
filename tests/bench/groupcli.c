/* SPDX-License-Identifier: Apache-2.0
 *
 * groupcli: many classic groups of few members, each member a connection, without a client library,
 * so that the coordinator is what is measured.
 *
 *   groupcli -b HOST:PORT -m beat|commit|crash -t TOPIC [-g groups] [-k members a group]
 *            [-P partitions a commit] [-S session ms] [-H heartbeat ms] [-r commits a second]
 *            [-d seconds] [-G prefix of group names]
 *
 * All members join. When every group is stable a line {"settled_s":…} is printed, and then begins
 * what the last line, a JSON object as rawcli prints it, tells:
 *
 * beat:   nothing but heartbeats; latencies are theirs.
 * commit: besides, members commit: each one after the other, or -r a second of all together, taken
 *         in turns; a latency counts from when the commit was due.
 * crash:  the last member of each group is closed in the midst of its session, the groups spread
 *         over -d seconds. Latencies are from when its session ends (counted from its last
 *         heartbeat) to when the last of the others has its new assignment; the ones named
 *         `rejoined_` count from when the last of them asked to join again.
 *
 * One thread, epoll. A member has one request in flight, as real ones have while they join; it
 * says nothing until it is answered, and hears of a rebalance by its heartbeat. Members are looked
 * through every 10 ms for heartbeats that are due: a few thousand of them, nothing finer needed. */
#include "bench_util.h"
#include "rawwire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_MAX = 16384, OUT_MAX = 16384, ID_MAX = 128, MEMBERS_MAX = 16, TICK_MS = 10 };
enum { SETTLE_LIMIT_S = 120, REBALANCE_IN_PROGRESS = 27 };
enum request { NOTHING, JOIN, SYNC, BEAT, COMMIT };

struct options {
    struct raw_address address;
    const char *topic, *mode, *prefix;
    int groups, members, partitions, session_ms, heartbeat_ms;
    double seconds, rate;
};

struct group {
    int generation, stable, living; /* members with an assignment of that generation; alive */
    uint64_t expires_at;            /* when the session of its dead member ends; 0: none died */
    uint64_t dies_at;
    uint64_t rejoin_at; /* when a member last asked to join */
};

struct member {
    int fd, generation;
    struct group *group;
    char id[ID_MAX]; /* empty until it has joined */
    enum request waiting;
    bool is_stable;
    uint64_t sent_at, due_at, beat_at, last_beat; /* due_at: when what it waits for was due */
    int64_t offset;
    uint8_t in[IN_MAX];
    size_t in_len;
};

static struct options opt = {.mode = "beat",
                             .topic = "t",
                             .prefix = "group",
                             .groups = 1000,
                             .members = 3,
                             .partitions = 1,
                             .session_ms = 45000,
                             .heartbeat_ms = 3000,
                             .seconds = 20};
static struct group *groups;
static struct member *members;
static size_t member_count, stable_count, living_count;
static struct result res;
static struct latencies lat, rejoined;
static uint64_t beats, rebalances, groups_settled;
static int poller;
static bool is_measuring;
static unsigned seed = 1;

/* --- requests --- */

static void
send_request(struct member *m, uint8_t *start, const uint8_t *end, enum request what)
{
    raw_put_size(start, end, 0);
    m->waiting = what;
    m->sent_at = now_us();
    raw_write_all(m->fd, start, (size_t)(end - start)); /* small, and the only one in flight */
}

static uint8_t *
put_group(uint8_t *p, const struct member *m)
{
    char name[128];

    (void)snprintf(name, sizeof name, "%s-%d", opt.prefix, (int)(m->group - groups));
    return raw_put_string(p, name);
}

static uint8_t *
put_position(uint8_t *p, const struct member *m)
{
    p = put_group(p, m);
    p = raw_put(p, m->generation, 4);
    return raw_put_string(p, m->id);
}

static void
leave_stable(struct member *m)
{
    stable_count -= m->is_stable;
    m->is_stable = false;
}

static void
request_join(struct member *m)
{
    uint8_t out[OUT_MAX], *p = raw_put_header(out, 11, 2), *length;

    leave_stable(m);
    p = put_group(p, m);
    p = raw_put(p, opt.session_ms, 4);
    p = raw_put(p, 60000, 4); /* rebalance time-out */
    p = raw_put_string(p, m->id);
    p = raw_put_string(p, "consumer");
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, "range");
    length = p;
    p = raw_put(p + 4, 0, 2); /* a subscription of version 0 */
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, -1, 4); /* no user data */
    raw_put(length, p - length - 4, 4);
    m->group->rejoin_at = now_us();
    send_request(m, out, p, JOIN);
}

/* An assignment of version 0: one partition. */
static uint8_t *
put_assignment(uint8_t *p, int partition)
{
    uint8_t *length = p;

    p = raw_put(p + 4, 0, 2);
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, 1, 4);
    p = raw_put(p, partition, 4);
    p = raw_put(p, -1, 4);
    raw_put(length, p - length - 4, 4);
    return p;
}

/* The reply to a join lists the members for their leader alone. */
static void
request_sync(struct member *m, struct raw_in *in)
{
    uint8_t out[OUT_MAX], *p = put_position(raw_put_header(out, 14, 1), m);
    int64_t n = raw_take(in, 4);

    if (n < 0 || n > MEMBERS_MAX) {
        raw_fail("a group has more members than there are");
    }
    p = raw_put(p, n, 4);
    for (int i = 0; i < n; i++) {
        size_t len;
        const uint8_t *id = raw_take_string(in, &len);

        if (len >= ID_MAX) {
            raw_fail("a member id is too long");
        }
        raw_take_bytes(in, (size_t)raw_take(in, 4));
        p = raw_put(p, (int64_t)len, 2);
        memcpy(p, id, len);
        p = put_assignment(p + len, i);
    }
    send_request(m, out, p, SYNC);
}

static void
request_beat(struct member *m)
{
    uint8_t out[OUT_MAX], *p = put_position(raw_put_header(out, 12, 1), m);

    m->due_at = now_us();
    m->last_beat = m->due_at;
    m->beat_at = m->due_at + (uint64_t)opt.heartbeat_ms * 1000;
    send_request(m, out, p, BEAT);
}

static void
request_commit(struct member *m, uint64_t due_at)
{
    uint8_t out[OUT_MAX], *p = put_position(raw_put_header(out, 8, 5), m);

    m->offset++;
    m->due_at = due_at;
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, opt.partitions, 4);
    for (int i = 0; i < opt.partitions; i++) {
        p = raw_put(p, i, 4);
        p = raw_put(p, m->offset, 8);
        p = raw_put(p, -1, 2); /* no metadata */
    }
    send_request(m, out, p, COMMIT);
}

/* --- replies --- */

static void
group_settled(struct group *g)
{
    uint64_t now = now_us();

    groups_settled++;
    if (g->expires_at == 0) {
        return;
    }
    latencies_add(&lat, now > g->expires_at ? now - g->expires_at : 0);
    latencies_add(&rejoined, now - g->rejoin_at);
    g->expires_at = 0;
    res.ok++;
}

static void
member_stable(struct member *m)
{
    struct group *g = m->group;

    m->is_stable = true;
    stable_count++;
    /* Phases spread by chance from the start; after a rebalance they are what they were. */
    if (m->beat_at == 0) {
        m->beat_at = now_us() + (uint64_t)rand_r(&seed) % ((uint64_t)opt.heartbeat_ms * 1000);
    }
    if (m->last_beat == 0) {
        m->last_beat = now_us();
    }
    if (m->generation > g->generation) {
        g->generation = m->generation;
        g->stable = 0;
    }
    if (m->generation == g->generation && ++g->stable == g->living) {
        group_settled(g);
    }
}

/* At once when the group asks for it; else anew with the next tick. */
static void
rejoin(struct member *m, int error)
{
    if (error == REBALANCE_IN_PROGRESS) {
        rebalances += is_measuring;
        request_join(m);
        return;
    }
    leave_stable(m);
    m->id[0] = '\0';
    if (is_measuring) {
        res.failed++;
        res.last_error = error;
    }
}

static void
reply_join(struct member *m, struct raw_in *in)
{
    const uint8_t *id;
    size_t len;
    int error;

    raw_take(in, 4); /* throttle time */
    error = (int)raw_take(in, 2);
    m->generation = (int)raw_take(in, 4);
    raw_take_string(in, &len); /* protocol */
    raw_take_string(in, &len); /* leader */
    id = raw_take_string(in, &len);
    if (error != 0) {
        rejoin(m, error);
        return;
    }
    if (len >= ID_MAX) {
        raw_fail("a member id is too long");
    }
    memcpy(m->id, id, len);
    m->id[len] = '\0';
    request_sync(m, in);
}

/* A commit's reply has an error for each partition; all are the same. */
static int
error_of_commit(struct raw_in *in)
{
    size_t len;

    raw_take(in, 4 + 4); /* throttle time, one topic */
    raw_take_string(in, &len);
    raw_take(in, 4 + 4);
    return (int)raw_take(in, 2);
}

static void
reply_other(struct member *m, struct raw_in *in, enum request what)
{
    int error;

    if (what == COMMIT) {
        error = error_of_commit(in);
    } else {
        raw_take(in, 4); /* throttle time */
        error = (int)raw_take(in, 2);
    }
    if (what == BEAT && is_measuring) {
        beats++;
        if (opt.mode[0] == 'b') {
            latencies_add(&lat, now_us() - m->due_at);
        }
    }
    if (what == COMMIT && is_measuring && error == 0) {
        res.ok++;
        latencies_add(&lat, now_us() - m->due_at);
    }
    if (error != 0) {
        rejoin(m, error);
    } else if (what == SYNC) {
        member_stable(m);
    }
}

static void
reply(struct member *m, const uint8_t *p, size_t n)
{
    struct raw_in in = {.p = p, .end = p + n};
    enum request what = m->waiting;

    raw_take(&in, 4); /* correlation id */
    m->waiting = NOTHING;
    if (what == JOIN) {
        reply_join(m, &in);
    } else {
        reply_other(m, &in, what);
    }
}

/* --- sockets --- */

/* False when the socket is empty. */
static bool
receive(struct member *m)
{
    ssize_t n = recv(m->fd, m->in + m->in_len, IN_MAX - m->in_len, MSG_DONTWAIT);
    int64_t len;

    if (n == 0) {
        raw_fail("the broker closed a connection");
    }
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            return false;
        }
        raw_fail_errno("read");
    }
    m->in_len += (size_t)n;
    if (m->in_len < 4) {
        return true;
    }
    len = raw_get(m->in, 4);
    if (len < 4 || len > IN_MAX - 4) {
        raw_fail("a reply of an absurd size");
    }
    if (m->in_len >= (size_t)len + 4) { /* one request in flight, so there is no more */
        m->in_len = 0;
        reply(m, m->in + 4, (size_t)len);
    }
    return true;
}

static void
member_init(struct member *m, struct group *g)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = m};

    m->group = g;
    m->fd = raw_dial(&opt.address);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, m->fd, &event) != 0) {
        raw_fail_errno("epoll");
    }
    request_join(m);
}

static void
wait_events(void)
{
    struct epoll_event events[256];
    int n = epoll_wait(poller, events, 256, opt.rate > 0 ? 1 : TICK_MS); /* to be on time */

    for (int i = 0; i < n; i++) {
        struct member *m = events[i].data.ptr;

        if (m->fd >= 0) {
            receive(m);
        }
    }
}

/* --- what members do --- */

static bool
is_last_of_group(const struct member *m)
{
    return (m - members + 1) % opt.members == 0;
}

/* The member goes without a word, when its time has come and its group is at peace. */
static void
die_if_due(struct member *m, uint64_t now)
{
    struct group *g = m->group;

    if (g->dies_at == 0 || now < g->dies_at || !is_last_of_group(m) || g->stable != g->living) {
        return;
    }
    g->dies_at = 0;
    g->expires_at = m->last_beat + (uint64_t)opt.session_ms * 1000;
    g->living--;
    g->stable = 0;
    living_count--;
    stable_count--;
    close(m->fd);
    m->fd = -1;
}

static void
on_tick(struct member *m, uint64_t now)
{
    if (!m->is_stable) {
        request_join(m);
        return;
    }
    die_if_due(m, now);
    if (m->fd >= 0 && now >= m->beat_at) {
        request_beat(m);
    }
}

static void
beat_all(void)
{
    static uint64_t last;
    uint64_t now = now_us();

    if (now - last < TICK_MS * 1000) {
        return;
    }
    last = now;
    for (size_t i = 0; i < member_count; i++) {
        struct member *m = &members[i];

        if (m->fd >= 0 && m->waiting == NOTHING) {
            on_tick(m, now);
        }
    }
}

/* Commits of all members in turns, -r a second; those that are busy are passed over. */
static void
commit_paced(uint64_t start)
{
    static uint64_t sent;
    static size_t turn;
    uint64_t due = (uint64_t)((double)(now_us() - start) * opt.rate / 1e6);
    size_t passed = 0;

    while (sent < due && passed < member_count) {
        struct member *m = &members[turn++ % member_count];

        if (m->is_stable && m->waiting == NOTHING) {
            request_commit(m, start + (uint64_t)((double)sent++ * 1e6 / opt.rate));
            passed = 0;
        } else {
            passed++;
        }
    }
}

static void
commit_all(void)
{
    for (size_t i = 0; i < member_count; i++) {
        if (members[i].is_stable && members[i].waiting == NOTHING) {
            request_commit(&members[i], now_us());
        }
    }
}

static void
start_members(void)
{
    member_count = (size_t)opt.groups * (size_t)opt.members;
    groups = calloc((size_t)opt.groups, sizeof *groups);
    members = calloc(member_count, sizeof *members);
    if (groups == NULL || members == NULL) {
        raw_fail("out of memory");
    }
    for (size_t i = 0; i < member_count; i++) {
        struct group *g = &groups[i / (size_t)opt.members];

        g->living = opt.members;
        member_init(&members[i], g);
    }
    living_count = member_count;
}

static bool
is_settled(void)
{
    if (stable_count < living_count) {
        return false;
    }
    for (int i = 0; i < opt.groups; i++) {
        if (groups[i].stable != groups[i].living || groups[i].expires_at != 0) {
            return false;
        }
    }
    return true;
}

static void
settle(void)
{
    uint64_t start = now_us();

    start_members();
    while (!is_settled()) {
        if (now_us() - start > SETTLE_LIMIT_S * 1000000ull) {
            raw_fail("the groups do not settle");
        }
        wait_events();
        beat_all();
    }
    printf("{\"settled_s\":%.3f}\n", (double)(now_us() - start) / 1e6);
    fflush(stdout);
}

static void
plan_deaths(uint64_t start)
{
    for (int i = 0; i < opt.groups; i++) {
        groups[i].dies_at = start + (uint64_t)(opt.seconds * 1e6 * i / opt.groups);
    }
}

/* After -d seconds; with crashes, when each group has had one and is stable again. */
static bool
is_over(uint64_t start)
{
    uint64_t spent = now_us() - start;

    if (opt.mode[0] == 'b' || strcmp(opt.mode, "commit") == 0) {
        return spent >= (uint64_t)(opt.seconds * 1e6);
    }
    if (spent > (uint64_t)(opt.seconds + SETTLE_LIMIT_S) * 1000000) {
        raw_fail("some groups do not settle after a crash");
    }
    return res.ok + res.failed >= (uint64_t)opt.groups && is_settled();
}

static void
measure(void)
{
    uint64_t start = now_us();
    bool commits = strcmp(opt.mode, "commit") == 0;

    is_measuring = true;
    if (strcmp(opt.mode, "crash") == 0) {
        plan_deaths(start);
    }
    while (!is_over(start)) {
        if (commits && opt.rate > 0) {
            commit_paced(start);
        }
        wait_events();
        beat_all();
        if (commits && opt.rate <= 0) {
            commit_all();
        }
    }
    res.elapsed_s = (double)(now_us() - start) / 1e6;
}

/* So that what comes next is not disturbed by thousands of members that get lost. */
static void
leave_all(void)
{
    for (size_t i = 0; i < member_count; i++) {
        uint8_t b[OUT_MAX], *p = put_group(raw_put_header(b, 13, 1), &members[i]);

        if (members[i].fd >= 0) {
            p = raw_put_string(p, members[i].id);
            raw_put_size(b, p, 0);
            raw_write_all(members[i].fd, b, (size_t)(p - b));
        }
    }
    for (size_t i = 0; i < member_count; i++) {
        uint8_t b[OUT_MAX];

        if (members[i].fd >= 0) {
            (void)recv(members[i].fd, b, sizeof b, 0); /* some reply: it was read, and is done */
        }
    }
}

static void
take_address(char *value)
{
    opt.address = raw_address_of(value);
}

static void
parse(int argc, char **argv)
{
    static const struct bench_option table[] = {
        {'b', .call = take_address},      {'m', .text = &opt.mode},
        {'t', .text = &opt.topic},        {'g', .number = &opt.groups},
        {'k', .number = &opt.members},    {'P', .number = &opt.partitions},
        {'S', .number = &opt.session_ms}, {'H', .number = &opt.heartbeat_ms},
        {'r', .real = &opt.rate},         {'d', .real = &opt.seconds},
        {'G', .text = &opt.prefix},       {0},
    };

    bench_options(argc, argv, table);
    if (opt.address.host == NULL || opt.groups < 1 || opt.groups > 100000 || opt.members < 2 ||
        opt.members > MEMBERS_MAX || opt.partitions < 1 || opt.partitions > 500 ||
        opt.heartbeat_ms < 100 || opt.session_ms < opt.heartbeat_ms || strlen(opt.topic) > 200 ||
        strlen(opt.prefix) > 100) {
        raw_fail("groupcli: an option is missing or out of range");
    }
}

int
main(int argc, char **argv)
{
    struct rlimit files;

    parse(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    latencies_init(&lat);
    latencies_init(&rejoined);
    poller = epoll_create1(0);
    if (poller < 0) {
        raw_fail_errno("epoll");
    }
    settle();
    measure();
    printf("{\"beats_s\":%.1f,\"rebalances\":%llu", (double)beats / res.elapsed_s,
           (unsigned long long)rebalances);
    latencies_print(&rejoined, "rejoined_");
    printf("}\n");
    result_print(&res, &lat);
    leave_all();
    return res.failed != 0;
}
