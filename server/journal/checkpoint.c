/* Snapshots and manifests (R5).
 *
 * A snapshot is written after so many entries, but only when the entries since the last one weigh
 * at least as much as the last one did: a large state is not written over and over, and reading it
 * back plus the entries after it costs at most about twice the state.
 *
 * Reading an entry at open costs a request. On an object store those are what a failover waits for,
 * so there an entry weighs more, and a snapshot is written early.
 *
 * Publishing a manifest with a boundary makes entries up to it collectable: collect.c. */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

/* Early: what a request for one entry weighs, in bytes of a snapshot. */
enum { EARLY_ENTRIES = 256, REQUEST_BYTES = 4096 };

static void snapshot_put(struct jcall *c);
static void manifest_put(struct jcall *c);

/* --- snapshot --- */

static void
encode_snapshot(struct journal *jn, struct bytes *out)
{
    static const struct uuid none;
    struct bytes content;
    struct snapshot_header h = {.cluster = jn->o.cluster,
                                .journal = jn->o.index,
                                .n = jn->safe,
                                .last_id = MISTAKE(snapshot_without_id) ? none : jn->safe_id};
    bytes_init(&content, (size_t)1 << 32);
    jn->o.app->snapshot(jn->o.app_arg, &content);
    snapshot_encode(&h, bytes_span(&content), out);
    bytes_fini(&content);
}

static uint64_t
next_boundary(struct journal *jn)
{
    uint64_t b = jn->o.app->collectable == NULL ? 0 : jn->o.app->collectable(jn->o.app_arg);
    b = b < jn->safe ? b : jn->safe;
    return b > jn->manifest.gc_boundary ? b : jn->manifest.gc_boundary;
}

static void
snapshot_start(struct journal *jn)
{
    struct jcall *c = journal__call_new(jn, STORE_PUT, snapshot_put);
    c->call.timeout_ms = BIG_CALL_TIMEOUT_MS;
    jn->is_snapshotting = true;
    jn->is_snapshot_wanted = false;
    jn->pending_snapshot_n = jn->safe;
    jn->pending_boundary = next_boundary(jn);
    int len = snprintf(jn->pending_snapshot_key, sizeof(jn->pending_snapshot_key),
                       "%s%020llu-%016llx", jn->snapshot_prefix, (unsigned long long)jn->safe,
                       (unsigned long long)sched_random(jn->o.sched));
    SL_ASSERT(len > 0 && (size_t)len < sizeof(jn->pending_snapshot_key));
    encode_snapshot(jn, &c->body);
    jn->entries_since_snapshot = jn->bytes_since_snapshot = 0;
    jn->last_snapshot_bytes = c->body.len;
    jn->last_snapshot_ns = sched_now(jn->o.sched);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->pending_snapshot_key);
    c->call.parts[0] = bytes_span(&c->body);
    c->call.part_count = 1;
    c->call.if_absent = true;
    journal__call_submit(c);
}

static bool
is_due(const struct journal *jn)
{
    uint64_t entries = jn->entries_since_snapshot;
    uint64_t bytes = jn->bytes_since_snapshot;
    int64_t age_ns = sched_now(jn->o.sched) - jn->last_snapshot_ns;
    if (jn->o.snapshot_entries == 0) {
        return false;
    }
    bool is_early = !jn->o.store->is_local && entries >= EARLY_ENTRIES &&
                    bytes + entries * REQUEST_BYTES >= jn->last_snapshot_bytes &&
                    age_ns >= jn->o.snapshot_interval_ns / 4;
    return is_early || (entries >= jn->o.snapshot_entries && bytes >= jn->last_snapshot_bytes &&
                        age_ns >= jn->o.snapshot_interval_ns);
}

void
journal__checkpoint_maybe(struct journal *jn)
{
    if (jn->is_snapshotting || jn->mode != JOURNAL_LIVE || jn->is_closing || jn->o.is_reader) {
        return;
    }
    if (jn->safe <= jn->manifest.snapshot_n) {
        return; /* m never goes back */
    }
    if (jn->is_snapshot_wanted || is_due(jn)) {
        snapshot_start(jn);
    }
}

void
journal_snapshot_now(struct journal *jn)
{
    jn->is_snapshot_wanted = jn->safe > jn->manifest.snapshot_n;
    journal__checkpoint_maybe(jn);
}

static void
snapshot_put(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    /* Nobody else makes up the same name: what is there is ours, by an attempt that came twice. */
    if (c->call.outcome != STORE_DONE && c->call.outcome != STORE_EXISTS) {
        SL_WARN(&jn->log, "journal.snapshot_failed", KV_STR("object", c->call.key),
                KV_ERR(c->call.rc), KV_STR("why", c->call.why));
        jn->is_snapshotting = false; /* the next one is due after as many entries again */
        return;
    }
    if (jn->pending_snapshot_n <= jn->manifest.snapshot_n) {
        jn->is_snapshotting = false; /* another broker published a younger one meanwhile */
        return;
    }
    struct jcall *put = journal__call_new(jn, STORE_PUT, manifest_put);
    struct manifest m = {.cluster = jn->o.cluster,
                         .journal = jn->o.index,
                         .version = jn->manifest.version + 1,
                         .snapshot_n = jn->pending_snapshot_n,
                         .gc_boundary = jn->pending_boundary > jn->manifest.gc_boundary
                                            ? jn->pending_boundary
                                            : jn->manifest.gc_boundary,
                         .acked_through = jn->safe,
                         .time_ms = sched_wall_ms(jn->o.sched),
                         .writer = jn->o.node_id};
    (void)snprintf(m.snapshot_key, sizeof(m.snapshot_key), "%s", jn->pending_snapshot_key);
    manifest_encode(&m, &put->body);
    (void)snprintf(put->call.key, sizeof(put->call.key), "%s%020llu", jn->manifest_prefix,
                   (unsigned long long)m.version);
    put->call.parts[0] = bytes_span(&put->body);
    put->call.part_count = 1;
    put->call.if_absent = true;
    put->n = m.version;
    journal__call_submit(put);
}

/* Stored, met somebody's, or nobody knows: the check reads which manifest is the newest, and only
 * that one is acted on. An old version whose object was collected can be created again, as an entry
 * can, and a broker that had slept would take its boundary for published. */
static void
manifest_put(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    jn->is_snapshotting = false;
    if (c->call.outcome == STORE_DONE) {
        counter_add(C_journal_snapshots, 1);
    }
    journal__check_soon(jn);
}
