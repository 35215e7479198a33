/* Private to state/. */
#ifndef SLUICE_STATE_STATE_INT_H
#define SLUICE_STATE_STATE_INT_H

#include "base/cursor.h"
#include "state/state.h"

enum {
    PRODUCER_BATCHES = 5
}; /* what Kafka keeps, and what an idempotent client may have in flight */

struct producer_batch {
    int32_t first, last;
    int64_t base_offset;
};
/* One version of what is known about a producer in a partition. */
struct producer_facts {
    bool exists;
    int16_t epoch;
    uint8_t count; /* batches known, oldest first */
    int64_t last_ms;
    struct producer_batch batches[PRODUCER_BATCHES];
};
struct producer_state {
    int64_t id;
    struct producer_facts s; /* verified */
    uint64_t spec_generation;
    struct producer_facts spec; /* valid only while its generation is the state's */
};

struct state {
    struct map parts, topics, topics_by_id, topics_folded;
    int64_t next_producer_id;
    uint64_t spec_generation;
    const struct state_events *events;
    void *events_arg;
};

struct part_state *state__part_new(struct state *st, const struct uuid *topic_id, int32_t index);
void state__part_drop(struct state *st, struct part_state *p);
void state__part_push_run(struct part_state *p, const struct run_ref *r);
/* May t, which was decoded, stand beside the topics that are there? */
enum sl_err state__check_new_topic(const struct state *st, const struct topic_state *t);
void state__topic_add(struct state *st, struct topic_state *t);
void state__topic_free(struct topic_state *t);
void state__clear(struct state *st);
void state__topic_event(struct state *st, struct topic_state *t);

struct producer_state *state__producer_find(const struct part_state *p, int64_t id);
struct producer_state *state__producer_get(struct part_state *p, int64_t id);
void state__producer_append(struct producer_facts *f, int16_t epoch,
                            const struct producer_batch *b);
/* Drops what was last heard of before before_ms; true when something was dropped. */
bool state__producers_expire(struct part_state *p, int64_t before_ms);

/* Decodes one topic of an op or a snapshot; NULL (and c is bad) when it makes no sense. */
struct topic_state *state__topic_decode(struct cursor *c);
void state__topic_encode(struct bytes *out, const struct topic_state *t);

#endif
