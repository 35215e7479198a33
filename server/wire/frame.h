/* SPDX-License-Identifier: Apache-2.0
 *
 * What surrounds a message: the 4-byte size, the request and response headers, and the one table
 * of APIs that we serve.
 *
 *   request  = size i32 | api key i16 | version i16 | correlation i32 | [client id | [tags]] | body
 *   response = size i32 | correlation i32 | [tags] | body
 *
 * Header versions: v1 has the client id, v2 adds tagged fields but leaves the client id a classic
 * int16 nullable string; response v1 adds tagged fields. An API's flexible versions use request v2
 * and response v1, except that the ApiVersions response always has header v0 (KIP-511): a client
 * that guessed too high a version must be able to read it.
 *
 * Threads: pure. */
#ifndef SLUICE_WIRE_FRAME_H
#define SLUICE_WIRE_FRAME_H

#include "wire/schema.h"

enum api_key {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_FIND_COORDINATOR = 10,
    API_JOIN_GROUP = 11,
    API_HEARTBEAT = 12,
    API_LEAVE_GROUP = 13,
    API_SYNC_GROUP = 14,
    API_DESCRIBE_GROUPS = 15,
    API_LIST_GROUPS = 16,
    API_SASL_HANDSHAKE = 17,
    API_API_VERSIONS = 18,
    API_CREATE_TOPICS = 19,
    API_DELETE_TOPICS = 20,
    API_DELETE_RECORDS = 21,
    API_INIT_PRODUCER_ID = 22,
    API_OFFSET_FOR_LEADER_EPOCH = 23,
    API_DESCRIBE_ACLS = 29,
    API_CREATE_ACLS = 30,
    API_DELETE_ACLS = 31,
    API_DESCRIBE_CONFIGS = 32,
    API_ALTER_CONFIGS = 33,
    API_DESCRIBE_LOG_DIRS = 35,
    API_CREATE_PARTITIONS = 37,
    API_DELETE_GROUPS = 42,
    API_ELECT_LEADERS = 43,
    API_INCREMENTAL_ALTER_CONFIGS = 44,
    API_LIST_PARTITION_REASSIGNMENTS = 46,
    API_OFFSET_DELETE = 47,
    API_DESCRIBE_CLIENT_QUOTAS = 48,
    API_ALTER_CLIENT_QUOTAS = 49,
    API_DESCRIBE_USER_SCRAM_CREDENTIALS = 50,
    API_DESCRIBE_CLUSTER = 60,
    API_CONSUMER_GROUP_HEARTBEAT = 68,
    API_CONSUMER_GROUP_DESCRIBE = 69,
    API_DESCRIBE_TOPIC_PARTITIONS = 75,
    API_SLUICE_STATUS = 32000, /* ours, far above Kafka's; never advertised */
};

struct api_info {
    int16_t key;
    const char *name;
    int16_t min_version, max_version; /* what the codec can decode and encode */
    int16_t flexible_since;
    const struct wire_message *request, *response;
};

/* Gives NULL for a key without a codec. Which of these are advertised is api/'s decision. */
const struct api_info *api_info_find(int16_t key);
/* Kafka's APIs, ascending by key; not our own. */
const struct api_info *api_info_table(size_t *ret_count);
static inline bool
api_info_has(const struct api_info *info, int16_t version)
{
    return version >= info->min_version && version <= info->max_version;
}

struct request_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    const struct api_info *info; /* NULL: no codec for the key */
    bool is_known_version;       /* false: client_id and body are not parsed */
    struct span client_id;       /* ptr NULL: null */
    struct span body;            /* what follows the header */
};

/* Parses a frame (without its size). Key, version and correlation come first, so that an unknown
 * ApiVersions version can still be answered: SL_OK with is_known_version false. SL_EMALFORMED if
 * even those 8 bytes are missing, or the rest of a known header does not parse. Borrows the frame.
 */
MUST_CHECK enum sl_err request_header_parse(struct span frame, struct request_header *ret);
/* The client's side, for tests and tools: appends the request header (no size). */
void request_header_put(struct bytes *to, const struct request_header *header);

/* Appends room for the size and the response header; gives where the frame starts in `to`. */
size_t response_begin(struct bytes *to, const struct request_header *header);
/* Fills the size in: everything in `out` since start, plus extra_bytes that are sent from
 * elsewhere (record bytes). SL_ETOO_LARGE if out overflowed or the sum passes INT32_MAX. */
MUST_CHECK enum sl_err response_end(struct bytes *out, size_t start, size_t extra_bytes);
/* The client's side: steps over the response header. *ret_body is what follows. */
MUST_CHECK enum sl_err response_header_parse(struct span frame, const struct api_info *info,
                                             int16_t version, int32_t *ret_correlation_id,
                                             struct span *ret_body);

#endif
