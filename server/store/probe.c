/* One state machine. A stage sends its requests, counts them back in, and judges.
 *
 *   FIRST -> SECOND -> RACE -> READ -> CLEAN -> done
 *     |       ^  |       ^      |
 *     v       |  v       '------'  answers were lost: another race, on another key
 *     LOOK ---'<-'
 *
 * The put of a key that is fresh and random has one of three outcomes. Stored is what it says.
 * "Exists" may be the echo of an attempt of the same put, which the plugin made, and whose answer
 * was lost (docs/journal.md R3); unknown says nothing at all. In both cases LOOK reads what is
 * there, and only bytes that we did not write, or none behind an "exists", speak against the store.
 *
 * In a race two that claim success refute the store, and so do other bytes than those of the one
 * that does. When nobody does, the bytes must be those of a racer that did not fail: its answer was
 * lost. A lost answer can hide a second winner, so a race in which some were lost is run again, a
 * few times; a race without any is proof enough.
 *
 * Everything that is done again is done a bounded number of times. */
#include "store/probe.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>

enum { ATTEMPTS_MAX = 12, RACES_MAX = 4, TIMEOUT_MS = 5000 };
enum stage { FIRST, LOOK, SECOND, RACE, READ, CLEAN };

struct probe_racer {
    struct store_call call;
    char body[PROBE_BODY]; /* what it put last */
    struct store_probe *probe;
};

static void stage_start(struct store_probe *p, enum stage stage);

static void
probe_end(struct store_probe *p, enum sl_err rc)
{
    p->rc = rc;
    p->done(p);
}

static void
refuse(struct store_probe *p, const char *what)
{
    probe_end(p, sl_error_set(&p->err, SL_ENOTSUP,
                              "%s cannot hold journals: create-if-absent %s; two brokers could "
                              "both win the same entry",
                              p->name, what));
}

static void
probe_fail(struct store_probe *p, const struct store_call *call)
{
    enum sl_err rc = call->rc == SL_OK ? SL_EIO : call->rc;
    probe_end(p,
              sl_error_set(&p->err, rc, "%s: start-up probe: %s", p->name,
                           call->why[0] != '\0' ? call->why : "a request failed without a reason"));
}

/* Once more from that stage, unless it was often enough; call says why. */
static void
again(struct store_probe *p, enum stage stage, const struct store_call *call)
{
    if (++p->attempts >= ATTEMPTS_MAX) {
        probe_fail(p, call);
        return;
    }
    stage_start(p, stage);
}

/* ---- judging ---- */

static void
judge_first(struct store_probe *p)
{
    const struct store_call *call = &p->racers[0].call;
    if (call->outcome == STORE_ERROR) {
        probe_fail(p, call);
        return;
    }
    p->was_told_exists = call->outcome == STORE_EXISTS;
    stage_start(p, call->outcome == STORE_DONE ? SECOND : LOOK);
}

/* Is what was read what that racer put? */
static bool
is_of(const struct store_call *got, const struct probe_racer *r)
{
    return span_eq(buf_span(got->body), span_cstr(r->body));
}

static void
judge_look(struct store_probe *p)
{
    struct store_call *call = &p->racers[2].call;
    bool is_mine = call->outcome == STORE_DONE && is_of(call, &p->racers[0]);
    bool is_second = call->outcome == STORE_DONE && is_of(call, &p->racers[1]);
    buf_unref(&call->body);
    if (is_mine) {
        stage_start(p, SECOND);
    } else if (is_second) {
        refuse(p, "replaced an object");
    } else if (call->outcome == STORE_DONE) {
        refuse(p, "was asked for a fresh random key, and other bytes are there");
    } else if (call->outcome == STORE_ABSENT && p->was_told_exists) {
        refuse(p, "says that a fresh random key exists");
    } else if (call->outcome == STORE_ABSENT) {
        again(p, FIRST, &p->racers[0].call); /* it never came there */
    } else {
        again(p, LOOK, call);
    }
}

static void
judge_second(struct store_probe *p)
{
    const struct store_call *call = &p->racers[1].call;
    if (call->outcome == STORE_DONE) {
        refuse(p, "replaced an object");
    } else if (call->outcome == STORE_EXISTS) {
        stage_start(p, RACE);
    } else {
        again(p, LOOK, call);
    }
}

static void
race_count(struct store_probe *p)
{
    p->wins = p->losses = p->unknowns = 0;
    for (size_t i = 0; i < PROBE_RACERS; i++) {
        enum store_outcome outcome = p->racers[i].call.outcome;
        p->losses += outcome == STORE_EXISTS ? 1 : 0;
        p->unknowns += outcome == STORE_UNKNOWN ? 1 : 0;
        if (outcome == STORE_DONE) {
            p->wins++;
            p->winner = i;
        }
    }
}

static const struct store_call *
failed_racer(const struct store_probe *p)
{
    for (size_t i = 0; i < PROBE_RACERS; i++) {
        if (p->racers[i].call.outcome == STORE_ERROR) {
            return &p->racers[i].call;
        }
    }
    return &p->racers[0].call;
}

static void
judge_race(struct store_probe *p)
{
    char what[64];
    race_count(p);
    if (p->wins > 1) {
        (void)snprintf(what, sizeof(what), "had %" PRIu32 " winners among %d", p->wins,
                       PROBE_RACERS);
        refuse(p, what);
    } else if (p->wins + p->losses + p->unknowns < PROBE_RACERS / 2) {
        again(p, RACE, failed_racer(p)); /* most did not take part */
    } else {
        stage_start(p, READ);
    }
}

/* When nobody claims success: whose bytes are there? */
static bool
is_of_a_racer(const struct store_probe *p, const struct store_call *got)
{
    bool is_found = false;
    for (size_t i = 0; i < PROBE_RACERS && !is_found; i++) {
        is_found = p->racers[i].call.outcome != STORE_ERROR && is_of(got, &p->racers[i]);
    }
    return is_found;
}

