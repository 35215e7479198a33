/* Reads, lists and deletes: ranges, damage on the way, pages, retries. */
#include "s3_world.h"

static void
assert_body(struct world *w, const char *want)
{
    struct span got = buf_span(w->c.call.body);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
    buf_unref(&w->c.call.body);
}

static void
get__whole__no_range_is_asked_for(void **state)
{
    struct world *w = (struct world *)*state;
    char got[512];
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200, .body = "0123456789"});
    assert_int_equal(world_get(w, 0, 0), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 10);
    assert_body(w, "0123456789");
    assert_string_equal(w->seen[0].target, "/b1x/k");
    assert_string_equal(tiny_header(&w->seen[0], "range", got), "");
}

static void
get__range__asks_for_it_and_knows_the_whole_size(void **state)
{
    struct world *w = (struct world *)*state;
    char got[512];
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 206, .headers = "Content-Range: bytes 3-5/100\r\n", .body = "345"},
           {.status = 206, .headers = "Content-Range: bytes 98-99/100\r\n", .body = "xy"},
           {.status = 206, .headers = "Content-Range: bytes 7-99/100\r\n", .body = "to the end"});
    assert_int_equal(world_get(w, 3, 3), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 100);
    assert_body(w, "345");
    assert_string_equal(tiny_header(&w->seen[0], "range", got), "bytes=3-5");
    assert_int_equal(world_get(w, 98, 10), STORE_DONE); /* shorter: it ends there */
    assert_body(w, "xy");
    assert_int_equal(world_get(w, 7, 0), STORE_DONE);
    assert_string_equal(tiny_header(&w->seen[2], "range", got), "bytes=7-");
    assert_body(w, "to the end");
}

static void
get__range_beyond_the_end__empty_with_the_size(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 416, .headers = "Content-Range: bytes */10\r\n"});
    assert_int_equal(world_get(w, 10, 5), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 10);
    assert_body(w, "");
    SCRIPT(w, {.status = 416,
               .body = "<Error><Code>InvalidRange</Code><ActualObjectSize>7</ActualObjectSize>"
                       "</Error>"});
    assert_int_equal(world_get(w, 10, 5), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 7);
    assert_body(w, "");
}

static void
get__range_beyond_the_end_and_no_size__asks_head(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 416, .code = "InvalidRange"},
           {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"});
    assert_int_equal(world_get(w, 100, 5), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 9);
    assert_body(w, "");
    assert_string_equal(w->seen[1].method, "HEAD");
}

/* versitygw calls an offset beyond 2^63 an invalid argument. */
static void
get__offset_or_end_beyond_what_stores_can_parse__is_beyond_the_end(void **state)
{
    struct world *w = (struct world *)*state;
    char got[512];
    world_open(w, NULL, 0);
    SCRIPT(w, {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"});
    assert_int_equal(world_get(w, UINT64_MAX, UINT64_MAX), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 9);
    assert_body(w, "");
    SCRIPT(w, {.status = 206, .headers = "Content-Range: bytes 3-8/9\r\n", .body = "345678"});
    assert_int_equal(world_get(w, 3, UINT64_MAX - 1), STORE_DONE);
    assert_body(w, "345678");
    assert_string_equal(tiny_header(&w->seen[0], "range", got), "bytes=3-");
}

static void
get__answers_that_are_not_what_was_asked_for__are_never_taken(void **state)
{
    static const struct step bad[] = {
        {.status = 200, .body = "0123456789"}, /* ignores Range */
        {.status = 206, .body = "345"},        /* does not say which */
        {.status = 206, .headers = "Content-Range: bytes 0-2/100\r\n", .body = "012"},
        {.status = 206, .headers = "Content-Range: bytes 3-9/100\r\n", .body = "3456789"},
        {.raw = "HTTP/1.1 206 X\r\nContent-Range: bytes 3-5/100\r\nContent-Length: 3\r\n\r\n3"},
        {.raw = "HTTP/1.1 206 X\r\nContent-Range: bytes 3-5/100\r\n"
                "Content-Length: 99999999999999\r\n\r\n3"},
        {.raw = "HTTP/1.1 206 X\r\nContent-Range: bytes 3-5/100\r\nConnection: close\r\n\r\n345"},
        {.raw = "garbage\r\n\r\n"},
        {.status = 0},
        {.status = 500, .code = "InternalError"},
        {.status = 503, .code = "SlowDown"},
    };
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        SCRIPT(w, bad[i],
               {.status = 206, .headers = "Content-Range: bytes 3-5/100\r\n", .body = "345"});
        assert_int_equal(world_get(w, 3, 3), STORE_DONE);
        assert_body(w, "345");
        assert_int_equal(world_seen(w) >= 2, 1);
    }
}

static void
get__stalls__is_tried_again_before_the_deadline(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "2200ms"}};
    world_open(w, more, 1);
    SCRIPT(w, {.status = -1}, {.status = 200, .body = "x"});
    assert_int_equal(world_get(w, 0, 0), STORE_DONE);
    assert_body(w, "x");
}

