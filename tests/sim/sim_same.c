/* S is a pure function of the journal: brokers that stand at the same entry, however they came
 * there (applied it all, restored a snapshot, reopened), must hold the same state. Compared through
 * what state.h shows, because the bytes of a snapshot depend on the order of a hash table. */
#include "sim.h"

static void
differ(const char *what, int journal, const struct sim_part *p)
{
    sim_violation("brokers at one entry hold one state", "journal %d, partition %td: %s", journal,
                  p == NULL ? -1 : p - sim.parts, what);
}

static void
compare_runs(int journal, const struct sim_part *p, const struct part_state *a,
             const struct part_state *b)
{
    if (a->run_count != b->run_count) {
        differ("number of runs", journal, p);
    }
    for (size_t i = 0; i < a->run_count; i++) {
        const struct run_ref *x = part_run(a, i);
        const struct run_ref *y = part_run(b, i);
        if (x->n != y->n || x->base_offset != y->base_offset || x->position != y->position ||
            x->length != y->length || x->crc != y->crc || x->offset_count != y->offset_count ||
            x->max_timestamp != y->max_timestamp) {
            differ("a run", journal, p);
        }
    }
}

static void
compare_segments(int journal, const struct sim_part *p, const struct part_state *a,
                 const struct part_state *b)
{
    if (part_segment_count(a) != part_segment_count(b)) {
        differ("number of segments", journal, p);
    }
    for (size_t i = 0; i < part_segment_count(a); i++) {
        const struct segment_ref *x = part_segment(a, i);
        const struct segment_ref *y = part_segment(b, i);
        if (x->base != y->base || x->last != y->last || x->bytes != y->bytes || x->gen != y->gen ||
            x->created_ms != y->created_ms || x->body_crc != y->body_crc ||
            x->slice_count != y->slice_count) {
            differ("a segment", journal, p);
        }
    }
}

static void
compare_part(int journal, const struct sim_part *p, struct state *sa, struct state *sb)
{
    const struct part_state *a = state_find_part(sa, &p->topic_id, p->index);
    const struct part_state *b = state_find_part(sb, &p->topic_id, p->index);
    if ((a == NULL) != (b == NULL)) {
        differ("open at one, unknown at the other", journal, p);
    }
    if (a == NULL || b == NULL) {
        return;
    }
    if (a->start != b->start || a->end != b->end) {
        differ("start or end", journal, p);
    }
    if (a->has_lost_producers != b->has_lost_producers) {
        differ("whether producers were lost", journal, p);
    }
    compare_runs(journal, p, a, b);
    compare_segments(journal, p, a, b);
}

static void
compare_topics(int journal, struct state *a, struct state *b)
{
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(a, &pos)) != NULL;) {
        const struct topic_state *o = state_find_topic_id(b, &t->id);
        if (o == NULL || strcmp(o->name, t->name) != 0 ||
            o->partition_count != t->partition_count || o->opened_count != t->opened_count ||
            o->incarnation != t->incarnation) {
            differ("a topic", journal, NULL);
        }
    }
}

/* Producers are private to state/: their number of bytes in a snapshot stands for them. */
static void
compare_sizes(int journal, struct state *a, struct state *b)
{
    struct bytes x;
    struct bytes y;
    bytes_init(&x, 1 << 26);
    bytes_init(&y, 1 << 26);
    state_snapshot(a, &x);
    state_snapshot(b, &y);
    if (x.len != y.len) {
        differ("size of a snapshot", journal, NULL);
    }
    uint64_t sum_x = 0;
    uint64_t sum_y = 0;
    for (size_t i = 0; i < x.len; i++) {
        sum_x += x.data[i];
        sum_y += y.data[i];
    }
    if (sum_x != sum_y) {
        differ("sum of a snapshot's bytes", journal, NULL);
    }
    bytes_fini(&x);
    bytes_fini(&y);
}

static void
compare(int journal, struct sim_broker *a, struct sim_broker *b)
{
    struct journal_status x;
    struct journal_status y;
    journal_status(shard_journal(a->shards[journal]), &x);
    journal_status(shard_journal(b->shards[journal]), &y);
    if (x.safe != y.safe || x.mode == JOURNAL_OPENING || y.mode == JOURNAL_OPENING ||
        x.mode == JOURNAL_FAILED || y.mode == JOURNAL_FAILED) {
        return;
    }
    struct state *sa = shard_state(a->shards[journal]);
    struct state *sb = shard_state(b->shards[journal]);
    for (int i = 0; i < sim.part_count; i++) {
        if (sim.parts[i].journal == journal) {
            compare_part(journal, &sim.parts[i], sa, sb);
        }
    }
    compare_topics(journal, sa, sb);
    compare_topics(journal, sb, sa);
    if (state_next_producer_id(sa) != state_next_producer_id(sb)) {
        differ("the next producer id", journal, NULL);
    }
    compare_sizes(journal, sa, sb);
    sim_stat(ST_compared);
}

void
same_check(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int o = i + 1; o < sim.k.brokers; o++) {
            if (sim.brokers[i].phase != BROKER_UP || sim.brokers[o].phase != BROKER_UP) {
                continue;
            }
            for (int j = 0; j < sim.k.journals; j++) {
                compare(j, &sim.brokers[i], &sim.brokers[o]);
            }
        }
    }
}
