/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of InitProducerId; the columns are explained in wire/schema.h. */
#include "wire/messages/init_producer_id.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW_NULLABLE(WIRE_STRING, struct init_producer_id_request, transactional_id, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW(WIRE_I32, struct init_producer_id_request, transaction_timeout_ms, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct init_producer_id_request, producer_id, 3, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I16, struct init_producer_id_request, producer_epoch, 3, WIRE_FOREVER,
                     -1),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct init_producer_id_request, request_rows);

const struct wire_message init_producer_id_request_schema = {
    "InitProducerIdRequest", 22, false, 0, 5, 2, &request};

void
init_producer_id_request_init(struct init_producer_id_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct init_producer_id_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct init_producer_id_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct init_producer_id_response, producer_id, 0, WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_I16, struct init_producer_id_response, producer_epoch, 0, WIRE_FOREVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct init_producer_id_response, response_rows);

const struct wire_message init_producer_id_response_schema = {
    "InitProducerIdResponse", 22, true, 0, 5, 2, &response};

void
init_producer_id_response_init(struct init_producer_id_response *ret)
{
    wire_defaults(&response, ret);
}