static void
get__never_anything_but_errors__says_the_last_one(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "300ms"}};
    world_open(w, more, 1);
    SCRIPT(w, {.status = 500, .code = "InternalError"});
    assert_int_equal(world_get(w, 0, 0), STORE_ERROR);
    assert_int_equal(w->c.call.rc, SL_EIO);
    assert_non_null(strstr(w->c.call.why, "InternalError"));
}

/* A 404 that a proxy wrote must not pass for "no such object". */
static void
get__404__absent_only_when_the_store_says_so(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 404, .code = "NoSuchKey"});
    assert_int_equal(world_get(w, 0, 0), STORE_ABSENT);
    SCRIPT(w, {.status = 404, .body = "<html>nginx</html>"});
    assert_int_equal(world_get(w, 0, 0), STORE_ERROR);
    SCRIPT(w, {.status = 404, .code = "NoSuchBucket"});
    assert_int_equal(world_get(w, 0, 0), STORE_ERROR);
    assert_non_null(strstr(w->c.call.why, "there is no bucket b1x"));
}

static void
head__size_and_absence(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 12345678901\r\n\r\n"});
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_HEAD, "k"), STORE_DONE);
    assert_int_equal(w->c.call.object_size, 12345678901);
    SCRIPT(w, {.raw = "HTTP/1.1 404 X\r\n\r\n"});
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_HEAD, "k"), STORE_ABSENT);
}

static void
del__present_absent_and_busy__succeeds(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.raw = "HTTP/1.1 204 No Content\r\n\r\n"});
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, "k"), STORE_DONE);
    assert_string_equal(w->seen[0].method, "DELETE");
    SCRIPT(w, {.status = 503, .code = "SlowDown"}, {.status = 404, .code = "NoSuchKey"});
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, "k"), STORE_DONE);
}

/* ---- lists ---- */

static enum store_outcome
list(struct world *w, const char *prefix, const char *after, uint32_t max)
{
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_LIST;
    w->c.call.max_keys = max;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "%s", prefix);
    (void)snprintf(w->c.call.after, sizeof(w->c.call.after), "%s", after);
    sync_run(&w->loop, w->st, &w->c);
    return w->c.call.outcome;
}

#define KEY(k) "<Contents><Key>" k "</Key><Size>1</Size></Contents>"
#define PAGE(more, keys)                                                                           \
    "<ListBucketResult><IsTruncated>" more "</IsTruncated>" keys "</ListBucketResult>"

