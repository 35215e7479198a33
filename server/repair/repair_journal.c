/* SPDX-License-Identifier: Apache-2.0
 *
 * Journals that do not open: an entry beyond the snapshot is missing or damaged, or the snapshot,
 * or the manifest.
 *
 * What can be read decides what is done:
 *
 *   - Nothing of the chain is lost (an older snapshot and all entries behind it are there; or what
 *     is missing was void). Then S is what every broker has: a new snapshot and a manifest are put
 *     as a broker would put them, and brokers may run.
 *   - An entry is lost. Then S is rebuilt without it (chain.c, rebuild.c), and differs from what
 *     brokers have that applied the entry before it was lost. No reader may see both. So:
 *
 *     1. Nobody may be seen writing there. Who has the whole state should not be robbed of it: a
 *        broker that still has the journal open puts a snapshot in time, and nothing is lost.
 *     2. The fence: a manifest whose snapshot does not exist yet, with snapshot n and boundary F
 *        far above every entry. By R4 a broker with state below F drops it at its next check; it
 *        opens the journal again and fails on the missing snapshot. Within T_safe of a check that
 *        did not see the fence it may go on. So this waits that long. Then whatever was
 *        acknowledged is listed, and nothing that comes later will be.
 *     3. All of it is read again, and S rebuilt. Everything live in it is rolled into segments with
 *        gaps, because entries up to F are collected once the journal is open (R5). What segments
 *        that nobody refers to have of the gaps is taken (repair_donors.c).
 *     4. What is damaged, and entries of which something is given up, are copied to
 *        {prefix}/damaged/.
 *     5. Entry F holds LOSS ops; then comes the snapshot that the fence names, which holds them,
 *        too, and that entry's id. With it the journal opens, at F + 1.
 *
 *     It can be cut off anywhere. Before 2 nothing has changed. Between 2 and 5 nobody can open the
 *     journal, so nobody collects anything; the next run finds the fence, looks for the state below
 *     it, and goes on: new segments get other names, F and the snapshot's key are those of the
 *     fence. Two repairs at once put the same fence (one wins) and one of their snapshots. */
#include "base/gate.h"
#include "journal/mistakes.h"
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { MARGIN_MS = 1000 };

/* --- what is in the entries --- */

static void
told(void *arg, enum rebuild_kind kind, uint64_t n, const char *text)
{
    struct broken *b = (struct broken *)arg;
    char key[STORE_KEY_MAX];
    entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, n);
    repair__note(b->rp, kind == REBUILD_LOST ? REPAIR_GIVEN : REPAIR_NOTE, key, "%s", text);
}

static void
tell_lost(struct broken *b, const struct chain_entry *e, uint64_t n)
{
    char key[STORE_KEY_MAX];
    entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, n);
    if (e->kind == CHAIN_SOUND) {
        repair__note(b->rp, REPAIR_GIVEN, key,
                     "nothing proves whether this entry, behind a lost one, was valid or lost a"
                     " race, and it is given up with whatever it holds");
        repair__damaged(b, key);
        return;
    }
    repair__note(b->rp, REPAIR_GIVEN, key,
                 "the entry is %s, and with it whatever it held: records (their offsets are named"
                 " below), changes of topics%s, facts of groups, and offsets that groups committed:"
                 " those may go back to what they were before it",
                 e->kind == CHAIN_DAMAGED ? "damaged" : "missing",
                 b->journal == 0 ? " and quotas" : "");
}

/* Tells rb of the hole that begins at i; gives its end. */
static size_t
take_hole(struct broken *b, size_t i)
{
    uint64_t lost = 0;
    size_t end = i;
    for (; end < b->chain.count && b->chain.entries[end].verdict == CHAIN_LOST; end++) {
        tell_lost(b, &b->chain.entries[end], b->chain.first + end);
        lost++;
    }
    rebuild_hole(&b->rb, lost);
    return end;
}

