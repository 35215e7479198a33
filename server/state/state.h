/* What the entries of one journal mean: partitions, producers, topics, producer-id blocks. Pure
 * functions: no I/O, no clock, no randomness; the same entries give the same state on every broker
 * and in every tool.
 *
 * Two layers. S, the verified state, changes only in state_apply. On top of it lies a speculation:
 * what the entries in flight will do to partition ends and producer sequences. state_check_run
 * looks at the speculation and extends it; state_rollback drops it whole (a generation number, so
 * it costs nothing). Ops other than runs are checked against S alone, and the journal proposes them
 * alone.
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

struct state;

/* Item kinds. Numbers are for ever; an unknown kind or version stops the journal that holds it. */
enum item_kind {
    ITEM_RUN = 1,
    /* journal 0 */
    ITEM_TOPICS_CREATE = 16,
    ITEM_TOPICS_OPENED = 17,
    ITEM_PARTITIONS_ADD = 18,
    ITEM_TOPIC_DELETE = 19,  /* reserved */
    ITEM_TOPIC_DELETED = 20, /* reserved */
    ITEM_PRODUCER_IDS = 21,
    ITEM_TOPIC_CONFIG = 22, /* reserved */
    /* a partition's own journal */
    ITEM_OPEN = 32,
    ITEM_RETIRE = 33,
    ITEM_TRIM = 34,
    ITEM_PRODUCERS_EXPIRE = 35,
    ITEM_REGISTER = 36,  /* reserved: segments */
    ITEM_REPLACE = 37,   /* reserved: compaction */
    ITEM_GROUP = 48,     /* reserved */
    ITEM_OFFSETS = 49,   /* reserved */
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
    struct map producers;    /* of struct producer_state */
    bool has_lost_producers; /* producer state was expired or trimmed (R10) */
    uint64_t spec_generation;
    int64_t spec_end;
    void *user; /* partition/'s object */
};

/* Gives the run that holds offset, or NULL when offset is outside [start, end). */
const struct run_ref *part_find_run(const struct part_state *p, int64_t offset);
/* Gives the i-th run counted from the log start; i < run_count. */
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
    void *user;
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
};
void state_set_events(struct state *st, const struct state_events *ev, void *arg);

struct part_state *state_find_part(const struct state *st, const struct uuid *topic_id,
                                   int32_t index);
struct topic_state *state_find_topic(const struct state *st, struct span name);
struct topic_state *state_find_topic_id(const struct state *st, const struct uuid *id);
/* Iterate: *pos = 0 first; NULL at the end. */
struct topic_state *state_next_topic(const struct state *st, size_t *pos);
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
/* Highest n such that no entry <= n holds a run at or above its partition's start; at_most when
 * none. */
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
void op_encode_retire(struct bytes *out, const struct uuid *topic_id);
void op_encode_trim(struct bytes *out, const struct uuid *topic_id, int32_t partition,
                    int64_t start);
void op_encode_producers_expire(struct bytes *out, int64_t before_ms);
/* Payload version to write for a kind. */
uint16_t op_version(enum item_kind kind);

/* Is this topic name legal (1-249 of [a-zA-Z0-9._-], not "." or "..")? */
bool topic_name_is_valid(struct span name);

#endif
