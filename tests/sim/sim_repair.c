/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator of a journal that lost objects: runs `sluice log repair` (the code of server/repair,
 * on a thread of sim_tool.c) until it ends well, now and then two at once, and starts the brokers
 * again that have the journal failed.
 *
 * An episode begins with damage (sim_wreck.c). Then some brokers crash, some are stopped, with the
 * whole state in their memory and perhaps an entry on its way, and some go on. Repairs are refused
 * while a broker writes, crash at some request to the store, are stopped for minutes between two
 * steps. The episode ends when one that began after the damage has ended well. */
#include "repair/repair.h"
#include "sim_tool.h"

struct job {
    int tool;
    uint64_t wreck; /* damage that it began after */
    struct sim_sched *sched;
    struct log_repair r;
    enum sl_err rc;
    uint64_t refused;
};

static struct {
    uint64_t wrecks, mended; /* strikes; up to this one a repair has ended well */
    struct job *runs[SIM_TOOLS_MAX];
    char why[400];
} op;

static bool
is_broken(void)
{
    return op.mended < op.wrecks;
}

/* --- one run of the tool --- */

/* A broker that lives on goes on collecting what a snapshot stood for that is lost. Then the run is
 * over: there is nothing that could be had. */
static _Noreturn void
judge_hopeless(const char *text)
{
    if (!wreck_took_snapshot()) {
        sim_violation("what can be repaired is repaired", "%s", text);
    }
    sim_stat(ST_repair_hopeless);
    sim_end();
}

static void
told(void *arg, const struct repair_line *line)
{
    static const char *const kinds[] = {"LOST", "GIVEN", "DONE", "FAILED", "note"};
    struct job *job = arg;
    TRACE("tool %d   %s %s: %s", job->tool, kinds[line->kind],
          line->key != NULL     ? line->key
          : line->topic != NULL ? line->topic
                                : "",
          line->text);
    if (line->kind == REPAIR_FAILED && strstr(line->text, "a broker writes to it") != NULL) {
        job->refused++;
    }
    if (line->kind == REPAIR_FAILED &&
        strstr(line->text, "no snapshot of it can be read") != NULL) {
        judge_hopeless(line->text);
    }
    if (line->kind == REPAIR_GIVEN && strstr(line->text, "nothing proves whether") != NULL) {
        repairs_unproven(line->key);
    }
}

static void
check_nothing_left(const struct job *job)
{
    const struct sim_sched *s = job->sched;
    if (s->timers.count > 0 || s->head != NULL || sim_store_outstanding(s) > 0) {
        sim_violation("a tool leaves nothing behind", "tool %d: %zu timers, %s, %zu calls",
                      job->tool, s->timers.count, s->head != NULL ? "tasks" : "no task",
                      sim_store_outstanding(s));
    }
}

static void
conclude(struct job *job, const struct sl_error *err)
{
    TRACE("tool %d   ends: %s %s", job->tool, sl_err_name(job->rc), err->msg);
    (void)snprintf(op.why, sizeof(op.why), "the last repair: %s, %s", sl_err_name(job->rc),
                   err->msg);
    op.runs[job->tool] = NULL;
    if (job->rc == SL_OK && job->r.totals.failed == 0) {
        op.mended = job->wreck > op.mended ? job->wreck : op.mended;
        sim_stat(ST_repair_done);
    } else {
        sim_stat(job->refused > 0 ? ST_repair_refused : ST_repair_stopped);
    }
}

