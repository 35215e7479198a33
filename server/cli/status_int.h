/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: what `sluice status` learned, and printing it. Threads: the main thread. */
#ifndef SLUICE_CLI_STATUS_INT_H
#define SLUICE_CLI_STATUS_INT_H

#include "cli/cli_int.h"
#include "wire/messages/metadata.h"

#include <jansson.h>

/* report: what api/status.c tells; NULL when the broker does not. */
void cli__status_text(const json_t *report, const struct metadata_response *md);
void cli__status_json(json_t *report, const struct metadata_response *md);

#endif
