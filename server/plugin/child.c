/* SPDX-License-Identifier: Apache-2.0
 *
 * The parent reads the child's pipe and looks for its end in turn, because a grandchild may hold
 * the pipe open longer. The stage stands in shared memory, so that it can be told after a crash. */
#include "plugin/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_MS = 20, READ_BYTES = 4096 };

static char *stage_here;                                       /* shared; NULL outside of a child */
static pthread_mutex_t stage_lock = PTHREAD_MUTEX_INITIALIZER; /* among the child's threads */
static int report_fd = -1;

static int64_t
now_ms(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
child_enter(const char *stage)
{
    if (stage_here != NULL) {
        pthread_mutex_lock(&stage_lock);
        (void)snprintf(stage_here, CHILD_STAGE_BYTES, "%s", stage);
        pthread_mutex_unlock(&stage_lock);
    }
}

void
child_report(struct span text)
{
    if (report_fd < 0) {
        (void)printf("%.*s", (int)text.len, (const char *)text.ptr);
        (void)fflush(stdout);
        return;
    }
    while (text.len > 0) {
        ssize_t n = write(report_fd, text.ptr, text.len);
        if (n <= 0) {
            return;
        }
        text = span_of(text.ptr + n, text.len - (size_t)n);
    }
}

static _Noreturn void
child_main(const struct child *c, char *stage, const int fds[2])
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpgid(0, 0);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO); /* what it prints is not what it reports */
    (void)close(fds[0]);
    stage_here = stage;
    report_fd = fds[1];
    c->run(c->arg);
    _exit(0);
}

/* True when there was something. */
static bool
drain(struct child *c, int fd)
{
    uint8_t chunk[READ_BYTES];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n > 0) {
        bytes_append(&c->output, chunk, (size_t)n);
    }
    return n > 0;
}

static void
end_set(struct child *c, int status)
{
    bool is_signal = WIFSIGNALED(status);
    c->end = is_signal ? CHILD_SIGNALED : CHILD_EXITED;
    c->code = is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void
watch(struct child *c, pid_t pid, int fd)
{
    int64_t deadline = now_ms() + c->timeout_ms;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() >= deadline) {
            (void)kill(-pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            c->end = CHILD_TIMED_OUT;
            return;
        }
        if (poll(&p, 1, LOOK_EVERY_MS) > 0 && !drain(c, fd)) {
            p.fd = -1; /* it closed its end, which is no end yet */
        }
    }
    end_set(c, status);
    (void)kill(-pid, SIGKILL); /* what it may have started */
    while (drain(c, fd)) {
    }
}

void
child_run(struct child *c)
{
    int fds[2] = {-1, -1};
    void *shared =
        mmap(NULL, CHILD_STAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bytes_init(&c->output, CHILD_OUTPUT_MAX);
    c->end = CHILD_NOT_STARTED;
    (void)fflush(NULL); /* or the child would print it again */
    pid_t pid = -1;
    if (shared != MAP_FAILED && pipe2(fds, O_CLOEXEC) == 0) {
        pid = fork();
    }
    if (pid == 0) {
        child_main(c, (char *)shared, fds);
    }
    c->code = errno;
    if (pid > 0) {
        (void)setpgid(pid, pid); /* whichever of the two comes first */
        (void)close(fds[1]);
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
        watch(c, pid, fds[0]);
        (void)snprintf(c->stage, sizeof(c->stage), "%s", (const char *)shared);
        fds[1] = -1;
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    if (shared != MAP_FAILED) {
        (void)munmap(shared, CHILD_STAGE_BYTES);
    }
}

void
child_fini(struct child *c)
{
    bytes_fini(&c->output);
}

const char *
child_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},
                 {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
                 {SIGPIPE, "SIGPIPE"}, {SIGTERM, "SIGTERM"}, {SIGTRAP, "SIGTRAP"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "a signal";
}
