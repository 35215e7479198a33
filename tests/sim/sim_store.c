/* A store of objects in memory, linearizable, with the faults of docs/journal.md section 6.
 *
 * A request is copied when it is submitted and lives apart from its caller: its effect and its
 * answer are two events. So an effect may come after the answer (late), or never, or twice, and it
 * comes although the caller crashed. The answer to a PUT is what its last effect said, unless the
 * draw was to lose it: then UNKNOWN. A GET or LIST takes its picture at its effect and may bring it
 * much later.
 *
 * Power loss: all brokers run on the store's machine; what is in flight is gone, what was applied
 * stays (visible implies durable). With the mistake visible_before_durable an object is visible for
 * a while before it is durable. */
#include "sim_store.h"

#include "base/crc32c.h"
#include "journal/entry.h"

/* What becomes of the PUT of a segment. */
static void
note_segment(const struct sim_req *r, const struct object *met)
{
    if (!object_has_suffix(r->key, ".kfs")) {
        return;
    }
    if (met == NULL) {
        sim_stat(ST_seg_put);
        if (r->is_answered) {
            sim_stat(ST_seg_late);
        }
    } else if (r->call != NULL) {
        sim_stat(ST_seg_met);
        if (met->len != r->len) {
            sim_stat(ST_seg_cut);
        }
    }
}

/* --- effects */

static void
note_doubt(const struct sim_req *r)
{
    if (r->len < ENTRY_HEADER_BYTES) {
        return;
    }
    struct doubt *d = &sim_st.doubts[sim_st.doubt_next++ % DOUBTS];
    d->broker = r->home->broker;
    span_to_cstr(span_cstr(r->key), d->key, sizeof(d->key));
    memcpy(d->id.b, r->bytes + 40, 16);
}

static void
settle_doubt(const struct sim_req *r, const struct object *o)
{
    for (size_t i = 0; i < DOUBTS; i++) {
        struct doubt *d = &sim_st.doubts[i];
        if (d->broker != r->home->broker || strcmp(d->key, r->key) != 0) {
            continue;
        }
        if (o == NULL) {
            sim_stat(ST_unknown_absent);
        } else {
            bool is_own = o->len >= 56 && memcmp(o->bytes + 40, d->id.b, 16) == 0;
            sim_stat(is_own ? ST_unknown_own : ST_unknown_other);
            d->key[0] = '\0';
        }
        return;
    }
}

static void
note_manifest(const char *key)
{
    static uint64_t newest[SIM_JOURNALS_MAX];
    const char *at = strstr(key, "/manifest/");
    const char *journal = strstr(key, "/journal/");
    if (at == NULL || journal == NULL) {
        return;
    }
    size_t j = strtoul(journal + 9, NULL, 10) % SIM_JOURNALS_MAX;
    uint64_t v = strtoull(at + 10, NULL, 10);
    if (v < newest[j]) {
        sim_stat(ST_ghost_manifest);
    }
    newest[j] = v > newest[j] ? v : newest[j];
}

static void
apply_put(struct sim_req *r)
{
    uint32_t j;
    uint64_t n;
    bool is_again = r->is_applied;
    struct object *o = object_find(r->key);
    r->is_applied = true;
    r->rc = SL_OK;
    note_segment(r, o);
    if (o != NULL && r->if_absent) {
        r->outcome = STORE_EXISTS;
        TRACE("store    PUT %s finds an object", r->key);
        return;
    }
    if (o != NULL) {
        object_delete_at((size_t)(o - sim_st.objects));
    }
    o = object_insert(r->key, r->bytes, r->len);
    r->outcome = STORE_DONE;
    if (is_again) {
        sim_stat(ST_put_twice);
    }
    if (r->is_answered) {
        sim_stat(ST_put_late);
        if (sim.now - r->submitted_at > SIM_HOUR) {
            sim_stat(ST_put_very_late);
        }
    }
    if (object_is_entry(r->key, &j, &n)) {
        bool was = n < sim.entry_cap[j] && sim.entries[j][n].was_deleted;
        o->is_ghost = was;
        r->made_ghost = was;
        if (was) {
            sim_stat(ST_ghost_made);
        } else {
            truth_entry_created(j, n, span_of(r->bytes, r->len));
        }
    }
    note_manifest(r->key);
    if (sim.is_repair_forced) {
        repairs_object_created(r->key, span_of(r->bytes, r->len));
    }
    TRACE("store    PUT %s by b%d lands%s%s%s", r->key, r->home->broker,
          r->is_answered ? " LATE" : "", is_again ? " AGAIN" : "", o->is_ghost ? " as GHOST" : "");
}