static void
list__pages__are_read_to_the_end(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w,
           {.status = 200,
            .body = PAGE("true", "<NextContinuationToken>t/1=</NextContinuationToken>" KEY("p/a")
                                     KEY("p/b"))},
           {.status = 200, .body = PAGE("true", KEY("p/c"))}, /* a store without tokens */
           {.status = 200, .body = PAGE("false", KEY("p/d"))});
    assert_int_equal(list(w, "p/", "p/0", 100), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, 4);
    assert_string_equal(w->c.call.listing->items[3].key, "p/d");
    store_listing_free(&w->c.call.listing);
    assert_string_equal(w->seen[0].target,
                        "/b1x?list-type=2&max-keys=100&prefix=p%2F&start-after=p%2F0");
    assert_string_equal(w->seen[1].target, "/b1x?continuation-token=t%2F1%3D&list-type=2&"
                                           "max-keys=98&prefix=p%2F");
    assert_string_equal(w->seen[2].target,
                        "/b1x?list-type=2&max-keys=97&prefix=p%2F&start-after=p%2Fc");
}

static void
list__limited__asks_for_no_more_and_gives_no_more(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200, .body = PAGE("true", KEY("a") KEY("b") KEY("c"))});
    assert_int_equal(list(w, "", "", 2), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, 2);
    store_listing_free(&w->c.call.listing);
    assert_int_equal(world_seen(w), 1);
}

static void
list__keys_that_nobody_here_could_ask_for__are_left_out(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200,
               .body = PAGE("false", KEY("p/a") KEY("p/b c") KEY("p/d&amp;e") KEY("p/f"))});
    assert_int_equal(list(w, "p/", "p/a", 100), STORE_DONE); /* and start-after itself */
    assert_int_equal(w->c.call.listing->count, 1);
    assert_string_equal(w->c.call.listing->items[0].key, "p/f");
    store_listing_free(&w->c.call.listing);
}

static void
list__not_in_order__is_refused_by_name(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200, .body = PAGE("false", KEY("b") KEY("a"))});
    assert_int_equal(list(w, "", "", 100), STORE_ERROR);
    assert_non_null(strstr(w->c.call.why, "order"));
}

static void
list__no_list_or_no_way_on__is_an_error(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 200, .body = "<html>login</html>"});
    assert_int_equal(list(w, "", "", 100), STORE_ERROR);
    assert_non_null(strstr(w->c.call.why, "is endpoint the address of an S3 store?"));
    SCRIPT(w, {.status = 200, .body = PAGE("true", "")});
    assert_int_equal(list(w, "", "", 100), STORE_ERROR);
}

static void
list__page_breaks_off__is_asked_for_again_and_given_once(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.raw = "HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n<ListBucketResult>" KEY("a")},
           {.status = 200, .body = PAGE("false", KEY("a"))});
    assert_int_equal(list(w, "", "", 100), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, 1);
    store_listing_free(&w->c.call.listing);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(get__whole__no_range_is_asked_for),
        WORLD_TEST(get__range__asks_for_it_and_knows_the_whole_size),
        WORLD_TEST(get__range_beyond_the_end__empty_with_the_size),
        WORLD_TEST(get__range_beyond_the_end_and_no_size__asks_head),
        WORLD_TEST(get__offset_or_end_beyond_what_stores_can_parse__is_beyond_the_end),
        WORLD_TEST(get__answers_that_are_not_what_was_asked_for__are_never_taken),
        WORLD_TEST(get__stalls__is_tried_again_before_the_deadline),
        WORLD_TEST(get__never_anything_but_errors__says_the_last_one),
        WORLD_TEST(get__404__absent_only_when_the_store_says_so),
        WORLD_TEST(head__size_and_absence),
        WORLD_TEST(del__present_absent_and_busy__succeeds),
        WORLD_TEST(list__pages__are_read_to_the_end),
        WORLD_TEST(list__limited__asks_for_no_more_and_gives_no_more),
        WORLD_TEST(list__keys_that_nobody_here_could_ask_for__are_left_out),
        WORLD_TEST(list__not_in_order__is_refused_by_name),
        WORLD_TEST(list__no_list_or_no_way_on__is_an_error),
        WORLD_TEST(list__page_breaks_off__is_asked_for_again_and_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
