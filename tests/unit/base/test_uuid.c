/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/uuid.h"

static uint64_t fixed_random;

static uint64_t
fake_random(struct sched *s)
{
    (void)s;
    return fixed_random++;
}

static const struct sched_ops ops = {.random = fake_random};

static void
text__known_ids__are_kafkas_form(void **state)
{
    (void)state;
    char text[UUID_TEXT];
    struct uuid id = {{0}};
    uuid_text(&id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    memset(id.b, 0xff, sizeof(id.b));
    uuid_text(&id, text);
    assert_string_equal(text, "_____________________w");
    for (uint8_t i = 0; i < 16; i++) {
        id.b[i] = (uint8_t)(i * 16 + 15 - i);
    }
    uuid_text(&id, text); /* Python: base64.urlsafe_b64encode(bytes), without "==" */
    assert_string_equal(text, "Dx4tPEtaaXiHlqW0w9Lh8A");
}

static void
parse__every_text__comes_back(void **state)
{
    (void)state;
    struct sched s = {.ops = &ops};
    for (int i = 0; i < 1000; i++) {
        char text[UUID_TEXT];
        struct uuid back = {{0}};
        fixed_random = (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15);
        struct uuid id = uuid_random(&s);
        assert_false(uuid_is_zero(&id));
        assert_int_equal(id.b[6] >> 4, 4); /* RFC 9562: version and variant */
        assert_int_equal(id.b[8] >> 6, 2);
        uuid_text(&id, text);
        assert_int_equal(strlen(text), UUID_TEXT - 1);
        assert_true(uuid_parse(text, &back));
        assert_true(uuid_eq(&id, &back));
    }
}

static void
parse__what_is_none__is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "AAAA",
                                      "AAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAA=",
                                      "AAAAAAAAAA+AAAAAAAAAAA",
                                      "AAAAAAAAAA/AAAAAAAAAAA",
                                      "AAAAAAAAAA AAAAAAAAAAA"};
    struct uuid id;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(uuid_parse(bad[i], &id));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__known_ids__are_kafkas_form),
        cmocka_unit_test(parse__every_text__comes_back),
        cmocka_unit_test(parse__what_is_none__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
