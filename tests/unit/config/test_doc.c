/* SPDX-License-Identifier: Apache-2.0
 *
 * The checked-in page is what the program prints, and what is printed can be read back. */
#include "config_fixture.h"

static char *
doc_text(bool is_markdown)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_doc(out, is_markdown);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
doc__checked_in_page__is_what_the_table_says(void **state)
{
    (void)state;
    char *want = doc_text(true);
    char *page = (char *)calloc(1, strlen(want) + 4096);
    FILE *in = fopen(SLUICE_SOURCE_DIR "/docs/configuration.md", "r");
    assert_non_null(page);
    assert_non_null(in);
    size_t n = fread(page, 1, strlen(want) + 4095, in);
    assert_int_equal(fclose(in), 0);
    if (n != strlen(want) || strcmp(want, page) != 0) {
        fail_msg("docs/configuration.md is old: build/sluice config doc --markdown > "
                 "docs/configuration.md");
    }
    free(page);
    free(want);
}

/* `key = value` lines of the plain listing, as a file, load without a problem. */
static void
doc__plain_listing__is_a_valid_file(void **state)
{
    (void)state;
    char *text = doc_text(false);
    char *rest = text;
    char *file = NULL;
    size_t len = 0;
    size_t keys = 0;
    FILE *out = open_memstream(&file, &len);
    assert_non_null(out);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        bool is_key = strncmp(line, "  ", 2) == 0 && strstr(line, " = ") != NULL;
        keys += is_key ? 1 : 0;
        if (is_key || line[0] == '[') {
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
        cmocka_unit_test(doc__checked_in_page__is_what_the_table_says),
        cmocka_unit_test(doc__plain_listing__is_a_valid_file),
        cmocka_unit_test(print_changes__only_what_was_set__as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