static enum sl_err
take_entry(struct broken *b, size_t i, struct sl_error *err)
{
    struct entry_view e;
    struct buf *head = NULL;
    char key[STORE_KEY_MAX];
    uint64_t n = b->chain.first + i;
    enum sl_err rc = repair__head(b, n, &e, &head, err);
    rc = rc != SL_OK ? rc : rebuild_entry(&b->rb, &e, err);
    if (rc == SL_OK && b->rb.is_refused) {
        entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, n);
        repair__damaged(b, key);
    }
    if (rc == SL_OK) {
        b->last_n = n;
        b->last_id = e.h.id;
    }
    buf_unref(&head);
    return rc;
}

static enum sl_err
foresee(struct broken *b, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < b->chain.count && rc == SL_OK; i++) {
        struct entry_view e;
        struct buf *head = NULL;
        if (b->chain.entries[i].verdict != CHAIN_VALID) {
            continue;
        }
        rc = repair__head(b, b->chain.first + i, &e, &head, err);
        if (rc == SL_OK) {
            rebuild_foresee(&b->rb, &e);
        }
        buf_unref(&head);
    }
    return rc;
}

static enum sl_err
rebuild(struct broken *b, struct sl_error *err)
{
    rebuild_init(&b->rb, b->st);
    b->rb.told = told;
    b->rb.arg = b;
    b->last_n = b->base;
    enum sl_err rc = foresee(b, err);
    for (size_t i = 0; i < b->chain.count && rc == SL_OK;) {
        enum chain_verdict v = b->chain.entries[i].verdict;
        if (v == CHAIN_LOST) {
            i = take_hole(b, i);
            continue;
        }
        rc = v == CHAIN_VALID ? take_entry(b, i, err) : SL_OK;
        i++;
    }
    b->is_lossy = b->rb.holes > 0 || b->fence.version > 0;
    return rc;
}

/* Is there anything that keeps it from being opened? Who opens it begins with the snapshot that the
 * manifest names, and with no other. */
static bool
is_sound(const struct broken *b)
{
    size_t count = b->list.manifest_count;
    uint64_t newest = count > 0 ? b->list.manifests[count - 1] : 0;
    const char *from = b->base_key == NULL ? "" : b->base_key;
    bool is_begin_right =
        b->manifest.version == newest && strcmp(b->manifest.snapshot_key, from) == 0;
    for (size_t i = 0; i < b->chain.count && is_begin_right; i++) {
        const struct chain_entry *e = &b->chain.entries[i];
        is_begin_right = e->kind == CHAIN_SOUND || e->verdict == CHAIN_BEYOND;
    }
    return !b->is_lossy && is_begin_right && b->damaged_count == 0;
}

static enum sl_err
load(struct broken *b, struct sl_error *err)
{
    enum sl_err rc = repair__load(b, err);
    rc = rc != SL_OK ? rc : rebuild(b, err);
    b->is_sound = rc == SL_OK && is_sound(b);
    return rc;
}

/* --- states of the other journals --- */

struct broken_set {
    struct repair *rp;
    struct broken *all;
    uint32_t count;
    struct state **states; /* of every journal; those of the sound ones are copies */
    bool *is_copy;
};

struct copying {
    struct reader *reader;
    uint32_t journal;
    struct bytes content;
    enum sl_err rc;
};

static void
copy_here(void *arg)
{
    struct copying *c = (struct copying *)arg;
    const char *why;
    c->rc = reader_journal(c->reader, c->journal, &why);
    if (c->rc == SL_OK) {
        state_snapshot(shard_state(reader_shard(c->reader, c->journal)), &c->content);
    }
}

static enum sl_err
copy_state(struct broken_set *set, struct reader *reader, uint32_t journal, struct sl_error *err)
{
    struct copying c = {.reader = reader, .journal = journal};
    bytes_init(&c.content, (size_t)1 << 32);
    run_on(set->rp->r->bucket->sched, copy_here, &c);
    enum sl_err rc = c.rc == SL_OK
                         ? state_restore(set->states[journal], bytes_span(&c.content), err)
                         : sl_error_set(err, c.rc, "journal %u cannot be read", (unsigned)journal);
    bytes_fini(&c.content);
    return rc;
}

