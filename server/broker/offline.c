/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/offline.h"

#include "base/diag.h"
#include "broker/bucket.h"
#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

enum { EXIT_BROKEN = 1 };

struct tool {
    const struct config *cfg;
    int (*run)(const struct reader_options *bucket, void *arg);
    void *arg;
    bool is_writer;
};

static int
run_in(struct bucket *b, struct sched *sched, const struct tool *tool)
{
    const struct config *cfg = tool->cfg;
    struct reader_options o = {.sched = sched,
                               .store = b->store,
                               .cache = cache_open(b->store, (size_t)cfg->storage.cache_bytes),
                               .prefix = cfg->storage.prefix,
                               .segment_namespace = cfg->storage.ns,
                               .safe_window_ms = cfg->journal.safe_window_ms,
                               .check_interval_ms = cfg->journal.check_interval_ms,
                               .cluster = b->cluster,
                               .journals = b->journals,
                               .is_writer = tool->is_writer};
    int status = tool->run(&o, tool->arg);
    cache_close(&o.cache);
    return status;
}

static enum sl_err
enter(struct bucket *b, const struct tool *tool, struct sched *home, struct sl_error *err)
{
    enum sl_err rc = bucket_open(tool->cfg, b, err);
    if (rc != SL_OK) {
        return rc;
    }
    return tool->is_writer ? bucket_join(b, tool->cfg, home, err)
                           : bucket_look(b, tool->cfg, home, err);
}

/* The file store makes its directory, and others within it. A tool is told of one that is there, or
 * of a wrong name; and one that only looks makes nothing where no bucket is. */
static enum sl_err
find_directory(const struct tool *tool, struct sl_error *err)
{
    const struct config *cfg = tool->cfg;
    char path[PATH_MAX];
    struct stat st;
    if (strcmp(cfg->storage.plugin, "fs") != 0) {
        return SL_OK;
    }
    if (stat(cfg->storage.path, &st) != 0) {
        return errno != ENOENT ? SL_OK
                               : sl_error_set(err, SL_ENOENT,
                                              "%.400s: no such directory. It is [storage] path;"
                                              " name the store with --config FILE or"
                                              " --set storage.path=DIR",
                                              cfg->storage.path);
    }
    int n =
        snprintf(path, sizeof(path), "%s/%s/cluster.json", cfg->storage.path, cfg->storage.prefix);
    bool is_bucket = n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) == 0 || errno != ENOENT;
    return is_bucket || tool->is_writer
               ? SL_OK
               : sl_error_set(err, SL_ENOENT,
                              "fs store %.400s: there is no %s/cluster.json, so no broker has ever"
                              " used this bucket",
                              cfg->storage.path, cfg->storage.prefix);
}

static int
offline(const struct tool *tool)
{
    struct bucket b = {0};
    struct loop **loops = NULL;
    unsigned count = 0;
    int status = EXIT_BROKEN;
    struct sl_error err = SL_ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    diag_set_level(DIAG_WARN);
    enum sl_err rc = find_directory(tool, &err);
    rc = rc != SL_OK ? rc : loops_start(1, &loops, &count, &err);
    rc = rc != SL_OK ? rc : enter(&b, tool, loop_sched(loops[0]), &err);
    if (rc == SL_OK) {
        status = run_in(&b, loop_sched(loops[0]), tool);
    } else {
        (void)fprintf(stderr, "sluice: %s\n", err.msg);
    }
    if (b.store != NULL) {
        bucket_close(&b);
    }
    if (loops != NULL) {
        loops_stop(&loops, count);
    }
    buf_pool_trim();
    return status;
}

int
broker_offline(const struct config *cfg, int (*run)(const struct reader_options *bucket, void *arg),
               void *arg)
{
    const struct tool tool = {cfg, run, arg, false};
    return offline(&tool);
}

int
broker_offline_writer(const struct config *cfg,
                      int (*run)(const struct reader_options *bucket, void *arg), void *arg)
{
    const struct tool tool = {cfg, run, arg, true};
    return offline(&tool);
}
