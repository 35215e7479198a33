/* Lets the main thread wait for something that happens on loops: while a broker starts and stops,
 * and in the tools. Loops themselves never wait.
 *
 * Threads: any. */
#ifndef SLUICE_BASE_GATE_H
#define SLUICE_BASE_GATE_H

#include "base/sched.h"

#include <pthread.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned left;
};
void gate_init(struct gate *g, unsigned count);
void gate_fini(struct gate *g);
/* One less to wait for. */
void gate_pass(struct gate *g);
/* False when timeout_ms passed first (negative: never). */
bool gate_wait(struct gate *g, int64_t timeout_ms);

/* --- errand.c: made of gates --- */

/* Lets a thread that is no loop pass the time. */
void gate_pause(int64_t ms);
/* Runs fn(arg) on the loop of s and waits until it has returned. Not from a loop. */
void run_on(struct sched *s, void (*fn)(void *arg), void *arg);

#endif
