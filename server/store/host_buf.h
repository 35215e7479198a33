/* struct buf as plugins see it: the sluice_buf that host->buf_new gives, and the way back.
 * Threads: any. */
#ifndef SLUICE_STORE_HOST_BUF_H
#define SLUICE_STORE_HOST_BUF_H

#include "base/buf.h"

#include <sluice/plugin.h>

/* Gives a buffer of len writable bytes; *writable is where they are. */
sluice_buf *host_buf_new(size_t len, uint8_t **writable);
/* Takes *b and gives its bytes as a struct buf: the same memory when it came from host_buf_new, a
 * copy when the plugin allocated it. A plugin may have shortened b->bytes.len. NULL gives NULL. */
struct buf *host_buf_take(sluice_buf **b);

#endif
