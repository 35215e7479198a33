/* SPDX-License-Identifier: Apache-2.0
 *
 * The requests of the classic group protocol: join, sync, heartbeat, leave.
 *
 * A handler fills the first part, sets call.run to the function named below the struct, and sends
 * it with group_submit. What a struct borrows lives until done; what it answers lives in call.mem.
 *
 * Threads: a struct belongs to whoever has it; run on the table's loop. */
#ifndef SLUICE_GROUP_CLASSIC_H
#define SLUICE_GROUP_CLASSIC_H

#include "group/group.h"

struct group_join_member {
    struct span id, instance_id, metadata;
};
struct group_join {
    struct group_call call;
    /* asked */
    struct span member_id;   /* empty: wants one */
    struct span instance_id; /* ptr NULL: dynamic */
    struct span client_id, client_host, protocol_type;
    const struct group_protocol *protocols; /* in the order in which the member prefers them */
    size_t protocol_count;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    bool needs_member_id;     /* KIP-394: version 4 and later */
    bool can_skip_assignment; /* KIP-814: version 9 and later */
    /* answered; ret_member_id also with MEMBER_ID_REQUIRED */
    int32_t ret_generation;
    struct span ret_member_id, ret_protocol_type, ret_protocol, ret_leader;
    bool ret_skip_assignment;
    struct group_join_member *ret_members; /* for the leader */
    size_t ret_member_count;
};
void group_join_run(struct group_table *gt, struct group_call *c);

struct group_assignment {
    struct span member_id, assignment;
};
struct group_sync {
    struct group_call call;
    /* asked */
    struct span member_id, instance_id;
    int32_t generation;
    struct span protocol_type, protocol; /* ptr NULL: not said (before version 5) */
    const struct group_assignment *assignments;
    size_t assignment_count;
    /* answered */
    struct span ret_protocol_type, ret_protocol, ret_assignment;
};
void group_sync_run(struct group_table *gt, struct group_call *c);

struct group_heartbeat {
    struct group_call call;
    struct span member_id, instance_id;
    int32_t generation;
};
void group_heartbeat_run(struct group_table *gt, struct group_call *c);

struct group_leave_member {
    struct span member_id, instance_id, reason;
    int16_t error; /* answered */
};
struct group_leave {
    struct group_call call;
    struct group_leave_member *members;
    size_t member_count;
};
void group_leave_run(struct group_table *gt, struct group_call *c);

#endif