static void
body(void *arg)
{
    struct job *job = arg;
    struct sl_error err = SL_ERROR_INIT;
    struct cache *cache = cache_open(sim.store, 2 << 20);
    const struct reader_options bucket = {.sched = &job->sched->base,
                                          .store = sim.store,
                                          .cache = cache,
                                          .prefix = "_sluice",
                                          .segment_namespace = "default",
                                          .cluster = sim.cluster,
                                          .journals = (uint32_t)sim.k.journals,
                                          .safe_window_ms = 20000,
                                          .check_interval_ms = 7000,
                                          .is_writer = true};
    job->r = (struct log_repair){
        .bucket = &bucket, .is_executed = true, .window_ms = 20000, .told = told, .arg = job};
    job->rc = log_repair_run(&job->r, &err);
    check_nothing_left(job);
    cache_close(&cache);
    conclude(job, &err);
}

static void
start(int tool)
{
    struct job *job = sl_alloc(sizeof(*job));
    *job = (struct job){.tool = tool, .wreck = op.wrecks};
    TRACE("tool %d   starts", tool);
    sim_stat(ST_repair_run);
    if (tool_is_running(!tool)) {
        sim_stat(ST_repair_second);
    }
    op.runs[tool] = job;
    job->sched = tool_start(tool, body, job);
    job->sched->skew_ms = sim.k.skew_max_ms / 2;
}

/* --- crashes --- */

struct crash {
    int tool;
    const struct job *job;
};

static void
on_crash(void *arg)
{
    struct crash *c = arg;
    if (op.runs[c->tool] == c->job && !sim.is_quiet) {
        TRACE("fault    tool %d crashes", c->tool);
        sim_stat(ST_repair_crash);
        tool_crash(c->tool);
        op.runs[c->tool] = NULL;
    }
    sl_free(c);
}

void
repairs_tool_sent(const struct sim_sched *home)
{
    int tool = home->broker - SIM_BROKERS_MAX;
    if (sim.is_quiet || !rng_chance(&sim.r_tool, sim.k.tool_crash_pm)) {
        return;
    }
    struct crash *c = sl_alloc(sizeof(*c));
    *c = (struct crash){tool, op.runs[tool]};
    sim_after((int64_t)rng_below(&sim.r_tool, (uint64_t)(2 * sim.k.lat_max)), on_crash, c);
}

/* --- brokers --- */

static bool
has_failed(const struct sim_broker *b)
{
    for (int j = 0; j < sim.k.journals; j++) {
        if (b->phase == BROKER_UP && broker_mode(b, j) == JOURNAL_FAILED) {
            return true;
        }
    }
    return false;
}

static void
restart_failed(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        if (has_failed(&sim.brokers[i]) && !sim.brokers[i].sched->is_paused) {
            broker_crash(&sim.brokers[i]);
        }
    }
}

static bool
are_live(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        const struct sim_broker *b = &sim.brokers[i];
        for (int j = 0; j < sim.k.journals; j++) {
            if (b->phase != BROKER_UP || b->sched->is_paused || broker_mode(b, j) != JOURNAL_LIVE) {
                return false;
            }
        }
    }
    return true;
}

/* Who crashed finds the damage, who sleeps has the whole state when it wakes. */
static void
befall(void)
{
    bool is_all = rng_chance(&sim.r_tool, 300);
    for (int i = 0; i < sim.k.brokers; i++) {
        uint64_t what = rng_below(&sim.r_tool, 100);
        if (what < 35 || is_all) {
            broker_crash(&sim.brokers[i]);
        } else if (what < 75) {
            broker_pause(&sim.brokers[i], rng_span(&sim.r_tool, SCHED_S, 4 * SIM_MIN), false);
        }
    }
}

void
repairs_wreck(void)
{
    uint32_t j = (uint32_t)rng_below(&sim.r_tool, (uint64_t)sim.k.journals);
    if (is_broken() || op.wrecks >= (uint64_t)sim.k.wrecks || !wreck_strike(j)) {
        return;
    }
    op.wrecks++;
    for (int i = 0; i < sim.k.journals; i++) {
        sim.is_journal_damaged[i] = true;
    }
    befall();
}

/* --- the operator --- */

