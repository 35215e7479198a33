/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/err.h"
#include "base/list.h"

struct item {
    int value;
    struct list node;
};

static int
value_of(const struct list *node)
{
    return SL_CONTAINER_OF(node, const struct item, node)->value;
}

static void
assert_values(const struct list *head, const char *digits)
{
    size_t n = 0;
    LIST_FOREACH(it, head)
    {
        assert_int_equal(value_of(it), digits[n] - '0');
        n++;
    }
    assert_int_equal(digits[n], '\0');
    LIST_FOREACH(it, head)
    {
        assert_ptr_equal(it->next->prev, it);
        assert_ptr_equal(it->prev->next, it);
    }
}

static void
items_init(struct item *items, size_t n, struct list *head)
{
    list_init(head);
    for (size_t i = 0; i < n; i++) {
        items[i].value = (int)i + 1;
        list_append(head, &items[i].node);
    }
}

static void
append_and_prepend__keep_order(void **state)
{
    (void)state;
    struct item items[3];
    struct item first = {.value = 0};
    struct list head;
    items_init(items, 3, &head);
    list_prepend(&head, &first.node);
    assert_values(&head, "0123");
}

static void
remove__twice__is_harmless(void **state)
{
    (void)state;
    struct item items[3];
    struct list head;
    items_init(items, 3, &head);
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    assert_true(list_is_empty(&items[1].node));
    assert_values(&head, "13");
}

static void
pop__takes_from_the_front_until_null(void **state)
{
    (void)state;
    struct item items[2];
    struct list head;
    items_init(items, 2, &head);
    assert_int_equal(value_of(list_pop(&head)), 1);
    assert_int_equal(value_of(list_pop(&head)), 2);
    assert_null(list_pop(&head));
    assert_true(list_is_empty(&head));
}

static void
splice__moves_everything_behind(void **state)
{
    (void)state;
    struct item a[2];
    struct item b[3];
    struct list to;
    struct list from;
    items_init(a, 2, &to);
    items_init(b, 3, &from);
    list_splice(&to, &from);
    assert_values(&to, "12123");
    assert_true(list_is_empty(&from));
    list_splice(&to, &from); /* empty: nothing changes */
    assert_values(&to, "12123");
    list_splice(&from, &to); /* into an empty one */
    assert_values(&from, "12123");
    assert_true(list_is_empty(&to));
}

static void
foreach_safe__body_may_remove(void **state)
{
    (void)state;
    struct item items[5];
    struct list head;
    items_init(items, 5, &head);
    LIST_FOREACH_SAFE(it, tmp, &head)
    {
        if (value_of(it) % 2 == 0) {
            list_remove(it);
        }
    }
    assert_values(&head, "135");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_and_prepend__keep_order),
        cmocka_unit_test(remove__twice__is_harmless),
        cmocka_unit_test(pop__takes_from_the_front_until_null),
        cmocka_unit_test(splice__moves_everything_behind),
        cmocka_unit_test(foreach_safe__body_may_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