static enum sl_err
copy_states(struct broken_set *set, struct sl_error *err)
{
    enum { OPEN_MS = 120000 };
    struct reader_options bucket = *set->rp->r->bucket;
    enum sl_err rc = SL_OK;
    bucket.is_writer = false;
    for (uint32_t i = 0; i < set->count; i++) {
        set->states[set->all[i].journal] = set->all[i].st;
    }
    if (set->count == bucket.journals) {
        return SL_OK;
    }
    struct reader *reader = reader_wait_open(&bucket, OPEN_MS);
    if (reader == NULL) {
        return sl_error_set(err, SL_ETIMEOUT, "the store does not answer");
    }
    for (uint32_t j = 0; j < bucket.journals && rc == SL_OK; j++) {
        if (set->states[j] == NULL) {
            set->states[j] = state_new();
            set->is_copy[j] = true;
            rc = copy_state(set, reader, j, err);
        }
    }
    reader_wait_close(&reader);
    return rc;
}

/* --- all of them --- */

static enum sl_err
copy_damaged(struct broken *b, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < b->damaged_count && rc == SL_OK; i++) {
        rc = repair__copy(b->rp, b->damaged[i], err);
    }
    return rc;
}

/* As items of S, which the snapshot will hold. */
static enum sl_err
apply_losses(struct broken *b, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < b->loss_count && rc == SL_OK; i += LOSSES_MAX) {
        size_t count = b->loss_count - i < LOSSES_MAX ? b->loss_count - i : LOSSES_MAX;
        struct bytes op;
        bytes_init(&op, 4 + count * (sizeof(struct loss_ref) + 64));
        op_encode_losses(&op, b->losses + i, count);
        const struct state_item item = {.n = b->last_n,
                                        .kind = ITEM_LOSS,
                                        .version = op_version(ITEM_LOSS),
                                        .payload = bytes_span(&op)};
        rc = state_apply(b->st, &item, err);
        bytes_fini(&op);
    }
    return rc;
}

static enum sl_err
finish_lossy(struct broken_set *set, struct broken *b, struct sl_error *err)
{
    const struct state *names = set->states[0];
    bool is_certain = set->is_copy[0] || set->all[0].rb.holes == 0;
    if (b->rb.holes > 0) {
        rebuild_partitions(&b->rb, names, b->journal, is_certain);
        rebuild_ends(&b->rb);
    }
    enum sl_err rc = repair__roll(b, names, err);
    return rc != SL_OK ? rc : apply_losses(b, err);
}

static enum sl_err
finish(struct broken_set *set, struct broken *b, struct sl_error *err)
{
    bool is_executed = b->rp->r->is_executed;
    if (b->is_lossy && is_executed && b->fence.version == 0) {
        return sl_error_set(err, SL_EFENCED,
                            "journal %u lost more while it was looked at; run this again",
                            (unsigned)b->journal);
    }
    if (b->is_sound) {
        repair__note(b->rp, REPAIR_FAILED, NULL,
                     "journal %" PRIu32 ": its objects are as they should be; it can be opened now,"
                     " or the store did not answer: run this again",
                     b->journal);
        return SL_OK;
    }
    enum sl_err rc = b->is_lossy    ? finish_lossy(set, b, err)
                     : !is_executed ? repair__foresee_runs(b, set->states[0], err)
                                    : SL_OK;
    if (rc == SL_OK && is_executed) {
        rc = copy_damaged(b, err);
        rc = rc != SL_OK ? rc : repair__publish(b, err);
    }
    if (rc == SL_OK) {
        b->rp->r->totals.journals++;
        repair__note(b->rp, REPAIR_DONE, NULL,
                     b->is_lossy
                         ? "journal %" PRIu32 " can be opened; restart the brokers that have"
                           " it failed"
                         : "journal %" PRIu32 " can be opened, and no change of its state is"
                           " lost; restart the brokers that have it failed",
                     b->journal);
    }
    return rc;
}

static enum sl_err
load_all(struct broken_set *set, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (uint32_t i = 0; i < set->count && rc == SL_OK; i++) {
        rc = load(&set->all[i], err);
    }
    return rc;
}

static enum sl_err
refuse_if_alive(struct broken *b, struct sl_error *err)
{
    bool is_alive;
    enum sl_err rc = repair__is_alive(b, &is_alive, err);
    if (rc != SL_OK || !is_alive) {
        return rc;
    }
    repair__note(b->rp, REPAIR_FAILED, NULL,
                 "journal %" PRIu32 ": a broker writes to it. It has the whole state in memory, and"
                 " writes it down as a snapshot in time (journal.snapshot.entries, or"
                 " journal.roll.age.ms and ten minutes); then nothing has to be given up for this"
                 " journal but records that only the lost entry has. Leave it running until"
                 " `sluice log verify` can read the journal",
                 b->journal);
    return sl_error_set(err, SL_EFENCED, "journal %u is written to by a broker",
                        (unsigned)b->journal);
}

