/* Posting, ordering, timers and fairness of the event loop, with real threads. */
#include "base/buf.h"
#include "net/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* clang-format off */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

enum { GUARD_S = 20 };

/* Waits for a loop to say so, with a guard against hanging. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
};
static struct gate gate;
static struct loop **loops;
static unsigned loop_count;

static void
gate_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.count++;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void
gate_wait(size_t count)
{
    struct timespec until = {0};
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GUARD_S;
    pthread_mutex_lock(&gate.lock);
    while (gate.count < count && rc == 0) {
        rc = pthread_cond_timedwait(&gate.changed, &gate.lock, &until);
    }
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(rc, 0);
}

static int
setup(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    gate.count = 0;
    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.changed, NULL);
    return loops_start(2, &loops, &loop_count, &err) == SL_OK ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    loops_stop(&loops, loop_count);
    pthread_cond_destroy(&gate.changed);
    pthread_mutex_destroy(&gate.lock);
    return 0;
}

/* ---- order ---- */

enum { POSTERS = 4, POSTS = 20000 };

struct numbered {
    struct sched_task task;
    unsigned poster, number;
};
static unsigned next_number[POSTERS + 1];
static bool is_out_of_order;

static void
numbered_run(struct sched_task *task)
{
    struct numbered *n = SL_CONTAINER_OF(task, struct numbered, task);
    if (next_number[n->poster]++ != n->number || task->next != NULL) {
        is_out_of_order = true;
    }
    if (n->number == POSTS - 1) {
        gate_pass();
    }
}

static void *
poster(void *arg)
{
    struct numbered *all = (struct numbered *)arg;
    for (unsigned i = 0; i < POSTS; i++) {
        sched_post(loop_sched(loops[0]), &all[i].task);
    }
    return NULL;
}

struct self_poster {
    struct sched_task task;
    struct numbered *all;
};

static void
post_from_inside(struct sched_task *task)
{
    (void)poster(SL_CONTAINER_OF(task, struct self_poster, task)->all);
}

static void
post__many_threads_and_the_loop_itself__in_order_of_each_poster(void **state)
{
    (void)state;
    struct numbered *all[POSTERS + 1];
    pthread_t threads[POSTERS];
    memset(next_number, 0, sizeof(next_number));
    is_out_of_order = false;
    for (unsigned p = 0; p <= POSTERS; p++) {
        all[p] = (struct numbered *)calloc(POSTS, sizeof(struct numbered));
        for (unsigned i = 0; i < POSTS; i++) {
            all[p][i] = (struct numbered){.task.run = numbered_run, .poster = p, .number = i};
        }
    }
    struct self_poster self = {.task.run = post_from_inside, .all = all[POSTERS]};
    sched_post(loop_sched(loops[0]), &self.task);
    for (unsigned p = 0; p < POSTERS; p++) {
        pthread_create(&threads[p], NULL, poster, all[p]);
    }
    gate_wait(POSTERS + 1);
    for (unsigned p = 0; p < POSTERS; p++) {
        pthread_join(threads[p], NULL);
    }
    loops_stop(&loops, loop_count);
    assert_false(is_out_of_order);
    for (unsigned p = 0; p <= POSTERS; p++) {
        assert_int_equal(next_number[p], POSTS);
        free(all[p]);
    }
}

/* ---- ping-pong: a lost wake-up would hang it ---- */

enum { ROUNDS = 100000 };
struct ball {
    struct sched_task task;
    unsigned hits;
};

static void
hit(struct sched_task *task)
{
    struct ball *ball = SL_CONTAINER_OF(task, struct ball, task);
    if (++ball->hits == ROUNDS) {
        gate_pass();
    } else {
        sched_post(loop_sched(loops[ball->hits % 2]), &ball->task);
    }
}

