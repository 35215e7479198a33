/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: the verb of `sluice topic` that has a file of its own. Threads: the main thread.
 */
#ifndef SLUICE_CLI_TOPIC_INT_H
#define SLUICE_CLI_TOPIC_INT_H

#include "cli/cli_int.h"

int cli__topic_describe(const struct cli__args *args);

#endif
