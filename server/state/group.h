/* SPDX-License-Identifier: Apache-2.0
 *
 * What S knows of consumer groups: the facts of the last completed rebalance, and committed
 * offsets. A group's journal is group_journal(id, J); its facts and offsets live there and nowhere
 * else.
 *
 * Facts are written whole by a GROUP op. Live coordinators (server/group) keep timers, joining
 * members and everything else that a restart may forget on top of them. A member's id, generation
 * and epoch are facts because an offset commit is judged by them: the check runs where the commit
 * is staged, against S plus the GROUP ops in flight, so a coordinator that was replaced cannot
 * commit for an older generation, however late it wakes.
 *
 * Optimistic concurrency. Each GROUP op gets a version, unique in its journal and rising, when it
 * is staged. It names the version that it was built on (0: there is no group, or one that has only
 * offsets) and is refused with SL_EFENCED when the group has moved on. A coordinator that is
 * refused reads S again. So two brokers that both think they coordinate cannot both win. The
 * coordinator epoch says who wrote: a broker that takes a group over raises it by one; it never
 * goes back while the group lives.
 *
 * Threads: belongs to its journal's loop, but for group_facts, which are immutable and counted
 * without a lock: they stay on that loop too. */
#ifndef SLUICE_STATE_GROUP_H
#define SLUICE_STATE_GROUP_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"

struct state;

/* Which journal a group lives in. Stable for ever (docs/formats.md): CRC-32C of the id, modulo the
 * number of journals. */
uint32_t group_journal(struct span group_id, uint32_t journal_count);

/* --- facts --- */

enum group_type {
    GROUP_SIMPLE = 0, /* offsets only: nobody ever joined */
    GROUP_CLASSIC = 1,
    GROUP_CONSUMER = 2 /* KIP-848 */
};

/* Caps: a decoder refuses what is above them, so an encoder must not be given it. */
enum {
    GROUP_ID_MAX = 1024,
    GROUP_MEMBERS_MAX = 10000,
    GROUP_PROTOCOLS_MAX = 256, /* per member */
    GROUP_NAME_MAX = 32767,    /* ids, names, hosts, regular expressions */
    GROUP_FACTS_BYTES_MAX = 4 << 20,
    OFFSET_METADATA_MAX = 4096,
    OFFSETS_PER_OP_MAX = 100000,
    OFFSETS_BYTES_MAX = 4 << 20
};

/* Spans: ptr NULL is null where the comment says so; elsewhere it is empty. */
struct group_protocol {
    struct span name, metadata;
};

struct classic_member {
    struct span id;
    struct span instance_id; /* or null */
    struct span client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct group_protocol *protocols;
    uint32_t protocol_count;
    struct span assignment;
};

/* Partitions of one topic. */
struct group_parts {
    struct uuid topic_id;
    int32_t *indexes;
    uint32_t count;
};
struct group_part_list {
    struct group_parts *topics;
    uint32_t count;
};

struct consumer_member {
    struct span id;
    struct span instance_id, rack; /* or null */
    struct span client_id, client_host;
    struct span *topics; /* subscribed names */
    uint32_t topic_count;
    struct span regex;           /* or null */
    struct span server_assignor; /* or null: the group's default */
    int32_t rebalance_timeout_ms;
    int32_t epoch, previous_epoch;
    uint8_t state; /* the coordinator's: stable, unrevoked, unreleased, ... */
    struct group_part_list assigned, revoking, target;
    /* a member of a consumer group that still speaks the classic protocol */
    bool is_classic;
    int32_t session_timeout_ms;
    struct group_protocol *protocols;
    uint32_t protocol_count;
};

struct group_facts {
    enum group_type type; /* CLASSIC or CONSUMER */
    int32_t coordinator_epoch;
    uint32_t member_count; /* 0: empty */
    /* classic */
    int32_t generation;
    struct span protocol_type;    /* or null */
    struct span protocol, leader; /* or null */
    struct classic_member *classic;
    /* consumer */
    int32_t group_epoch, assignment_epoch;
    struct span server_assignor; /* or null */
    uint64_t metadata_hash;      /* of the topics subscribed to; the coordinator's */
    struct consumer_member *consumer;
};

/* Index of a member, or UINT32_MAX. */
uint32_t group_facts_find(const struct group_facts *f, struct span member_id);
uint32_t group_facts_find_instance(const struct group_facts *f, struct span instance_id);

/* Decoded facts are one counted, immutable object that owns everything it points to. NULL when the
 * bytes make no sense or a cap is passed. */
struct group_facts *group_facts_decode(struct span bytes);
struct group_facts *group_facts_ref(struct group_facts *f);
void group_facts_unref(struct group_facts **f);
/* f may be the caller's own, on the stack, borrowing from anywhere. */
void group_facts_encode(struct bytes *out, const struct group_facts *f);

