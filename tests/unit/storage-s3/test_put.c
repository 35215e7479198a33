/* Puts: what goes over the wire, and what each kind of answer, or silence, becomes. */
#include "../../e2e/s3/sync_storage.h"
#include "base/crc32c.h"
#include "s3_world.h"

static void
assert_header(const struct tiny_request *rq, const char *name, const char *want)
{
    char got[512];
    assert_string_equal(tiny_header(rq, name, got), want);
}

static void
put__if_absent_with_crc__request_is_as_s3_wants_it(void **state)
{
    struct world *w = (struct world *)*state;
    char got[512];
    world_open(w, NULL, 0);
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.if_absent = w->c.call.has_crc = true;
    w->c.call.parts[0] = span_cstr("1234");
    w->c.call.parts[2] = span_cstr("56789");
    w->c.call.part_count = 3;
    w->c.call.crc32c = crc32c(0, "123456789", 9);
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "a/b~c.d");
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
    assert_int_equal(world_seen(w), 1);
    const struct tiny_request *rq = &w->seen[0];
    assert_string_equal(rq->method, "PUT");
    assert_string_equal(rq->target, "/b1x/a/b~c.d");
    assert_int_equal(rq->body_len, 9);
    assert_memory_equal(rq->body, "123456789", 9);
    assert_header(rq, "if-none-match", "*");
    assert_header(rq, "x-amz-checksum-crc32c", "4waSgw==");
    assert_header(rq, "x-amz-content-sha256",
                  "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    assert_header(rq, "expect", "");
    assert_header(rq, "transfer-encoding", "");
    assert_header(rq, "x-amz-security-token", "");
    assert_header(rq, "host", w->endpoint + strlen("http://"));
    assert_non_null(strstr(tiny_header(rq, "authorization", got), "Credential=AKIDTEST/"));
    assert_non_null(strstr(got, "/us-east-1/s3/aws4_request, SignedHeaders=host;if-none-match;"
                                "x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date, "));
}

static void
put__two_in_turn__share_a_connection(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_int_equal(world_put(w, ""), STORE_DONE);
    assert_int_equal(w->seen[0].connection, 0); /* that of the check at start */
    assert_int_equal(w->seen[1].connection, 0);
    assert_int_equal(w->seen[1].body_len, 0);
}

static void
put__options_for_encryption_token_and_payload__become_headers(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"sse", "aws:kms"},
                                            {"sse.kms.key.id", "key-1"},
                                            {"payload.signing", "off"},
                                            {"session.token", TOKEN_CANARY},
                                            {"region", "eu-west-1"}};
    char got[512];
    world_open(w, more, 5);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_header(&w->seen[0], "x-amz-server-side-encryption", "aws:kms");
    assert_header(&w->seen[0], "x-amz-server-side-encryption-aws-kms-key-id", "key-1");
    assert_header(&w->seen[0], "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_header(&w->seen[0], "x-amz-security-token", TOKEN_CANARY);
    assert_non_null(strstr(tiny_header(&w->seen[0], "authorization", got), "/eu-west-1/s3/"));
    assert_non_null(strstr(got, "x-amz-security-token"));
}

static void
put__virtual_addressing__bucket_is_in_the_host(void **state)
{
    struct world *w = (struct world *)*state;
    char endpoint[64];
    char host[80];
    (void)snprintf(endpoint, sizeof(endpoint), "http://localhost:%d", w->http->port);
    (void)snprintf(host, sizeof(host), "b1x.localhost:%d", w->http->port);
    const struct plugin_conf_pair more[] = {{"endpoint", endpoint}, {"addressing", "virtual"}};
    world_open(w, more, 2);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_string_equal(w->seen[0].target, "/a/k");
    assert_header(&w->seen[0], "host", host);
}

static void
put__412__exists(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 412, .code = "PreconditionFailed"});
    assert_int_equal(world_put(w, "x"), STORE_EXISTS);
    assert_int_equal(world_seen(w), 1);
}

static void
put__409_then_200__stored(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 409, .code = "ConditionalRequestConflict"}, {.status = 200});
    assert_int_equal(world_put(w, "same bytes"), STORE_DONE);
    assert_int_equal(world_seen(w), 2);
    assert_memory_equal(w->seen[1].body, "same bytes", 10);
}

static void
put__409_for_ever__unknown(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "400ms"}};
    world_open(w, more, 1);
    SCRIPT(w, {.status = 409, .code = "ConditionalRequestConflict"});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    assert_true(world_seen(w) > 1);
}

static void
put__slow_down_then_412__exists(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 503, .code = "SlowDown"}, {.status = 429}, {.status = 412});
    assert_int_equal(world_put(w, "x"), STORE_EXISTS);
    assert_int_equal(world_seen(w), 3);
}

/* The 503 may have been applied; only the store's own word would make it "nothing happened". */
static void
put__slow_down_then_refused__unknown(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 503, .code = "SlowDown"}, {.status = 403, .code = "AccessDenied"});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    assert_non_null(strstr(w->c.call.why, "denied"));
}

