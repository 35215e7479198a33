/* One call into a plugin, as the host sees it: the handle that travels as `sluice_op *`, its
 * completion, and the sentence that goes with its failure.
 *
 * The handle is no address. It holds a slot number and a generation, so that a plugin that
 * completes twice, or long after, is recognised whatever happened to the memory meanwhile: the
 * completion is refused, logged as the plugin's misbehaviour, and changes nothing.
 *
 * Threads:  op_begin and op_end on the calling thread; the rest on any.
 * Lifetime: op_begin -> the plugin's function -> op_end; when that says PENDING, the plugin_op
 * stays alive until finished() ran. */
#ifndef SLUICE_STORE_OP_H
#define SLUICE_STORE_OP_H

#include "base/err.h"

#include <sluice/plugin.h>

enum { OP_WHY_MAX = 200 };

/* Embedded by whoever calls the plugin. */
struct plugin_op {
    /* Runs once, on whichever thread completes, when the plugin completes the op itself. result is
     * borrowed. Not called when op_end gives a final status. */
    void (*finished)(struct plugin_op *op, sluice_status status, const void *result);
    sluice_op *handle;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; set before op_begin; 0: none */
    char why[OP_WHY_MAX]; /* what the plugin said through fail(); "" when nothing */
};

enum op_state {
    OP_FINAL,   /* the status that the call returned is the outcome */
    OP_PENDING, /* finished() runs, or ran already: do not touch the plugin_op any more */
    OP_TWICE    /* the same, but the call gave a final status on top of it: misbehaviour, which the
                   caller logs */
};

/* Makes op->handle and forgets earlier sentences of this thread. */
void op_begin(struct plugin_op *op);
/* To be called right after the plugin's function returned `returned`; handle is that of op_begin
 * (the op itself may be gone by now). */
enum op_state op_end(sluice_op *handle, sluice_status returned);
/* The three members of the host table. op_deadline_ns gives
 * UINT64_MAX for none, 0 for an op that has ended. op_complete
 * says false when the op is not waiting for an answer: misbehaviour, which the caller logs. */
bool op_complete(sluice_op *handle, sluice_status status, const void *result);
uint64_t op_deadline_ns(const sluice_op *handle);
void op_fail(sluice_op *handle_or_null, const char *why, size_t len);
/* Moves the sentence that was said with a NULL op on this thread to out, "" when there is none. */
void op_take_why(char *out, size_t cap);

#endif
