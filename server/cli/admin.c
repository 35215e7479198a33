/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gate.h"
#include "cli/admin_int.h"
#include "cli/groups_int.h"
#include "cli/table_int.h"
#include "wire/errors.h"

#include <stdarg.h>
#include <stdlib.h>

/* A coordinator may take 15 seconds; for a leader 2 are enough: who looks into an outage wants an
 * answer. */
enum { TRIES_MAX = 60, LEADER_TRIES_MAX = 8, PAUSE_MS = 250, LINE_MAX_BYTES = 2048 };

/* ---- one run ---- */

int
cli__admin_run(const struct cli__args *args, void (*run)(struct cli__admin *a, void *arg),
               void *arg)
{
    struct sl_error err = SL_ERROR_INIT;
    struct cli__admin a = {.args = args};
    const char *address = args->address == NULL ? "127.0.0.1:9092" : args->address;
    if (cluster_open(address, &a.cluster, &err) == SL_OK) {
        run(&a, arg);
    } else {
        cli__fail(&a, "%s%s", err.msg,
                  args->address == NULL ? "; --address HOST:PORT names another broker" : "");
    }
    cluster_close(&a.cluster);
    return fflush(stdout) == 0 ? a.status : CLI__FAILED;
}

void *
cli__admin_alloc(struct cli__admin *a, size_t count, size_t item)
{
    void *p = arena_array(&a->cluster.arena, count > 0 ? count : 1, item);
    if (p == NULL) {
        cli__fail(a, "more than fits into memory; ask for less");
        exit(CLI__FAILED); /* NOLINT(concurrency-mt-unsafe): one thread */
    }
    return p;
}

/* ---- saying what is wrong ---- */

static void
complain(const struct cli__args *args, const char *fmt, va_list more)
{
    char line[LINE_MAX_BYTES];
    (void)vsnprintf(line, sizeof(line), fmt, more);
    (void)fflush(stdout);
    (void)fprintf(stderr, "sluice %s: ", args->command->name);
    cli__print_safely(stderr, span_cstr(line));
    (void)fputc('\n', stderr);
}

void
cli__fail(struct cli__admin *a, const char *fmt, ...)
{
    va_list more;
    va_start(more, fmt);
    complain(a->args, fmt, more);
    va_end(more);
    a->status = CLI__FAILED;
}

int
cli__usage(const struct cli__args *args, const char *fmt, ...)
{
    va_list more;
    va_start(more, fmt);
    complain(args, fmt, more);
    va_end(more);
    return CLI__USAGE;
}

static const struct {
    int16_t code;
    const char *advice;
} advices[] = {
    {KAFKA_TOPIC_ALREADY_EXISTS, "`sluice topic describe NAME` shows it"},
    {KAFKA_INVALID_REPLICATION_FACTOR, "--replication-factor can be at most the number of brokers"},
    {KAFKA_NON_EMPTY_GROUP, "stop its members first; `sluice group describe GROUP` names them"},
    {KAFKA_UNKNOWN_MEMBER_ID, "the group has members: stop them first"},
    {KAFKA_REBALANCE_IN_PROGRESS, "the group has members: stop them first"},
    {KAFKA_ILLEGAL_GENERATION, "the group has members: stop them first"},
    {KAFKA_REQUEST_TIMED_OUT, "it may have been done: look before you try again"},
    {KAFKA_TOPIC_AUTHORIZATION_FAILED, "the broker's authorizer has to allow it"},
    {KAFKA_GROUP_AUTHORIZATION_FAILED, "the broker's authorizer has to allow it"},
    {KAFKA_CLUSTER_AUTHORIZATION_FAILED, "the broker's authorizer has to allow it"},
    {KAFKA_TOPIC_DELETION_DISABLED, "the broker runs with delete.topic.enable=false"},
    {KAFKA_OFFSET_OUT_OF_RANGE, "`sluice topic describe NAME` shows where its log begins and ends"},
    {KAFKA_GROUP_SUBSCRIBED_TO_TOPIC, "stop its members first"},
};

static const char *
advice_of(int16_t code)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (advices[i].code == code) {
            return advices[i].advice;
        }
    }
    return NULL;
}

void
cli__refused(struct cli__admin *a, const char *what, int16_t code, struct span message)
{
    const char *advice = advice_of(code);
    struct span text = message.len > 0 ? message : span_cstr(kafka_error_text(code));
    size_t n = text.len < LINE_MAX_BYTES / 2 ? text.len : LINE_MAX_BYTES / 2;
    while (n > 0 && (text.ptr[n - 1] == '.' || text.ptr[n - 1] == ' ')) {
        n--;
    }
    cli__fail(a, "%s: %.*s (%s, %d)%s%s", what, (int)n, (const char *)text.ptr,
              kafka_error_name(code), code, advice == NULL ? "" : "; ",
              advice == NULL ? "" : advice);
}

