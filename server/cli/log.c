/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log`: what is said of a whole log, read straight from the store. */
#include "cli/log_int.h"

#define COMMON (CLI__CONFIG | CLI__SET | CLI__JSON)

const struct cli__command cli__log_verbs[] = {
    {.name = "log cat",
     .options = COMMON | CLI__PARTITION | CLI__FROM_OFFSET | CLI__FROM_TIME | CLI__TO | CLI__FOLLOW,
     .word = "TOPIC",
     .is_word_needed = true,
     .summary = "print the records of a topic",
     .details = "Prints the records of a topic, one a line: partition, offset, time, key, value.\n"
                "Partition after partition, up to the end that is known when it begins.",
     .run = cli__log_cat_main},
    {.name = "log verify",
     .options = COMMON,
     .summary = "check everything in the store",
     .details =
         "Checks the whole bucket: chains of entries, checksums, that offsets are dense and\n"
         "every one is held by an object. Exit status 1 when something is wrong.",
     .run = cli__log_verify_main},
    {.name = "log sweep",
     .options = COMMON | CLI__DELETE,
     .summary = "list objects that nothing refers to",
     .details = "Lists objects that no journal refers to, and why; with --delete those go that none"
                "\never will, once they are older than journal.grace.ms.",
     .run = cli__log_sweep_main},
    {.name = "log import",
     .options = COMMON | CLI__TOPIC | CLI__EXECUTE | CLI__ACCEPT_LOSS,
     .summary = "make topics of segments that KafScale wrote",
     .details = "Says which topics can be made of segments that KafScale wrote into the bucket;"
                " --execute\ndoes it, and nothing is copied. --accept-loss: also where offsets are"
                " in no segment.",
     .run = cli__log_import_main},
    {.name = "log repair",
     .options = COMMON | CLI__ACCEPT_LOSS,
     .summary = "give up what is lost, so that the rest is readable",
     .details =
         "Says what of the records that log verify misses is lost, and goes on without it, by"
         "\nname, with --accept-loss.",
     .run = cli__log_repair_main},
    {0},
};
