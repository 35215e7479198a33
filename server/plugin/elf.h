/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be said of a shared object from its bytes alone, without loading it.
 * Threads: any; pure functions. */
#ifndef SLUICE_PLUGIN_ELF_H
#define SLUICE_PLUGIN_ELF_H

#include "base/err.h"
#include "base/span.h"

/* Says why the file cannot be a shared object for this machine: no ELF, an executable, another
 * architecture (which one), cut off. `path` is for the sentence; head holds the first bytes of the
 * file, which has size_bytes. */
MUST_CHECK enum sl_err plugin_elf_check(const char *path, struct span head, uint64_t size_bytes,
                                        struct sl_error *err);

enum { PLUGIN_ELF_HEAD_BYTES = 64, PLUGIN_ELF_NAMES_BYTES = 400 };

/* The dynamic symbols that the object defines for others. */
struct plugin_elf_exports {
    size_t count;
    char names[PLUGIN_ELF_NAMES_BYTES]; /* with ", " between them; cut when there are many */
};
/* Reads the table from the whole file's bytes; SL_EMALFORMED when they hold none that is sound. */
MUST_CHECK enum sl_err plugin_elf_exports(struct span file, struct plugin_elf_exports *ret);

#endif
