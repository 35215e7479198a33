/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of SaslHandshake; the columns are explained in wire/schema.h. */
#include "wire/messages/sasl_handshake.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct sasl_handshake_request, mechanism, 0, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct sasl_handshake_request, request_rows);

const struct wire_message sasl_handshake_request_schema = {
    "SaslHandshakeRequest", 17, false, 0, 1, WIRE_NEVER, &request};

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I16, struct sasl_handshake_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_STRING, struct sasl_handshake_response, mechanisms, 0, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct sasl_handshake_response, response_rows);

const struct wire_message sasl_handshake_response_schema = {
    "SaslHandshakeResponse", 17, true, 0, 1, WIRE_NEVER, &response};
