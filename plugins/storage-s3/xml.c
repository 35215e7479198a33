/* Everything S3 says is a tree of elements whose leaves hold text, so one walk serves all: it calls
 * `leaf` with each element that closed, its depth, its parent's name and its decoded text. Text
 * beside child elements is dropped: only white space stands there. */
#include "storage-s3/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_MAX_LEN = 64 };

struct name {
    const char *p;
    size_t len;
};

struct walk {
    const char *p, *end;
    size_t depth, roots;
    struct name names[S3_XML_DEPTH];
    char value[S3_XML_VALUE]; /* text of the innermost open element so far */
    size_t value_len;
    bool is_over; /* the text is longer than value */
    bool (*leaf)(struct walk *w);
    void *arg;
};

static bool
name_is(struct name n, const char *s)
{
    return n.len == strlen(s) && memcmp(n.p, s, n.len) == 0;
}

/* The element that is closing, and the one around it. */
static bool
leaf_is(const struct walk *w, size_t depth, const char *parent, const char *name)
{
    return w->depth == depth && name_is(w->names[depth - 2], parent) &&
           name_is(w->names[depth - 1], name);
}

/* ---- text ---- */

static void
value_byte(struct walk *w, uint32_t c)
{
    if (w->value_len + 1 >= sizeof(w->value)) {
        w->is_over = true;
        return;
    }
    w->value[w->value_len++] = (char)c;
}

static bool
value_rune(struct walk *w, uint32_t rune)
{
    if (rune == 0 || rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) {
        return false;
    }
    if (rune < 0x80) {
        value_byte(w, rune);
    } else if (rune < 0x800) {
        value_byte(w, 0xC0 | rune >> 6);
        value_byte(w, 0x80 | (rune & 0x3F));
    } else if (rune < 0x10000) {
        value_byte(w, 0xE0 | rune >> 12);
        value_byte(w, 0x80 | (rune >> 6 & 0x3F));
        value_byte(w, 0x80 | (rune & 0x3F));
    } else {
        value_byte(w, 0xF0 | rune >> 18);
        value_byte(w, 0x80 | (rune >> 12 & 0x3F));
        value_byte(w, 0x80 | (rune >> 6 & 0x3F));
        value_byte(w, 0x80 | (rune & 0x3F));
    }
    return true;
}

static int
digit_of(char c, uint32_t base)
{
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    return d < (int)base ? d : -1;
}

static bool
reference(struct walk *w, const char *s, size_t len)
{
    uint32_t base = len > 1 && s[1] == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 1;
    uint32_t rune = 0;
    if (i >= len || len > 10) {
        return false;
    }
    for (; i < len; i++) {
        int d = digit_of(s[i], base);
        if (d < 0 || rune > 0x10FFFF) {
            return false;
        }
        rune = rune * base + (uint32_t)d;
    }
    return value_rune(w, rune);
}

