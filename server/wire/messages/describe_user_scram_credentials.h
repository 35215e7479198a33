/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeUserScramCredentials (key 50), version 0, flexible from 0. Threads: plain values;
 * lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_USER_SCRAM_CREDENTIALS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_USER_SCRAM_CREDENTIALS_H

#include "wire/schema.h"

struct describe_user_scram_credentials_request_user {
    struct span name;
};

struct describe_user_scram_credentials_request {
    WIRE_LIST(struct describe_user_scram_credentials_request_user) users; /* nullable */
};

extern const struct wire_message describe_user_scram_credentials_request_schema;

struct describe_user_scram_credentials_response_credential_info {
    int8_t mechanism;
    int32_t iterations;
};

struct describe_user_scram_credentials_response_result {
    struct span user;
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct describe_user_scram_credentials_response_credential_info) credential_infos;
};

struct describe_user_scram_credentials_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct describe_user_scram_credentials_response_result) results;
};

extern const struct wire_message describe_user_scram_credentials_response_schema;

#endif
