/* Where the keys come from. Nothing here is ever logged; messages name files and options only. */
#include "storage-s3/config.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, FILE_MAX_BYTES = 1 << 20 };

static void
wipe(char **s)
{
    if (*s != NULL) {
        OPENSSL_cleanse(*s, strlen(*s));
        free(*s);
    }
    *s = NULL;
}

void
s3__creds_fini(struct s3_creds *c)
{
    wipe(&c->access);
    wipe(&c->secret);
    wipe(&c->token);
    free(c->file);
    free(c->profile);
    c->file = c->profile = NULL;
}

static bool
is_set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static const char *
env(const char *name)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): configure, on the main thread */
    const char *value = getenv(name);
    return is_set(value) ? value : NULL;
}

/* ---- the shared credentials file ---- */

static char *
trim(char *s)
{
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL) {
        s[--n] = '\0';
    }
    return s;
}

static bool
is_section(char *line, const char *profile)
{
    size_t n = strlen(line);
    if (n < 2 || line[n - 1] != ']') {
        return false;
    }
    line[n - 1] = '\0';
    return strcmp(trim(line + 1), profile) == 0;
}

static void
setting(struct s3_creds *c, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        return;
    }
    *equals = '\0';
    const char *key = trim(line);
    const char *value = trim(equals + 1);
    char **place = strcmp(key, "aws_access_key_id") == 0       ? &c->access
                   : strcmp(key, "aws_secret_access_key") == 0 ? &c->secret
                   : strcmp(key, "aws_session_token") == 0     ? &c->token
                                                               : NULL;
    if (place != NULL && value[0] != '\0') {
        wipe(place);
        *place = s3__strdup(value);
    }
}

/* Sets the keys that [profile] of the file has. */
static bool
file_read(const char *path, const char *profile, struct s3_creds *c)
{
    char line[LINE_MAX_BYTES];
    bool is_here = false;
    size_t total = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    while (total < FILE_MAX_BYTES && fgets(line, sizeof(line), f) != NULL) {
        total += strlen(line);
        char *s = trim(line);
        if (s[0] == '[') {
            is_here = is_section(s, profile);
        } else if (is_here && s[0] != '#' && s[0] != ';') {
            setting(c, s);
        }
    }
    (void)fclose(f);
    OPENSSL_cleanse(line, sizeof(line));
    return is_set(c->access) && is_set(c->secret);
}

static char *
file_path(void)
{
    const char *path = env("AWS_SHARED_CREDENTIALS_FILE");
    const char *home = env("HOME");
    if (path != NULL || home == NULL) {
        return s3__strdup(path != NULL ? path : "");
    }
    size_t n = strlen(home) + sizeof("/.aws/credentials");
    char *made = (char *)s3__alloc(n);
    (void)snprintf(made, n, "%s/.aws/credentials", home);
    return made;
}

static sluice_status
from_file(const char *profile, struct s3_creds *ret, char why[S3_WHY_MAX])
{
    ret->from = S3_CREDS_FILE;
    ret->file = file_path();
    ret->profile = s3__strdup(profile);
    if (file_read(ret->file, profile, ret)) {
        return SLUICE_OK;
    }
    s3__why(why,
            "profile %.40s of %.90s holds no access key and secret key; correct profile, or "
            "the file",
            profile, ret->file[0] == '\0' ? "~/.aws/credentials" : ret->file);
    return SLUICE_EINVAL;
}

/* ---- which ---- */

static void
take(struct s3_creds *ret, const char *access, const char *secret, const char *token)
{
    ret->access = s3__strdup(access);
    ret->secret = s3__strdup(secret);
    ret->token = is_set(token) ? s3__strdup(token) : NULL;
}

static sluice_status
from_config(const struct s3_creds_given *given, struct s3_creds *ret, char why[S3_WHY_MAX])
{
    if (!is_set(given->access) || !is_set(given->secret)) {
        s3__why(why, "%s is set without %s; set both, or neither",
                is_set(given->access) ? "access.key" : "secret.key",
                is_set(given->access) ? "secret.key" : "access.key");
        return SLUICE_EINVAL;
    }
    ret->from = S3_CREDS_CONFIG;
    take(ret, given->access, given->secret, given->token);
    return SLUICE_OK;
}

sluice_status
s3__creds_read(const struct s3_creds_given *given, struct s3_creds *ret, char why[S3_WHY_MAX])
{
    const char *access = env("AWS_ACCESS_KEY_ID");
    const char *secret = env("AWS_SECRET_ACCESS_KEY");
    if (is_set(given->access) || is_set(given->secret)) {
        return from_config(given, ret, why);
    }
    if (is_set(given->profile)) {
        return from_file(given->profile, ret, why);
    }
    if (access != NULL && secret != NULL) {
        ret->from = S3_CREDS_ENV;
        take(ret, access, secret, env("AWS_SESSION_TOKEN"));
        return SLUICE_OK;
    }
    const char *profile = env("AWS_PROFILE");
    if (from_file(profile != NULL ? profile : "default", ret, why) == SLUICE_OK) {
        return SLUICE_OK;
    }
    if (profile == NULL) {
        s3__why(why, "no credentials: set access.key and secret.key, AWS_ACCESS_KEY_ID and "
                     "AWS_SECRET_ACCESS_KEY, or profile of ~/.aws/credentials");
    }
    return SLUICE_EINVAL;
}

static bool
differs(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

bool
s3__creds_renew(struct s3_creds *c)
{
    struct s3_creds fresh = {.from = S3_CREDS_FILE};
    if (c->from != S3_CREDS_FILE || !file_read(c->file, c->profile, &fresh)) {
        s3__creds_fini(&fresh);
        return false;
    }
    bool is_other = differs(c->access, fresh.access) || differs(c->secret, fresh.secret) ||
                    differs(c->token, fresh.token);
    if (is_other) {
        wipe(&c->access);
        wipe(&c->secret);
        wipe(&c->token);
        c->access = fresh.access;
        c->secret = fresh.secret;
        c->token = fresh.token;
        fresh.access = fresh.secret = fresh.token = NULL;
    }
    s3__creds_fini(&fresh);
    return is_other;
}
