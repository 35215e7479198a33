/* base/budget.h on real loops: takers on several threads, and nobody sleeps through a give. */
#include "base/budget.h"
#include "net/loop.h"

#include <time.h>

/* clang-format off */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

static void
take__up_to_the_limit__then_refused(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, "test", 100);
    assert_true(budget_take(&b, 60));
    assert_false(budget_take(&b, 41));
    assert_true(budget_take(&b, 40));
    assert_true(budget_is_full(&b));
    budget_force(&b, 50);
    assert_int_equal(budget_used(&b), 150);
    assert_false(budget_take(&b, 1));
    assert_false(budget_take(&b, SIZE_MAX));
    budget_give(&b, 150);
    assert_true(budget_take(&b, 100));
    budget_give(&b, 100);
    budget_fini(&b);
}

/* Two loops want 3 of 4 bytes in turn; each waits when the other has them. */
enum { TURNS = 20000 };
struct player {
    struct budget_waiter waiter; /* first */
    struct budget *budget;
    struct sched_task task;
    size_t turns;
};
static _Atomic unsigned finished;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void
play(struct player *p)
{
    budget_wait(p->budget, &p->waiter); /* before trying */
    if (!budget_take(p->budget, 3)) {
        return;
    }
    budget_give(p->budget, 3); /* wakes both */
    if (++p->turns == TURNS) {
        (void)budget_wait_stop(p->budget, &p->waiter);
        pthread_mutex_lock(&lock);
        atomic_fetch_add(&finished, 1);
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
}

static void
woken(struct budget_waiter *w)
{
    struct player *p = SL_CONTAINER_OF(w, struct player, waiter);
    if (p->turns < TURNS) {
        play(p);
    }
}

static void
begin(struct sched_task *task)
{
    play(SL_CONTAINER_OF(task, struct player, task));
}

static void
wait__give_on_another_thread__is_never_missed(void **state)
{
    (void)state;
    struct loop **loops = NULL;
    unsigned count = 0;
    struct sl_error err = SL_ERROR_INIT;
    struct budget b;
    struct player players[2];
    struct timespec until = {0};
    int rc = 0;
    budget_init(&b, "test", 4);
    assert_int_equal(loops_start(2, &loops, &count, &err), SL_OK);
    for (int i = 0; i < 2; i++) {
        players[i] = (struct player){.budget = &b, .task.run = begin};
        budget_waiter_init(&players[i].waiter, loop_sched(loops[i]), woken);
        sched_post(loop_sched(loops[i]), &players[i].task);
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&lock);
    while (atomic_load(&finished) < 2 && rc == 0) {
        rc = pthread_cond_timedwait(&changed, &lock, &until);
    }
    pthread_mutex_unlock(&lock);
    assert_int_equal(rc, 0);
    loops_stop(&loops, count);
    assert_int_equal(budget_used(&b), 0);
    budget_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take__up_to_the_limit__then_refused),
        cmocka_unit_test(wait__give_on_another_thread__is_never_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
