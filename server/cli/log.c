/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log`: what is said of a whole log, read straight from the store. */
#include "cli/log_int.h"

#include <string.h>

int
cli__log(const struct cli__args *args)
{
    if (strcmp(args->word, "cat") == 0) {
        return cli__log_cat_main(args);
    }
    if (strcmp(args->word, "verify") == 0) {
        return cli__log_verify_main(args);
    }
    if (strcmp(args->word, "import") == 0) {
        return cli__log_import_main(args);
    }
    if (strcmp(args->word, "sweep") == 0) {
        return cli__log_sweep_main(args);
    }
    if (strcmp(args->word, "repair") == 0) {
        return cli__log_repair_main(args);
    }
    (void)fprintf(stderr, "sluice log: cat TOPIC, verify, sweep, import, or repair\n");
    return EXIT_USAGE;
}
