/* SPDX-License-Identifier: Apache-2.0
 *
 * What is printed can be read back. That docs/configuration.md is what `sluice config doc` prints
 * is a test in tests/CMakeLists.txt. */
#include "config_fixture.h"

#include <sluice/plugin.h>

static const sluice_conf_key plugin_keys[] = {
    {"path", SLUICE_CONF_STR, 0, NULL, NULL, "The server's table has it, too.", 0, 0},
    {"volume.size", SLUICE_CONF_SIZE, 0, "64MiB", NULL, "How large.", 1 << 20, INT64_C(1) << 36},
    {0},
};

static char *
doc_text(bool is_markdown)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    const struct config_plugin_keys plugins[] = {{"storage", "fs", plugin_keys}};
    config_doc(out, is_markdown, plugins, 1);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
doc__keys_of_a_plugin__stand_in_its_section_once(void **state)
{
    (void)state;
    char *text = doc_text(true);
    const char *row =
        "| `volume.size` | size | `64MiB` | bytes (B, KiB, MiB, GiB or TiB may follow) "
        "from 1MiB to 64GiB | How large. |\n";
    const char *at = strstr(text, row);
    assert_non_null(at);
    assert_true(at > strstr(text, "## [storage]") && at < strstr(text, "## [journal]"));
    assert_null(strstr(text, "The server's table has it"));
    free(text);
}

/* `key = value` lines of the plain listing, as a file, load without a problem. [plugin NAME] is
 * left out: its path has no default. */
static void
doc__plain_listing__is_a_valid_file(void **state)
{
    (void)state;
    char *text = doc_text(false);
    char *rest = text;
    char *file = NULL;
    size_t len = 0;
    size_t keys = 0;
    bool is_skipping = false;
    FILE *out = open_memstream(&file, &len);
    assert_non_null(out);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        bool is_key = strncmp(line, "  ", 2) == 0 && strstr(line, " = ") != NULL;
        keys += is_key ? 1 : 0;
        is_skipping = line[0] == '[' ? strcmp(line, "[plugin NAME]") == 0 : is_skipping;
        if (!is_skipping && (is_key || line[0] == '[')) {
            (void)fprintf(out, "%s\n", line);
        }
    }
    assert_int_equal(fclose(out), 0);
    free(text);
    assert_true(keys > 30);
    struct fixture f;
    fixture_text(&f, file);
    assert_string_equal(f.problems, "");
    free(file);
    fixture_end(&f);
}

static void
print_changes__only_what_was_set__as_it_was_written(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    struct fixture f;
    assert_int_equal(setenv("SLUICE_TEST_VALUE", "hunter2", 1), 0);
    fixture_text(&f, "[server]\nnode.id = 3\n[storage]\npath = ${env:SLUICE_TEST_VALUE}\n"
                     "[topic a]\nretention.ms = 7d\n");
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print_changes(f.cfg, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "server.node.id = 3\nstorage.path = ${env:SLUICE_TEST_VALUE}\n"
                              "topic.a.retention.ms = 7d\n");
    free(text);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doc__keys_of_a_plugin__stand_in_its_section_once),
        cmocka_unit_test(doc__plain_listing__is_a_valid_file),
        cmocka_unit_test(print_changes__only_what_was_set__as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
