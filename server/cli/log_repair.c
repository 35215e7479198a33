/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_int.h"

int
cli__log_repair_main(const struct cli__args *args)
{
    (void)args;
    return EXIT_USAGE;
}
