/* A temporary directory that goes away with everything in it, and a file store on it. */
#ifndef SLUICE_TESTS_DIR_FIXTURE_H
#define SLUICE_TESTS_DIR_FIXTURE_H

#include "plugin/instance.h"
#include "storage-fs/storage_fs.h"

#include <ftw.h>
#include <sluice/storage.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline int
dir_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void
dir_remove(const char *path)
{
    (void)nftw(path, dir_remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* Fills out[4096]. Not below /tmp when TEST_DIR says another place. */
static inline void
dir_make(char *out)
{
    const char *base = getenv("TEST_DIR");
    (void)snprintf(out, 4096, "%s/sluice-test-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(out) == NULL) {
        perror(out);
        abort();
    }
}

static inline enum sl_err
fs_open_pairs(const struct plugin_conf_pair *pairs, size_t count, struct plugin_instance **ret,
              struct sl_error *err)
{
    const struct plugin_source src = {.open = storage_fs_plugin_open};
    const struct plugin_conf conf = {.pairs = pairs, .count = count, .section = "storage"};
    return plugin_instance_open(&src, "store", &conf, ret, err);
}

static inline struct plugin_instance *
fs_open_at(const char *path)
{
    const struct plugin_conf_pair pairs[] = {{"path", path}, {"volume.size", "4MiB"}};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    if (fs_open_pairs(pairs, 2, &p, &err) != SL_OK) {
        (void)fprintf(stderr, "open %s: %s\n", path, err.msg);
        abort();
    }
    return p;
}

#endif
