/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetch (key 1), versions 4 to 17, flexible from 12. Threads: plain values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_FETCH_H
#define SLUICE_WIRE_MESSAGES_FETCH_H

#include "wire/schema.h"

struct fetch_request_replica_state {
    int32_t replica_id;    /* v15+, default -1 */
    int64_t replica_epoch; /* v15+, default -1 */
};

struct fetch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* v9+, default -1 */
    int64_t fetch_offset;
    int32_t last_fetched_epoch; /* v12+, default -1 */
    int64_t log_start_offset;   /* v5+, default -1 */
    int32_t partition_max_bytes;
    uint8_t replica_directory_id[16]; /* v17+, tagged */
};

struct fetch_request_topic {
    struct span topic;    /* v4-12 */
    uint8_t topic_id[16]; /* v13+ */
    WIRE_LIST(struct fetch_request_partition) partitions;
};

struct fetch_request_forgotten_topic {
    struct span topic;             /* v7-12 */
    uint8_t topic_id[16];          /* v13+ */
    WIRE_LIST(int32_t) partitions; /* v7+ */
};

struct fetch_request {
    struct span cluster_id;                           /* v12+, nullable, tagged */
    int32_t replica_id;                               /* v4-14, default -1 */
    struct fetch_request_replica_state replica_state; /* v15+, tagged */
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes; /* default 2147483647 */
    int8_t isolation_level;
    int32_t session_id;    /* v7+ */
    int32_t session_epoch; /* v7+, default -1 */
    WIRE_LIST(struct fetch_request_topic) topics;
    WIRE_LIST(struct fetch_request_forgotten_topic) forgotten_topics_data; /* v7+ */
    struct span rack_id;                                                   /* v11+ */
};

extern const struct wire_message fetch_request_schema;
/* All fields at their defaults, which are not all zero. */
void fetch_request_replica_state_init(struct fetch_request_replica_state *ret);
void fetch_request_partition_init(struct fetch_request_partition *ret);
void fetch_request_init(struct fetch_request *ret);

struct fetch_response_diverging_epoch {
    int32_t epoch;      /* v12+, default -1 */
    int64_t end_offset; /* v12+, default -1 */
};

struct fetch_response_leader {
    int32_t leader_id;    /* v12+, default -1 */
    int32_t leader_epoch; /* v12+, default -1 */
};

struct fetch_response_snapshot_id {
    int64_t end_offset; /* default -1 */
    int32_t epoch;      /* default -1 */
};

struct fetch_response_aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

struct fetch_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t high_watermark;
    int64_t last_stable_offset;                                                /* default -1 */
    int64_t log_start_offset;                                                  /* v5+, default -1 */
    struct fetch_response_diverging_epoch diverging_epoch;                     /* v12+, tagged */
    struct fetch_response_leader current_leader;                               /* v12+, tagged */
    struct fetch_response_snapshot_id snapshot_id;                             /* v12+, tagged */
    WIRE_LIST(struct fetch_response_aborted_transaction) aborted_transactions; /* nullable */
    int32_t preferred_read_replica; /* v11+, default -1 */
    struct span records;            /* nullable */
    void *user;                     /* the handler's own, not on the wire */
};

struct fetch_response_topic {
    struct span topic;    /* v4-12 */
    uint8_t topic_id[16]; /* v13+ */
    WIRE_LIST(struct fetch_response_partition) partitions;
};

struct fetch_response_node_endpoint {
    int32_t node_id;  /* v16+ */
    struct span host; /* v16+ */
    int32_t port;     /* v16+ */
    struct span rack; /* v16+, nullable */
};

struct fetch_response {
    int32_t throttle_time_ms;
    int16_t error_code; /* v7+ */
    int32_t session_id; /* v7+ */
    WIRE_LIST(struct fetch_response_topic) responses;
    WIRE_LIST(struct fetch_response_node_endpoint) node_endpoints; /* v16+, tagged */
};

extern const struct wire_message fetch_response_schema;
/* All fields at their defaults, which are not all zero. */
void fetch_response_diverging_epoch_init(struct fetch_response_diverging_epoch *ret);
void fetch_response_leader_init(struct fetch_response_leader *ret);
void fetch_response_snapshot_id_init(struct fetch_response_snapshot_id *ret);
void fetch_response_partition_init(struct fetch_response_partition *ret);

/* Straight code for the hot direction; the same structs, bytes and errors as the interpreter. */
MUST_CHECK enum sl_err fetch_request_decode(struct span body, int16_t version, struct arena *arena,
                                            struct fetch_request *ret);

/* Where record bytes belong in an encoded response: partition->records.len of them go in before
 * byte `at` of the buffer. Only splices with at least one byte are listed, ascending. */
struct fetch_splice {
    size_t at;
    const struct fetch_response_partition *partition;
};
struct fetch_splices {
    struct fetch_splice *items; /* in the arena */
    size_t count;
    size_t records_bytes; /* all of them together: extra_bytes of response_end() */
};
/* Encodes everything but the record bytes, of which only records.len is read (records.ptr may be
 * anything): the reply is out's bytes with records spliced in, so they go to the socket uncopied.
 * A partition without records has length 0, never null, which librdkafka cannot parse. */
MUST_CHECK enum sl_err fetch_response_encode(const struct fetch_response *resp, int16_t version,
                                             struct bytes *out, struct arena *arena,
                                             struct fetch_splices *ret);

#endif