static void
put__500__unknown_at_once(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 500, .code = "InternalError"});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    assert_int_equal(world_seen(w), 1);
    assert_non_null(strstr(w->c.call.why, "InternalError"));
}

static void
put__connection_closed_without_an_answer__unknown(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 0});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
}

/* A kept connection that breaks without a byte of an answer: curl sends the request again by
 * itself. What became of the first time is not told by what the second is told. */
static void
put__sent_again_by_curl_then_refused__unknown(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    SCRIPT(w, {.status = 0}, {.status = 403, .code = "AccessDenied"});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    assert_int_equal(world_seen(w), 2);
    assert_non_null(strstr(w->c.call.why, "denied"));
}

static void
put__no_answer_before_the_deadline__unknown(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "300ms"}};
    world_open(w, more, 1);
    SCRIPT(w, {.status = -1});
    assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    assert_int_equal(world_seen(w), 1);
}

static void
put__damaged_in_transit__is_sent_again(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 400, .code = "BadDigest"}, {.status = 200});
    assert_int_equal(world_put(w, "x"), STORE_DONE);
}

/* A store that refuses at sight of the headers and hangs up: its answer is lost with the connection
 * unless we wait for it. */
static void
put__store_hangs_up_while_we_send__asks_first_and_hears_the_answer(void **state)
{
    enum { LEN = 24 << 20 };
    struct world *w = (struct world *)*state;
    char got[512];
    char *bytes = (char *)sl_alloc(LEN);
    world_open(w, NULL, 0);
    atomic_store(&w->http->looks_at_heads, true);
    SCRIPT(w, {.status = 412, .code = "PreconditionFailed"});
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.if_absent = true;
    w->c.call.parts[0] = span_of(bytes, LEN);
    w->c.call.part_count = 1;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "k");
    sync_run(&w->loop, w->st, &w->c);
    if (w->c.call.outcome != STORE_EXISTS) {
        fail_msg("outcome %d: %s", (int)w->c.call.outcome, w->c.call.why);
    }
    assert_int_equal(world_seen(w), 1); /* what was hung up on was not seen */
    assert_string_equal(tiny_header(&w->seen[0], "expect", got), "100-continue");
    sl_free(bytes);
}

static void
put__denied__error_that_promises_nothing_was_stored(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 403, .code = "AccessDenied"});
    assert_int_equal(world_put(w, "x"), STORE_ERROR);
    assert_int_equal(w->c.call.rc, SL_EIO); /* the server has no right, not its client */
    assert_non_null(strstr(w->c.call.why, "s3:PutObject"));
}

static void
put__nobody_listens__error_and_nothing_was_sent(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "300ms"}};
    world_open(w, more, 1);
    tiny_stop(w->http);
    assert_int_equal(world_put(w, "x"), STORE_ERROR);
    assert_int_equal(w->c.call.rc, SL_ETIMEOUT);
    w->http = tiny_start(world_handle, w);
}

static void
put__keys_that_are_none__are_refused(void **state)
{
    struct world *w = (struct world *)*state;
    static const char *const keys[] = {"",    "/a",  "a/",  "a//b", "a/../b",
                                       "./a", "a b", "a?b", "\xc3"};
    world_open(w, NULL, 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(sync_put(&w->loop, w->st, &w->c, keys[i], "x"), STORE_ERROR);
        assert_int_equal(w->c.call.rc, SL_EINVAL);
    }
    assert_int_equal(world_seen(w), 0);
}

/* ---- many at once ---- */

static void
flight_submit(struct world *w, struct sync_call *c, enum store_kind kind)
{
    memset(c, 0, sizeof(*c));
    c->call.kind = kind;
    c->call.home = &w->loop.sched;
    c->call.done = sync_done;
    c->call.part_count = kind == STORE_PUT ? 1 : 0;
    c->call.parts[0] = span_cstr("x");
    (void)snprintf(c->call.key, sizeof(c->call.key), "k");
    store_submit(w->st, &c->call);
}

static void
submit__more_than_may_wait__the_last_is_told_to_come_later(void **state)
{
    enum { ALL = 1024 };
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "1s"}, {"connections", "2"}};
    struct sync_call *calls = (struct sync_call *)sl_alloc((ALL + 1) * sizeof(*calls));
    world_open(w, more, 2);
    SCRIPT(w, {.status = -1});
    for (size_t i = 0; i <= ALL; i++) {
        flight_submit(w, &calls[i], STORE_PUT);
    }
    loop_run_until(&w->loop, &calls[ALL].done, 1);
    assert_int_equal(calls[ALL].call.outcome, STORE_ERROR);
    assert_int_equal(calls[ALL].call.rc, SL_EAGAIN);
    size_t unknown = 0;
    for (size_t i = 0; i < ALL; i++) {
        loop_run_until(&w->loop, &calls[i].done, 1);
        unknown += calls[i].call.outcome == STORE_UNKNOWN ? 1 : 0;
    }
    assert_true(unknown >= 2 && unknown < ALL / 2); /* what got no connection was never sent */
    sl_free(calls);
}

