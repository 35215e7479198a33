/* SPDX-License-Identifier: Apache-2.0
 *
 * Kafka's error codes, and the one place where ours become theirs. Threads: pure. */
#ifndef SLUICE_WIRE_ERRORS_H
#define SLUICE_WIRE_ERRORS_H

#include "base/err.h"

/* name, number, is retriable by the client, sentence */
#define KAFKA_ERRORS(X)                                                                            \
    X(UNKNOWN_SERVER_ERROR, -1, false, "unexpected server error, see the server log")              \
    X(NONE, 0, false, "success")                                                                   \
    X(OFFSET_OUT_OF_RANGE, 1, false, "offset is outside the log")                                  \
    X(CORRUPT_MESSAGE, 2, true, "record batch failed its CRC or is damaged")                       \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, true, "no such topic or partition")                           \
    X(INVALID_FETCH_SIZE, 4, false, "invalid fetch size")                                          \
    X(LEADER_NOT_AVAILABLE, 5, true, "the partition is being created")                             \
    X(NOT_LEADER_OR_FOLLOWER, 6, true, "another broker serves this partition")                     \
    X(REQUEST_TIMED_OUT, 7, true, "timed out; the outcome is unknown")                             \
    X(BROKER_NOT_AVAILABLE, 8, false, "broker is not available")                                   \
    X(REPLICA_NOT_AVAILABLE, 9, true, "replica is not available")                                  \
    X(MESSAGE_TOO_LARGE, 10, false, "record batch is larger than max.message.bytes")               \
    X(OFFSET_METADATA_TOO_LARGE, 12, false, "offset metadata is too large")                        \
    X(NETWORK_EXCEPTION, 13, true, "connection was lost")                                          \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, true, "group coordinator is loading")                      \
    X(COORDINATOR_NOT_AVAILABLE, 15, true, "group coordinator is not available")                   \
    X(NOT_COORDINATOR, 16, true, "another broker coordinates this group")                          \
    X(INVALID_TOPIC_EXCEPTION, 17, false, "invalid topic name")                                    \
    X(RECORD_LIST_TOO_LARGE, 18, false, "request holds more records than allowed")                 \
    X(NOT_ENOUGH_REPLICAS, 19, true, "not enough replicas")                                        \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, true, "not enough replicas after append")              \
    X(INVALID_REQUIRED_ACKS, 21, false, "acks must be -1, 0 or 1")                                 \
    X(ILLEGAL_GENERATION, 22, false, "group generation is not the current one")                    \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, false, "no protocol in common with the group")              \
    X(INVALID_GROUP_ID, 24, false, "invalid group id")                                             \
    X(UNKNOWN_MEMBER_ID, 25, false, "group does not know this member")                             \
    X(INVALID_SESSION_TIMEOUT, 26, false, "session timeout is outside the allowed range")          \
    X(REBALANCE_IN_PROGRESS, 27, false, "group is rebalancing, rejoin")                            \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, false, "offset commit is too large")                         \
    X(TOPIC_AUTHORIZATION_FAILED, 29, false, "not authorized for the topic")                       \
    X(GROUP_AUTHORIZATION_FAILED, 30, false, "not authorized for the group")                       \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, false, "not authorized for the cluster")                   \
    X(INVALID_TIMESTAMP, 32, false, "record timestamp is out of range")                            \
    X(UNSUPPORTED_SASL_MECHANISM, 33, false, "SASL mechanism is not offered")                      \
    X(ILLEGAL_SASL_STATE, 34, false, "request is not valid before authentication")                 \
    X(UNSUPPORTED_VERSION, 35, false, "version of the API is not supported")                       \
    X(TOPIC_ALREADY_EXISTS, 36, false, "topic already exists")                                     \
    X(INVALID_PARTITIONS, 37, false, "invalid number of partitions")                               \
    X(INVALID_REPLICATION_FACTOR, 38, false, "invalid replication factor")                         \
    X(INVALID_REPLICA_ASSIGNMENT, 39, false, "invalid replica assignment")                         \
    X(INVALID_CONFIG, 40, false, "invalid configuration")                                          \
    X(NOT_CONTROLLER, 41, true, "another broker is the controller")                                \
    X(INVALID_REQUEST, 42, false, "request makes no sense, see the message")                       \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, false, "message format does not support this")           \
    X(POLICY_VIOLATION, 44, false, "request violates a policy")                                    \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, false, "producer sequence has a gap")                      \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, false, "producer sequence was seen before")                   \
    X(INVALID_PRODUCER_EPOCH, 47, false, "a newer producer took over")                             \
    X(INVALID_TXN_STATE, 48, false, "invalid transaction state")                                   \
    X(INVALID_PRODUCER_ID_MAPPING, 49, false, "producer id does not match")                        \
    X(CONCURRENT_TRANSACTIONS, 51, true, "another transaction is in progress")                     \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, false, "not authorized for the transaction")      \
    X(SECURITY_DISABLED, 54, false, "no authorizer is configured")                                 \
    X(OPERATION_NOT_ATTEMPTED, 55, false, "not attempted, something before it failed")             \
    X(KAFKA_STORAGE_ERROR, 56, true, "the object store failed, see the server log")                \
    X(LOG_DIR_NOT_FOUND, 57, false, "no such log directory")                                       \
    X(SASL_AUTHENTICATION_FAILED, 58, false, "authentication failed")                              \
    X(UNKNOWN_PRODUCER_ID, 59, false, "producer id is not known")                                  \
    X(REASSIGNMENT_IN_PROGRESS, 60, false, "partition reassignment is in progress")                \
    X(NON_EMPTY_GROUP, 68, false, "group still has members")                                       \
    X(GROUP_ID_NOT_FOUND, 69, false, "no such group")                                              \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, true, "no such fetch session")                               \
    X(INVALID_FETCH_SESSION_EPOCH, 71, true, "fetch session epoch does not match")                 \
    X(LISTENER_NOT_FOUND, 72, true, "leader has no such listener")                                 \
    X(TOPIC_DELETION_DISABLED, 73, false, "topic deletion is disabled")                            \
    X(FENCED_LEADER_EPOCH, 74, true, "leader epoch is older than the broker's")                    \
    X(UNKNOWN_LEADER_EPOCH, 75, true, "leader epoch is newer than the broker's")                   \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, false, "compression type is not supported here")           \
    X(STALE_BROKER_EPOCH, 77, false, "broker epoch has changed")                                   \
    X(OFFSET_NOT_AVAILABLE, 78, true, "offset is not available yet")                               \
    X(MEMBER_ID_REQUIRED, 79, false, "join again with the member id given")                        \
    X(PREFERRED_LEADER_NOT_AVAILABLE, 80, true, "preferred leader is not available")               \
    X(GROUP_MAX_SIZE_REACHED, 81, false, "group is full")                                          \
    X(FENCED_INSTANCE_ID, 82, false, "another member took over this instance id")                  \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, true, "no eligible leader")                              \
    X(ELECTION_NOT_NEEDED, 84, true, "leader election is not needed")                              \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, false, "no reassignment is in progress")                    \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, false, "group is subscribed to the topic")                    \
    X(INVALID_RECORD, 87, false, "record batch is invalid")                                        \
    X(UNSTABLE_OFFSET_COMMIT, 88, true, "offsets are being committed")                             \
    X(THROTTLING_QUOTA_EXCEEDED, 89, true, "quota exceeded")                                       \
    X(PRODUCER_FENCED, 90, false, "a newer producer took over")                                    \
    X(RESOURCE_NOT_FOUND, 91, false, "no such resource")                                           \
    X(DUPLICATE_RESOURCE, 92, false, "resource is named twice")                                    \
    X(UNACCEPTABLE_CREDENTIAL, 93, false, "credential is not acceptable")                          \
    X(UNKNOWN_TOPIC_ID, 100, true, "no such topic id")                                             \
    X(INCONSISTENT_TOPIC_ID, 103, true, "topic id does not match the topic")                       \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, true, "fetch session mixes topic ids and names")          \
    X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, false, "offset moved to tiered storage")                \
    X(FENCED_MEMBER_EPOCH, 110, false, "member epoch is fenced")                                   \
    X(UNRELEASED_INSTANCE_ID, 111, false, "instance id is still in use")                           \
    X(UNSUPPORTED_ASSIGNOR, 112, false, "assignor is not supported")                               \
    X(STALE_MEMBER_EPOCH, 113, false, "member epoch is stale")                                     \
    X(MISMATCHED_ENDPOINT_TYPE, 114, false, "asked of the wrong kind of endpoint")                 \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, false, "endpoint type is not supported")                     \
    X(INVALID_REGULAR_EXPRESSION, 128, false, "regular expression is not valid")

enum kafka_error {
#define KAFKA_ERROR_ENUM(name, number, retriable, text) KAFKA_##name = (number),
    KAFKA_ERRORS(KAFKA_ERROR_ENUM)
#undef KAFKA_ERROR_ENUM
};

/* The one mapping. What a client cannot be told more about becomes UNKNOWN_SERVER_ERROR. */
int16_t kafka_error_of(enum sl_err rc);
/* "TOPIC_ALREADY_EXISTS"; "UNKNOWN" for a number not in the table. Never NULL. */
const char *kafka_error_name(int16_t code);
/* A sentence for error_message fields; never NULL. */
const char *kafka_error_text(int16_t code);
bool kafka_error_is_retriable(int16_t code);

#endif