static void
apply_get(struct sim_req *r)
{
    const struct object *o = object_find(r->key);
    settle_doubt(r, o);
    if (o == NULL) {
        r->outcome = STORE_ABSENT;
        r->rc = SL_OK;
        return;
    }
    r->outcome = STORE_DONE;
    r->object_size = o->len;
    if (o->is_ghost) {
        sim_stat(ST_ghost_met);
    }
    if (r->kind == STORE_HEAD) {
        return;
    }
    uint64_t from = r->offset < o->len ? r->offset : o->len;
    uint64_t len = o->len - from;
    if (r->length > 0 && r->length < len) {
        len = r->length;
    }
    r->body = buf_copy(span_of(o->bytes + from, len));
}

static void
apply_list(struct sim_req *r)
{
    size_t prefix = strlen(r->key);
    struct store_listing *l = sl_alloc(sizeof(*l));
    size_t cap = 0;
    for (size_t i = object_lower_bound(r->key); i < sim_st.count; i++) {
        const struct object *o = &sim_st.objects[i];
        if (strncmp(o->key, r->key, prefix) != 0 || (r->max_keys > 0 && l->count == r->max_keys)) {
            break;
        }
        if (r->after[0] != '\0' && strcmp(o->key, r->after) <= 0) {
            continue;
        }
        SIM_GROW(l->items, l->count, cap);
        l->items[l->count++] = (struct store_listed){sl_strdup(o->key), o->len, o->modified_ms};
    }
    r->listing = l;
    r->outcome = STORE_DONE;
}

static void
apply_del(struct sim_req *r)
{
    uint32_t j;
    uint64_t n;
    struct object *o = object_find(r->key);
    r->outcome = STORE_DONE;
    if (o == NULL) {
        return;
    }
    bool is_ghost = o->is_ghost;
    object_delete_at((size_t)(o - sim_st.objects));
    if (object_is_entry(r->key, &j, &n)) {
        sim.entries[j][n].was_deleted = true;
        sim_stat(ST_entry_collected);
    } else if (object_has_suffix(r->key, ".kfs")) {
        sim_stat(ST_seg_deleted);
        clean_object_deleted(r->key);
    } else {
        sim_stat(ST_manifest_deleted);
    }
    TRACE("store    DEL %s%s", r->key, is_ghost ? " (a ghost)" : "");
}

static void
req_unref(struct sim_req *r)
{
    if (--r->refs > 0) {
        return;
    }
    r->prev->next = r->next;
    r->next->prev = r->prev;
    buf_unref(&r->body);
    store_listing_free(&r->listing);
    sl_free(r->bytes);
    sl_free(r);
}

static void
on_apply(void *arg)
{
    struct sim_req *r = arg;
    if (sim.now < r->not_before) {
        sim_at(r->not_before, on_apply, r);
        return;
    }
    bool is_gone = r->is_forgotten || r->power != sim_st.power ||
                   (r->home->is_dead && r->is_dropped_with_home);
    if (r->power != sim_st.power && r->kind == STORE_PUT && !r->is_applied) {
        sim_stat(ST_power_dropped);
    }
    if (!is_gone) {
        sim_mix((uint64_t)r->kind << 48 ^ r->len);
        switch (r->kind) {
        case STORE_PUT:
            apply_put(r);
            break;
        case STORE_GET:
        case STORE_HEAD:
            apply_get(r);
            break;
        case STORE_LIST:
            apply_list(r);
            break;
        case STORE_DEL:
            apply_del(r);
            break;
        }
    }
    req_unref(r);
}

/* --- answers */

static void
on_answer(void *arg)
{
    struct sim_req *r = arg;
    if (r->is_held) {
        sim_after(20 * SCHED_MS, on_answer, r);
        return;
    }
    if (sim.now < r->answer_not_before) {
        sim_at(r->answer_not_before, on_answer, r);
        return;
    }
    r->is_answered = true;
    if (r->home->is_dead) {
        req_unref(r);
        return;
    }
    int64_t took = sim.now - r->submitted_at;
    if (took > SCHED_S) {
        sim_stat(took > SIM_MIN ? ST_stuck : ST_slow);
    }
    sim_sched_answer(r->home, r);
}

int64_t
sim_req_stamp(struct sim_req *r)
{
    r->ended_ns = sim_sched_now(r->home);
    return r->ended_ns;
}

static void
fill_failure(struct store_call *c, const struct sim_req *r)
{
    static const enum sl_err reasons[] = {SL_EAGAIN, SL_EIO, SL_ETIMEOUT};
    c->outcome = r->is_unknown ? STORE_UNKNOWN : STORE_ERROR;
    c->rc = r->is_unknown ? SL_ETIMEOUT : reasons[r->submitted_at / 1000 % 3];
    span_to_cstr(span_cstr(r->is_unknown ? "the answer was lost" : "the store refused"), c->why,
                 sizeof(c->why));
}

