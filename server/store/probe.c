/* One state machine: FIRST -> SECOND -> RACE -> READ -> CLEAN -> done. A stage sends its requests,
 * counts them back in, and judges.
 *
 * A put whose outcome is unknown says nothing about the store's promise, so the whole probe starts
 * again with fresh keys, a few times. */
#include "store/probe.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>

enum { ATTEMPTS_MAX = 5 };
enum stage { FIRST, SECOND, RACE, READ, CLEAN };

struct probe_racer {
    struct store_call call;
    struct store_probe *probe;
    char body[PROBE_BODY];
};

static void stage_start(struct store_probe *p, enum stage stage);

static void
probe_end(struct store_probe *p, enum sl_err rc)
{
    p->rc = rc;
    p->done(p);
}

static enum sl_err
refuse(struct store_probe *p, const char *what)
{
    return sl_error_set(&p->err, SL_ENOTSUP,
                        "%s cannot hold journals: create-if-absent %s; two brokers could both win "
                        "the same entry",
                        p->name, what);
}

static enum sl_err
call_failed(struct store_probe *p, const struct store_call *call)
{
    return sl_error_set(&p->err, call->rc == SL_OK ? SL_EIO : call->rc, "%s: start-up probe: %s",
                        p->name, call->why[0] != '\0' ? call->why : "an object it made is missing");
}

static void
probe_again(struct store_probe *p, const struct store_call *call)
{
    if (++p->attempt >= ATTEMPTS_MAX) {
        probe_end(p, call_failed(p, call));
        return;
    }
    stage_start(p, FIRST);
}

/* ---- judging ---- */

static void
judge_first(struct store_probe *p)
{
    const struct store_call *call = &p->racers[0].call;
    if (call->outcome == STORE_EXISTS) {
        probe_end(p, refuse(p, "says that a fresh random key exists"));
        return;
    }
    stage_start(p, SECOND);
}

static void
judge_second(struct store_probe *p)
{
    if (p->racers[0].call.outcome == STORE_DONE) {
        probe_end(p, refuse(p, "replaced an object"));
        return;
    }
    stage_start(p, RACE);
}

static void
judge_race(struct store_probe *p)
{
    char what[64];
    p->wins = 0;
    for (size_t i = 0; i < PROBE_RACERS; i++) {
        if (p->racers[i].call.outcome == STORE_DONE) {
            p->wins++;
            p->winner = i;
        }
    }
    if (p->wins != 1) {
        (void)snprintf(what, sizeof(what), "had %" PRIu32 " winners among %d", p->wins,
                       PROBE_RACERS);
        probe_end(p, refuse(p, what));
        return;
    }
    stage_start(p, READ);
}

static void
judge_read(struct store_probe *p)
{
    struct store_call *call = &p->racers[0].call;
    bool is_same = call->outcome == STORE_DONE &&
                   span_eq(buf_span(call->body), span_cstr(p->racers[p->winner].body));
    bool is_absent = call->outcome == STORE_ABSENT;
    buf_unref(&call->body);
    if (!is_same) {
        probe_end(p, refuse(p, is_absent ? "was acknowledged, but the object is not there"
                                         : "was acknowledged, but other bytes are there"));
        return;
    }
    stage_start(p, CLEAN);
}

static void
judge(struct store_probe *p, size_t count)
{
    static void (*const judges[])(struct store_probe *) = {
        [FIRST] = judge_first, [SECOND] = judge_second, [RACE] = judge_race, [READ] = judge_read};
    for (size_t i = 0; i < count; i++) {
        const struct store_call *call = &p->racers[i].call;
        if (call->outcome == STORE_UNKNOWN) {
            probe_again(p, call);
            return;
        }
        if (call->outcome == STORE_ERROR) {
            probe_end(p, call_failed(p, call));
            return;
        }
    }
    if (p->stage == CLEAN) {
        probe_end(p, SL_OK);
        return;
    }
    judges[p->stage](p);
}

/* ---- sending ---- */

static size_t
stage_width(enum stage stage)
{
    return stage == RACE ? PROBE_RACERS : stage == CLEAN ? 2 : 1;
}

static void
call_done(struct store_call *call)
{
    struct store_probe *p = SL_CONTAINER_OF(call, struct probe_racer, call)->probe;
    if (--p->in_flight == 0) {
        judge(p, stage_width((enum stage)p->stage));
    }
}

static void
send(struct store_probe *p, size_t i)
{
    struct probe_racer *r = &p->racers[i];
    enum stage stage = (enum stage)p->stage;
    bool is_second_key = stage == RACE || stage == READ || (stage == CLEAN && i == 1);
    r->probe = p;
    r->call = (struct store_call){.home = p->home, .done = call_done};
    (void)snprintf(r->call.key, sizeof(r->call.key), "%.200s/probe/%016" PRIx64 "-%d", p->prefix,
                   p->nonce, is_second_key ? 2 : 1);
    if (stage == READ) {
        r->call.kind = STORE_GET;
    } else if (stage == CLEAN) {
        r->call.kind = STORE_DEL;
    } else {
        r->call.kind = STORE_PUT;
        r->call.if_absent = true;
        r->call.is_sequence = true; /* the way of journal entries is the one that must hold */
        (void)snprintf(r->body, sizeof(r->body), "probe %016" PRIx64 " %u %zu", p->nonce, p->stage,
                       i);
        r->call.parts[0] = span_cstr(r->body);
        r->call.part_count = 1;
    }
    store_submit(p->st, &r->call);
}

static void
stage_start(struct store_probe *p, enum stage stage)
{
    size_t width = stage_width(stage);
    if (stage == FIRST) {
        p->nonce = sched_random(p->home);
    }
    p->stage = stage;
    p->in_flight = (uint32_t)width;
    for (size_t i = 0; i < width; i++) {
        send(p, i);
    }
}

void
store_probe_start(struct store_probe *p)
{
    p->racers = (struct probe_racer *)sl_alloc(PROBE_RACERS * sizeof(*p->racers));
    p->err = (struct sl_error)SL_ERROR_INIT;
    p->attempt = 0;
    stage_start(p, FIRST);
}

void
store_probe_fini(struct store_probe *p)
{
    sl_free(p->racers);
    p->racers = NULL;
}
