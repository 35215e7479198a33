/* The host table: everything a plugin may call. Each function finds the instance behind the table
 * and hands on to the module that does the work. */
#include "plugin/plugin_int.h"
#include "store/host_buf.h"
#include "store/op.h"

static const struct plugin_instance *
instance_of(const sluice_host *host)
{
    return SL_CONTAINER_OF((sluice_host *)(uintptr_t)host, struct plugin_instance, host);
}

static const void *
host_extension(const sluice_host *host, const char *id)
{
    (void)host;
    (void)id;
    return NULL;
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
    (void)op;
    return UINT64_MAX; /* store calls carry no deadline yet */
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