static void
on_look(void *arg)
{
    (void)arg;
    int tool = (int)rng_below(&sim.r_tool, SIM_TOOLS_MAX);
    bool is_second = tool_is_running(!tool) && !rng_chance(&sim.r_tool, 300);
    if (is_broken() && !tool_is_running(tool) && !is_second) {
        start(tool);
    } else if (!is_broken()) {
        restart_failed();
    }
    if (sim.is_quiet && !is_broken() && are_live() && !tool_is_running(0) && !tool_is_running(1)) {
        memset(sim.is_journal_damaged, 0, sizeof(sim.is_journal_damaged));
    }
    sim_after(rng_span(&sim.r_tool, SCHED_S, sim.is_quiet ? 10 * SCHED_S : 2 * SIM_MIN), on_look,
              NULL);
}

bool
repairs_are_done(void)
{
    for (int j = 0; j < sim.k.journals && sim.is_repair_forced; j++) {
        if (sim.is_journal_damaged[j]) {
            return false;
        }
    }
    return true;
}

void
repairs_explain(char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s%s", is_broken() ? "damaged; " : "", op.why);
}

/* --- topics: journal 0 knows what partitions there are --- */

static struct {
    struct op_proposal op;
    bool is_told;
    enum sl_err rc;
} telling;

static void
on_told(struct op_proposal *p, enum sl_err rc)
{
    (void)p;
    telling.is_told = true;
    telling.rc = rc;
}

static bool
is_told(void)
{
    return telling.is_told;
}

static void
submit(void *arg)
{
    struct sim_broker *b = arg;
    telling.op.deadline_ns = sim_sched_now(b->sched) + SIM_MIN;
    op_submit(b->shards[0], &telling.op);
}

static void
tell(void)
{
    enum { TRIES = 20 };
    telling.op.done = on_told;
    telling.rc = SL_EAGAIN;
    for (int i = 0; i < TRIES && telling.rc == SL_EAGAIN; i++) {
        telling.is_told = false;
        (void)broker_send(&sim.brokers[0], submit, &sim.brokers[0]);
        (void)sim_run(is_told, sim.now + 10 * SIM_MIN);
    }
    if (telling.rc != SL_OK) {
        sim_violation("a calm start succeeds", "topics cannot be made: %s",
                      sl_err_name(telling.rc));
    }
    bytes_fini(&telling.op.payload);
    telling.op = (struct op_proposal){.kind = 0};
}

void
repairs_boot(void)
{
    char names[SIM_PARTS_MAX][TOPIC_DIR_MAX];
    struct topic_spec specs[SIM_PARTS_MAX];
    uint32_t journals[SIM_PARTS_MAX];
    struct uuid ids[SIM_PARTS_MAX];
    int32_t opened[SIM_PARTS_MAX];
    if (!sim.is_repair_forced) {
        return;
    }
    for (int i = 0; i < sim.part_count; i++) {
        const struct sim_part *p = &sim.parts[i];
        rolls_dir(p, names[i]);
        journals[i] = (uint32_t)p->journal;
        ids[i] = p->topic_id;
        opened[i] = 1;
        specs[i] = (struct topic_spec){.id = p->topic_id,
                                       .name = span_cstr(names[i]),
                                       .partition_count = 1,
                                       .journals = &journals[i]};
    }
    bytes_init(&telling.op.payload, 1 << 20);
    telling.op.kind = ITEM_TOPICS_CREATE;
    op_encode_topics_create(&telling.op.payload, specs, (size_t)sim.part_count);
    tell();
    bytes_init(&telling.op.payload, 1 << 20);
    telling.op.kind = ITEM_TOPICS_OPENED;
    op_encode_topics_opened(&telling.op.payload, ids, opened, (size_t)sim.part_count);
    tell();
    for (int j = 0; j < sim.k.journals; j++) {
        wreck_spare((uint32_t)j, truth_last((uint32_t)j));
    }
    sim_after(SCHED_S, on_look, NULL);
}
