/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "group/consumer_regex.h"

#include "base/buf.h"

#include <pcre2.h>
#include <stdio.h>

/* A name has at most 249 bytes: an honest expression takes some hundreds of steps. */
enum { STEPS_MAX = 20000, HEAP_KIB_MAX = 256, DEPTH_MAX = 2000, NESTING_MAX = 100 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* --- what RE2 does not have --- */

/* at: behind "(?". */
static const char *
refuse_group(const char *at, const char *end)
{
    if (at < end && (*at == 'P' || *at == '<')) {
        at += *at == 'P' ? 1 : 0;
        bool is_name = end - at >= 2 && at[0] == '<' && at[1] != '=' && at[1] != '!';
        return is_name ? NULL : "look-around and named references are not supported";
    }
    while (at < end && strchr("imsU-", *at) != NULL) {
        at++;
    }
    bool is_fine = at < end && (*at == ':' || *at == ')');
    return is_fine ? NULL
                   : "look-around, atomic groups, recursion and conditions are not supported";
}

/* at: behind a backslash. */
static const char *
refuse_escape(char c)
{
    if (c >= '1' && c <= '9') {
        return "back references are not supported";
    }
    return strchr("CGKRXgkNHhVo", c) != NULL && c != '\0' ? "unknown escape" : NULL;
}

static bool
is_quantifier_end(const char *begin, const char *at)
{
    return at > begin && strchr("*+?}", *at) != NULL;
}

/* Steps over "[...]"; at: behind the bracket. Gives where it ends. */
static const char *
skip_class(const char *at, const char *end)
{
    at += at < end && *at == '^' ? 1 : 0;
    at += at < end && *at == ']' ? 1 : 0;
    while (at < end && *at != ']') {
        if (*at == '\\') {
            at++;
        } else if (*at == '[' && end - at > 1 && at[1] == ':') {
            const char *close = (const char *)memmem(at, (size_t)(end - at), ":]", 2);
            at = close != NULL ? close + 1 : at;
        }
        at++;
    }
    return at < end ? at + 1 : end;
}

/* Steps over what "\Q" quotes; at: there. Gives where it ends. */
static const char *
skip_quoted(const char *at, const char *end)
{
    const char *close = (const char *)memmem(at, (size_t)(end - at), "\\E", 2);
    return close != NULL ? close + 2 : end;
}

/* Gives a sentence when the pattern needs more than RE2 can, else NULL. PCRE2 judges the rest. */
static const char *
refuse(struct span pattern)
{
    const char *at = (const char *)pattern.ptr, *end = at + pattern.len;
    const char *quantified = NULL; /* where a quantifier ended, NULL: none right here */
    while (at < end) {
        const char *why = NULL;
        if (*at == '\\' && end - at > 1 && at[1] == 'Q') {
            at = skip_quoted(at, end);
            quantified = NULL;
        } else if (*at == '\\' && end - at > 1) {
            why = refuse_escape(at[1]);
            at += 2;
            quantified = NULL;
        } else if (*at == '[') {
            at = skip_class(at + 1, end);
            quantified = NULL;
        } else if (*at == '(' && end - at > 1 && at[1] == '*') {
            why = "verbs are not supported";
        } else if (*at == '(' && end - at > 1 && at[1] == '?') {
            why = refuse_group(at + 2, end);
            at += 2;
            quantified = NULL;
        } else {
            if (*at == '+' && quantified == at) {
                why = "possessive quantifiers are not supported";
            }
            at++;
            quantified = is_quantifier_end((const char *)pattern.ptr, at - 1) ? at : NULL;
        }
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

/* --- compile --- */

static void
say(char why[REGEX_WHY_MAX], const char *text)
{
    (void)snprintf(why, REGEX_WHY_MAX, "%s", text);
}

static pcre2_code *
compile(struct span pattern, char why[REGEX_WHY_MAX])
{
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
    SL_ASSERT(ctx != NULL);
    (void)pcre2_set_parens_nest_limit(ctx, NESTING_MAX);
    uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE | PCRE2_DOLLAR_ENDONLY;
    pcre2_code *re = pcre2_compile(pattern.ptr, pattern.len, options, &code, &at, ctx);
    pcre2_compile_context_free(ctx);
    if (re == NULL) {
        char text[96] = "";
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
        (void)snprintf(why, REGEX_WHY_MAX, "%s, at character %zu", text, (size_t)at);
    }
    return re;
}

enum sl_err
regex_new(struct span pattern, struct regex **ret, char why[REGEX_WHY_MAX])
{
    if (pattern.len > REGEX_PATTERN_MAX) {
        say(why, "the expression is too long");
        return SL_EINVAL;
    }
    const char *refusal = refuse(pattern);
    if (refusal != NULL) {
        say(why, refusal);
        return SL_EINVAL;
    }
    pcre2_code *code = compile(pattern, why);
    if (code == NULL) {
        return SL_EINVAL;
    }
    struct regex *re = (struct regex *)sl_alloc(sizeof(*re));
    re->code = code;
    re->data = pcre2_match_data_create(1, NULL);
    re->limits = pcre2_match_context_create(NULL);
    SL_ASSERT(re->data != NULL && re->limits != NULL);
    (void)pcre2_set_match_limit(re->limits, STEPS_MAX);
    (void)pcre2_set_depth_limit(re->limits, DEPTH_MAX);
    (void)pcre2_set_heap_limit(re->limits, HEAP_KIB_MAX);
    *ret = re;
    return SL_OK;
}

void
regex_destroy(struct regex **pre)
{
    struct regex *re = *pre;
    *pre = NULL;
    if (re == NULL) {
        return;
    }
    pcre2_match_context_free(re->limits);
    pcre2_match_data_free(re->data);
    pcre2_code_free(re->code);
    sl_free(re);
}

enum regex_verdict
regex_match(const struct regex *re, struct span name)
{
    int rc = pcre2_match(re->code, name.ptr, name.len, 0, 0, re->data, re->limits);
    return rc >= 0 ? REGEX_YES : rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_TOO_MUCH;
}