static void
judge_read(struct store_probe *p)
{
    struct store_call *call = &p->racers[PROBE_RACERS].call;
    bool is_there = call->outcome == STORE_DONE;
    bool is_right =
        is_there && (p->wins == 1 ? is_of(call, &p->racers[p->winner]) : is_of_a_racer(p, call));
    buf_unref(&call->body);
    if (is_there && !is_right) {
        refuse(p, p->wins == 1 ? "was acknowledged, but other bytes are there"
                               : "left bytes that nobody wrote");
    } else if (is_there && p->unknowns > 0 && p->races < RACES_MAX) {
        stage_start(p, RACE);
    } else if (is_there) {
        p->attempts = 0; /* what is proved is proved */
        stage_start(p, CLEAN);
    } else if (call->outcome != STORE_ABSENT) {
        again(p, READ, call);
    } else if (p->wins == 1) {
        refuse(p, "was acknowledged, but the object is not there");
    } else if (p->losses > 0) {
        refuse(p, "met an object, but none is there");
    } else {
        again(p, RACE, failed_racer(p)); /* no put came there */
    }
}

static void
judge_clean(struct store_probe *p)
{
    const struct store_call *failed = NULL;
    for (uint32_t key = 0; key < p->keys; key++) {
        const struct store_call *call = &p->racers[key].call;
        if (p->is_used[key] && call->outcome == STORE_ERROR) {
            failed = call;
        } else {
            p->is_used[key] = false;
        }
    }
    if (failed != NULL) {
        again(p, CLEAN, failed);
        return;
    }
    probe_end(p, SL_OK);
}

/* ---- sending ---- */

static void
call_done(struct store_call *call)
{
    static void (*const judges[])(struct store_probe *) = {
        [FIRST] = judge_first, [LOOK] = judge_look, [SECOND] = judge_second,
        [RACE] = judge_race,   [READ] = judge_read, [CLEAN] = judge_clean};
    struct store_probe *p = SL_CONTAINER_OF(call, struct probe_racer, call)->probe;
    if (--p->in_flight == 0) {
        judges[p->stage](p);
    }
}

/* The slot's request for the key of that number. */
static struct probe_racer *
racer_ready(struct store_probe *p, size_t slot, enum store_kind kind, uint32_t key)
{
    struct probe_racer *r = &p->racers[slot];
    r->probe = p;
    r->call = (struct store_call){
        .kind = kind, .home = p->home, .done = call_done, .timeout_ms = TIMEOUT_MS};
    (void)snprintf(r->call.key, sizeof(r->call.key), "%.200s/probe/%016" PRIx64 "-%" PRIu32,
                   p->prefix, p->nonce, key);
    p->in_flight++;
    return r;
}

static void
put_ready(struct store_probe *p, size_t slot)
{
    struct probe_racer *r = racer_ready(p, slot, STORE_PUT, p->keys);
    r->call.if_absent = true;
    r->call.is_sequence = true; /* the way of journal entries is the one that must hold */
    (void)snprintf(r->body, sizeof(r->body), "probe %016" PRIx64 " %u %zu", p->nonce, p->keys,
                   slot);
    r->call.parts[0] = span_cstr(r->body);
    r->call.part_count = 1;
}

static void
submit(struct store_probe *p, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        store_submit(p->st, &p->racers[i].call);
    }
}

static void
key_take(struct store_probe *p)
{
    SL_ASSERT(p->keys < PROBE_KEYS);
    p->is_used[p->keys++] = true;
}

static void
race_start(struct store_probe *p)
{
    key_take(p);
    p->races++;
    for (size_t i = 0; i < PROBE_RACERS; i++) {
        put_ready(p, i);
    }
    submit(p, 0, PROBE_RACERS);
}

static void
clean_start(struct store_probe *p)
{
    for (uint32_t key = 0; key < p->keys; key++) {
        if (p->is_used[key]) {
            (void)racer_ready(p, key, STORE_DEL, key + 1);
        }
    }
    for (uint32_t key = 0; key < p->keys; key++) {
        submit(p, key, p->is_used[key] ? 1 : 0);
    }
}

static void
stage_start(struct store_probe *p, enum stage stage)
{
    p->stage = stage;
    switch (stage) {
    case FIRST:
        key_take(p);
        put_ready(p, 0);
        submit(p, 0, 1);
        break;
    case LOOK:
        (void)racer_ready(p, 2, STORE_GET, p->keys);
        submit(p, 2, 1);
        break;
    case SECOND:
        put_ready(p, 1);
        submit(p, 1, 1);
        break;
    case RACE:
        race_start(p);
        break;
    case READ:
        (void)racer_ready(p, PROBE_RACERS, STORE_GET, p->keys);
        submit(p, PROBE_RACERS, 1);
        break;
    case CLEAN:
        clean_start(p);
        break;
    }
}

void
store_probe_start(struct store_probe *p)
{
    _Static_assert((int)ATTEMPTS_MAX + (int)RACES_MAX < (int)PROBE_KEYS, "room for each key");
    _Static_assert((int)PROBE_KEYS <= (int)PROBE_RACERS, "CLEAN has a slot for each key");
    p->racers = (struct probe_racer *)sl_alloc((PROBE_RACERS + 1) * sizeof(*p->racers));
    p->err = (struct sl_error)SL_ERROR_INIT;
    p->attempts = p->keys = p->races = p->in_flight = 0;
    p->nonce = sched_random(p->home);
    stage_start(p, FIRST);
}

void
store_probe_fini(struct store_probe *p)
{
    sl_free(p->racers);
    p->racers = NULL;
}
