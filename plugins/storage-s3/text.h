/* Memory of the plugin: small allocations that end the process when there is none, and a text that
 * grows to a ceiling. */
#ifndef SLUICE_STORAGE_S3_TEXT_H
#define SLUICE_STORAGE_S3_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Gives zeroed memory; for sizes that no peer chooses. */
void *s3__alloc(size_t n);
/* NULL-safe. */
char *s3__strdup(const char *s);

/* Formats a sentence for a human into out[S3_WHY_MAX]; cut off where it is too long. */
enum { S3_WHY_MAX = 200 };
void s3__why(char out[S3_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Always NUL-terminated once something was added; p is NULL before. What would pass `max` is
 * dropped whole and is_over stays set: check it once, at the end. */
struct s3_text {
    char *p;
    size_t len, cap, max;
    bool is_over;
};

void s3__text_init(struct s3_text *t, size_t max);
void s3__text_add(struct s3_text *t, const void *bytes, size_t n);
void s3__text_str(struct s3_text *t, const char *s);
void s3__text_char(struct s3_text *t, char c);
/* Up to 511 bytes of formatted text; more sets is_over. */
void s3__text_fmt(struct s3_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Empties it and keeps the memory. */
void s3__text_clear(struct s3_text *t);
/* Frees; wipes what was there, since signatures pass through these. */
void s3__text_fini(struct s3_text *t);
/* The text, "" when there is none. */
const char *s3__text_cstr(const struct s3_text *t);

#endif
