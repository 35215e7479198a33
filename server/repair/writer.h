/* SPDX-License-Identifier: Apache-2.0
 *
 * A bucket opened by a tool that writes: a reader (reader/wait.h) whose shards also propose, and
 * the ordinary way to create topics. To the brokers beside it, it is one more broker that nobody
 * prefers: it loses and wins entries like any (docs/journal.md R9). It rolls, expires and deletes
 * nothing.
 *
 * Threads: a thread that is no loop, and the same one always; every call blocks until it is done.
 */
#ifndef SLUICE_REPAIR_WRITER_H
#define SLUICE_REPAIR_WRITER_H

#include "reader/wait.h"

struct log_writer;

/* bucket->is_writer may be false: then it only reads. NULL, and err, when the store does not answer
 * or a journal cannot be read. */
struct log_writer *log_writer_open(const struct reader_options *bucket, struct sl_error *err);
void log_writer_close(struct log_writer **w);
struct reader *log_writer_reader(struct log_writer *w);

/* Runs fn(arg) on the loop, where S may be looked at. */
void log_writer_look(struct log_writer *w, void (*fn)(void *arg), void *arg);
/* Creates a topic that keeps everything, whatever the default is, and opens its partitions. */
enum sl_err log_writer_topic(struct log_writer *w, const char *name, int32_t partitions,
                             struct uuid *ret_id);
/* Proposes one op, and waits until it is verified. payload is borrowed. SL_ETIMEOUT: it may be in
 * the log or not. */
enum sl_err log_writer_op(struct log_writer *w, uint32_t journal, enum item_kind kind,
                          struct span payload);

/* GET of a whole object. NULL in *ret: there is none. SL_ECORRUPT: the store says that it is
 * damaged; another error: the store did not answer. */
enum sl_err object_get(const struct reader_options *bucket, const char *key, struct buf **ret,
                       struct sl_error *err);
struct object_range {
    const char *key;
    uint64_t offset, length;
};
/* The same of a piece; less than length when the object ends within. */
enum sl_err object_get_range(const struct reader_options *bucket, const struct object_range *range,
                             struct buf **ret, struct sl_error *err);
/* PUT, tried a few times where the store does not answer. SL_EEXIST: if_absent, and there is one
 * with other bytes. */
enum sl_err object_put(const struct reader_options *bucket, const char *key,
                       const struct buf *object, bool if_absent, struct sl_error *err);
/* Every key under prefix, in order, page by page. */
enum sl_err objects_list(const struct reader_options *bucket, const char *prefix,
                         void (*each)(void *arg, const struct store_listing *page), void *arg,
                         struct sl_error *err);

#endif
