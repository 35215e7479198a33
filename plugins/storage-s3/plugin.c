/* The S3 store as a sluice.storage/1 plugin: its table, its life, its data calls. */
#include "storage-s3/s3_int.h"

#include <stdlib.h>
#include <string.h>

enum { START_MAX_MS = 8000, PARTS_MAX = 1024 };
#define OBJECT_MAX (UINT64_C(5) << 30) /* what one PUT may carry */

/* ---- life ---- */

static void
curl_once(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* never undone: others may use curl, too */
}

static sluice_status
s3_create(const sluice_host *host, sluice_instance **out)
{
    sluice_instance *s3 = (sluice_instance *)s3__alloc(sizeof(*s3));
    s3->host = host;
    sluice_status rc = s3__counts_declare(s3);
    if (rc != SLUICE_OK) {
        free(s3);
        return rc;
    }
    *out = s3;
    return SLUICE_OK;
}

static sluice_status
s3_configure(sluice_instance *s3, const sluice_conf *conf)
{
    char why[S3_WHY_MAX];
    s3__config_fini(&s3->conf);
    sluice_status rc = s3__config_read(s3->host, conf, &s3->conf, why);
    return rc == SLUICE_OK ? rc : s3__fail(s3, rc, "%s", why);
}

static void
waiter_init(struct s3_waiter *w)
{
    memset(w, 0, sizeof(*w));
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->ended, NULL);
}

static void
waiter_wait(struct s3_waiter *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->is_ended) {
        pthread_cond_wait(&w->ended, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    (void)pthread_cond_destroy(&w->ended);
    (void)pthread_mutex_destroy(&w->lock);
}

/* One LIST of one key: endpoint, clock, keys, region, bucket and the right to list, all at once. */
static sluice_status
bucket_check(sluice_instance *s3)
{
    struct s3_waiter w;
    struct s3_call *call = s3__call_new(s3, S3_LIST, NULL);
    uint64_t latest = call->begun_ns + START_MAX_MS * S3_NS_PER_MS;
    call->deadline_ns = latest < call->deadline_ns ? latest : call->deadline_ns;
    call->list = (struct s3_list *)s3__alloc(sizeof(*call->list));
    call->list->max = 1;
    call->waiter = &w;
    waiter_init(&w);
    sluice_status rc = s3__submit(s3, &call);
    if (rc != SLUICE_PENDING) {
        return rc;
    }
    waiter_wait(&w);
    return w.status == SLUICE_OK ? w.status : s3__fail(s3, w.status, "%s", w.why);
}

static sluice_status
s3_start(sluice_instance *s3)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const char *const sources[] = {"the configuration", "the environment", "the file"};
    (void)pthread_once(&once, curl_once);
    const struct s3_config *c = &s3->conf;
    sluice_status rc = s3__engine_start(s3);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = bucket_check(s3);
    if (rc != SLUICE_OK) {
        s3__engine_stop(s3);
        return rc;
    }
    s3__log(s3, SLUICE_LOG_INFO,
            "bucket %s at %s (region %s, %s addressing, keys from %s %s, payload %s)", c->bucket,
            c->endpoint, c->region, c->is_virtual ? "virtual" : "path", sources[c->creds.from],
            c->creds.file != NULL ? c->creds.file : "", c->signs_payload ? "signed" : "unsigned");
    if (c->is_tls && !c->verifies_tls) {
        s3__log(s3, SLUICE_LOG_WARN,
                "tls.verify = off: anybody on the way can read and change "
                "what is stored");
    }
    return SLUICE_OK;
}

static sluice_status
s3_quiesce(sluice_instance *s3)
{
    (void)s3; /* what is in flight ends by itself, at its deadline at the latest */
    return SLUICE_OK;
}

static void
s3_stop(sluice_instance *s3)
{
    s3__engine_stop(s3);
}

static void
s3_destroy(sluice_instance *s3)
{
    s3__engine_stop(s3);
    s3__config_fini(&s3->conf);
    free(s3);
}

/* ---- data calls ---- */

