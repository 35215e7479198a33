/* SPDX-License-Identifier: Apache-2.0
 *
 * What the entries of one journal mean: partitions, producers, segments, topics, producer-id
 * blocks, quotas, and consumer groups (group.h). Pure functions: no I/O, no clock, no randomness;
 * the same entries give the same state on every broker and in every tool.
 *
 * Two layers. S, the verified state, changes only in state_apply. On top of it lies a speculation:
 * what the entries in flight will do to partition ends, producer sequences, groups' facts and the
 * ends of registered segments. The checks of runs and of pipelined ops (state_check_run, _group,
 * _offsets, _register, _replace) look at the speculation and extend it; state_rollback drops it
 * whole. The other ops are checked against S alone, and the journal proposes them alone.
 *
 * Threads: belongs to its journal's loop. Lifetime: new -> ... -> destroy; part_state pointers live
 * until the partition is retired or the state is restored. */
#ifndef SLUICE_STATE_STATE_H
#define SLUICE_STATE_STATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "state/group.h"
#include "state/segments.h"

struct state;

/* Item kinds. Numbers are for ever; an unknown kind or version stops the journal that holds it. */
enum item_kind {
    ITEM_RUN = 1,
    /* journal 0 */
    ITEM_TOPICS_CREATE = 16,
    ITEM_TOPICS_OPENED = 17,
    ITEM_PARTITIONS_ADD = 18,
    ITEM_TOPIC_DELETE = 19,
    ITEM_TOPIC_DELETED = 20,
    ITEM_PRODUCER_IDS = 21,
    ITEM_TOPIC_CONFIG = 22,
    ITEM_QUOTA = 23,
    /* a partition's own journal */
    ITEM_OPEN = 32,
    ITEM_RETIRE = 33,
    ITEM_TRIM = 34,
    ITEM_PRODUCERS_EXPIRE = 35,
    ITEM_REGISTER = 36,
    ITEM_REPLACE = 37,
    ITEM_GARBAGE_DONE = 38,
    ITEM_ADOPT = 40,
    ITEM_LOSS = 41,
    /* a group's journal */
    ITEM_GROUP = 48,
    ITEM_OFFSETS = 49,
    ITEM_GROUP_DELETE = 50,
    ITEM_HAND_OVER = 64, /* reserved: growth of cluster.journals */
    ITEM_TAKE_OVER = 65  /* reserved */
};

/* --- runs: record batches with their final offsets --- */

enum { RUN_BYTES = 96 };
enum { RUN_HAS_PRODUCER = 1 << 0, RUN_HAS_ORIGIN = 1 << 1 };

struct run {
    struct uuid topic_id;
    int32_t partition, offset_count;
    int64_t base_offset, max_timestamp;
    uint32_t position, length, crc; /* within the entry's data; CRC-32C of those bytes */
    uint16_t flags;
    int16_t producer_epoch;
    int64_t producer_id;
    int32_t first_sequence, last_sequence;
    /* journal.md R10: where routing took it from; unused until then */
    int64_t origin_producer_id;
    int32_t origin_sequence, origin_partition;
    int16_t origin_epoch;
};
void run_encode(const struct run *r, uint8_t out[RUN_BYTES]);
MUST_CHECK enum sl_err run_decode(struct span payload, struct run *ret);

/* One run as a reader needs it. */
struct run_ref {
    uint64_t n; /* entry */
    int64_t base_offset;
    int64_t max_timestamp;
    int32_t offset_count;
    uint32_t position; /* within the object */
    uint32_t length, crc;
};

/* --- partitions --- */

struct part_state {
    struct uuid topic_id;
    int32_t index;
    int64_t start, end; /* log start; end of what is verified */
    /* runs of S in ascending order: runs[first .. first+count) */
    struct run_ref *runs;
    size_t run_first, run_count, run_cap;
    /* rolled segments in ascending order, before the runs; see segments.h */
    struct segment_ref *segments;
    size_t segment_first, segment_count, segment_cap;
    struct topic_dir *dir;
    struct map producers;    /* of struct producer_state */
    bool has_lost_producers; /* producer state was expired or trimmed (R10) */
    uint64_t spec_generation;
    int64_t spec_end;
    uint64_t spec_register_generation, spec_replace_generation;
    int64_t spec_registered; /* end of the segments, those in flight included */
    void *user;              /* partition/'s object */
};

/* Gives the live run that holds offset, or NULL when a segment does (part_find_segment) or offset
 * is outside [start, end). */
const struct run_ref *part_find_run(const struct part_state *p, int64_t offset);
/* Gives the i-th live run; i < run_count. */
static inline const struct run_ref *
part_run(const struct part_state *p, size_t i)
{
    return &p->runs[p->run_first + i];
}

