/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

enum { TEXT_MAX = 256 << 20, CELL_MAX = 4096, GAP = 2 };

/* ---- escaping ---- */

static bool
is_harmful(uint8_t c)
{
    return c < 0x20 || c == 0x7f || c == '\\';
}

/* C1 controls (U+0080 to U+009F) are two bytes in UTF-8: C2 80 to C2 9F. */
static bool
is_c1(struct span s, size_t i)
{
    return s.ptr[i] == 0xc2 && i + 1 < s.len && s.ptr[i + 1] >= 0x80 && s.ptr[i + 1] <= 0x9f;
}

static void
append_safely(struct bytes *to, struct span s)
{
    char hex[8];
    for (size_t i = 0; i < s.len; i++) {
        if (is_harmful(s.ptr[i]) || is_c1(s, i)) {
            int n = snprintf(hex, sizeof(hex), "\\x%02x", s.ptr[i]);
            bytes_append(to, hex, (size_t)n);
        } else {
            bytes_u8(to, s.ptr[i]);
        }
    }
}

void
cli__print_safely(FILE *out, struct span s)
{
    struct bytes b;
    bytes_init(&b, TEXT_MAX);
    append_safely(&b, s);
    (void)fwrite(b.data, 1, b.len, out);
    bytes_fini(&b);
}

/* ---- tables ---- */

void
cli__table_init(struct cli__table *t, const char *const *heads)
{
    *t = (struct cli__table){.heads = heads};
    while (heads[t->columns] != NULL) {
        t->columns++;
    }
    SL_ASSERT(t->columns > 0 && t->columns <= CLI__COLUMNS_MAX);
    bytes_init(&t->text, TEXT_MAX);
    bytes_init(&t->wheres, TEXT_MAX);
}

void
cli__table_fini(struct cli__table *t)
{
    bytes_fini(&t->text);
    bytes_fini(&t->wheres);
}

void
cli__table_span(struct cli__table *t, struct span s)
{
    bytes_u32(&t->wheres, (uint32_t)t->text.len);
    append_safely(&t->text, s.ptr == NULL ? span_cstr("-") : s);
    bytes_u8(&t->text, 0);
    t->cells++;
}

void
cli__table_cell(struct cli__table *t, const char *fmt, ...)
{
    char cell[CELL_MAX];
    va_list more;
    va_start(more, fmt);
    (void)vsnprintf(cell, sizeof(cell), fmt, more);
    va_end(more);
    cli__table_span(t, span_cstr(cell));
}

void
cli__table_int(struct cli__table *t, int64_t v)
{
    if (v < 0) {
        cli__table_cell(t, "-");
    } else {
        cli__table_cell(t, "%" PRId64, v);
    }
}

/* How many columns of a terminal: code points, which is right for what names are made of. */
static size_t
width_of(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++) {
        n += ((uint8_t)*s & 0xc0) != 0x80;
    }
    return n;
}

static const char *
cell_of(const struct cli__table *t, size_t i)
{
    return (const char *)t->text.data + get_u32(t->wheres.data + 4 * i);
}

static void
print_cell(const char *cell, size_t width, bool is_right, FILE *out)
{
    size_t own = width_of(cell);
    int pad = own < width ? (int)(width - own) : 0;
    if (is_right) {
        (void)fprintf(out, "%*s%s", pad, "", cell);
    } else {
        (void)fprintf(out, "%s%*s", cell, pad, "");
    }
}

/* get gives the cell of a column; the last one is not padded at its end. */
static void
print_row(const struct cli__table *t, const size_t *widths, size_t row, FILE *out)
{
    size_t last = t->columns;
    while (last > 1 && cell_of(t, row * t->columns + last - 1)[0] == '\0') {
        last--;
    }
    for (size_t c = 0; c < last; c++) {
        bool is_right = t->heads[c][0] == '>';
        size_t width = c + 1 == last && !is_right ? 0 : widths[c];
        (void)fprintf(out, "%*s", c == 0 ? 0 : GAP, "");
        print_cell(cell_of(t, row * t->columns + c), width, is_right, out);
    }
    (void)fputc('\n', out);
}

static void
print_heads(const struct cli__table *t, const size_t *widths, FILE *out)
{
    for (size_t c = 0; c < t->columns; c++) {
        bool is_right = t->heads[c][0] == '>';
        size_t width = c + 1 == t->columns && !is_right ? 0 : widths[c];
        if (c > 0 && t->heads[c][0] != '\0') {
            (void)fprintf(out, "%*s", GAP, "");
        }
        print_cell(t->heads[c] + (is_right ? 1 : 0), width, is_right, out);
    }
    (void)fputc('\n', out);
}

