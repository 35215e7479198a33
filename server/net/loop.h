/* One event loop: one thread, one libevent base, one implementation of struct sched.
 *
 * Threads:  sched_post, loop_stop and the constant getters from any thread; the rest of the sched,
 *           and loop_base, only on the loop's own thread (or before it started).
 * Lifetime: new -> start -> stop (waits) -> destroy. Tasks posted before stop run; a task that is
 *           posted later is dropped, so owners stop posting first.
 *
 * How posting, sleeping and timers work: the essay at the top of loop.c. */
#ifndef SLUICE_NET_LOOP_H
#define SLUICE_NET_LOOP_H

#include "base/sched.h"

struct event_base;
struct loop;

MUST_CHECK enum sl_err loop_new(unsigned index, struct loop **ret, struct sl_error *err);
MUST_CHECK enum sl_err loop_start(struct loop *loop, struct sl_error *err);
/* Asks the thread to end and joins it. Not from the loop itself. Idempotent. */
void loop_stop(struct loop *loop);
/* Takes *pl; stops it if it runs. NULL-safe. */
void loop_destroy(struct loop **pl);

struct sched *loop_sched(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
unsigned loop_index(const struct loop *loop);
#define LOOP_ASSERT_HERE(loop) SCHED_ASSERT_HERE(loop_sched(loop))

/* Starts count loops (0: one per CPU the process may use). Gives an array that loops_stop frees. */
MUST_CHECK enum sl_err loops_start(unsigned count, struct loop ***ret, unsigned *ret_count,
                                   struct sl_error *err);
/* Stops, joins and destroys all; takes *ploops. */
void loops_stop(struct loop ***ploops, unsigned count);

#endif
