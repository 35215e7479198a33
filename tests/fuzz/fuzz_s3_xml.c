/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of an S3 store: a page of keys, with all that storage-s3 makes of it, and an error
 * document. Whatever comes, what is handed on is in order, within the limits, and made of bytes
 * that a key may have; and a page that is refused hands on nothing. */
#include "storage-s3/s3_int.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_KEYS = 5 };
static const char prefix[] = "j/";

struct sink {
    sluice_list_sink pub; /* first member */
    char last[S3_KEY_MAX + 1];
    uint32_t count;
};

static void
must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static sluice_status
sink_add(sluice_list_sink *pub, const sluice_list_entry *e)
{
    struct sink *s = (struct sink *)(void *)pub;
    char key[S3_KEY_MAX + 1];
    must(e->key.len <= S3_KEY_MAX && memchr(e->key.ptr, '\0', e->key.len) == NULL);
    memcpy(key, e->key.ptr, e->key.len);
    key[e->key.len] = '\0';
    must(strncmp(key, prefix, strlen(prefix)) == 0);
    must(strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-/") ==
         e->key.len);
    must(strcmp(key, s->last) > 0 && ++s->count <= MAX_KEYS);
    memcpy(s->last, key, sizeof(key));
    return SLUICE_OK;
}

static bool
item_count(void *arg, const struct s3_listed *item)
{
    size_t *count = (size_t *)arg;
    must(item->key_len > 0 && item->key_len < S3_XML_VALUE);
    ++*count;
    return true;
}

static void
page_check(const char *doc, size_t len)
{
    struct s3_page first;
    struct s3_page second;
    size_t seen = 0;
    bool is_page = s3__xml_page(doc, len, &first, item_count, &seen);
    must(s3__xml_page(doc, len, &second, NULL, NULL) == is_page);
    if (is_page) {
        must(first.count == seen && second.count == seen);
        must(strcmp(first.token, second.token) == 0);
    }
}

static void
deliver_check(const char *doc, size_t len)
{
    struct sink sink = {.pub = {sizeof(sink.pub), sink_add}};
    struct s3_list list = {.sink = &sink.pub, .max = MAX_KEYS};
    struct s3_call call = {.kind = S3_LIST, .list = &list};
    struct s3_text text = {0};
    sluice_status status = SLUICE_OK;
    bool goes_on = false;
    memcpy(call.key, prefix, sizeof(prefix));
    s3__text_init(&text, S3_PAGE_MAX);
    s3__text_add(&text, doc, len);
    if (s3__page_deliver(&call, &text, &status, &goes_on)) {
        must(list.given == sink.count && !(goes_on && list.given >= MAX_KEYS));
    } else {
        must(sink.count == 0 && call.why[0] != '\0');
    }
    s3__text_fini(&text);
}

static void
error_check(const char *doc, size_t len)
{
    struct s3_error_doc e;
    s3__xml_error(doc, len, &e);
    must(memchr(e.code, '\0', sizeof(e.code)) != NULL);
    must(memchr(e.message, '\0', sizeof(e.message)) != NULL);
    must(memchr(e.region, '\0', sizeof(e.region)) != NULL);
}

static void
time_check(const char *doc, size_t len)
{
    char text[64];
    size_t n = len < sizeof(text) ? len : sizeof(text) - 1;
    if (n > 0) {
        memcpy(text, doc, n);
    }
    text[n] = '\0';
    (void)s3__time_ms(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *doc = (const char *)data;
    page_check(doc, size);
    deliver_check(doc, size);
    error_check(doc, size);
    time_check(doc, size);
    return 0;
}