static void
fill_truth(struct store_call *c, struct sim_req *r)
{
    c->outcome = r->outcome;
    c->rc = SL_OK;
    c->body = r->body;
    r->body = NULL;
    c->listing = r->listing;
    r->listing = NULL;
    c->object_size = r->object_size;
}

static void
count_put(const struct sim_req *r)
{
    if (r->is_error) {
        sim_stat(ST_put_refused);
    } else if (r->is_unknown) {
        sim_stat(r->is_applied ? ST_put_lost_answer : ST_put_never);
        note_doubt(r);
    } else if (r->outcome == STORE_EXISTS) {
        const struct object *o = object_find(r->key);
        bool is_own = o != NULL && o->len == r->len && memcmp(o->bytes, r->bytes, r->len) == 0;
        sim_stat(is_own ? ST_put_412_own : ST_put_412_other);
        note_doubt(r);
    } else if (r->made_ghost) {
        sim_stat(ST_ghost_won);
    }
}

static void
count_failure(const struct sim_req *r)
{
    if (r->is_error && (r->kind == STORE_GET || r->kind == STORE_HEAD)) {
        sim_stat(ST_get_error);
    } else if (r->is_error && r->kind == STORE_LIST) {
        sim_stat(ST_list_error);
    } else if (r->is_error && r->kind == STORE_DEL) {
        sim_stat(ST_del_error);
    }
}

void
sim_req_deliver(struct sim_req *r)
{
    struct store_call *c = r->call;
    static const char *const kinds[] = {"PUT", "GET", "HEAD", "DEL", "LIST"};
    static const char *const outcomes[] = {"DONE", "EXISTS", "ABSENT", "UNKNOWN", "ERROR"};
    r->call = NULL;
    c->body = NULL;
    c->listing = NULL;
    c->why[0] = '\0';
    if (r->kind == STORE_PUT) {
        count_put(r);
    } else {
        count_failure(r);
    }
    if (r->is_unknown || r->is_error) {
        fill_failure(c, r);
    } else {
        fill_truth(c, r);
    }
    c->ended_ns = r->ended_ns;
    TRACE("b%d       %s %s -> %s", r->home->broker, kinds[r->kind], r->key, outcomes[c->outcome]);
    sim_mix((uint64_t)c->outcome + 77);
    req_unref(r);
    c->done(c);
}

/* --- submission: the draws */

struct times {
    int64_t apply, again, answer; /* delays; -1: never */
};

static int64_t
late_by(void)
{
    const struct knobs *k = &sim.k;
    if (k->late_min == 0 || rng_chance(&sim.r_net, 300)) {
        return rng_span(&sim.r_net, 10 * SCHED_MS, k->late_max);
    }
    return k->late_min + (int64_t)rng_below(&sim.r_net, (uint64_t)(k->late_max - k->late_min));
}

static void
draw_put(struct sim_req *r, struct times *t)
{
    if (sim_draw(F_refused)) {
        r->is_error = true;
        t->apply = -1;
    } else if (sim_draw(F_lost)) {
        r->is_unknown = true;
    } else if (sim_draw(F_late)) {
        r->is_unknown = true;
        t->apply = t->answer + late_by();
    } else if (sim_draw(F_never)) {
        r->is_unknown = true;
        t->apply = -1;
    } else if (sim_draw(F_own412)) {
        t->again = t->apply + (t->answer - t->apply) / 2;
    }
    if (t->apply >= 0 && t->again < 0 && sim_draw(F_twice)) {
        t->again = t->answer + late_by();
    }
}

static void
draw_other(struct sim_req *r, struct times *t)
{
    enum sim_fault f = r->kind == STORE_LIST  ? F_listerr
                       : r->kind == STORE_DEL ? F_delerr
                                              : F_geterr;
    bool is_check = r->kind == STORE_LIST || strstr(r->key, "/manifest/") != NULL;
    if (sim_draw(f)) {
        r->is_error = true;
        if (r->kind != STORE_DEL || rng_chance(&sim.r_net, 500)) {
            t->apply = -1;
        } else if (rng_chance(&sim.r_net, 400)) {
            t->apply = t->answer + late_by();
        }
    } else if (r->kind != STORE_DEL &&
               (sim_draw(F_slowget) || (is_check && sim_draw(F_slowcheck)))) {
        t->answer += rng_span(&sim.r_net, SCHED_S, sim.k.slowget_max);
    }
}