void
cli__table_print(struct cli__table *t, FILE *out)
{
    size_t widths[CLI__COLUMNS_MAX];
    SL_ASSERT(t->columns > 0);
    for (size_t c = 0; c < t->columns; c++) {
        widths[c] = width_of(t->heads[c]) - (t->heads[c][0] == '>' ? 1 : 0);
        for (size_t i = c; i < t->cells; i += t->columns) {
            size_t w = width_of(cell_of(t, i));
            widths[c] = w > widths[c] ? w : widths[c];
        }
    }
    print_heads(t, widths, out);
    for (size_t row = 0; row < t->cells / t->columns; row++) {
        print_row(t, widths, row, out);
    }
    cli__table_fini(t);
}

/* ---- bars, sizes, ranges ---- */

bool
cli__is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *v = getenv(names[i]); /* NOLINT(concurrency-mt-unsafe): one thread */
        if (v != NULL && v[0] != '\0') {
            return strcasestr(v, "UTF-8") != NULL || strcasestr(v, "UTF8") != NULL;
        }
    }
    return false;
}

void
cli__bar(int64_t value, int64_t largest, bool is_utf8, char ret[CLI__BAR_MAX])
{
    int parts = is_utf8 ? 8 : 1; /* of a column */
    ret[0] = '\0';
    if (value <= 0 || largest <= 0) {
        return;
    }
    double share = value >= largest ? 1 : (double)value / (double)largest;
    int n = (int)(share * CLI__BAR_WIDTH * parts + 0.5);
    n = n < 1 ? 1 : n;
    size_t len = 0;
    for (int i = 0; i < n / parts; i++) {
        int k = snprintf(ret + len, CLI__BAR_MAX - len, "%s", is_utf8 ? "\xe2\x96\x88" : "#");
        len += (size_t)k;
    }
    if (n % parts != 0) { /* U+258F is an eighth, U+2589 seven */
        (void)snprintf(ret + len, CLI__BAR_MAX - len, "\xe2\x96%c", (char)(0x90 - n % parts));
    }
}

void
cli__size_text(int64_t bytes, char ret[24])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes / 1024;
    size_t u = 0;
    if (bytes < 0) {
        (void)snprintf(ret, 24, "-");
        return;
    }
    if (bytes < 1024) {
        (void)snprintf(ret, 24, "%" PRId64 " B", bytes);
        return;
    }
    for (; v >= 1023.95 && u + 1 < sizeof(units) / sizeof(units[0]); u++) {
        v /= 1024;
    }
    (void)snprintf(ret, 24, "%.1f %s", v, units[u]);
}

void
cli__ranges_text(const int32_t *numbers, size_t count, char *ret, size_t cap)
{
    char range[32];
    size_t len = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < count;) {
        size_t j = i;
        while (j + 1 < count && numbers[j + 1] == numbers[j] + 1) {
            j++;
        }
        const char *comma = i == 0 ? "" : ",";
        int n = i == j ? snprintf(range, sizeof(range), "%s%" PRId32, comma, numbers[i])
                       : snprintf(range, sizeof(range), "%s%" PRId32 "-%" PRId32, comma, numbers[i],
                                  numbers[j]);
        if (len + (size_t)n + sizeof("...") > cap) {
            (void)snprintf(ret + len, cap - len, "...");
            return;
        }
        memcpy(ret + len, range, (size_t)n + 1);
        len += (size_t)n;
        i = j + 1;
    }
}

/* ---- JSON ---- */

json_t *
cli__json_span(struct span s)
{
    if (s.ptr == NULL) {
        return json_null();
    }
    json_t *text = json_stringn((const char *)s.ptr, s.len);
    if (text != NULL) {
        return text;
    }
    struct bytes b;
    char hex[8];
    bytes_init(&b, TEXT_MAX);
    for (size_t i = 0; i < s.len; i++) {
        bool is_plain = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '\\';
        int n = snprintf(hex, sizeof(hex), is_plain ? "%c" : "\\x%02x", s.ptr[i]);
        bytes_append(&b, hex, (size_t)n);
    }
    text = json_stringn((const char *)b.data, b.len);
    bytes_fini(&b);
    return text;
}

json_t *
cli__json_offset(int64_t v)
{
    return v < 0 ? json_null() : json_integer(v);
}

void
cli__json_print(json_t *root)
{
    (void)json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    (void)printf("\n");
    json_decref(root);
}