/* At '&'. */
static bool
entity(struct walk *w)
{
    static const struct {
        const char *name;
        char is;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    const char *s = w->p + 1;
    const char *semicolon = (const char *)memchr(s, ';', (size_t)(w->end - s));
    if (semicolon == NULL || semicolon == s) {
        return false;
    }
    struct name n = {s, (size_t)(semicolon - s)};
    w->p = semicolon + 1;
    if (*s == '#') {
        return reference(w, s, n.len);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (name_is(n, known[i].name)) {
            value_byte(w, (uint8_t)known[i].is);
            return true;
        }
    }
    return false;
}

static bool
text(struct walk *w)
{
    while (w->p < w->end && *w->p != '<') {
        if (*w->p == '&') {
            if (!entity(w)) {
                return false;
            }
        } else if (*w->p == '\0') {
            return false;
        } else {
            value_byte(w, (uint8_t)*w->p++);
        }
    }
    return true;
}

/* ---- tags ---- */

static bool
is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

static bool
name_read(struct walk *w, struct name *ret)
{
    const char *p = w->p;
    while (p < w->end && is_name_byte(*p)) {
        p++;
    }
    *ret = (struct name){w->p, (size_t)(p - w->p)};
    w->p = p;
    return ret->len > 0 && ret->len <= NAME_MAX_LEN;
}

static bool
skip_past(struct walk *w, const char *what)
{
    const char *found = (const char *)memmem(w->p, (size_t)(w->end - w->p), what, strlen(what));
    if (found == NULL) {
        return false;
    }
    w->p = found + strlen(what);
    return true;
}

static bool
tag_close(struct walk *w)
{
    if (w->depth == 0) {
        return false;
    }
    w->value[w->value_len] = '\0';
    bool goes_on = w->leaf(w);
    w->depth--;
    w->roots += w->depth == 0 ? 1 : 0;
    w->value_len = 0;
    w->is_over = false;
    return goes_on;
}

/* Past the attributes, whatever they are, to the end of the tag. */
static bool
attributes_skip(struct walk *w, bool *is_empty)
{
    while (w->p < w->end && *w->p != '>') {
        char c = *w->p++;
        if (c == '<') {
            return false;
        }
        if (c == '"' || c == '\'') {
            const char *quote = (const char *)memchr(w->p, c, (size_t)(w->end - w->p));
            if (quote == NULL) {
                return false;
            }
            w->p = quote + 1;
        }
    }
    if (w->p >= w->end) {
        return false;
    }
    *is_empty = w->p[-1] == '/';
    w->p++;
    return true;
}

static bool
tag_open(struct walk *w)
{
    struct name n;
    bool is_empty = false;
    if (w->depth == S3_XML_DEPTH || !name_read(w, &n) || !attributes_skip(w, &is_empty)) {
        return false;
    }
    w->names[w->depth++] = n;
    w->value_len = 0;
    w->is_over = false;
    return is_empty ? tag_close(w) : true;
}

static bool
tag_end(struct walk *w)
{
    struct name n;
    w->p++;
    if (!name_read(w, &n) || w->depth == 0 || n.len != w->names[w->depth - 1].len ||
        memcmp(n.p, w->names[w->depth - 1].p, n.len) != 0) {
        return false;
    }
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t')) {
        w->p++;
    }
    if (w->p >= w->end || *w->p != '>') {
        return false;
    }
    w->p++;
    return tag_close(w);
}

/* At '<'. */
static bool
tag(struct walk *w)
{
    w->p++;
    if (w->p >= w->end) {
        return false;
    }
    switch (*w->p) {
    case '?':
        return w->depth == 0 && skip_past(w, "?>");
    case '!':
        return w->end - w->p >= 3 && memcmp(w->p, "!--", 3) == 0 && skip_past(w, "-->");
    case '/':
        return tag_end(w);
    default:
        return tag_open(w);
    }
}

/* One root element, and nothing but white space and comments around it. */
static bool
walk(struct walk *w, const char *doc, size_t len)
{
    w->p = doc;
    w->end = doc + len;
    while (w->p < w->end) {
        if (*w->p == '<') {
            if (!tag(w)) {
                return false;
            }
        } else if (!text(w)) {
            return false;
        } else if (w->depth == 0) {
            w->value_len = 0;
        }
        if (w->roots > (w->depth == 0 ? 1 : 0)) {
            return false;
        }
    }
    return w->roots == 1 && w->depth == 0;
}

/* ---- values ---- */

static bool
number_read(const char *s, uint64_t *ret)
{
    uint64_t v = 0;
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || v > (UINT64_MAX - 9) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *ret = v;
    return true;
}

int64_t
s3__time_ms(const char *s)
{
    struct tm tm = {0};
    int used = 0;
    /* NOLINTNEXTLINE(cert-err34-c): widths bound the numbers, timegm takes any */
    if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used != 19) {
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t ms = (int64_t)timegm(&tm) * 1000;
    if (s[used] == '.' && s[used + 1] != '\0' && s[used + 2] != '\0' && s[used + 3] != '\0') {
        const char *f = s + used + 1;
        ms += (f[0] - '0') * 100 + (f[1] - '0') * 10 + (f[2] - '0');
    }
    return ms;
}

