/* One page of a LIST, from XML to the caller's sink.
 *
 * Walked twice: the first walk checks the whole page and gives nothing away, so that a page that
 * breaks off in the middle can be asked for again. Order is checked too: a reader that goes on
 * after the last key it saw would lose keys of an unsorted listing without a sign (directory
 * buckets of S3 Express list that way). */
#include "storage-s3/s3_int.h"

#include <stdio.h>
#include <string.h>

struct reader {
    struct s3_call *call;
    char last[S3_XML_VALUE];
    size_t last_len;
    bool is_unsorted;
    sluice_status sink_said;
};

static int
key_order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Keys that the door knows. The bucket may hold others: nobody could ask for them here. */
static bool
is_ours(const struct s3_call *call, const struct s3_listed *item)
{
    size_t prefix = strlen(call->key);
    if (item->key_len > S3_KEY_MAX || item->key_len < prefix ||
        memcmp(item->key, call->key, prefix) != 0) {
        return false;
    }
    for (size_t i = 0; i < item->key_len; i++) {
        char c = item->key[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || strchr("._~-/", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool
order_check(void *arg, const struct s3_listed *item)
{
    struct reader *r = (struct reader *)arg;
    if (item->key_len >= sizeof(r->last) ||
        (r->last_len > 0 && key_order(item->key, item->key_len, r->last, r->last_len) <= 0)) {
        r->is_unsorted = true;
        return false;
    }
    memcpy(r->last, item->key, item->key_len);
    r->last_len = item->key_len;
    return true;
}

static bool
give(void *arg, const struct s3_listed *item)
{
    struct reader *r = (struct reader *)arg;
    struct s3_list *l = r->call->list;
    size_t after = strlen(l->after);
    if (l->given == l->max) {
        return false;
    }
    if (key_order(item->key, item->key_len, l->after, after) <= 0) {
        return true; /* a store that counts from start-after on, not beyond it */
    }
    memcpy(l->after, item->key, item->key_len);
    l->after[item->key_len] = '\0';
    if (!is_ours(r->call, item)) {
        return true;
    }
    const sluice_list_entry e = {
        {(const uint8_t *)item->key, item->key_len}, item->size, item->modified_ms};
    r->sink_said = l->sink == NULL ? SLUICE_OK : l->sink->add(l->sink, &e);
    l->given++;
    return r->sink_said == SLUICE_OK;
}

static bool
complain(struct s3_call *call, const char *what)
{
    s3__why(call->why, "LIST of %.80s: %s", call->key, what);
    return false;
}

bool
s3__page_deliver(struct s3_call *call, const struct s3_text *doc, sluice_status *ret,
                 bool *ret_goes_on)
{
    struct s3_page page;
    struct s3_list *l = call->list;
    struct reader r = {.call = call, .sink_said = SLUICE_OK};
    if (doc->is_over) {
        return complain(call, "the answer is longer than a page can be");
    }
    if (!s3__xml_page(s3__text_cstr(doc), doc->len, &page, order_check, &r)) {
        return complain(call, r.is_unsorted ? "the store does not list keys in order; it cannot "
                                              "be used (S3 Express directory buckets are such)"
                                            : "the answer is no ListBucketResult; is endpoint the "
                                              "address of an S3 store?");
    }
    if (page.is_truncated && page.count == 0 && page.token[0] == '\0') {
        return complain(call, "the store says there is more, but gives no key to go on from");
    }
    (void)s3__xml_page(s3__text_cstr(doc), doc->len, &page, give, &r);
    (void)s3__xml_page(s3__text_cstr(doc), doc->len, &page, NULL, NULL);
    memcpy(l->token, page.token, sizeof(l->token));
    *ret = r.sink_said;
    *ret_goes_on = page.is_truncated && l->given < l->max && r.sink_said == SLUICE_OK;
    return true;
}