/* Keeps brokers out of what will change under them, and waits until none can be in. */
static enum sl_err
keep_out(struct broken_set *set, bool *ret_has_waited, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    int64_t wait_ms = set->rp->r->window_ms + MARGIN_MS;
    *ret_has_waited = false;
    for (uint32_t i = 0; i < set->count && rc == SL_OK; i++) {
        struct broken *b = &set->all[i];
        if (b->is_lossy) {
            rc = b->fence.version > 0 ? SL_OK : refuse_if_alive(b, err);
            rc = rc != SL_OK ? rc : repair__fence(b, err);
            *ret_has_waited = true;
        }
    }
    if (rc == SL_OK && *ret_has_waited) {
        repair__note(set->rp, REPAIR_NOTE, NULL,
                     "brokers are shut out; waiting %" PRId64
                     " ms, until none can answer from what it knew (journal.safe.window.ms)",
                     wait_ms);
        gate_pause(MISTAKE(repair_no_wait) ? 0 : wait_ms);
    }
    return rc;
}

/* What was told while looking is told again when it is done. */
static void
mute(void *arg, const struct repair_line *line)
{
    (void)arg;
    (void)line;
}

/* Looks without a word, shuts brokers out if need be, and forgets what it saw. */
static enum sl_err
prepare(struct broken_set *set, struct sl_error *err)
{
    struct log_repair *r = set->rp->r;
    void (*told_to)(void *arg, const struct repair_line *line) = r->told;
    const struct repair_totals before = r->totals;
    bool has_waited;
    r->told = mute;
    enum sl_err rc = load_all(set, err);
    r->told = told_to;
    r->totals = before;
    bool is_hopeless = rc == SL_EPARTITION_FAILED; /* the second look tells why */
    rc = is_hopeless ? SL_OK : rc;
    rc = rc != SL_OK || is_hopeless ? rc : keep_out(set, &has_waited, err);
    for (uint32_t i = 0; i < set->count && !MISTAKE(repair_looks_once); i++) {
        repair__unload(&set->all[i]);
    }
    return rc;
}

static enum sl_err
run(struct broken_set *set, struct sl_error *err)
{
    enum sl_err rc = set->rp->r->is_executed ? prepare(set, err) : SL_OK;
    rc = rc != SL_OK || MISTAKE(repair_looks_once) ? rc : load_all(set, err);
    rc = rc != SL_OK ? rc : copy_states(set, err);
    if (rc == SL_OK && set->all[0].journal == 0 && set->all[0].rb.holes > 0) {
        repair__recover_topics(&set->all[0], set->states, set->rp->r->bucket->journals);
    }
    for (uint32_t i = 0; i < set->count && rc == SL_OK; i++) {
        rc = finish(set, &set->all[i], err);
    }
    return rc;
}

enum sl_err
repair__journals(struct repair *rp, struct sl_error *err)
{
    uint32_t journals = rp->r->bucket->journals;
    struct broken_set set = {.rp = rp, .count = rp->unreadable_count};
    set.all = (struct broken *)sl_alloc(set.count * sizeof(struct broken));
    set.states = (struct state **)sl_alloc(journals * sizeof(struct state *));
    set.is_copy = (bool *)sl_alloc(journals * sizeof(bool));
    for (uint32_t i = 0; i < set.count; i++) {
        set.all[i].rp = rp;
        set.all[i].journal = rp->unreadable[i];
    }
    enum sl_err rc = run(&set, err);
    for (uint32_t i = 0; i < set.count; i++) {
        repair__unload(&set.all[i]);
    }
    for (uint32_t j = 0; j < journals; j++) {
        if (set.is_copy[j]) {
            state_destroy(&set.states[j]);
        }
    }
    sl_free(set.all);
    sl_free(set.states);
    sl_free(set.is_copy);
    return rc;
}
