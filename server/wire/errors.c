/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/errors.h"

struct kafka_error_row {
    int16_t code;
    bool is_retriable;
    const char *name, *text;
};

static const struct kafka_error_row rows[] = {
#define KAFKA_ERROR_ROW(name, number, retriable, text) {(number), (retriable), #name, (text)},
    KAFKA_ERRORS(KAFKA_ERROR_ROW)
#undef KAFKA_ERROR_ROW
};

static const struct kafka_error_row *
row_find(int16_t code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == code) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What the client should do decides: retriable where waiting or asking Metadata again may help. A
 * commit whose outcome is unknown must be REQUEST_TIMED_OUT, so that an idempotent producer
 * retries and is deduplicated. */
static const int16_t of[SL_ERR_COUNT] = {
    [SL_OK] = KAFKA_NONE,
    [SL_EINVAL] = KAFKA_INVALID_REQUEST,
    [SL_ENOMEM] = KAFKA_KAFKA_STORAGE_ERROR,
    [SL_EAGAIN] = KAFKA_NOT_LEADER_OR_FOLLOWER,
    [SL_ETIMEOUT] = KAFKA_REQUEST_TIMED_OUT,
    [SL_ECANCELED] = KAFKA_NOT_LEADER_OR_FOLLOWER,
    [SL_ENOENT] = KAFKA_RESOURCE_NOT_FOUND,
    [SL_EEXIST] = KAFKA_DUPLICATE_RESOURCE,
    [SL_EFENCED] = KAFKA_NOT_LEADER_OR_FOLLOWER,
    [SL_ECORRUPT] = KAFKA_KAFKA_STORAGE_ERROR,
    [SL_EDENIED] = KAFKA_CLUSTER_AUTHORIZATION_FAILED,
    [SL_EIO] = KAFKA_KAFKA_STORAGE_ERROR,
    [SL_ENOSPC] = KAFKA_KAFKA_STORAGE_ERROR,
    [SL_ENOTSUP] = KAFKA_UNSUPPORTED_VERSION,
    [SL_EMALFORMED] = KAFKA_INVALID_REQUEST,
    [SL_EVERSION] = KAFKA_UNSUPPORTED_VERSION,
    [SL_ENOT_OPEN] = KAFKA_NOT_LEADER_OR_FOLLOWER,
    [SL_EUNKNOWN_PARTITION] = KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
    [SL_EUNKNOWN_TOPIC_ID] = KAFKA_UNKNOWN_TOPIC_ID,
    [SL_EINCONSISTENT_TOPIC_ID] = KAFKA_INCONSISTENT_TOPIC_ID,
    [SL_ETOPIC_EXISTS] = KAFKA_TOPIC_ALREADY_EXISTS,
    [SL_EINVALID_TOPIC] = KAFKA_INVALID_TOPIC_EXCEPTION,
    [SL_EINVALID_PARTITIONS] = KAFKA_INVALID_PARTITIONS,
    [SL_EINVALID_REPLICATION] = KAFKA_INVALID_REPLICATION_FACTOR,
    [SL_EINVALID_CONFIG] = KAFKA_INVALID_CONFIG,
    [SL_EINVALID_TIMESTAMP] = KAFKA_INVALID_TIMESTAMP,
    [SL_EINVALID_RECORD] = KAFKA_INVALID_RECORD,
    [SL_ECORRUPT_BATCH] = KAFKA_CORRUPT_MESSAGE,
    [SL_ETOO_LARGE] = KAFKA_MESSAGE_TOO_LARGE,
    [SL_EUNSUPPORTED_COMPRESSION] = KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
    [SL_EINVALID_ACKS] = KAFKA_INVALID_REQUIRED_ACKS,
    [SL_EOUT_OF_ORDER_SEQ] = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
    [SL_EPRODUCER_EPOCH] = KAFKA_INVALID_PRODUCER_EPOCH,
    [SL_EOFFSET_RANGE] = KAFKA_OFFSET_OUT_OF_RANGE,
    [SL_EFENCED_LEADER_EPOCH] = KAFKA_FENCED_LEADER_EPOCH,
    [SL_EUNKNOWN_LEADER_EPOCH] = KAFKA_UNKNOWN_LEADER_EPOCH,
    [SL_EPARTITION_FAILED] = KAFKA_KAFKA_STORAGE_ERROR,
    [SL_EFETCH_SESSION] = KAFKA_FETCH_SESSION_ID_NOT_FOUND,
    [SL_EGROUP_NOT_FOUND] = KAFKA_GROUP_ID_NOT_FOUND,
    [SL_EGROUP_NOT_EMPTY] = KAFKA_NON_EMPTY_GROUP,
    [SL_EUNKNOWN_MEMBER] = KAFKA_UNKNOWN_MEMBER_ID,
    [SL_EILLEGAL_GENERATION] = KAFKA_ILLEGAL_GENERATION,
    [SL_EFENCED_INSTANCE] = KAFKA_FENCED_INSTANCE_ID,
    [SL_ESTALE_MEMBER_EPOCH] = KAFKA_STALE_MEMBER_EPOCH,
    [SL_ESHUTDOWN] = KAFKA_NOT_LEADER_OR_FOLLOWER,
};

int16_t
kafka_error_of(enum sl_err rc)
{
    if ((unsigned)rc >= SL_ERR_COUNT) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    /* an error added to base/err.h without a row here must not read as success */
    return rc != SL_OK && of[rc] == KAFKA_NONE ? (int16_t)KAFKA_UNKNOWN_SERVER_ERROR : of[rc];
}

const char *
kafka_error_name(int16_t code)
{
    const struct kafka_error_row *row = row_find(code);
    return row != NULL ? row->name : "UNKNOWN";
}

const char *
kafka_error_text(int16_t code)
{
    const struct kafka_error_row *row = row_find(code);
    return row != NULL ? row->text : "unknown error";
}

bool
kafka_error_is_retriable(int16_t code)
{
    const struct kafka_error_row *row = row_find(code);
    return row != NULL && row->is_retriable;
}
