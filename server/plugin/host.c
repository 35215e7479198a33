/* The host table: everything a plugin may call. Each function finds the instance behind the table
 * and hands on to the module that does the work. */
#include "plugin/plugin_int.h"
#include "store/host_buf.h"
#include "store/meter.h"
#include "store/op.h"

#include <sluice/storage.h>
#include <time.h>

static struct plugin_instance *
instance_of(const sluice_host *host)
{
    return SL_CONTAINER_OF((sluice_host *)(uintptr_t)host, struct plugin_instance, host);
}

/* ---- sluice.host.counters/1 ---- */

static sluice_status
counters_declare(const sluice_host *host, const sluice_counter *table, uint32_t count)
{
    return plugin__counters_declare(instance_of(host), table, count);
}

static void
counters_add(const sluice_host *host, uint32_t index, int64_t delta)
{
    plugin__counters_add(instance_of(host), index, delta);
}

static void
counters_observe(const sluice_host *host, uint32_t index, uint64_t value)
{
    plugin__counters_observe(instance_of(host), index, value);
}

/* ---- sluice.host.storage/1 ---- */

static void
storage_attempt(const sluice_host *host, uint32_t kind, uint32_t outcome, sluice_slice why)
{
    struct timespec ts = {0};
    if (kind < STORE_KINDS) { /* the numbers are those of enum store_kind, for ever */
        (void)clock_gettime(CLOCK_BOOTTIME, &ts);
        store_meter_attempt(instance_of(host)->meter, (enum store_kind)kind,
                            outcome != SLUICE_ATTEMPT_GOOD, span_of(why.ptr, why.len),
                            (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec);
    }
}

_Static_assert(STORE_PUT == SLUICE_STORAGE_PUT && STORE_GET == SLUICE_STORAGE_GET &&
                   STORE_HEAD == SLUICE_STORAGE_HEAD && STORE_DEL == SLUICE_STORAGE_DEL &&
                   STORE_LIST == SLUICE_STORAGE_LIST,
               "the ABI's numbers are ours");

/* ---- struct sluice_host ---- */

static const void *
host_extension(const sluice_host *host, const char *id)
{
    static const sluice_host_counters counters = {
        .size = sizeof(counters),
        .declare = counters_declare,
        .add = counters_add,
        .observe = counters_observe,
    };
    static const sluice_host_storage storage = {.size = sizeof(storage),
                                                .attempt = storage_attempt};
    (void)host;
    return strcmp(id, SLUICE_HOST_COUNTERS_V1) == 0  ? (const void *)&counters
           : strcmp(id, SLUICE_HOST_STORAGE_V1) == 0 ? (const void *)&storage
                                                     : NULL;
}

static void
host_log(const sluice_host *host, int32_t level, sluice_slice msg)
{
    const struct plugin_instance *p = instance_of(host);
    enum diag_level l = level <= SLUICE_LOG_DEBUG  ? DIAG_DEBUG
                        : level == SLUICE_LOG_INFO ? DIAG_INFO
                        : level == SLUICE_LOG_WARN ? DIAG_WARN
                                                   : DIAG_ERROR;
    SL_LOG(&p->diag, l, "plugin.log", KV_SPAN("msg", span_of(msg.ptr, msg.len)));
}

static void
host_fail(const sluice_host *host, sluice_op *op, sluice_status status, sluice_slice why)
{
    (void)host;
    (void)status;
    op_fail(op, (const char *)why.ptr, why.len);
}

static void
host_complete(const sluice_host *host, sluice_op *op, sluice_status status, const void *result)
{
    static struct diag_limit limit;
    const struct plugin_instance *p = instance_of(host);
    if (!op_complete(op, status, result) && diag_limit_ok(&limit, 5)) {
        SL_ERROR(&p->diag, "plugin.misbehaves",
                 KV_STR("msg", "completed an operation twice, or one that had ended; ignored"),
                 KV_I64("status", status));
    }
}

static uint64_t
host_deadline_ns(const sluice_host *host, const sluice_op *op)
{
    (void)host;
    return op_deadline_ns(op);
}

static sluice_buf *
host_buf_make(const sluice_host *host, size_t len, uint8_t **writable)
{
    (void)host;
    return host_buf_new(len, writable);
}

void
plugin__host_init(struct plugin_instance *p)
{
    p->host = (struct sluice_host){.size = sizeof(p->host),
                                   .abi_major = SLUICE_ABI_MAJOR,
                                   .abi_minor = SLUICE_ABI_MINOR,
                                   .name = "sluice",
                                   .version = SLUICE_VERSION,
                                   .extension = host_extension,
                                   .log = host_log,
                                   .fail = host_fail,
                                   .complete = host_complete,
                                   .deadline_ns = host_deadline_ns,
                                   .buf_new = host_buf_make,
                                   .conf_str = plugin__conf_str,
                                   .conf_int = plugin__conf_int};
}
