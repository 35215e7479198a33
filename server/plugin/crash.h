/* SPDX-License-Identifier: Apache-2.0
 *
 * Honest blame: when the process dies of a signal, standard error gets the server's version, every
 * plugin that was opened, and which of them had code on the stack. Then the signal takes its
 * ordinary course (core dump included).
 *
 * Threads:  note and install on the main thread; the handler runs wherever the fault is, and calls
 *           nothing that is not safe there. */
#ifndef SLUICE_PLUGIN_CRASH_H
#define SLUICE_PLUGIN_CRASH_H

/* Remembers a plugin. path is NULL for a built-in, whose code cannot be told from the server's;
 * code is any address in the shared object. The same one twice is remembered once. */
void plugin_crash_note(const char *id_version, const char *path, const void *code);
/* Installs the handler for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT; more than once is
 * harmless. */
void plugin_crash_install(void);

#endif