/* --- groups of S --- */

struct group_offset {
    struct uuid topic_id;
    int32_t partition, leader_epoch; /* -1: none */
    int64_t offset;
    int64_t commit_ms; /* time of the entry that committed it; not looked at by the encoder */
    struct span metadata;
};

struct group_state {
    struct span id;
    uint64_t version;          /* of the last GROUP op; 0: none */
    struct group_facts *facts; /* NULL: GROUP_SIMPLE */
    int64_t empty_since_ms;    /* entry time since which it has no members; -1: it has some */
    struct map offsets;        /* of struct group_offset */
    void *user;                /* the live coordinator's */
    /* state/'s */
    bool exists; /* false: known from an op in flight only; never shown */
    struct group_facts *spec;
    uint64_t spec_version;
    struct list spec_node;
};
static inline enum group_type
group_type_of(const struct group_state *g)
{
    return g->facts == NULL ? GROUP_SIMPLE : g->facts->type;
}

/* NULL when S has no such group (neither facts nor offsets). */
struct group_state *state_find_group(const struct state *st, struct span id);
/* Iterate: *pos = 0 first; NULL at the end. */
struct group_state *state_next_group(const struct state *st, size_t *pos);
size_t state_group_count(const struct state *st);
const struct group_offset *group_find_offset(const struct group_state *g,
                                             const struct uuid *topic_id, int32_t partition);
const struct group_offset *group_next_offset(const struct group_state *g, size_t *pos);

/* Why group_deleted is told. */
enum group_gone {
    GROUP_GONE_DELETED, /* by an op */
    GROUP_GONE_RESTORED /* S is read again from a snapshot; group_changed tells of what is in it */
};

/* --- the ops --- */

/* GROUP: puts facts in place of those of version base. SL_ETOO_LARGE: above a cap, nothing is
 * appended. */
MUST_CHECK enum sl_err op_encode_group(struct bytes *out, struct span group_id, uint64_t base,
                                       const struct group_facts *f);
/* The version that a GROUP op got when it was last staged: what the group has once the op is done;
 * group_changed is told with it before that. */
uint64_t group_op_version(struct span op);

/* GROUP_DELETE: groups with their offsets. Proposed alone (op_proposal.is_pipelined = false), so
 * what is checked is S. */
struct group_delete {
    struct span group_id;
    uint64_t base;             /* version that it was decided on */
    bool is_only_if_forgotten; /* the janitor's: only when no offsets are left either */
};
void op_encode_group_delete(struct bytes *out, const struct group_delete *groups, size_t count);

/* OFFSETS of one group. */
struct group_part {
    struct uuid topic_id;
    int32_t partition;
};
struct offsets_op {
    struct span group_id;
    /* Who commits. generation -1, empty member id: a simple commit, into an empty or unknown
     * group. Otherwise the member's generation (classic) or epoch (consumer). */
    int32_t generation;
    struct span member_id;
    struct span instance_id; /* or null */
    /* An administrator's or janitor's removal: there is no member; with is_only_if_empty the group
     * must have none. Commits may not stand beside it. */
    bool is_removal, is_only_if_empty;
    int64_t before_ms; /* removals: only what was committed earlier; INT64_MAX: all */
    const struct group_offset *commits;
    size_t commit_count;
    const struct group_part *removals;
    size_t removal_count;
};
/* SL_ETOO_LARGE: above a cap (metadata, number of partitions, bytes), nothing is appended. */
MUST_CHECK enum sl_err op_encode_offsets(struct bytes *out, const struct offsets_op *op);

/* The checks, against S plus what is in flight; the first two extend the speculation. op is the
 * encoded payload. Use them through op_proposal.check = op_check_group and so on (shard.h).
 *
 * group:   SL_EFENCED: the group is not at `base`, or its coordinator epoch is higher. Writes the
 *          version into op.
 * offsets: SL_EGROUP_NOT_FOUND: a member of a group that nobody ever joined. SL_EUNKNOWN_MEMBER
 *          (also a simple commit while the group has members), SL_EILLEGAL_GENERATION,
 *          SL_ESTALE_MEMBER_EPOCH, SL_EFENCED_INSTANCE, SL_EGROUP_NOT_EMPTY (is_only_if_empty).
 * delete:  SL_EFENCED, SL_EGROUP_NOT_FOUND, SL_EGROUP_NOT_EMPTY: the first group that cannot be
 *          deleted refuses the whole op; *ret_which (may be NULL) is its place. */
MUST_CHECK enum sl_err state_check_group(struct state *st, uint8_t *op, size_t len);
MUST_CHECK enum sl_err state_check_offsets(struct state *st, struct span op);
MUST_CHECK enum sl_err state_check_group_delete(const struct state *st, struct span op,
                                                size_t *ret_which);

#endif