static void
submit__all_reads_stall__a_put_still_gets_through(void **state)
{
    enum { READS = 12 };
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"connections", "4"}, {"timeout", "2s"}};
    struct sync_call reads[READS];
    world_open(w, more, 2);
    SCRIPT(w, {.status = -1}, {.status = -1}, {.status = -1}, {.status = 200}, {.status = -1});
    for (size_t i = 0; i < READS; i++) {
        flight_submit(w, &reads[i], STORE_GET);
    }
    while (world_seen(w) < 3) { /* the reads have what they may have */
        (void)usleep(1000);
    }
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    for (size_t i = 0; i < READS; i++) {
        loop_run_until(&w->loop, &reads[i].done, 1);
        assert_int_equal(reads[i].call.outcome, STORE_ERROR);
    }
}

struct late_put {
    struct plugin_op op;
    int ended; /* written by the plugin's thread, read after it was joined */
    sluice_status status;
};

static void
late_finished(struct plugin_op *op, sluice_status status, const void *result)
{
    struct late_put *p = SL_CONTAINER_OF(op, struct late_put, op);
    (void)result;
    p->ended++;
    p->status = status;
}

static void
stop__with_a_put_in_flight__ends_it_once_as_unknown(void **state)
{
    struct world *w = (struct world *)*state;
    struct late_put p = {.op = {.finished = late_finished}};
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = -1});
    const sluice_storage *table =
        (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1);
    const sluice_slice part = {(const uint8_t *)"x", 1};
    op_begin(&p.op);
    sluice_op *handle = p.op.handle;
    sluice_status rc =
        table->put(plugin_instance_self(w->plugin), part, &part, 1, NULL, NULL, handle);
    assert_int_equal(op_end(handle, rc), OP_PENDING);
    while (world_seen(w) == 0) { /* it is at the store */
        (void)usleep(1000);
    }
    plugin_store_close(&w->st);
    plugin_instance_close(&w->plugin);
    assert_int_equal(p.ended, 1);
    assert_int_equal(p.status, SLUICE_EUNKNOWN);
}

static void
put__if_version__sends_if_match_and_gives_the_new_version(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_storage s;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200, .headers = "ETag: \"two\"\r\n"}, {.status = 501});
    sync_storage_init(&s, w->plugin);
    const sluice_slice part = {(const uint8_t *)"x", 1};
    sluice_put_opts o = {.size = sizeof(o), .flags = SLUICE_PUT_IF_VERSION};
    sluice_put_result r = {.size = sizeof(r)};
    o.version = (sluice_slice){(const uint8_t *)"one", 3};
    sluice_status rc = s.table.put(sync_storage_self(&s), part, &part, 1, &o, &r, NULL);
    assert_int_equal(rc, SLUICE_OK);
    assert_string_equal(r.version, "two");
    assert_header(&w->seen[0], "if-match", "one");
    rc = s.table.put(sync_storage_self(&s), part, &part, 1, &o, &r, NULL);
    assert_int_equal(rc, SLUICE_ENOTSUP);
    o.flags = 1u << 20;
    rc = s.table.put(sync_storage_self(&s), part, &part, 1, &o, &r, NULL);
    assert_int_equal(rc, SLUICE_ENOTSUP);
    sync_storage_fini(&s);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(put__if_absent_with_crc__request_is_as_s3_wants_it),
        WORLD_TEST(put__two_in_turn__share_a_connection),
        WORLD_TEST(put__options_for_encryption_token_and_payload__become_headers),
        WORLD_TEST(put__virtual_addressing__bucket_is_in_the_host),
        WORLD_TEST(put__412__exists),
        WORLD_TEST(put__409_then_200__stored),
        WORLD_TEST(put__409_for_ever__unknown),
        WORLD_TEST(put__slow_down_then_412__exists),
        WORLD_TEST(put__slow_down_then_refused__unknown),
        WORLD_TEST(put__500__unknown_at_once),
        WORLD_TEST(put__connection_closed_without_an_answer__unknown),
        WORLD_TEST(put__sent_again_by_curl_then_refused__unknown),
        WORLD_TEST(put__no_answer_before_the_deadline__unknown),
        WORLD_TEST(put__damaged_in_transit__is_sent_again),
        WORLD_TEST(put__store_hangs_up_while_we_send__asks_first_and_hears_the_answer),
        WORLD_TEST(put__denied__error_that_promises_nothing_was_stored),
        WORLD_TEST(put__nobody_listens__error_and_nothing_was_sent),
        WORLD_TEST(put__keys_that_are_none__are_refused),
        WORLD_TEST(submit__more_than_may_wait__the_last_is_told_to_come_later),
        WORLD_TEST(submit__all_reads_stall__a_put_still_gets_through),
        WORLD_TEST(stop__with_a_put_in_flight__ends_it_once_as_unknown),
        WORLD_TEST(put__if_version__sends_if_match_and_gives_the_new_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
