/* Forgetting idempotent producers that have not written for long (journal.md R10).
 *
 * What a producer's facts are must not depend on any broker's clock or configuration, so they are
 * dropped by an op that names the cutoff: a broker that finds producers older than its own limit
 * proposes it, and every reader of the journal drops the same ones. */
#include "partition/shard_int.h"

enum { LOOKS_PER_LIFETIME = 8 };

static void
arm(struct shard *sh)
{
    sched_timer_after(shard_sched(sh), &sh->expiry.timer,
                      sh->o.producer_expiration_ms * SCHED_MS / LOOKS_PER_LIFETIME);
}

static void
expired(struct op_proposal *op, enum sl_err rc)
{
    struct shard *sh = (struct shard *)op->arg;
    (void)rc; /* looked at again next time */
    bytes_fini(&op->payload);
    sh->expiry.is_busy = false;
}

static void
look(struct sched_timer *t)
{
    struct shard *sh = SL_CONTAINER_OF(t, struct shard, expiry.timer);
    int64_t before_ms = sched_wall_ms(shard_sched(sh)) - sh->o.producer_expiration_ms;
    arm(sh);
    if (sh->mode != JOURNAL_LIVE || sh->expiry.is_busy ||
        !state_has_producers_before(sh->state, before_ms)) {
        return;
    }
    sh->expiry.is_busy = true;
    sh->expiry.op = (struct op_proposal){.kind = ITEM_PRODUCERS_EXPIRE,
                                         .deadline_ns = sched_now(shard_sched(sh)) + 60 * SCHED_S,
                                         .done = expired,
                                         .arg = sh};
    bytes_init(&sh->expiry.op.payload, 64);
    op_encode_producers_expire(&sh->expiry.op.payload, before_ms);
    op_submit(sh, &sh->expiry.op);
}

void
shard__expiry_start(struct shard *sh)
{
    if (sh->o.producer_expiration_ms > 0) {
        sh->expiry.timer.fire = look;
        arm(sh);
    }
}

void
shard__expiry_stop(struct shard *sh)
{
    sched_timer_stop(shard_sched(sh), &sh->expiry.timer);
}
