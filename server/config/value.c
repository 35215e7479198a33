/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to typed value, one parser per type, and the sentence that says what a row allows. A number
 * may carry a unit from its type's list; without one it is bytes or milliseconds. */
#include "config/config_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", INT64_C(1) << 40}, {0}};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}, {0}};
static const struct unit no_units[] = {{0}};

static const struct unit *
units_of(enum config__type type)
{
    return type == CONFIG__SIZE ? size_units : type == CONFIG__DURATION ? duration_units : no_units;
}

static bool
unit_apply(const struct unit *units, const char *suffix, int64_t *v)
{
    suffix += strspn(suffix, " \t");
    if (*suffix == '\0') {
        return true;
    }
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (strcmp(u->name, suffix) == 0) {
            return !__builtin_mul_overflow(*v, u->factor, v);
        }
    }
    return false;
}

static bool
number_parse(const struct config__option *opt, const char *text, int64_t *ret)
{
    char *end = NULL;
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) {
        return false;
    }
    errno = 0;
    int64_t v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || !unit_apply(units_of(opt->type), end, &v)) {
        return false;
    }
    if (v < opt->lo || v > opt->hi) {
        return false;
    }
    *ret = v;
    return true;
}

static bool
bool_parse(const char *text, bool *ret)
{
    static const char *const words[] = {"false", "true", "off", "on", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* Gives the position of a word in "a|b|c", -1 when it is not there. */
static int
word_index(const char *words, struct span word)
{
    int i = 0;
    for (const char *p = words;; i++) {
        size_t n = strcspn(p, "|");
        if (span_eq(span_of(p, n), word)) {
            return i;
        }
        if (p[n] == '\0') {
            return -1;
        }
        p += n + 1;
    }
}

static bool
enum_parse(const struct config__option *opt, const char *text, int *ret)
{
    int i = word_index(opt->unit, span_cstr(text));
    if (i < 0) {
        return false;
    }
    *ret = i;
    return true;
}

static struct span
trimmed(const char *p, size_t n)
{
    while (n > 0 && (p[0] == ' ' || p[0] == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t')) {
        n--;
    }
    return span_of(p, n);
}

static bool
list_parse(const struct config__option *opt, const char *text, unsigned *ret)
{
    unsigned bits = 0;
    for (const char *p = text;;) {
        size_t n = strcspn(p, ",");
        int i = word_index(opt->unit, trimmed(p, n));
        if (i < 0) {
            return false;
        }
        bits |= 1u << (unsigned)i;
        if (p[n] == '\0') {
            *ret = bits;
            return true;
        }
        p += n + 1;
    }
}

/* Finds the colon before the port; an IPv6 address stands in brackets. */
static const char *
port_colon(const char *text, struct span *ret_host)
{
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || close[1] != ':') {
            return NULL;
        }
        *ret_host = span_of(text + 1, (size_t)(close - text - 1));
        return close + 1;
    }
    const char *colon = strchr(text, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        return NULL;
    }
    *ret_host = span_of(text, (size_t)(colon - text));
    return colon;
}

static bool
host_is_sane(struct span host, bool is_bracketed)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_';
        if (!is_word && !(is_bracketed && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return true;
}

static bool
address_parse(const struct config__option *opt, const char *text, struct config_address *ret)
{
    static const struct config__option any_port = {.type = CONFIG__INT, .lo = 0, .hi = 65535};
    struct span host;
    int64_t port;
    if (text[0] == '\0' && opt->dflt[0] == '\0') {
        *ret = (struct config_address){.port = 0};
        return true;
    }
    const char *colon = port_colon(text, &host);
    if (colon == NULL || !number_parse(&any_port, colon + 1, &port) || port < opt->lo) {
        return false;
    }
    if (host.len == 0 || span_eq(host, span_cstr("*"))) {
        host = span_cstr("0.0.0.0");
    }
    if (host.len >= sizeof(ret->host) || !host_is_sane(host, text[0] == '[')) {
        return false;
    }
    span_to_cstr(host, ret->host, sizeof(ret->host));
    ret->port = (uint16_t)port;
    return true;
}

static bool
str_parse(const struct config__option *opt, const char *text, const char **ret)
{
    size_t n = strlen(text);
    if (n < (size_t)opt->lo || n > (size_t)opt->hi) {
        return false;
    }
    *ret = text;
    return true;
}

/* Not strtod's infinities, exponents and hexadecimal digits: a price or a factor. */
static bool
decimal_parse(const struct config__option *opt, const char *text, double *ret)
{
    const char *digits = text + (text[0] == '-' ? 1 : 0);
    size_t n = strspn(digits, "0123456789.");
    if (n == 0 || digits[n] != '\0' || n > 20 || digits[0] == '.' || digits[n - 1] == '.' ||
        strchr(digits, '.') != strrchr(digits, '.')) {
        return false;
    }
    double v = strtod(text, NULL);
    if (v < (double)opt->lo || v > (double)opt->hi) {
        return false;
    }
    *ret = v;
    return true;
}

bool
config__value_parse(const struct config__option *opt, const char *text, void *field)
{
    switch (opt->type) {
    case CONFIG__INT:
    case CONFIG__SIZE:
    case CONFIG__DURATION:
        return number_parse(opt, text, (int64_t *)field);
    case CONFIG__BOOL:
        return bool_parse(text, (bool *)field);
    case CONFIG__STR:
        return str_parse(opt, text, (const char **)field);
    case CONFIG__ENUM:
        return enum_parse(opt, text, (int *)field);
    case CONFIG__LIST:
        return list_parse(opt, text, (unsigned *)field);
    case CONFIG__ADDRESS:
        return address_parse(opt, text, (struct config_address *)field);
    case CONFIG__DECIMAL:
        return decimal_parse(opt, text, (double *)field);
    }
    return false;
}

void
config__number_print(enum config__type type, int64_t v, char *out, size_t cap)
{
    const struct unit *best = NULL;
    for (const struct unit *u = units_of(type); u->name != NULL; u++) {
        if (v > 0 && v % u->factor == 0) {
            best = u;
        }
    }
    (void)snprintf(out, cap, "%" PRId64 "%s", best == NULL ? v : v / best->factor,
                   best == NULL ? "" : best->name);
}

static void
range_print(const struct config__option *opt, const char *what, char *out, size_t cap)
{
    char lo[40];
    char hi[40];
    config__number_print(opt->type, opt->lo, lo, sizeof(lo));
    if (opt->hi == INT64_MAX) {
        (void)snprintf(out, cap, "%s, %s or more", what, lo);
        return;
    }
    config__number_print(opt->type, opt->hi, hi, sizeof(hi));
    (void)snprintf(out, cap, "%s from %s to %s", what, lo, hi);
}

static void
words_print(const char *words, const char *lead, char *out, size_t cap)
{
    int used = snprintf(out, cap, "%s", lead);
    for (size_t i = (size_t)used; *words != '\0' && i + 5 < cap; words++) {
        if (*words != '|') {
            out[i++] = *words;
            out[i] = '\0';
            continue;
        }
        i += (size_t)snprintf(out + i, cap - i, strchr(words + 1, '|') != NULL ? ", " : " or ");
    }
}

void
config__value_allowed(const struct config__option *opt, char *out, size_t cap)
{
    switch (opt->type) {
    case CONFIG__INT:
        range_print(opt, "a number", out, cap);
        break;
    case CONFIG__DECIMAL:
        range_print(opt, "a number, with a decimal point or without,", out, cap);
        break;
    case CONFIG__SIZE:
        range_print(opt, "bytes (B, KiB, MiB, GiB or TiB may follow)", out, cap);
        break;
    case CONFIG__DURATION:
        range_print(opt, "milliseconds (ms, s, m, h or d may follow)", out, cap);
        break;
    case CONFIG__BOOL:
        (void)snprintf(out, cap, "true or false");
        break;
    case CONFIG__STR:
        (void)snprintf(out, cap, "text of %" PRId64 " to %" PRId64 " bytes", opt->lo, opt->hi);
        break;
    case CONFIG__ENUM:
        words_print(opt->unit, "", out, cap);
        break;
    case CONFIG__LIST:
        words_print(opt->unit, "one or more, separated by commas, of ", out, cap);
        break;
    case CONFIG__ADDRESS:
        (void)snprintf(out, cap,
                       "host:port with a port from %" PRId64 " to 65535; an IPv6 address stands "
                       "in brackets, [::1]:9092",
                       opt->lo);
        break;
    }
}