static void
post__between_two_loops__no_wake_up_is_lost(void **state)
{
    (void)state;
    struct ball ball = {.task.run = hit};
    struct timespec a = {0}, b = {0};
    clock_gettime(CLOCK_MONOTONIC, &a);
    sched_post(loop_sched(loops[0]), &ball.task);
    gate_wait(1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
    print_message("one hop between loops: %.1f us\n", ns / 1e3 / ROUNDS);
}

/* ---- a task that posts itself for ever ---- */

struct busy {
    struct sched_task task;
    _Atomic bool is_over;
    size_t depth, runs;
    bool is_recursive;
};

static void
busy_run(struct sched_task *task)
{
    struct busy *busy = SL_CONTAINER_OF(task, struct busy, task);
    busy->is_recursive = busy->is_recursive || busy->depth > 0;
    busy->depth++;
    busy->runs++;
    if (atomic_load(&busy->is_over)) {
        gate_pass();
    } else {
        sched_post(loop_sched(loops[0]), task);
    }
    busy->depth--;
}

struct watch {
    struct sched_task task;
    struct event event;
    int fd;
};

static void
watch_fired(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    (void)what;
    (void)arg;
    if (read(fd, &byte, 1) == 1) {
        gate_pass();
    }
}

static void
watch_begin(struct sched_task *task)
{
    struct watch *w = SL_CONTAINER_OF(task, struct watch, task);
    event_assign(&w->event, loop_base(loops[0]), w->fd, EV_READ, watch_fired, NULL);
    event_add(&w->event, NULL);
    gate_pass();
}

static void
post__task_that_posts_itself__neither_recurses_nor_starves_sockets(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct busy busy = {.task.run = busy_run};
    struct watch watch = {.task.run = watch_begin, .fd = fds[0]};
    sched_post(loop_sched(loops[0]), &busy.task);
    sched_post(loop_sched(loops[0]), &watch.task);
    gate_wait(1);
    assert_int_equal(write(fds[1], "x", 1), 1);
    gate_wait(2); /* the socket was served */
    atomic_store(&busy.is_over, true);
    gate_wait(3);
    loops_stop(&loops, loop_count);
    assert_false(busy.is_recursive);
    assert_true(busy.runs > 1);
    close(fds[0]);
    close(fds[1]);
}

/* ---- timers ---- */

struct timed {
    struct sched_timer timer;
    int64_t fired_ns;
    size_t turn;
};
static struct timed timed[4];
static size_t turns;

static void
timed_fire(struct sched_timer *timer)
{
    struct timed *t = SL_CONTAINER_OF(timer, struct timed, timer);
    t->fired_ns = sched_now(loop_sched(loops[0]));
    t->turn = ++turns;
    gate_pass();
}

static void
timers_begin(struct sched_task *task)
{
    (void)task;
    struct sched *s = loop_sched(loops[0]);
    int64_t now = sched_now(s);
    sched_timer_at(s, &timed[0].timer, now + 30 * SCHED_MS);
    sched_timer_at(s, &timed[1].timer, now + 10 * SCHED_MS);
    sched_timer_at(s, &timed[2].timer, now + 20 * SCHED_MS);
    sched_timer_at(s, &timed[3].timer, now + 3600 * SCHED_S);
    sched_timer_at(s, &timed[3].timer, now - 1);              /* re-armed, into the past */
    sched_timer_at(s, &timed[2].timer, now + 3600 * SCHED_S); /* put off */
    sched_timer_stop(s, &timed[2].timer);
    sched_timer_stop(s, &timed[2].timer);
}

static void
timer__several__fire_in_order_of_time_and_not_early(void **state)
{
    (void)state;
    struct sched_task task = {.run = timers_begin};
    memset(timed, 0, sizeof(timed));
    turns = 0;
    for (size_t i = 0; i < 4; i++) {
        timed[i].timer.fire = timed_fire;
    }
    sched_post(loop_sched(loops[0]), &task);
    gate_wait(3);
    loops_stop(&loops, loop_count);
    assert_int_equal(timed[3].turn, 1);
    assert_int_equal(timed[1].turn, 2);
    assert_int_equal(timed[0].turn, 3);
    assert_int_equal(timed[2].turn, 0);
    assert_true(timed[0].fired_ns >= timed[0].timer.due_ns);
    assert_true(timed[1].fired_ns >= timed[1].timer.due_ns);
}

/* Each sets the next: the timerfd has to be set again each time. */
static struct sched_timer chain;
static size_t chain_left;

static void
chain_fire(struct sched_timer *timer)
{
    if (--chain_left == 0) {
        gate_pass();
    } else {
        sched_timer_after(loop_sched(loops[0]), timer, 100 * 1000);
    }
}

static void
chain_begin(struct sched_task *task)
{
    (void)task;
    sched_timer_after(loop_sched(loops[0]), &chain, 1000);
}

static void
timer__set_from_its_own_callback__fires_again(void **state)
{
    (void)state;
    struct sched_task task = {.run = chain_begin};
    chain = (struct sched_timer){.fire = chain_fire};
    chain_left = 500;
    sched_post(loop_sched(loops[0]), &task);
    gate_wait(1);
}

/* ---- the rest ---- */

static bool here[2];
static uint64_t numbers[2];

static void
look_around(struct sched_task *task)
{
    (void)task;
    struct sched *s = loop_sched(loops[0]);
    here[0] = s->ops->is_here(s);
    here[1] = loop_sched(loops[1])->ops->is_here(loop_sched(loops[1]));
    numbers[0] = sched_random(s);
    numbers[1] = sched_random(s);
    gate_pass();
}

static void
is_here__on_a_loop__true_for_that_loop_only(void **state)
{
    (void)state;
    struct sched_task task = {.run = look_around};
    struct sched *s = loop_sched(loops[0]);
    assert_false(s->ops->is_here(s));
    sched_post(s, &task);
    gate_wait(1);
    assert_true(here[0]);
    assert_false(here[1]);
    assert_int_not_equal(numbers[0], numbers[1]);
    assert_true(sched_wall_ms(s) > INT64_C(1600000000000));
}

static void
last_words(struct sched_task *task)
{
    (void)task;
    gate_pass();
}

static void
stop__task_posted_before__has_run(void **state)
{
    (void)state;
    struct sched_task task = {.run = last_words};
    sched_post(loop_sched(loops[1]), &task);
    loops_stop(&loops, loop_count);
    assert_int_equal(gate.count, 1);
}

int
main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOP_TEST(post__many_threads_and_the_loop_itself__in_order_of_each_poster),
        LOOP_TEST(post__between_two_loops__no_wake_up_is_lost),
        LOOP_TEST(post__task_that_posts_itself__neither_recurses_nor_starves_sockets),
        LOOP_TEST(timer__several__fire_in_order_of_time_and_not_early),
        LOOP_TEST(timer__set_from_its_own_callback__fires_again),
        LOOP_TEST(is_here__on_a_loop__true_for_that_loop_only),
        LOOP_TEST(stop__task_posted_before__has_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