static const char *
cstr_of(struct cli__admin *a, struct span s)
{
    char *text = (char *)cli__admin_alloc(a, s.len + 1, 1);
    span_to_cstr(s, text, s.len + 1);
    return text;
}

static void
no_such(struct cli__admin *a, const char *kind, const struct nearest *near)
{
    if (near->best != NULL) {
        cli__fail(a, "no %s %s; did you mean %s?", kind, near->word, near->best);
    } else {
        cli__fail(a, "no %s %s; `sluice %s list` lists them", kind, near->word, kind);
    }
}

void
cli__no_topic(struct cli__admin *a, const char *name)
{
    struct sl_error ignored = SL_ERROR_INIT;
    struct metadata_response md;
    struct nearest near;
    nearest_init(&near, name);
    if (cluster_metadata(&a->cluster, NULL, &md, &ignored) == SL_OK) {
        for (size_t i = 0; i < md.topics.count; i++) {
            nearest_offer(&near, cstr_of(a, md.topics.items[i].name));
        }
    }
    no_such(a, "topic", &near);
}

void
cli__no_group(struct cli__admin *a, const char *name)
{
    struct cli__groups all = {0};
    struct nearest near;
    nearest_init(&near, name);
    if (cli__groups_list(a, NULL, &all)) {
        for (size_t i = 0; i < all.count; i++) {
            nearest_offer(&near, cstr_of(a, all.items[i].group_id));
        }
    }
    no_such(a, "group", &near);
}

/* ---- asking ---- */

bool
cli__again(struct cli__admin *a, int16_t code)
{
    bool is_leaders = code == KAFKA_LEADER_NOT_AVAILABLE || code == KAFKA_NOT_LEADER_OR_FOLLOWER ||
                      code == KAFKA_OFFSET_NOT_AVAILABLE;
    bool is_others = code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
                     code == KAFKA_COORDINATOR_NOT_AVAILABLE || code == KAFKA_NOT_COORDINATOR ||
                     code == KAFKA_NOT_CONTROLLER || code == KAFKA_UNSTABLE_OFFSET_COMMIT;
    int most = is_leaders ? LEADER_TRIES_MAX : is_others ? TRIES_MAX : 0;
    if (a->tries >= most) {
        return false;
    }
    a->tries++;
    gate_pause(PAUSE_MS);
    return true;
}

bool
cli__ask(struct cli__admin *a, struct client *c, const struct cli__ask *q)
{
    struct sl_error err = SL_ERROR_INIT;
    const struct client_question question = {
        .key = q->key, .version = CLIENT_BEST, .in = q->in, .out = q->out};
    if (client_ask(c, &question, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    return true;
}

bool
cli__ask_controller(struct cli__admin *a, const struct cli__ask *q)
{
    struct sl_error err = SL_ERROR_INIT;
    struct client *c = NULL;
    if (cluster_controller(&a->cluster, &c, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    return cli__ask(a, c, q);
}

bool
cli__coordinator(struct cli__admin *a, const char *group, struct client **ret)
{
    struct sl_error err = SL_ERROR_INIT;
    int32_t id = -1;
    int16_t code = 0;
    enum sl_err rc;
    do {
        rc = cluster_coordinator(&a->cluster, group, &id, &code, &err);
    } while (rc == SL_OK && cli__again(a, code));
    if (rc == SL_OK && code != 0) {
        cli__refused(a, "the group's coordinator", code, span_of(NULL, 0));
        return false;
    }
    if (rc == SL_OK) {
        rc = cluster_broker(&a->cluster, id, ret, &err);
    }
    if (rc != SL_OK) {
        cli__fail(a, "%s", err.msg);
    }
    return rc == SL_OK;
}

bool
cli__ask_coordinator(struct cli__admin *a, const char *group, const struct cli__ask *q,
                     int16_t (*error_of)(const void *))
{
    struct client *c = NULL;
    do {
        if (!cli__coordinator(a, group, &c) || !cli__ask(a, c, q)) {
            return false;
        }
    } while (cli__again(a, error_of(q->out)));
    return true;
}

bool
cli__topic_find(struct cli__admin *a, const char *name, struct metadata_response_topic *ret)
{
    struct sl_error err = SL_ERROR_INIT;
    struct metadata_response md;
    do {
        if (cluster_metadata(&a->cluster, name, &md, &err) != SL_OK) {
            cli__fail(a, "%s", err.msg);
            return false;
        }
    } while (md.topics.count == 1 && cli__again(a, md.topics.items[0].error_code));
    if (md.topics.count != 1 || md.topics.items[0].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        cli__no_topic(a, name);
        return false;
    }
    if (md.topics.items[0].error_code != 0) {
        cli__refused(a, name, md.topics.items[0].error_code, span_of(NULL, 0));
        return false;
    }
    *ret = md.topics.items[0];
    return true;
}
