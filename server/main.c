/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice: the executable. The command line is cli/'s, the broker is put together in broker/. */
#include "broker/bucket.h"
#include "broker/offline.h"
#include "broker/serve.h"
#include "cli/cli.h"

int
main(int argc, char **argv)
{
    const struct cli_hooks hooks = {.serve = broker_serve,
                                    .check = bucket_check,
                                    .plugin_keys = bucket_plugin_keys,
                                    .offline = broker_offline,
                                    .offline_writer = broker_offline_writer,
                                    .builtin = bucket_builtin};
    return cli_main(&hooks, argc, argv);
}
