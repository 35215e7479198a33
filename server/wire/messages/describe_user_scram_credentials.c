/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeUserScramCredentials; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_user_scram_credentials.h"

static const struct wire_field request_user_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_user_scram_credentials_request_user, name, 0,
             WIRE_FOREVER),
};
static const struct wire_schema request_user =
    WIRE_SCHEMA(struct describe_user_scram_credentials_request_user, request_user_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_user, struct describe_user_scram_credentials_request, users, 0,
                     WIRE_FOREVER, 0),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_user_scram_credentials_request, request_rows);

const struct wire_message describe_user_scram_credentials_request_schema = {
    "DescribeUserScramCredentialsRequest", 50, false, 0, 0, 0, &request};

static const struct wire_field response_credential_info_rows[] = {
    WIRE_ROW(WIRE_I8, struct describe_user_scram_credentials_response_credential_info, mechanism, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_user_scram_credentials_response_credential_info, iterations,
             0, WIRE_FOREVER),
};
static const struct wire_schema response_credential_info = WIRE_SCHEMA(
    struct describe_user_scram_credentials_response_credential_info, response_credential_info_rows);

static const struct wire_field response_result_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_user_scram_credentials_response_result, user, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_user_scram_credentials_response_result, error_code, 0,
             WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_user_scram_credentials_response_result,
                      error_message, 0, WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&response_credential_info,
                     struct describe_user_scram_credentials_response_result, credential_infos, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_result =
    WIRE_SCHEMA(struct describe_user_scram_credentials_response_result, response_result_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_user_scram_credentials_response, throttle_time_ms, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_user_scram_credentials_response, error_code, 0,
             WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_user_scram_credentials_response, error_message,
                      0, WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&response_result, struct describe_user_scram_credentials_response, results, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_user_scram_credentials_response, response_rows);

const struct wire_message describe_user_scram_credentials_response_schema = {
    "DescribeUserScramCredentialsResponse", 50, true, 0, 0, 0, &response};
