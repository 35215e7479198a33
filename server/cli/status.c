/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice status`: two requests on one connection.
 *
 * Metadata v2 (its first version with a cluster id) is what any Kafka broker answers. SluiceStatus
 * comes second: a broker that does not know it closes the connection, and then Metadata is all. */
#include "cli/client.h"
#include "cli/status_int.h"
#include "wire/messages/metadata.h"
#include "wire/messages/sluice_status.h"

enum { METADATA_VERSION = 2 };

/* NULL when the broker does not tell. */
static json_t *
report_ask(struct client *c, bool wants_counters)
{
    struct sl_error ignored = SL_ERROR_INIT;
    const struct sluice_status_request in = {.wants_counters = wants_counters};
    struct sluice_status_response out = {0};
    const struct client_question q = {.key = API_SLUICE_STATUS, .in = &in, .out = &out};
    json_t *report = NULL;
    if (client_ask(c, &q, &ignored) == SL_OK && out.error_code == 0) {
        report = json_loadb((const char *)out.report.ptr, out.report.len, 0, NULL);
    }
    if (!json_is_object(report)) {
        json_decref(report);
        report = NULL;
    }
    return report;
}

static enum sl_err
status_get(struct client *c, const struct cli__args *args, struct sl_error *err)
{
    struct metadata_request in;
    struct metadata_response out;
    const struct client_question q = {
        .key = API_METADATA, .version = METADATA_VERSION, .in = &in, .out = &out};
    metadata_request_init(&in); /* every topic */
    enum sl_err rc = client_ask(c, &q, err);
    if (rc == SL_OK) {
        json_t *report = report_ask(c, args->has_counters);
        if (args->is_json) {
            cli__status_json(report, &out);
        } else {
            cli__status_text(report, &out);
        }
        json_decref(report);
    }
    return rc;
}

int
cli__status(const struct cli__args *args)
{
    struct sl_error err = SL_ERROR_INIT;
    struct client *c = NULL;
    enum sl_err rc =
        client_open(args->address == NULL ? "127.0.0.1:9092" : args->address, &c, &err);
    if (rc == SL_OK) {
        rc = status_get(c, args, &err);
    }
    client_close(&c);
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice status: %s\n", err.msg);
        return 1;
    }
    return 0;
}
