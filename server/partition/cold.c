/* SPDX-License-Identifier: Apache-2.0
 *
 * Additive increase, multiplicative decrease, as TCP does with a path that it knows nothing of but
 * the delay.
 *
 * Acknowledgements are looked at in windows of WINDOW_NS (longer, until there are ACKS_MIN). One is
 * late when it took more than LATE_FACTOR times the usual plus LATE_SLACK_NS. Where twice as many
 * are late as usual, and LATE_PM per mille more, the rate falls to half of what was really read in
 * the window. Otherwise it rises by RATE_STEP, if it was what held readers back. There is a floor,
 * so readers never starve: COLD_RATE_MIN, or what is being written, so that a consumer does not
 * fall back for ever.
 *
 * What is usual is learned from windows for which no reader can be blamed: nothing was read, or
 * about the floor. So if the log gets slower by itself (more producers, a slower disk, a machine
 * that is busy otherwise), the rate falls to the floor once, what is usual follows, and the rate
 * comes back. A window that was faster than usual corrects it at any time. While nothing is known,
 * readers begin at the floor, for the one window in which it is learned.
 *
 * Without a batch on its way, nor an acknowledgement for IDLE_NS, there is no limit. A consumer at
 * the tail is served from memory and never comes here.
 *
 * Why a rate, not a number of blocks in flight: on a local disk one block at a time is enough to
 * take everything. Why by the delay of producers, not a share of what there is: nobody here knows
 * what there is, nor who else wants it; clients on the same machine do. */
#include "partition/cold.h"

#include <string.h>

enum { ACKS_MIN = 8, LATE_FACTOR = 2, LATE_PM = 40, USUAL_LATE_MAX_PM = 250, USUAL_SHIFT = 2 };
#define MS INT64_C(1000000)
#define WINDOW_NS (100 * MS)
#define WINDOW_MAX_NS (2000 * MS)
#define LATE_SLACK_NS (1 * MS)
#define IDLE_NS (200 * MS)
#define BURST_NS (5 * MS)
#define WAIT_MAX_NS (20 * MS)
#define RATE_STEP (INT64_C(8) << 20)
#define RATE_START (INT64_C(128) << 20)

void
cold_init(struct cold *c)
{
    *c = (struct cold){.rate = RATE_START, .floor = COLD_RATE_MIN, .is_new = true};
    (void)pthread_mutex_init(&c->lock, NULL);
}

void
cold_fini(struct cold *c)
{
    (void)pthread_mutex_destroy(&c->lock);
}

/* --- the rate --- */

static int64_t
clamp(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

/* So many bytes of the window, per second. */
static int64_t
window_rate(const struct cold *c, int64_t bytes, int64_t now_ns)
{
    int64_t took_ms = (now_ns - c->window.began_ns) / MS;
    return bytes * 1000 / (took_ms < 1 ? 1 : took_ms);
}

/* Is that what producers wait anyway? */
static void
learn(struct cold *c, int64_t late_pm, int64_t read_rate)
{
    int64_t mean_ns = c->window.sum_ns / c->window.acks;
    if (c->usual_ns == 0) {
        c->usual_ns = mean_ns;
    } else if (mean_ns < c->usual_ns || read_rate <= c->floor + COLD_RATE_MIN) {
        c->usual_ns += (mean_ns - c->usual_ns) / (1 << USUAL_SHIFT);
        c->usual_late_pm += (late_pm - c->usual_late_pm) / (1 << USUAL_SHIFT);
        c->usual_late_pm = clamp(c->usual_late_pm, 0, USUAL_LATE_MAX_PM);
    }
}

/* Nothing was read for consumers, or without a limit. */
static void
start_anew(struct cold *c)
{
    c->rate = c->floor > RATE_START ? c->floor : RATE_START;
    c->is_new = true;
}

static void
judge(struct cold *c, int64_t now_ns)
{
    int64_t read_rate = window_rate(c, c->window.bytes, now_ns);
    int64_t written_rate = window_rate(c, c->window.written, now_ns);
    c->floor += (clamp(written_rate, COLD_RATE_MIN, COLD_RATE_MAX) - c->floor) / (1 << USUAL_SHIFT);
    int64_t late_pm = c->window.late * INT64_C(1000) / c->window.acks;
    if (c->window.bytes == 0) {
        start_anew(c);
    } else if (late_pm > 2 * c->usual_late_pm + LATE_PM) {
        c->rate = (read_rate < c->rate ? read_rate : c->rate) / 2;
        c->is_new = false;
    } else if (read_rate >= c->rate / 2) {
        c->rate += c->is_new ? c->rate : RATE_STEP;
    }
    c->rate = clamp(c->rate, c->floor, COLD_RATE_MAX);
    learn(c, late_pm, read_rate);
}

static void
window_turn(struct cold *c, int64_t now_ns)
{
    int64_t took = now_ns - c->window.began_ns;
    bool is_full = took >= WINDOW_NS && c->window.acks >= ACKS_MIN;
    bool is_stale = c->window.acks == 0 || took > WINDOW_MAX_NS;
    if (is_full) {
        judge(c, now_ns);
    }
    if (is_full || is_stale) {
        memset(&c->window, 0, sizeof(c->window));
        c->window.began_ns = now_ns;
    }
}

void
cold_append_begin(struct cold *c)
{
    pthread_mutex_lock(&c->lock);
    c->appends++;
    pthread_mutex_unlock(&c->lock);
}

void
cold_append_end(struct cold *c, int64_t now_ns, int64_t took_ns, size_t bytes)
{
    pthread_mutex_lock(&c->lock);
    c->appends--;
    if (took_ns >= 0) {
        bool is_late = c->usual_ns > 0 && took_ns > LATE_FACTOR * c->usual_ns + LATE_SLACK_NS;
        c->acked_ns = now_ns;
        window_turn(c, now_ns);
        c->window.acks++;
        c->window.late += is_late ? 1 : 0;
        c->window.sum_ns += took_ns;
        c->window.written += (int64_t)bytes;
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- the allowance --- */

static bool
is_limited(const struct cold *c, int64_t now_ns)
{
    return c->appends > 0 || (c->acked_ns > 0 && now_ns - c->acked_ns < IDLE_NS);
}

static void
allow(struct cold *c, int64_t now_ns, int64_t rate)
{
    int64_t passed_ns = clamp(now_ns - c->allowed_ns, 0, 1000 * MS);
    int64_t most = rate / 1000 * (BURST_NS / MS);
    c->allowance = clamp(c->allowance + rate / 1000 * (passed_ns / 1000) / 1000, INT64_MIN, most);
    c->allowed_ns = now_ns;
}

int64_t
cold_take(struct cold *c, int64_t now_ns, size_t bytes)
{
    int64_t again = 0;
    pthread_mutex_lock(&c->lock);
    if (is_limited(c, now_ns)) {
        int64_t rate = c->usual_ns == 0 ? c->floor : c->rate;
        allow(c, now_ns, rate);
        if (c->allowance < 0) {
            int64_t us = -c->allowance * 1000 / (rate / 1000) + 2; /* rounded up, twice */
            again = now_ns + clamp(us * 1000, MS / 10, WAIT_MAX_NS);
        } else {
            c->allowance -= (int64_t)bytes;
        }
    } else {
        c->allowance = 0;
        c->allowed_ns = now_ns;
        start_anew(c);
    }
    c->window.bytes += again == 0 ? (int64_t)bytes : 0;
    pthread_mutex_unlock(&c->lock);
    return again;
}