/* --- topics (journal 0) --- */

struct topic_config {
    char *name, *value;
};
struct topic_state {
    struct uuid id;
    char *name;
    uint32_t incarnation; /* directory "{name}" or "{name}~{k}" */
    int32_t partition_count;
    int32_t opened_count; /* partitions whose open was recorded done */
    uint32_t *journals;   /* per partition */
    struct topic_config *configs;
    size_t config_count;
    int64_t created_ms;
    /* Deleted: its name is free, its id and partitions are known until every journal retired it. */
    bool is_deleting;
    int64_t deleting_ms;
    void *user;
};
enum { TOPIC_CONFIGS_MAX = 256, TOPIC_CONFIG_BYTES_MAX = 64 << 10 };

/* --- client quotas (journal 0) --- */

/* Whom a quota is for: any of three parts, each a name or the default of its kind. */
enum quota_part { QUOTA_ABSENT = 0, QUOTA_DEFAULT = 1, QUOTA_NAMED = 2 };
struct quota_entity {
    enum quota_part user_part, client_part, ip_part;
    struct span user, client_id, ip; /* names where NAMED */
};
enum { QUOTA_KEYS_MAX = 8, QUOTA_NAME_MAX = 1024, QUOTA_ENTITIES_MAX = 100000 };
struct quota_value {
    struct span key; /* "producer_byte_rate", ...; as an op: at most 64 bytes */
    double value;
    bool is_removed; /* ops only */
};
struct quota_state {
    struct quota_entity entity;
    struct quota_value values[QUOTA_KEYS_MAX];
    uint32_t value_count;
};

/* --- the state --- */

struct state *state_new(void);
void state_destroy(struct state **st);

/* What changed, told while it is applied; any may be NULL. */
struct state_events {
    void (*topic_changed)(void *arg, struct topic_state *t); /* created, opened, more partitions */
    void (*part_opened)(void *arg, struct part_state *p);
    void (*part_retired)(void *arg, struct part_state *p); /* before it is freed */
    void (*part_appended)(void *arg, struct part_state *p, const struct run_ref *r);
    void (*part_trimmed)(void *arg, struct part_state *p);
    /* its segments changed: registered or replaced */
    void (*part_rolled)(void *arg, struct part_state *p);
    /* t->is_deleting became true: its name is free */
    void (*topic_deleting)(void *arg, struct topic_state *t);
    void (*topic_deleted)(void *arg, struct topic_state *t); /* before it is freed */
    /* is_removed: before it is freed */
    void (*quota_changed)(void *arg, const struct quota_state *q, bool is_removed);
    void (*group_changed)(void *arg, struct group_state *g);   /* its facts: a GROUP op */
    void (*offsets_changed)(void *arg, struct group_state *g); /* an OFFSETS op */
    void (*group_deleted)(void *arg, struct group_state *g, enum group_gone why); /* before freed */
};
void state_set_events(struct state *st, const struct state_events *ev, void *arg);

struct part_state *state_find_part(const struct state *st, const struct uuid *topic_id,
                                   int32_t index);
struct topic_state *state_find_topic(const struct state *st, struct span name);
/* Also a topic that is being deleted: look at is_deleting. */
struct topic_state *state_find_topic_id(const struct state *st, const struct uuid *id);
/* Iterate: *pos = 0 first; NULL at the end. Only topics that are not being deleted. */
struct topic_state *state_next_topic(const struct state *st, size_t *pos);
/* Only topics that are being deleted: to be retired in every journal, then recorded done. */
struct topic_state *state_next_deleting(const struct state *st, size_t *pos);
/* The incarnation that a topic of this name gets if it is created now. */
uint32_t state_next_incarnation(const struct state *st, struct span name);
/* "{topic}", or "{topic}~{incarnation}". */
void topic_dir_name(struct span name, uint32_t incarnation, char *out, size_t cap);
const struct quota_state *state_find_quota(const struct state *st, const struct quota_entity *e);
const struct quota_state *state_next_quota(const struct state *st, size_t *pos);
struct part_state *state_next_part(const struct state *st, size_t *pos);
int64_t state_next_producer_id(const struct state *st);

struct state_item {
    uint64_t n;
    int64_t time_ms;
    uint32_t head_bytes;
    uint16_t kind, version;
    struct span payload;
};

/* Applies one item of valid, verified entry n at time_ms, whose data begins at head_bytes of the
 * object. SL_EVERSION: unknown kind or version. SL_ECORRUPT: it contradicts S; err says how. */
MUST_CHECK enum sl_err state_apply(struct state *st, const struct state_item *item,
                                   struct sl_error *err);

/* Drops the speculation. */
void state_rollback(struct state *st);