static void
draw(struct sim_req *r, struct times *t)
{
    const struct knobs *k = &sim.k;
    int64_t lat = rng_span(&sim.r_net, k->lat_min, k->lat_max);
    if (r->home->broker == k->brokers - 1) {
        lat += k->lat_far;
    }
    if (sim_draw(F_slow)) {
        lat += rng_span(&sim.r_net, 100 * SCHED_MS, k->slow_max);
    }
    t->apply = (int64_t)rng_below(&sim.r_net, (uint64_t)lat + 1);
    t->answer = lat;
    t->again = -1;
    if (r->kind == STORE_PUT) {
        draw_put(r, t);
    } else {
        draw_other(r, t);
    }
}

static void
copy_call(struct sim_req *r, const struct store_call *c)
{
    r->kind = c->kind;
    span_to_cstr(span_cstr(c->key), r->key, sizeof(r->key));
    span_to_cstr(span_cstr(c->after), r->after, sizeof(r->after));
    r->max_keys = c->max_keys;
    r->offset = c->offset;
    r->length = c->length;
    r->if_absent = c->if_absent;
    if (c->kind != STORE_PUT) {
        return;
    }
    for (size_t i = 0; i < c->part_count; i++) {
        r->len += c->parts[i].len;
    }
    r->bytes = sl_alloc(r->len + 1);
    size_t at = 0;
    for (size_t i = 0; i < c->part_count; i++) {
        memcpy(r->bytes + at, c->parts[i].ptr, c->parts[i].len);
        at += c->parts[i].len;
    }
}

bool
req_is_check(const struct sim_req *r)
{
    return r->kind == STORE_LIST && strstr(r->key, "/manifest/") != NULL;
}

/* What a caller owes the store. */
static void
check_call(const struct sim_req *r, const struct store_call *c)
{
    if (strstr(r->key, "..") != NULL || strstr(r->key, "//") != NULL || r->key[0] == '/') {
        sim_violation("keys are sound", "%s", r->key);
    }
    bool is_tool = r->home->broker >= SIM_BROKERS_MAX;
    if (c->timeout_ms == 0 && !is_tool && strstr(r->key, "/journal/") != NULL &&
        c->kind != STORE_GET) {
        sim_violation("a journal's requests have a deadline", "%s", r->key);
    }
    if (c->kind != STORE_PUT) {
        return;
    }
    if (!c->if_absent && !object_has_suffix(r->key, ".index")) {
        sim_violation("objects of a journal are created, never replaced", "%s", r->key);
    }
    if (c->has_crc && c->crc32c != crc32c(0, r->bytes, r->len)) {
        sim_violation("an announced checksum is right", "%s", r->key);
    }
}

static void
submit(struct store *store, struct store_call *c)
{
    (void)store;
    struct sim_req *r = sl_alloc(sizeof(*r));
    struct times t;
    uint32_t journal;
    uint64_t n;
    r->call = c;
    r->home = SL_CONTAINER_OF(c->home, struct sim_sched, base);
    SL_ASSERT(sim.here == r->home);
    copy_call(r, c);
    check_call(r, c);
    sim_st.requests[c->kind]++;
    r->power = sim_st.power;
    r->submitted_at = sim.now;
    r->is_dropped_with_home = rng_chance(&sim.r_net, 400);
    r->outcome = STORE_ERROR;
    r->next = sim_st.reqs->next;
    r->prev = sim_st.reqs;
    r->next->prev = r;
    sim_st.reqs->next = r;
    draw(r, &t);
    r->is_held = sim.brokers[r->home->broker].holds_checks && req_is_check(r);
    r->refs = 1 + (t.apply >= 0) + (t.again >= 0);
    if (t.apply >= 0) {
        sim_after(t.apply, on_apply, r);
    }
    if (t.again >= 0) {
        sim_after(t.again, on_apply, r);
    }
    sim_after(t.answer, on_answer, r);
    if (c->kind == STORE_PUT && object_is_entry(r->key, &journal, &n)) {
        haunt_entry_sent(&sim.brokers[r->home->broker]);
    }
    if (r->home->broker >= SIM_BROKERS_MAX) {
        repairs_tool_sent(r->home);
    }
    if (c->kind == STORE_PUT) {
        TRACE("b%d       PUT %s (%zu bytes) sent", r->home->broker, r->key, r->len);
    }
}

static const struct store_ops store_ops = {.submit = submit};

struct store *
sim_store_new(void)
{
    sim_st.base.ops = &store_ops;
    sim_st.base.is_local = sim.k.is_local;
    sim_st.reqs = sl_alloc(sizeof(*sim_st.reqs));
    sim_st.reqs->next = sim_st.reqs->prev = sim_st.reqs;
    return &sim_st.base;
}

uint64_t
sim_store_requests(enum store_kind kind)
{
    return sim_st.requests[kind];
}

void
sim_store_requests_reset(void)
{
    memset(sim_st.requests, 0, sizeof(sim_st.requests));
}
