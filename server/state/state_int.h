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

/* The directory of a topic's segments, shared by its partitions and by garbage. */
struct topic_dir {
    uint32_t refs;         /* 0: known from an op in flight only */
    struct list spec_node; /* in spec_dirs, if it was */
    struct uuid topic_id;
    char name[];
};

/* A name whose topic is gone: the next one of that name must not get its directory. */
struct past_topic {
    struct list node;
    char *name;
    uint32_t incarnation; /* the highest there was */
};
enum { PAST_TOPICS_MAX = 10000 };

struct garbage_entry {
    struct garbage_ref r;
    struct topic_dir *dir;
};
struct garbage_list {
    struct garbage_entry *items; /* ascending ids */
    size_t first, count, cap;
    uint64_t last_id; /* given out */
};

struct loss_list {
    struct loss_ref *items; /* the one told longest ago first */
    size_t count, cap;
};

struct state {
    struct map parts;
    struct map topics, topics_by_id, topics_folded; /* the first and last: none that is deleting */
    int64_t next_producer_id;
    uint64_t spec_generation;
    /* topics.c */
    struct map past;            /* of struct past_topic, by name; at most PAST_TOPICS_MAX */
    struct list past_order;     /* the one deleted longest ago first */
    uint32_t incarnation_floor; /* where names begin that are not among them */
    struct map quotas;          /* of struct quota_entry */
    /* groups.c */
    struct map groups;
    size_t group_count; /* those that exist */
    uint64_t group_version, spec_group_version;
    struct list spec_groups; /* those with facts in flight */
    /* segments.c */
    struct map dirs; /* of struct topic_dir, by topic id */
    struct list spec_dirs;
    struct garbage_list garbage;
    struct loss_list losses; /* repair_ops.c */
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

/* --- apply.c: what a row of the op table names */
enum sl_err state__contradiction(struct sl_error *err, const char *what, const struct uuid *topic,
                                 int32_t partition);
#define STATE_APPLY(name)                                                                          \
    enum sl_err name(struct state *st, const struct state_item *item, struct cursor *c,            \
                     struct sl_error *err)
STATE_APPLY(state__apply_retire);
STATE_APPLY(state__apply_group);
STATE_APPLY(state__apply_offsets);
STATE_APPLY(state__apply_group_delete);
STATE_APPLY(state__apply_topic_delete);
STATE_APPLY(state__apply_topic_deleted);
STATE_APPLY(state__apply_topic_config);
STATE_APPLY(state__apply_quota);
STATE_APPLY(state__apply_register);
STATE_APPLY(state__apply_replace);
STATE_APPLY(state__apply_garbage_done);
STATE_APPLY(state__apply_adopt);
STATE_APPLY(state__apply_loss);

/* --- retire.c: the topics of one op, in the order of their ids */
struct retired_id {
    struct uuid id;
    size_t order; /* in the op */
};
struct retired_set {
    struct retired_id *ids;
    size_t count;
};
/* NULL: it is not among them. */
const struct retired_id *state__retired_find(const struct retired_set *set, const struct uuid *id);

/* --- groups.c */
void state__groups_init(struct state *st);
void state__groups_clear(struct state *st); /* tells GROUP_GONE_RESTORED */
void state__groups_rollback(struct state *st);
/* Also one that is known from an op in flight only. */
struct group_state *state__group_find(const struct state *st, struct span id);
struct group_state *state__group_get(struct state *st, struct span id);
/* What it is once everything in flight is applied. */
const struct group_facts *state__group_spec(const struct group_state *g, uint64_t *ret_version);
void state__group_speculate(struct state *st, struct group_state *g, struct group_facts *f,
                            uint64_t version);
/* Decodes, or takes what the speculation on g (may be NULL) has decoded; NULL when bad. */
struct group_facts *state__group_decode(struct group_state *g, uint64_t version, struct span facts);
/* Takes f: S has it from now on. */
void state__group_put(struct state *st, struct group_state *g, uint64_t version,
                      struct group_facts *f);
void state__group_exists(struct state *st, struct group_state *g, int64_t time_ms);
void state__group_drop(struct state *st, struct group_state *g);
void state__offset_put(struct group_state *g, const struct group_offset *from);
bool state__offset_remove(struct group_state *g, const struct uuid *topic_id, int32_t partition,
                          int64_t before_ms);
/* Topics are retired: nobody's offsets of them are kept. */
void state__offsets_retire(struct state *st, const struct retired_set *set);
/* A group that nobody joined lives as long as it has offsets. */
void state__group_fade(struct state *st, struct group_state *g);
void state__groups_check(const struct state *st);
void state__groups_snapshot(const struct state *st, struct bytes *out);
void state__groups_restore(struct state *st, struct cursor *c);
void state__groups_announce(struct state *st);
struct span state__facts_bytes(const struct group_facts *f);

/* --- topics.c, quotas.c */
void state__topics_init(struct state *st);
void state__topics_clear(struct state *st); /* the past; topics themselves go in state.c */
void state__topic_unname(struct state *st, struct topic_state *t);
void state__topic_remove(struct state *st, struct topic_state *t);
void state__past_snapshot(const struct state *st, struct bytes *out);
void state__past_restore(struct state *st, struct cursor *c);
void state__past_check(const struct state *st);
void state__quotas_clear(struct state *st);
void state__quotas_snapshot(const struct state *st, struct bytes *out);
void state__quotas_restore(struct state *st, struct cursor *c);
void state__quotas_announce(struct state *st);

/* --- segments.c */
struct topic_dir *state__dir_find(const struct state *st, const struct uuid *id);
struct topic_dir *state__dir_ref(struct state *st, const struct uuid *id, struct span name);
void state__dir_unref(struct state *st, struct topic_dir **d);
/* The first segment of a topic is in flight: the next one must name the same directory. Gives what
 * was made for it, or NULL. */
struct topic_dir *state__dir_speculate(struct state *st, const struct uuid *id, struct span name);
void state__dir_free(struct state *st, struct topic_dir *d);
/* "{topic}" or "{topic}~{k}": what may stand in a key. */
bool state__dir_is_sound(struct span dir);
struct segment_ref *state__segment_at(const struct part_state *p, size_t i);
/* The first segment that ends at or above offset; segment_count when none does. */
size_t state__segment_seek(const struct part_state *p, int64_t offset);
void state__segment_push(struct part_state *p, const struct segment_ref *s);
void state__garbage_add(struct state *st, const struct part_state *p, const struct segment_ref *s,
                        int64_t time_ms);
/* segment_ops.c: one segment of an op or a snapshot. What is taken is the caller's, also when c is
 * bad. */
void state__put_segment(struct bytes *out, const struct segment_ref *s);
struct segment_ref state__take_segment(struct cursor *c);
void state__segments_init(struct state *st);
void state__segments_rollback(struct state *st);
void state__segments_clear(struct state *st); /* garbage; segments go with their partitions */
/* Frees p's list and reference to its directory. */
void state__segments_free(struct state *st, struct part_state *p);
/* Its segments become garbage as of time_ms. */
void state__segments_retire(struct state *st, struct part_state *p, int64_t time_ms);
/* Drops the segments that lie wholly below p->start. */
void state__segments_trim(struct state *st, struct part_state *p, int64_t time_ms);
void state__segments_snapshot(const struct part_state *p, struct bytes *out);
void state__segments_restore(struct state *st, struct part_state *p, struct cursor *c);
void state__segments_check(const struct part_state *p);
void state__garbage_snapshot(const struct state *st, struct bytes *out);
void state__garbage_restore(struct state *st, struct cursor *c);
void state__garbage_check(const struct state *st);

/* --- repair_ops.c */
void state__losses_clear(struct state *st);
void state__losses_snapshot(const struct state *st, struct bytes *out);
void state__losses_restore(struct state *st, struct cursor *c);

/* Decodes one topic of an op or a snapshot; NULL (and c is bad) when it makes no sense. */
struct topic_state *state__topic_decode(struct cursor *c);
void state__topic_encode(struct bytes *out, const struct topic_state *t);

/* Text of one field: u16 or u32 length and bytes; NULL and 0xFFFF where it may be null. */
void state__put_text(struct bytes *out, struct span s);
void state__put_nullable(struct bytes *out, struct span s);
void state__put_text32(struct bytes *out, struct span s);
struct span state__take_text(struct cursor *c);
struct span state__take_nullable(struct cursor *c);
struct span state__take_text32(struct cursor *c);

#endif