static bool
byte_is_allowed(uint8_t c)
{
    bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alnum || c == '.' || c == '_' || c == '~' || c == '-' || c == '/';
}

/* "." and ".." as parts would be folded away by clients and proxies on the way. */
static bool
part_is_allowed(const uint8_t *p, size_t n)
{
    return n > 0 && !(n == 1 && p[0] == '.') && !(n == 2 && memcmp(p, "..", 2) == 0);
}

static bool
key_is_allowed(sluice_slice key)
{
    size_t begin = 0;
    if (key.len == 0 || key.len > S3_KEY_MAX) {
        return false;
    }
    for (size_t i = 0; i <= key.len; i++) {
        if (i == key.len || key.ptr[i] == '/') {
            if (!part_is_allowed(key.ptr + begin, i - begin)) {
                return false;
            }
            begin = i + 1;
        } else if (!byte_is_allowed(key.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* A prefix, or where a list begins: any beginning of a key. */
static bool
text_is_allowed(sluice_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!byte_is_allowed(s.ptr[i])) {
            return false;
        }
    }
    return s.len <= S3_KEY_MAX;
}

static sluice_status
bad_key(sluice_instance *s3)
{
    return s3__fail(s3, SLUICE_EINVAL,
                    "a key has 1 to %d bytes out of A-Z a-z 0-9 . _ ~ - /, and no part that is "
                    "empty, . or ..",
                    (int)S3_KEY_MAX);
}

/* Gives a call for a key, or NULL when it is none. */
static struct s3_call *
call_for_key(sluice_instance *s3, enum s3_kind kind, sluice_slice key, sluice_op *op)
{
    if (!key_is_allowed(key)) {
        return NULL;
    }
    struct s3_call *call = s3__call_new(s3, kind, op);
    memcpy(call->key, key.ptr, key.len);
    return call;
}

static sluice_status
put_check(sluice_instance *s3, const sluice_put_opts *o)
{
    static const uint32_t known =
        SLUICE_PUT_IF_ABSENT | SLUICE_PUT_IF_VERSION | SLUICE_PUT_CRC32C | SLUICE_PUT_SEQUENCE;
    if (o == NULL) {
        return SLUICE_OK;
    }
    for (size_t i = sizeof(*o); i < o->size; i++) {
        if (((const uint8_t *)o)[i] != 0) {
            return s3__fail(s3, SLUICE_ENOTSUP, "a put option that this plugin does not know");
        }
    }
    bool is_both =
        (o->flags & SLUICE_PUT_IF_ABSENT) != 0 && (o->flags & SLUICE_PUT_IF_VERSION) != 0;
    if ((o->flags & ~known) != 0 || is_both) {
        return s3__fail(s3, SLUICE_ENOTSUP, "a put option that this plugin does not know");
    }
    if ((o->flags & SLUICE_PUT_IF_VERSION) != 0 &&
        (o->version.len == 0 || o->version.len >= sizeof(((struct s3_put *)0)->version))) {
        return s3__fail(s3, SLUICE_EINVAL, "a version has 1 to 63 bytes");
    }
    return SLUICE_OK;
}

static void
put_take_options(struct s3_put *put, const sluice_put_opts *o)
{
    if (o == NULL) {
        return;
    }
    put->flags = o->flags;
    put->crc32c = o->crc32c;
    if ((o->flags & SLUICE_PUT_IF_VERSION) != 0) {
        memcpy(put->version, o->version.ptr, o->version.len);
    }
}

/* The array is borrowed for this call only; the bytes until completion. */
static void
put_take_parts(struct s3_put *put, const sluice_slice *parts, size_t count)
{
    put->parts = (struct s3_slice *)s3__alloc(count * sizeof(*put->parts));
    put->count = count;
    for (size_t i = 0; i < count; i++) {
        put->parts[i] = (struct s3_slice){parts[i].ptr, parts[i].len};
        put->length += parts[i].len;
    }
}

static sluice_status
/* NOLINTNEXTLINE(readability-function-size): the SDK's signature */
s3_put(sluice_instance *s3, sluice_slice key, const sluice_slice *parts, size_t count,
       const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    (void)result; /* goes with the completion */
    sluice_status rc = put_check(s3, opts);
    if (rc != SLUICE_OK) {
        return rc;
    }
    if (count > PARTS_MAX) {
        return s3__fail(s3, SLUICE_EINVAL, "a put has at most %d parts", (int)PARTS_MAX);
    }
    struct s3_call *call = call_for_key(s3, S3_PUT, key, op);
    if (call == NULL) {
        return bad_key(s3);
    }
    put_take_options(&call->put, opts);
    put_take_parts(&call->put, parts, count);
    if (call->put.length > OBJECT_MAX) {
        s3__call_free(&call);
        return s3__fail(s3, SLUICE_EINVAL, "an object of more than 5 GiB does not fit one PUT");
    }
    return s3__submit(s3, &call);
}

static sluice_status
s3_get(sluice_instance *s3, sluice_slice key, uint64_t offset, uint64_t length,
       sluice_get_result *result, sluice_op *op)
{
    (void)result;
    struct s3_call *call = call_for_key(s3, S3_GET, key, op);
    if (call == NULL) {
        return bad_key(s3);
    }
    call->offset = offset;
    call->length = length;
    call->is_sizing =
        offset > INT64_MAX; /* beyond every object, and beyond what stores can parse */
    return s3__submit(s3, &call);
}

static sluice_status
s3_head(sluice_instance *s3, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    (void)result;
    struct s3_call *call = call_for_key(s3, S3_HEAD, key, op);
    return call == NULL ? bad_key(s3) : s3__submit(s3, &call);
}

static sluice_status
s3_del(sluice_instance *s3, sluice_slice key, sluice_op *op)
{
    struct s3_call *call = call_for_key(s3, S3_DEL, key, op);
    return call == NULL ? bad_key(s3) : s3__submit(s3, &call);
}

static sluice_status
s3_list(sluice_instance *s3, sluice_slice prefix, sluice_slice after, uint32_t max,
        sluice_list_sink *sink, sluice_op *op)
{
    if (!text_is_allowed(prefix) || !text_is_allowed(after)) {
        return bad_key(s3);
    }
    if (max == 0) {
        return SLUICE_OK;
    }
    struct s3_call *call = s3__call_new(s3, S3_LIST, op);
    call->list = (struct s3_list *)s3__alloc(sizeof(*call->list));
    call->list->sink = sink;
    call->list->max = max;
    if (prefix.len > 0) {
        memcpy(call->key, prefix.ptr, prefix.len);
    }
    if (after.len > 0) {
        memcpy(call->list->after, after.ptr, after.len);
    }
    return s3__submit(s3, &call);
}

static const void *
s3_extension(sluice_instance *s3, const char *id)
{
    static const sluice_storage storage = {
        .size = sizeof(storage),
        .capabilities = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_IF_VERSION,
        .max_object_size = OBJECT_MAX,
        .put = s3_put,
        .get = s3_get,
        .head = s3_head,
        .del = s3_del,
        .list = s3_list,
    };
    (void)s3;
    return strcmp(id, SLUICE_STORAGE_V1) == 0 ? &storage : NULL;
}

sluice_status
sluice_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    static const sluice_plugin plugin = {
        .size = sizeof(plugin),
        .abi_major = SLUICE_ABI_MAJOR,
        .needs_minor = SLUICE_ABI_MINOR,
        .id = "org.sluice.storage-s3",
        .version = "0.1.0",
        .license = "Apache-2.0",
        .summary = "Objects in a bucket of S3, or of a store that speaks its protocol",
        .flags = SLUICE_F_CONCURRENT,
        .conf_keys = s3__conf_keys,
        .create = s3_create,
        .configure = s3_configure,
        .start = s3_start,
        .quiesce = s3_quiesce,
        .stop = s3_stop,
        .destroy = s3_destroy,
        .extension = s3_extension,
    };
    (void)host;
    *out = &plugin;
    return SLUICE_OK;
}
