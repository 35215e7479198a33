#include "admin/trim.h"

enum { PAYLOAD_MAX = 64 };

static void propose(struct part_trim *t);

static void
refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct part_trim *t = SL_CONTAINER_OF(w, struct part_trim, waiter);
    (void)rc; /* the proposal says what is wrong with the journal */
    propose(t);
}

/* What another broker committed may make sense of what makes none here (R8). Once. */
static void
refresh(struct part_trim *t)
{
    t->is_fresh = true;
    t->waiter.ready = refreshed;
    journal_refresh(shard_journal(t->shard), &t->waiter);
}

/* Runs each time the op is staged: nothing else is in flight then, S is all there is. */
static enum sl_err
check(struct op_proposal *op, const struct state *st)
{
    struct part_trim *t = (struct part_trim *)op->arg;
    const struct part_state *p = state_find_part(st, &t->topic_id, t->partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    int64_t start = t->start == PART_TRIM_END ? p->end : t->start;
    bytes_clear(&op->payload);
    op_encode_trim(&op->payload, &t->topic_id, t->partition, start);
    return start < 0 ? SL_EOFFSET_RANGE : state_check_trim(st, &t->topic_id, t->partition, start);
}

static void
done(struct op_proposal *op, enum sl_err rc)
{
    struct part_trim *t = (struct part_trim *)op->arg;
    bytes_fini(&op->payload);
    if (!t->is_fresh && (rc == SL_EUNKNOWN_PARTITION || rc == SL_EOFFSET_RANGE)) {
        refresh(t);
        return;
    }
    const struct part_state *p = state_find_part(shard_state(t->shard), &t->topic_id, t->partition);
    t->rc = rc == SL_EEXIST ? SL_OK : rc;
    t->log_start = t->rc == SL_OK && p != NULL ? p->start : -1;
    t->done(t);
}

static void
propose(struct part_trim *t)
{
    t->op = (struct op_proposal){
        .kind = ITEM_TRIM, .deadline_ns = t->deadline_ns, .check = check, .done = done, .arg = t};
    bytes_init(&t->op.payload, PAYLOAD_MAX);
    op_encode_trim(&t->op.payload, &t->topic_id, t->partition, 0); /* sizes it; staged again */
    op_submit(t->shard, &t->op);
}

void
part_trim_submit(struct shard *sh, struct part_trim *t)
{
    t->shard = sh;
    t->is_fresh = false;
    if (t->start == PART_TRIM_END) {
        refresh(t); /* the end is another's word, if another broker writes */
        return;
    }
    propose(t);
}