static void
value_copy(const struct walk *w, char *out, size_t cap)
{
    size_t n = w->value_len < cap ? w->value_len : cap - 1;
    memcpy(out, w->value, n);
    out[n] = '\0';
}

/* ---- a page of keys ---- */

struct page_walk {
    struct s3_page *page;
    s3_listed_fn add;
    void *arg;
    char key[S3_XML_VALUE];
    size_t key_len;
    bool has_key, has_size;
    struct s3_listed item;
};

static bool
page_item(struct walk *w, struct page_walk *pw)
{
    if (leaf_is(w, 3, "Contents", "Key")) {
        memcpy(pw->key, w->value, w->value_len);
        pw->key_len = w->value_len;
        pw->has_key = w->value_len > 0;
        return !w->is_over;
    }
    if (leaf_is(w, 3, "Contents", "Size")) {
        pw->has_size = number_read(w->value, &pw->item.size);
        return pw->has_size;
    }
    if (leaf_is(w, 3, "Contents", "LastModified")) {
        pw->item.modified_ms = s3__time_ms(w->value);
    }
    return true;
}

static bool
page_item_end(struct page_walk *pw)
{
    if (!pw->has_key || !pw->has_size) {
        return false;
    }
    pw->item.key = pw->key;
    pw->item.key_len = pw->key_len;
    pw->page->count++;
    bool goes_on = pw->add == NULL || pw->add(pw->arg, &pw->item);
    pw->has_key = pw->has_size = false;
    pw->item = (struct s3_listed){0};
    return goes_on;
}

static bool
page_leaf(struct walk *w)
{
    struct page_walk *pw = (struct page_walk *)w->arg;
    if (!name_is(w->names[0], "ListBucketResult")) {
        return false;
    }
    if (leaf_is(w, 2, "ListBucketResult", "IsTruncated")) {
        pw->page->is_truncated = strcmp(w->value, "true") == 0;
    } else if (leaf_is(w, 2, "ListBucketResult", "NextContinuationToken")) {
        value_copy(w, pw->page->token, sizeof(pw->page->token));
        return !w->is_over;
    } else if (leaf_is(w, 2, "ListBucketResult", "Contents")) {
        return page_item_end(pw);
    }
    return w->depth == 3 ? page_item(w, pw) : true;
}

bool
s3__xml_page(const char *doc, size_t len, struct s3_page *ret, s3_listed_fn add, void *arg)
{
    struct page_walk pw = {.page = ret, .add = add, .arg = arg};
    struct walk w = {.leaf = page_leaf, .arg = &pw};
    *ret = (struct s3_page){0};
    return walk(&w, doc, len);
}

/* ---- an error ---- */

static bool
error_leaf(struct walk *w)
{
    struct s3_error_doc *e = (struct s3_error_doc *)w->arg;
    if (!name_is(w->names[0], "Error") || w->depth != 2) {
        return true;
    }
    struct name n = w->names[1];
    if (name_is(n, "Code")) {
        value_copy(w, e->code, sizeof(e->code));
    } else if (name_is(n, "Message")) {
        value_copy(w, e->message, sizeof(e->message));
    } else if (name_is(n, "Region")) {
        value_copy(w, e->region, sizeof(e->region));
    } else if (name_is(n, "ActualObjectSize")) {
        e->has_size = number_read(w->value, &e->actual_size);
    }
    return true;
}

void
s3__xml_error(const char *doc, size_t len, struct s3_error_doc *ret)
{
    struct walk w = {.leaf = error_leaf, .arg = ret};
    *ret = (struct s3_error_doc){0};
    if (!walk(&w, doc, len)) {
        *ret = (struct s3_error_doc){0};
    }
}
