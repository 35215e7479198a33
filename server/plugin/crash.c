/* SPDX-License-Identifier: Apache-2.0
 *
 * The handler may find any lock held and the heap in pieces: it only reads the table below, which
 * is written before its count is raised, and calls write, backtrace and raise. backtrace loads its
 * unwinder on first use, so install() uses it once. The signal then goes to whoever had it before
 * (the default action, or a sanitizer).
 *
 * The main thread gets a stack of its own for the handler. Other threads do not, so a stack that
 * overflowed there dies without a report. */
#include "plugin/crash.h"

#include "base/span.h"

#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

enum { NOTES_MAX = 64, FRAMES_MAX = 128, STACK_BYTES = 64 * 1024 };

struct note {
    char id_version[96];
    char path[256];
    uintptr_t low, high; /* of the mapping; 0, 0 for a built-in */
};
static struct note notes[NOTES_MAX];
static _Atomic size_t note_count;

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { SIGNAL_COUNT = sizeof(signals) / sizeof(signals[0]) };
static struct sigaction before[SIGNAL_COUNT];
static bool is_installed;

/* ---- remembering ---- */

static int
range_of_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct note *n = (struct note *)arg;
    uintptr_t low = UINTPTR_MAX;
    uintptr_t high = 0;
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD) {
            uintptr_t at = info->dlpi_addr + p->p_vaddr;
            low = at < low ? at : low;
            high = at + p->p_memsz > high ? at + p->p_memsz : high;
        }
    }
    if (n->low < low || n->low >= high) {
        return 0;
    }
    n->low = low;
    n->high = high;
    return 1;
}

void
plugin_crash_note(const char *id_version, const char *path, const void *code)
{
    size_t count = atomic_load(&note_count);
    struct note n = {.low = path == NULL ? 0 : (uintptr_t)code};
    (void)snprintf(n.id_version, sizeof(n.id_version), "%s", id_version);
    (void)snprintf(n.path, sizeof(n.path), "%s", path == NULL ? "built in" : path);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(notes[i].id_version, n.id_version) == 0 && strcmp(notes[i].path, n.path) == 0) {
            return;
        }
    }
    if (path != NULL && dl_iterate_phdr(range_of_object, &n) == 0) {
        n.low = 0;
    }
    if (count < NOTES_MAX) {
        notes[count] = n;
        atomic_store(&note_count, count + 1);
    }
}

/* ---- the handler: only what is safe in one ---- */

static void
say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void
say_hex(uintptr_t v)
{
    char text[2 + 2 * sizeof(v) + 1];
    size_t at = sizeof(text) - 1;
    text[at] = '\0';
    do {
        text[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    text[--at] = 'x';
    text[--at] = '0';
    say(text + at);
}

static const char *
signal_name(int number)
{
    static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"};
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (signals[i] == number) {
            return names[i];
        }
    }
    return "a signal";
}

static uintptr_t
program_counter(const void *context)
{
#if defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static bool
is_inside(const struct note *n, uintptr_t at)
{
    return at >= n->low && at < n->high;
}

static void
say_plugin(const struct note *n, uintptr_t pc, void *const *frames, int count)
{
    const char *blame = is_inside(n, pc) ? "  <- crashed in its code" : "";
    for (int i = 0; i < count && blame[0] == '\0'; i++) {
        blame = is_inside(n, (uintptr_t)frames[i]) ? "  <- its code was on the stack" : "";
    }
    say("  plugin ");
    say(n->id_version);
    say(" (");
    say(n->path);
    say(")");
    say(blame);
    say("\n");
}

static void
restore(int number)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (signals[i] == number) {
            (void)sigaction(number, &before[i], NULL);
        }
    }
}

static void
on_crash(int number, siginfo_t *info, void *context)
{
    void *frames[FRAMES_MAX];
    restore(number); /* a fault in here ends the process */
    say("\nsluice " SLUICE_VERSION " crashed: ");
    say(signal_name(number));
    if (number != SIGABRT) {
        say(" at address ");
        say_hex((uintptr_t)info->si_addr);
    }
    say(", code at ");
    say_hex(program_counter(context));
    say("\n");
    int count = backtrace(frames, FRAMES_MAX);
    size_t known = atomic_load(&note_count);
    for (size_t i = 0; i < known; i++) {
        say_plugin(&notes[i], program_counter(context), frames, count);
    }
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    (void)raise(number); /* blocked until we return, then it takes its course */
}

void
plugin_crash_install(void)
{
    static uint8_t stack[STACK_BYTES];
    void *first[1];
    if (is_installed) {
        return;
    }
    is_installed = true;
    (void)backtrace(first, 1);
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    (void)sigaltstack(&alternate, NULL);
    struct sigaction on = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigemptyset(&on.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        (void)sigaction(signals[i], &on, &before[i]);
    }
}
