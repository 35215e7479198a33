/* A table of slots under one lock. A slot in use has the generation of its handle; giving it back
 * raises the generation, so that every older handle stops matching. A lock and not an atomic
 * exchange per slot: it is taken three times per store request, for a few loads, and it makes "the
 * call is still on the plugin's stack" and "it was completed meanwhile" one question. */
#include "store/op.h"

#include "base/buf.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SLOT_BITS = 20, SLOTS_MAX = 1 << SLOT_BITS };

struct slot {
    struct plugin_op *op; /* NULL: free, or completed while the call had not returned */
    uint64_t generation;
    uint32_t next_free; /* index + 1 */
    bool is_calling;    /* the plugin's function has not returned yet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;
static uint32_t slot_count, slot_cap, first_free;

static _Thread_local char said[OP_WHY_MAX];

static sluice_op *
handle_of(uint32_t index, uint64_t generation)
{
    return (sluice_op *)(uintptr_t)(generation << SLOT_BITS |
                                    index); /* NOLINT: opaque on purpose */
}

/* Gives the slot that the handle still names, NULL when it has moved on. Holds the lock. */
static struct slot *
slot_find(const sluice_op *handle)
{
    uint64_t v = (uint64_t)(uintptr_t)handle;
    uint32_t index = (uint32_t)(v & (SLOTS_MAX - 1));
    if (index >= slot_count || slots[index].generation != v >> SLOT_BITS) {
        return NULL;
    }
    return &slots[index];
}

static void
slot_free(struct slot *s)
{
    s->generation++;
    s->op = NULL;
    s->next_free = first_free;
    first_free = (uint32_t)(s - slots) + 1;
}

static struct slot *
slot_take(void)
{
    if (first_free == 0) {
        if (slot_count == slot_cap) {
            SL_ASSERT(slot_cap < SLOTS_MAX); /* calls in flight are bounded by pool and budgets */
            slot_cap = slot_cap == 0 ? 64 : slot_cap * 2;
            slots = (struct slot *)sl_realloc(slots, slot_cap * sizeof(*slots));
        }
        slots[slot_count] = (struct slot){.generation = 1};
        slot_free(&slots[slot_count++]);
    }
    struct slot *s = &slots[first_free - 1];
    first_free = s->next_free;
    return s;
}

void
op_begin(struct plugin_op *op)
{
    op->why[0] = '\0';
    said[0] = '\0';
    pthread_mutex_lock(&lock);
    struct slot *s = slot_take();
    s->op = op;
    s->is_calling = true;
    op->handle = handle_of((uint32_t)(s - slots), s->generation);
    pthread_mutex_unlock(&lock);
}

enum op_state
op_end(sluice_op *handle, sluice_status returned)
{
    enum op_state state = OP_PENDING;
    pthread_mutex_lock(&lock);
    struct slot *s = slot_find(handle);
    SL_ASSERT(s != NULL && s->is_calling);
    s->is_calling = false;
    if (s->op == NULL) {
        slot_free(s); /* completed before it returned: whatever it returned, that one counts */
        state = returned == SLUICE_PENDING ? OP_PENDING : OP_TWICE;
    } else if (returned != SLUICE_PENDING) {
        if (said[0] != '\0' && s->op->why[0] == '\0') {
            (void)snprintf(s->op->why, sizeof(s->op->why), "%s", said);
        }
        slot_free(s);
        state = OP_FINAL;
    }
    pthread_mutex_unlock(&lock);
    return state;
}

bool
op_complete(sluice_op *handle, sluice_status status, const void *result)
{
    pthread_mutex_lock(&lock);
    struct slot *s = slot_find(handle);
    struct plugin_op *op = s == NULL ? NULL : s->op;
    if (op != NULL && s->is_calling) {
        s->op = NULL; /* the slot stays taken until op_end */
    } else if (op != NULL) {
        slot_free(s);
    }
    pthread_mutex_unlock(&lock);
    if (op == NULL) {
        return false;
    }
    op->finished(op, status, result);
    return true;
}

uint64_t
op_deadline_ns(const sluice_op *handle)
{
    pthread_mutex_lock(&lock);
    const struct slot *s = slot_find(handle);
    uint64_t deadline_ns = 0;
    if (s != NULL && s->op != NULL) {
        deadline_ns = s->op->deadline_ns == 0 ? UINT64_MAX : s->op->deadline_ns;
    }
    pthread_mutex_unlock(&lock);
    return deadline_ns;
}

void
op_fail(sluice_op *handle_or_null, const char *why, size_t len)
{
    int n = len < OP_WHY_MAX ? (int)len : OP_WHY_MAX - 1;
    if (handle_or_null == NULL) {
        (void)snprintf(said, sizeof(said), "%.*s", n, why);
        return;
    }
    pthread_mutex_lock(&lock);
    struct slot *s = slot_find(handle_or_null);
    if (s != NULL && s->op != NULL) {
        (void)snprintf(s->op->why, sizeof(s->op->why), "%.*s", n, why);
    }
    pthread_mutex_unlock(&lock);
}

void
op_take_why(char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s", said);
    said[0] = '\0';
}
