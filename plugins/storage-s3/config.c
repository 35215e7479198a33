#include "storage-s3/config.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order of the words in the table below. */
enum addressing { ADDRESS_AUTO, ADDRESS_PATH, ADDRESS_VIRTUAL };
enum signing { SIGNING_AUTO, SIGNING_ON, SIGNING_OFF };
enum sse { SSE_NONE, SSE_S3, SSE_KMS };

const sluice_conf_key s3__conf_keys[] = {
    {"endpoint", SLUICE_CONF_STR, 0, "", NULL,
     "Address of the store, http:// or https://. Empty: that of AWS for the region", 0, 0},
    {"bucket", SLUICE_CONF_STR, SLUICE_CONF_REQUIRED, NULL, NULL,
     "Name of the bucket; it must exist", 0, 0},
    {"region", SLUICE_CONF_STR, 0, "", NULL,
     "Region of the bucket. Empty: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1", 0, 0},
    {"access.key", SLUICE_CONF_STR, 0, "", NULL,
     "Access key id. Empty: from profile, the environment, or the shared credentials file", 0, 0},
    {"secret.key", SLUICE_CONF_STR, SLUICE_CONF_SECRET, "", NULL,
     "Secret key that belongs to access.key", 0, 0},
    {"session.token", SLUICE_CONF_STR, SLUICE_CONF_SECRET, "", NULL,
     "Token of temporary credentials", 0, 0},
    {"profile", SLUICE_CONF_STR, 0, "", NULL,
     "Profile of the shared credentials file (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials)", 0,
     0},
    {"addressing", SLUICE_CONF_ENUM, 0, "auto", "auto|path|virtual",
     "path: endpoint/bucket/key; virtual: bucket.endpoint/key; auto: virtual on AWS, else path", 0,
     0},
    {"ca.file", SLUICE_CONF_STR, 0, "", NULL,
     "PEM file of the authorities trusted to sign the store's certificate. Empty: the system's", 0,
     0},
    {"tls.verify", SLUICE_CONF_BOOL, 0, "on", NULL,
     "Check the store's certificate and name. Off only for tests", 0, 0},
    {"connections", SLUICE_CONF_INT, 0, "128", NULL,
     "Requests to the store at once, and connections kept open", 1, 512},
    {"timeout", SLUICE_CONF_DURATION, 0, "15s", "ms",
     "The time one request may take, waiting, connecting and retries included", 100, 60000},
    {"payload.signing", SLUICE_CONF_ENUM, 0, "auto", "auto|on|off",
     "Sign the bytes of a PUT (SHA-256). auto: over http only; TLS and a CRC-32C guard the rest", 0,
     0},
    {"sse", SLUICE_CONF_ENUM, 0, "none", "none|AES256|aws:kms",
     "Server-side encryption to ask for with each PUT", 0, 0},
    {"sse.kms.key.id", SLUICE_CONF_STR, 0, "", NULL,
     "Key for sse = aws:kms. Empty: the bucket's own", 0, 0},
    {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

__attribute__((format(printf, 2, 3))) static sluice_status
wrong(char why[S3_WHY_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, S3_WHY_MAX, fmt, ap);
    va_end(ap);
    return SLUICE_EINVAL;
}

/* ---- endpoint ---- */

static char *
url_part(CURLU *u, CURLUPart part)
{
    char *got = NULL;
    if (curl_url_get(u, part, &got, 0) != CURLUE_OK) {
        return NULL;
    }
    char *mine = s3__strdup(got);
    curl_free(got);
    return mine;
}

static bool
has_more_than_address(CURLU *u)
{
    static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                      CURLUPART_FRAGMENT};
    bool is_more = false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *p = url_part(u, parts[i]);
        is_more = is_more || p != NULL;
        free(p);
    }
    char *path = url_part(u, CURLUPART_PATH);
    is_more = is_more || (path != NULL && strcmp(path, "/") != 0);
    free(path);
    return is_more;
}

static void
authority_set(struct s3_endpoint *ret, const char *host, const char *port)
{
    bool is_usual = port == NULL || strcmp(port, ret->is_tls ? "443" : "80") == 0;
    size_t n = strlen(host) + (is_usual ? 0 : strlen(port) + 1) + 1;
    ret->authority = (char *)s3__alloc(n);
    (void)snprintf(ret->authority, n, "%s%s%s", host, is_usual ? "" : ":", is_usual ? "" : port);
}

/* A user name in the text might come with a password: such a text is not repeated. */
bool
s3__endpoint_parse(const char *text, struct s3_endpoint *ret, char why[S3_WHY_MAX])
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    bool is_good = u != NULL && curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK;
    if (is_good) {
        scheme = url_part(u, CURLUPART_SCHEME);
        host = url_part(u, CURLUPART_HOST);
        port = url_part(u, CURLUPART_PORT);
        ret->is_tls = scheme != NULL && strcmp(scheme, "https") == 0;
    }
    if (!is_good || host == NULL || scheme == NULL ||
        (!ret->is_tls && strcmp(scheme, "http") != 0)) {
        (void)wrong(why, "endpoint is not http://host[:port] or https://host[:port]%s%.80s",
                    strchr(text, '@') == NULL ? ": " : "", strchr(text, '@') == NULL ? text : "");
        is_good = false;
    } else if (has_more_than_address(u)) {
        (void)wrong(why, "endpoint has more than scheme, host and port; leave path, query and user "
                         "out");
        is_good = false;
    } else {
        authority_set(ret, host, port);
    }
    free(scheme);
    free(host);
    free(port);
    curl_url_cleanup(u);
    return is_good;
}

