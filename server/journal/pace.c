/* R9: who goes next, when several brokers write one journal.
 *
 * Create-if-absent has a winner per entry, so the journal as a whole always gets on. But whoever
 * won n knows it at once and can send n + 1 a round trip later, while whoever lost n has to read
 * first:
 *
 *     loser     PUT n: exists | GET n: another's | GET n+1: absent, LIST beyond | PUT n+1
 *
 * So left to themselves the loser stays one read behind for ever. Pausing the loser makes it worse;
 * the winner has to pause. Hence, as long as another broker was heard of within COMPANY_NS:
 *
 *   turn    a broker that won goes on, one entry at a time, for about as long as the loser's way
 *           takes (a *round*: one PUT and three GETs, as measured here);
 *   yield   then it sends nothing for the longest round that it has heard of, which is enough for
 * the other to read and to win; each entry says how long its writer's round is; look    at the end
 * of it, it reads to the tail before it sends again: it has probably to read anyhow, and a GET is
 * cheaper than an entry that loses.
 *
 * A loser does not pause at all. It cannot do harm: one of any two PUTs wins.
 *
 * Nobody yields to a broker that it has not heard of, so a lone writer pays nothing, neither time
 * nor requests. To be heard of, a loser knocks: it puts an empty, void entry a little ahead of the
 * writer, which loses there, reads, and yields. A yield that nobody used makes the next turn twice
 * as long, so a broker whose company is gone is back at full speed long before it stops believing
 * in it.
 *
 * All of this is pace. Nothing here decides what an entry is worth. */
#include "journal/journal_int.h"

#define COMPANY_NS (5 * SCHED_S)
#define FIRST_SAMPLE_MAX_NS (100 * SCHED_MS)
#define YIELD_MAX_NS (2 * SCHED_S)

enum {
    LOSSES_BEFORE_KNOCK = 2,
    LOSSES_IN_COMPANY = 4, /* those who know us yield: it takes longer to become impatient */
    IDLE_YIELDS_MAX = 5
};

/* Quick to grow and slow to fall: too short a yield is no yield. One that hung is not believed. */
static void
measure(int64_t *estimate, int64_t sample_ns)
{
    int64_t diff = sample_ns - *estimate;
    if (*estimate == 0) {
        *estimate = sample_ns < FIRST_SAMPLE_MAX_NS ? sample_ns : FIRST_SAMPLE_MAX_NS;
    } else if (diff > 0) {
        *estimate += diff < *estimate ? diff / 2 : *estimate / 2;
    } else {
        *estimate += diff / 8;
    }
    *estimate = *estimate > 0 ? *estimate : 1;
}

void
journal__pace_put(struct journal *jn, int64_t took_ns)
{
    measure(&jn->pace.put_ns, took_ns);
}

void
journal__pace_get(struct journal *jn, int64_t took_ns)
{
    measure(&jn->pace.get_ns, took_ns);
}

static int64_t
round_ns(const struct journal *jn)
{
    const struct pace *p = &jn->pace;
    int64_t get_ns = p->get_ns > 0 ? p->get_ns : p->put_ns;
    return p->put_ns + (jn->o.is_paranoid ? 4 : 3) * get_ns;
}

bool
journal__pace_has_company(const struct journal *jn)
{
    return sched_now(jn->o.sched) < jn->pace.company_until_ns;
}

static void
yield(struct journal *jn, int64_t now)
{
    struct pace *p = &jn->pace;
    int64_t ns = round_ns(jn);
    ns = ns > p->others_round_ns ? ns : p->others_round_ns;
    ns = ns < YIELD_MAX_NS ? ns : YIELD_MAX_NS;
    p->not_before_ns = now + ns;
    p->look_ns = p->not_before_ns - (p->get_ns < ns ? p->get_ns : ns);
    p->turn_ns = 0;
    p->is_yielding = true;
}

void
journal__pace_won(struct journal *jn, int64_t ended_ns)
{
    struct pace *p = &jn->pace;
    p->losses = 0;
    p->heard_until_ns = ended_ns + COMPANY_NS; /* whoever loses reads it, and hears of us */
    if (ended_ns >= p->company_until_ns) {
        return;
    }
    if (p->turn_ns == 0) {
        p->turn_ns = ended_ns;
    }
    if (ended_ns - p->turn_ns >= round_ns(jn) << p->idle_yields) {
        yield(jn, ended_ns);
    }
}

uint32_t
journal__pace_round_ms(const struct journal *jn)
{
    int64_t ms = (round_ns(jn) + SCHED_MS - 1) / SCHED_MS;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

void
journal__pace_foreign(struct journal *jn, const struct entry_header *h)
{
    struct pace *p = &jn->pace;
    int64_t now = sched_now(jn->o.sched);
    int64_t diff = (int64_t)h->round_ms * SCHED_MS - p->others_round_ns;
    bool is_first = now >= p->company_until_ns;
    p->others_round_ns += diff > 0 || is_first ? diff : diff / 8;
    p->company_until_ns = now + COMPANY_NS;
    p->turn_ns = 0;
    p->is_yielding = false;
    p->idle_yields = 0;
    if (h->item_count == 0) { /* a knock */
        yield(jn, now);
    }
}

void
journal__pace_lost(struct journal *jn)
{
    jn->pace.losses++;
}

void
journal__pace_caught_up(struct journal *jn)
{
    struct pace *p = &jn->pace;
    int64_t now = sched_now(jn->o.sched);
    unsigned patience = now < p->heard_until_ns ? LOSSES_IN_COMPANY : LOSSES_BEFORE_KNOCK;
    if (p->losses < patience || now < p->knock_again_ns) {
        return;
    }
    uint64_t most = 2 * (uint64_t)jn->o.max_in_flight + 2;
    uint64_t ahead = 2 + jn->met; /* as many as were written while we read, and they go on */
    p->knock_again_ns = now + 4 * round_ns(jn);
    journal__knock(jn, jn->tail + (ahead < most ? ahead : most));
}

bool
journal__pace_may_send(struct journal *jn)
{
    struct pace *p = &jn->pace;
    int64_t now = sched_now(jn->o.sched);
    if (now < jn->propose_not_before_ns) {
        sched_timer_at(jn->o.sched, &jn->linger, jn->propose_not_before_ns);
        return false;
    }
    if (now >= p->company_until_ns) {
        return true;
    }
    if (p->look_ns != 0 && now < p->look_ns) {
        sched_timer_at(jn->o.sched, &jn->linger, p->look_ns);
        return false;
    }
    if (p->look_ns != 0 && list_is_empty(&jn->slots) && list_is_empty(&jn->known)) {
        journal__follow_start(jn, FOLLOW_REFRESH);
        return false;
    }
    if (now < p->not_before_ns) {
        sched_timer_at(jn->o.sched, &jn->linger, p->not_before_ns);
        return false;
    }
    if (p->is_yielding) {
        p->is_yielding = false;
        p->idle_yields += p->idle_yields < IDLE_YIELDS_MAX;
    }
    return true;
}