/* Checks a run against S plus the speculation (open, epoch, sequence) and extends the speculation.
 * SL_OK: *ret_base is the offset it gets. SL_EEXIST: a retry of something already there; *ret_base
 * is the original offset. SL_EOUT_OF_ORDER_SEQ, SL_EPRODUCER_EPOCH, SL_EUNKNOWN_PARTITION. */
MUST_CHECK enum sl_err state_check_run(struct state *st, struct part_state *p, const struct run *r,
                                       int64_t *ret_base);

/* The whole of S (n is the entry it stands after, recorded by the journal, not here). */
void state_snapshot(const struct state *st, struct bytes *out);
/* Replaces S. An empty span is the state before the first entry. On failure st is empty. */
MUST_CHECK enum sl_err state_restore(struct state *st, struct span snapshot, struct sl_error *err);
/* Asserts the invariants of docs/journal.md section 5 that the state can see. */
void state_check(const struct state *st);
/* Is there a producer that was last heard of before before_ms? */
bool state_has_producers_before(const struct state *st, int64_t before_ms);
/* Highest n such that no entry <= n holds a live run: one at or above its partition's start that no
 * registered segment covers; at_most when none. */
uint64_t state_collectable(const struct state *st, uint64_t at_most);

/* --- ops: check against S, and encode --- */

struct topic_spec {
    struct uuid id;
    struct span name;
    uint32_t incarnation;
    int32_t partition_count;
    uint32_t *journals; /* partition_count of them; read only */
    struct topic_config *configs;
    size_t config_count;
};
/* SL_ETOPIC_EXISTS or SL_EINVALID_TOPIC (the name collides with another in '.' and '_'). */
MUST_CHECK enum sl_err state_check_topic(const struct state *st, struct span name);
void op_encode_topics_create(struct bytes *out, const struct topic_spec *topics, size_t count);
void op_encode_topics_opened(struct bytes *out, const struct uuid *ids, const int32_t *opened,
                             size_t count);
void op_encode_partitions_add(struct bytes *out, const struct uuid *id, int32_t old_count,
                              int32_t new_count, const uint32_t *journals);
void op_encode_producer_ids(struct bytes *out, int64_t first, int32_t count);
/* Opens partitions (indexes[count]) of one topic, each starting at offset 0; several topics may
 * follow. */
void op_encode_open(struct bytes *out, const struct uuid *topic_id, const int32_t *indexes,
                    size_t count);
/* Several topics may follow. */
void op_encode_retire(struct bytes *out, const struct uuid *topic_id);
/* Several partitions may follow. */
void op_encode_trim(struct bytes *out, const struct uuid *topic_id, int32_t partition,
                    int64_t start);
/* SL_EUNKNOWN_PARTITION; SL_EOFFSET_RANGE: beyond the end; SL_EEXIST: the start is there already or
 * above. Ask again whenever the op is staged: op_check_trim (shard.h). */
MUST_CHECK enum sl_err state_check_trim(const struct state *st, const struct uuid *topic_id,
                                        int32_t partition, int64_t start);
/* TOPIC_DELETE (the names are free at once; then RETIRE in every journal), TOPIC_DELETED (all
 * journals have retired them). Ids that are not there (any more) are passed over. */
void op_encode_topic_delete(struct bytes *out, const struct uuid *ids, size_t count);
void op_encode_topic_deleted(struct bytes *out, const struct uuid *ids, size_t count);

struct topic_config_change {
    struct span name, value; /* value.ptr NULL: remove */
};
struct topic_config_op {
    struct uuid id;
    bool is_replaced; /* forget what is not named here */
    const struct topic_config_change *changes;
    size_t count;
};
/* SL_ETOO_LARGE: a value is above TOPIC_CONFIG_BYTES_MAX, or too many. Topics that are not there
 * (any more) are passed over when it is applied; what would be more than TOPIC_CONFIGS_MAX, too. */
MUST_CHECK enum sl_err op_encode_topic_config(struct bytes *out,
                                              const struct topic_config_op *topics, size_t count);

struct quota_op {
    struct quota_entity entity;
    const struct quota_value *values; /* put, or is_removed; an entity without values is gone */
    size_t count;
};
/* SL_EINVAL: no part of the entity is there, a name or key is too long, a value is no positive
 * finite number, or too many. */
MUST_CHECK enum sl_err op_encode_quotas(struct bytes *out, const struct quota_op *quotas,
                                        size_t count);
void op_encode_producers_expire(struct bytes *out, int64_t before_ms);
/* Payload version to write for a kind. */
uint16_t op_version(enum item_kind kind);

/* Is this topic name legal (1-249 of [a-zA-Z0-9._-], not "." or "..")? */
bool topic_name_is_valid(struct span name);

#endif
