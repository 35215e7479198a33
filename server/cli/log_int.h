/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: the parts of `sluice log`. Threads: the main thread. */
#ifndef SLUICE_CLI_LOG_INT_H
#define SLUICE_CLI_LOG_INT_H

#include "cli/cli_int.h"

enum { EXIT_USAGE = 2 };

int cli__log_cat_main(const struct cli__args *args);
int cli__log_verify_main(const struct cli__args *args);
int cli__log_import_main(const struct cli__args *args);
int cli__log_sweep_main(const struct cli__args *args);
int cli__log_repair_main(const struct cli__args *args);

#endif
