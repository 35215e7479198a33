/* The options of one instance, checked: where the store is, how to sign, how long to wait.
 *
 * Threads: made by configure on the main thread; constant afterwards but for `creds`, which only
 * the event thread reads and renews once it runs. */
#ifndef SLUICE_STORAGE_S3_CONFIG_H
#define SLUICE_STORAGE_S3_CONFIG_H

#include "storage-s3/outcome.h"
#include "storage-s3/sigv4.h"

/* Where keys come from, the first that is set: the configuration; `profile` of the shared
 * credentials file; the environment; the profile named AWS_PROFILE, or default. */
enum s3_creds_from { S3_CREDS_CONFIG, S3_CREDS_ENV, S3_CREDS_FILE };

struct s3_creds {
    enum s3_creds_from from;
    char *access, *secret, *token; /* token NULL: none */
    char *file, *profile;          /* for S3_CREDS_FILE */
};

struct s3_config {
    char *endpoint; /* as written, for messages */
    char *origin;   /* "https://host[:port]" with the bucket in front of host when virtual */
    char *host;     /* the Host header that goes with it */
    char *bucket, *region, *ca_file, *sse_key;
    const char *sse; /* header's value, NULL: none */
    struct s3_creds creds;
    bool is_tls, is_virtual, verifies_tls, signs_payload;
    uint32_t connections, timeout_ms;
};

/* The option table, ends with name == NULL. */
extern const sluice_conf_key s3__conf_keys[];

/* Fills *c from the options. On failure *ret can still be released, and why says what is wrong
 * and what to do. */
sluice_status s3__config_read(const sluice_host *host, const sluice_conf *conf, struct s3_config *c,
                              char why[S3_WHY_MAX]);
/* Wipes the secrets. */
void s3__config_fini(struct s3_config *c);

struct s3_creds_given {
    const char *access, *secret, *token, *profile; /* from the configuration; "" or NULL: not set */
};
sluice_status s3__creds_read(const struct s3_creds_given *given, struct s3_creds *ret,
                             char why[S3_WHY_MAX]);
/* Reads the file again; true when it now holds other keys. */
bool s3__creds_renew(struct s3_creds *c);
void s3__creds_fini(struct s3_creds *c);

/* Parts of an endpoint: scheme://host[:port][/]. False: why says what is wrong with it. */
struct s3_endpoint {
    bool is_tls;
    char *authority; /* host[:port], the port only when it is not the scheme's own */
};
bool s3__endpoint_parse(const char *text, struct s3_endpoint *ret, char why[S3_WHY_MAX]);

#endif
