/* Back-pressure on producers: how long a client should wait, and when it is refused, by how the
 * journal it writes to and the store behind it are doing. The policy is the essay in pressure.c.
 *
 * Threads:  everything on any thread; atomics only. Numbers that several loops change at once may
 * be a little off, never lasting. Lifetime: that of the broker; outlives its requests. NULL is
 * allowed everywhere: no back-pressure.
 *
 * now_ns is CLOCK_BOOTTIME (sched_now of any loop); a parameter, so that tests own the time. */
#ifndef SLUICE_API_PRESSURE_H
#define SLUICE_API_PRESSURE_H

#include "store/health.h"

struct pressure; /* opaque */

enum pressure_level {
    PRESSURE_NONE,
    PRESSURE_SLOWING, /* replies carry a throttle time */
    PRESSURE_REFUSING /* a retriable error at once; one request at a time finds out whether it is
                       * over
                       */
};

enum { PRESSURE_THROTTLE_MAX_MS = 1000 };

struct pressure_options {
    const struct store *store; /* borrowed; NULL: always healthy */
    uint32_t journals;
    int64_t bytes_max; /* that producers may have waiting while the store is slow; all journals */
};

struct pressure *pressure_new(const struct pressure_options *opts);
/* NULL-safe; sets *p to NULL. */
void pressure_destroy(struct pressure **p);

/* May something be enqueued in this journal? When it may, the caller calls pressure_begin. */
bool pressure_admits(struct pressure *p, uint32_t journal, int64_t now_ns);
/* Something of so many bytes waits for the journal. */
void pressure_begin(struct pressure *p, uint32_t journal, int64_t bytes, int64_t now_ns);
/* ... no more. is_progress: it was acknowledged, so the store takes what it is given. */
struct pressure_wait {
    int64_t bytes, begun_ns;
    bool is_progress;
};
void pressure_end(struct pressure *p, uint32_t journal, const struct pressure_wait *w,
                  int64_t now_ns);
/* The throttle time of a reply about this journal. */
int32_t pressure_throttle_ms(struct pressure *p, uint32_t journal, int64_t now_ns);

/* Something that its client will send again was refused, or given up. */
void pressure_note_gap(struct pressure *p, uint32_t journal, int64_t now_ns);
/* May a batch lack the one before it because of that? The essay tells what to answer then. */
bool pressure_has_gap(const struct pressure *p, uint32_t journal, int64_t now_ns);

/* How far the journal's roller is behind, per mille of what is tolerable. */
void pressure_set_lag(struct pressure *p, uint32_t journal, int per_mille);

/* For whoever looks at a running broker. */
struct pressure_view {
    enum pressure_level level;
    int32_t throttle_ms;
    int64_t waiting_bytes, waiting, bytes_max;
    int64_t delay_ns; /* how long nothing was acknowledged, now or smoothed */
    int lag_pm;
    const char *cause; /* of the level: "", "roller", "store" (its health), "delay" */
};
void pressure_view(struct pressure *p, uint32_t journal, int64_t now_ns, struct pressure_view *ret);
/* "none", "slowing", "refusing" */
const char *pressure_name(enum pressure_level level);

#endif
