/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration from text, and everything that was reported about it. */
#ifndef SLUICE_UNIT_CONFIG_FIXTURE_H
#define SLUICE_UNIT_CONFIG_FIXTURE_H

#include "../unit.h"
#include "base/span.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char path[64];
    struct config *cfg; /* NULL: it was refused */
    struct sl_error err;
    enum sl_err rc;
    char problems[16384]; /* one a line, the file called FILE */
};

static void
fixture_report(void *arg, const char *problem)
{
    struct fixture *f = (struct fixture *)arg;
    size_t at = strlen(f->problems);
    const char *rest = problem;
    size_t path = strlen(f->path);
    if (path > 0 && strncmp(problem, f->path, path) == 0) {
        rest = problem + path;
    }
    (void)snprintf(f->problems + at, sizeof(f->problems) - at, "%s%s\n",
                   rest == problem ? "" : "FILE", rest);
}

static void
fixture_load(struct fixture *f, const char *const *sets, size_t set_count)
{
    struct config_args args = {.path = f->path[0] == '\0' ? NULL : f->path,
                               .sets = sets,
                               .set_count = set_count,
                               .report = fixture_report,
                               .report_arg = f};
    f->rc = config_load(&args, &f->cfg, &f->err);
    assert_int_equal(f->rc == SL_OK, f->cfg != NULL);
}

static void
fixture_file(struct fixture *f, struct span text)
{
    *f = (struct fixture){.path = "/tmp/sluice-config-XXXXXX"};
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    assert_int_equal(close(fd), 0);
    fixture_load(f, NULL, 0);
    assert_int_equal(unlink(f->path), 0);
}

static inline void
fixture_text(struct fixture *f, const char *text)
{
    fixture_file(f, span_cstr(text));
}

/* One --set, no file. */
static inline void
fixture_set(struct fixture *f, const char *set)
{
    *f = (struct fixture){.path = ""};
    fixture_load(f, &set, 1);
}

static inline void
fixture_end(struct fixture *f)
{
    config_destroy(&f->cfg);
}

/* The text is refused with exactly these problems. */
static inline void
assert_problems(const char *text, const char *problems)
{
    struct fixture f;
    fixture_text(&f, text);
    assert_string_equal(f.problems, problems);
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    assert_null(f.cfg);
}

#endif