/* ---- what is given ---- */

static bool
bucket_name_is_sound(const char *s)
{
    size_t n = strlen(s);
    if (n < 3 || n > 63) {
        return false;
    }
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) && strchr("-._", *s) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
region_is_sound(const char *s)
{
    size_t n = strlen(s);
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) && strchr("-_", *s) == NULL) {
            return false;
        }
    }
    return n > 0 && n <= 32;
}

static const char *
region_given(const char *option)
{
    static const char *const names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    if (option[0] != '\0') {
        return option;
    }
    for (size_t i = 0; i < 2; i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): configure, on the main thread */
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return "us-east-1";
}

static sluice_status
place_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
           char why[S3_WHY_MAX])
{
    const char *endpoint = host->conf_str(conf, "endpoint");
    c->bucket = s3__strdup(host->conf_str(conf, "bucket"));
    c->region = s3__strdup(region_given(host->conf_str(conf, "region")));
    if (c->bucket == NULL || !bucket_name_is_sound(c->bucket)) {
        return wrong(why, "bucket = %.80s: a name has 3 to 63 letters, digits, '-' and '.'",
                     c->bucket == NULL ? "" : c->bucket);
    }
    if (!region_is_sound(c->region)) {
        return wrong(why, "region = %.40s: a name has 1 to 32 letters, digits and '-'", c->region);
    }
    if (endpoint[0] != '\0') {
        c->endpoint = s3__strdup(endpoint);
        return SLUICE_OK;
    }
    char made[100];
    (void)snprintf(made, sizeof(made), "https://s3.%s.amazonaws.com", c->region);
    c->endpoint = s3__strdup(made);
    return SLUICE_OK;
}

static bool
wants_virtual(int64_t addressing, bool is_aws, const char *bucket)
{
    if (addressing != ADDRESS_AUTO) {
        return addressing == ADDRESS_VIRTUAL;
    }
    return is_aws && strchr(bucket, '.') == NULL; /* a dot breaks the certificate's wildcard */
}

static sluice_status
address_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
             char why[S3_WHY_MAX])
{
    struct s3_endpoint e = {0};
    if (!s3__endpoint_parse(c->endpoint, &e, why)) {
        return SLUICE_EINVAL;
    }
    bool is_aws = host->conf_str(conf, "endpoint")[0] == '\0';
    c->is_tls = e.is_tls;
    c->is_virtual = wants_virtual(host->conf_int(conf, "addressing"), is_aws, c->bucket);
    size_t n = strlen(e.authority) + strlen(c->bucket) + sizeof("https://.");
    c->host = (char *)s3__alloc(n);
    c->origin = (char *)s3__alloc(n);
    (void)snprintf(c->host, n, "%s%s%s", c->is_virtual ? c->bucket : "", c->is_virtual ? "." : "",
                   e.authority);
    (void)snprintf(c->origin, n, "%s://%s", c->is_tls ? "https" : "http", c->host);
    free(e.authority);
    return SLUICE_OK;
}

static sluice_status
tls_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
         char why[S3_WHY_MAX])
{
    const char *ca = host->conf_str(conf, "ca.file");
    c->verifies_tls = host->conf_int(conf, "tls.verify") != 0;
    if (ca[0] == '\0') {
        return SLUICE_OK;
    }
    if (access(ca, R_OK) != 0) {
        return wrong(why, "ca.file = %.120s: cannot be read", ca);
    }
    c->ca_file = s3__strdup(ca);
    return SLUICE_OK;
}

static sluice_status
encryption_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
                char why[S3_WHY_MAX])
{
    static const char *const values[] = {NULL, "AES256", "aws:kms"};
    int64_t sse = host->conf_int(conf, "sse");
    const char *key = host->conf_str(conf, "sse.kms.key.id");
    if (key[0] != '\0' && sse != SSE_KMS) {
        return wrong(why, "sse.kms.key.id is set, but sse is not aws:kms; set both");
    }
    c->sse = sse >= SSE_NONE && sse <= SSE_KMS ? values[sse] : NULL;
    c->sse_key = key[0] != '\0' ? s3__strdup(key) : NULL;
    return SLUICE_OK;
}

static sluice_status
keys_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
          char why[S3_WHY_MAX])
{
    const struct s3_creds_given given = {.access = host->conf_str(conf, "access.key"),
                                         .secret = host->conf_str(conf, "secret.key"),
                                         .token = host->conf_str(conf, "session.token"),
                                         .profile = host->conf_str(conf, "profile")};
    return s3__creds_read(&given, &c->creds, why);
}

sluice_status
s3__config_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
                char why[S3_WHY_MAX])
{
    static sluice_status (*const steps[])(const sluice_host *, const sluice_conf *,
                                          struct s3_config *, char why[S3_WHY_MAX]) = {
        place_read, address_read, tls_read, encryption_read, keys_read};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sluice_status rc = steps[i](host, conf, c, why);
        if (rc != SLUICE_OK) {
            return rc;
        }
    }
    int64_t signing = host->conf_int(conf, "payload.signing");
    c->signs_payload = signing == SIGNING_ON || (signing == SIGNING_AUTO && !c->is_tls);
    c->connections = (uint32_t)host->conf_int(conf, "connections");
    c->timeout_ms = (uint32_t)host->conf_int(conf, "timeout");
    return SLUICE_OK;
}

void
s3__config_fini(struct s3_config *c)
{
    s3__creds_fini(&c->creds);
    free(c->endpoint);
    free(c->origin);
    free(c->host);
    free(c->bucket);
    free(c->region);
    free(c->ca_file);
    free(c->sse_key);
    *c = (struct s3_config){0};
}
