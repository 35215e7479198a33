/* Command line: runs seeds, each in a process of its own, and says what it found.
 *
 *     sim --seeds A..B [--jobs N] [--twice]     exit 0: nothing found
 *     sim --seed N --trace                      one seed, every event on standard output
 *     sim --list-mistakes
 *     sim --groups ...                          consumer groups in every seed, not in some
 *     sim --rolls ...                           rollers in every seed, not in some
 *     sim --clean ...                           compaction and retention in every seed
 *     sim --haunted ...                         ghosts in every seed
 *     sim --repairs ...                         objects lost for good, and `sluice log repair`
 *     sim --members ...                         live coordinators and members of classic groups too
 *     sim --consumers ...                       members of the consumer protocol, and mixed groups
 *     sim --mistake NAME [--seeds A..B]         exit 1: caught, 0: not caught
 *     sim --regressions FILE                    the seeds of a file: "number  what it found"
 *     sim --pace[=SCENE] [--seed N]             figures: writers that compete, a long opening
 *     --off late,crash,...                      without these faults (to narrow a seed down)
 *     --batches N                               no more than N batches
 *     --shrink                                  does both by itself for the first failing seed */
#include "sim.h"

#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, SEED_SECONDS = 120 };

static const struct {
    const char *name, *text;
} mistakes[] = {{"none", ""},
#define MISTAKE_ROW(id, text) {#id, text},
                MISTAKES(MISTAKE_ROW)
#undef MISTAKE_ROW
};

static const char *const stat_names[] = {
#define STAT_NAME(id, text) #id,
    SIM_STATS(STAT_NAME)
#undef STAT_NAME
};
static const char *const stat_texts[] = {
#define STAT_TEXT(id, text) text,
    SIM_STATS(STAT_TEXT)
#undef STAT_TEXT
};
static const char *const fault_names[] = {
#define FAULT_NAME(id) #id,
    SIM_FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

static struct {
    uint64_t first, last;
    int jobs, batches;
    bool is_trace, is_twice, is_list, is_shrink, is_going_on, is_pace;
    int pace, scene; /* in a child; the only one to run */
    uint32_t off;
    const char *regressions;
} opt = {.first = 1, .last = 2000};

static struct sim_result *slots[JOBS_MAX];
static pid_t pids[JOBS_MAX];
static struct {
    uint64_t seeds, failed, steps;
    double virtual_s;
    uint64_t stats[ST_COUNT];
    int64_t counters[COUNTER_COUNT];
    uint64_t first_failed;
} sum;

static void
trace_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (sim.is_tracing) {
        sim_trace("log      %.*s", (int)len - (len > 0 && line[len - 1] == '\n'), line);
    }
}

/* In the child. */
static void
child(struct sim_result *r, uint64_t seed, bool is_tracing, bool is_verbose)
{
    (void)alarm(SEED_SECONDS);
    sim.result = r;
    sim.is_tracing = is_tracing;
    sim.is_verbose = is_verbose;
    sim.faults_off = opt.off;
    sim.batches_override = opt.batches;
    diag_set_sink(trace_line, NULL);
    diag_set_level(is_tracing ? DIAG_DEBUG : DIAG_OFF);
    if (opt.is_pace) {
        sim_pace_run(opt.pace, seed);
    } else {
        sim_seed_run(seed);
    }
    (void)fflush(stdout);
    _exit(0);
}

static pid_t
spawn(struct sim_result *r, uint64_t seed, bool is_tracing, bool is_verbose)
{
    memset(r, 0, offsetof(struct sim_result, ring));
    r->seed = seed;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child(r, seed, is_tracing, is_verbose);
    }
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    return pid;
}

/* A child that ended without a word broke an assertion, crashed or hung. */
static void
explain_death(struct sim_result *r, int status)
{
    if (r->is_done) {
        return;
    }
    r->is_violated = true;
    (void)snprintf(r->invariant, sizeof(r->invariant), "the code survives");
    if (WIFSIGNALED(status)) {
        (void)snprintf(r->text, sizeof(r->text), "%s",
                       WTERMSIG(status) == SIGALRM   ? "hangs (endless loop)"
                       : WTERMSIG(status) == SIGABRT ? "assertion failed (see above)"
                                                     : strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(r->text, sizeof(r->text), "exit status %d", WEXITSTATUS(status));
    }
}

static void
run_once(struct sim_result *r, uint64_t seed, bool is_tracing, bool is_verbose)
{
    int status = 0;
    pid_t pid = spawn(r, seed, is_tracing, is_verbose);
    (void)waitpid(pid, &status, 0);
    explain_death(r, status);
}

static void
print_ring(const struct sim_result *r, uint64_t lines)
{
    uint64_t first = r->ring_next > lines ? r->ring_next - lines : 0;
    for (uint64_t i = first; i < r->ring_next; i++) {
        printf("    %s\n", r->ring[i % SIM_RING]);
    }
}

static void
print_off(void)
{
    if (sim.is_group_forced) {
        printf(" --groups");
    }
    if (sim.is_member_forced) {
        printf(" --members");
    }
    if (sim.is_peer_forced) {
        printf(" --consumers");
    }
    if (sim.is_roll_forced) {
        printf(" --rolls");
    }
    if (sim.is_clean_forced) {
        printf(" --clean");
    }
    if (sim.is_haunt_forced) {
        printf(" --haunted");
    }
    if (sim.is_repair_forced) {
        printf(" --repairs");
    }
    if (opt.off == 0 && opt.batches == 0 && mistake_on == MISTAKE_NONE) {
        return;
    }
    if (mistake_on != MISTAKE_NONE) {
        printf(" --mistake %s", mistakes[mistake_on].name);
    }
    if (opt.batches > 0) {
        printf(" --batches %d", opt.batches);
    }
    const char *sep = " --off ";
    for (int f = 0; f < F_COUNT; f++) {
        if (opt.off >> f & 1) {
            printf("%s%s", sep, fault_names[f]);
            sep = ",";
        }
    }
}

static void
report(const struct sim_result *r)
{
    struct sim_result *again = slots[0]; /* nobody runs any more, or this slot is the one */
    char text[sizeof(r->text)];
    char invariant[sizeof(r->invariant)];
    uint64_t seed = r->seed;
    memcpy(text, r->text, sizeof(text));
    memcpy(invariant, r->invariant, sizeof(invariant));
    run_once(again, seed, true, false);
    printf("SEED %" PRIu64 " FAILED: %s\n    %s\n", seed, invariant, text);
    if (!again->is_violated) {
        printf("    NOT REPRODUCED when traced: the simulator is not deterministic\n");
    }
    printf("  last events:\n");
    print_ring(again, 70);
    printf("  again: sim --seed %" PRIu64 " --trace", seed);
    print_off();
    printf("\n");
}

/* A mistake is caught by a seed that passes without it; anything else proves nothing. */
static bool
is_innocent(const struct sim_result *r)
{
    enum mistake planted = mistake_on;
    struct sim_result *other = slots[JOBS_MAX - 1];
    mistake_on = MISTAKE_NONE;
    run_once(other, r->seed, false, false);
    mistake_on = planted;
    return other->is_violated;
}

static void
add_up(const struct sim_result *r)
{
    sum.seeds++;
    sum.steps += r->steps;
    sum.virtual_s += (double)r->virtual_ns / 1e9;
    for (int i = 0; i < ST_COUNT; i++) {
        sum.stats[i] += r->stats[i];
    }
    for (int i = 0; i < COUNTER_COUNT; i++) {
        sum.counters[i] += r->counters[i];
    }
    if (r->is_violated && mistake_on != MISTAKE_NONE && is_innocent(r)) {
        printf("SEED %" PRIu64 " fails without the mistake too\n", r->seed);
        return;
    }
    if (r->is_violated) {
        sum.failed++;
        printf("SEED %" PRIu64 ": %s: %s\n", r->seed, r->invariant, r->text);
        if (sum.first_failed == 0 || r->seed < sum.first_failed) {
            sum.first_failed = r->seed;
        }
    }
}

static void
check_same(const struct sim_result *r)
{
    struct sim_result *other = slots[JOBS_MAX - 1];
    if (r->is_violated) {
        return;
    }
    run_once(other, r->seed, false, false);
    if (other->hash != r->hash || other->steps != r->steps) {
        sum.failed++;
        printf("SEED %" PRIu64 ": two runs differ (%016" PRIx64 ", %016" PRIx64 ")\n", r->seed,
               r->hash, other->hash);
    }
}

static void
reap(void)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    for (int i = 0; i < opt.jobs; i++) {
        if (pids[i] == pid) {
            pids[i] = 0;
            explain_death(slots[i], status);
            add_up(slots[i]);
            if (opt.is_twice) {
                check_same(slots[i]);
            }
        }
    }
}

static int
free_slot(void)
{
    for (int i = 0; i < opt.jobs; i++) {
        if (pids[i] == 0) {
            return i;
        }
    }
    return -1;
}

static void
run_all(void)
{
    for (uint64_t seed = opt.first; seed <= opt.last; seed++) {
        int slot = free_slot();
        while (slot < 0) {
            reap();
            slot = free_slot();
        }
        if (sum.failed > 0 && !opt.is_going_on) {
            break;
        }
        pids[slot] = spawn(slots[slot], seed, false, false);
    }
    for (int i = 0; i < opt.jobs; i++) {
        while (pids[i] != 0) {
            reap();
        }
    }
}

static int
run_paces(void)
{
    int failed = 0;
    for (opt.pace = 0; opt.pace < sim_pace_count(); opt.pace++) {
        if (opt.scene >= 0 && opt.scene != opt.pace) {
            continue;
        }
        run_once(slots[0], opt.first, opt.is_trace, opt.is_trace);
        if (slots[0]->is_violated) {
            printf("FAILED: %s: %s\n", slots[0]->invariant, slots[0]->text);
            failed++;
        }
    }
    return failed > 0;
}

/* One line: a seed, blanks, what it found. Others are comments. */
static int
run_regressions(const char *path)
{
    char line[512];
    int failed = 0;
    int passed = 0;
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        return 2;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        char *what;
        uint64_t seed = strtoull(line, &what, 10);
        if (what == line) {
            continue;
        }
        run_once(slots[0], seed, false, false);
        passed += !slots[0]->is_violated;
        failed += slots[0]->is_violated;
        if (slots[0]->is_violated) {
            printf("SEED %" PRIu64 " FAILED: %s: %s\n    it once found:%s", seed,
                   slots[0]->invariant, slots[0]->text, what);
        }
    }
    (void)fclose(f);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

static void
print_summary(double seconds)
{
    static const enum counter_id shown[] = {
        C_journal_entries_won,  C_journal_entries_lost, C_journal_entries_applied,
        C_journal_entries_void, C_journal_unknown,      C_journal_checks,
        C_journal_reopens,      C_journal_snapshots,    C_roll_segments,
        C_roll_bytes,           C_roll_adopted,         C_roll_foreign,
        C_roll_orphans,         C_roll_retries,         C_garbage_deleted,
        C_retention_trims,      C_compact_jobs,         C_compact_segments,
        C_compact_lost};
    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRIu64
           " steps, %.1f virtual days in %.1f s\n",
           sum.seeds, sum.failed, sum.steps, sum.virtual_s / 86400, seconds);
    printf("faults and rare paths:\n");
    for (int i = 0; i < ST_COUNT; i++) {
        if (!sim.is_member_forced && strncmp(stat_names[i], "member_", 7) == 0) {
            continue;
        }
        if (!sim.is_repair_forced && strncmp(stat_names[i], "repair_", 7) == 0) {
            continue;
        }
        if (!sim.is_peer_forced && strncmp(stat_names[i], "peer_", 5) == 0) {
            continue;
        }
        printf("    %-18s %10" PRIu64 "  %s%s\n", stat_names[i], sum.stats[i], stat_texts[i],
               sum.stats[i] == 0 ? "   *** NEVER MET ***" : "");
    }
    printf("counters of the code:\n");
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        int64_t v = sum.counters[shown[i]];
        printf("    %-28s %10" PRId64 "%s\n", counter_table[shown[i]].name, v,
               v == 0 ? "   *** NEVER MET ***" : "");
    }
}

/* Drops one fault after the other, and batches, as long as the same seed still fails. */
static void
shrink(uint64_t seed)
{
    struct sim_result *r = slots[0];
    for (int f = 0; f < F_COUNT; f++) {
        uint32_t before = opt.off;
        opt.off |= UINT32_C(1) << f;
        run_once(r, seed, false, false);
        opt.off = r->is_violated ? opt.off : before;
    }
    for (int n = 300; n > 1; n = n * 9 / 10) {
        int before = opt.batches;
        opt.batches = n;
        run_once(r, seed, false, false);
        if (!r->is_violated) {
            opt.batches = before;
        }
    }
    run_once(r, seed, false, false);
}

static bool
parse_off(char *list)
{
    char *save = NULL;
    for (char *name = strtok_r(list, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
        int f = 0;
        while (f < F_COUNT && strcmp(fault_names[f], name) != 0) {
            f++;
        }
        if (f == F_COUNT) {
            (void)fprintf(stderr, "no fault is called %s\n", name);
            return false;
        }
        opt.off |= UINT32_C(1) << f;
    }
    return true;
}

static bool
parse_mistake(const char *name)
{
    for (int i = 1; i < MISTAKE_COUNT; i++) {
        if (strcmp(mistakes[i].name, name) == 0) {
            mistake_on = (enum mistake)i;
            return true;
        }
    }
    (void)fprintf(stderr, "no mistake is called %s; see --list-mistakes\n", name);
    return false;
}

static bool
parse_seeds(const char *text)
{
    char *end;
    opt.first = opt.last = strtoull(text, &end, 10);
    if (end[0] == '.' && end[1] == '.') {
        opt.last = strtoull(end + 2, &end, 10);
    }
    return *end == '\0' && opt.first <= opt.last;
}

static bool
parse(int argc, char **argv)
{
    static const struct option longs[] = {{"seeds", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"twice", no_argument, NULL, '2'},
                                          {"list-mistakes", no_argument, NULL, 'l'},
                                          {"mistake", required_argument, NULL, 'm'},
                                          {"off", required_argument, NULL, 'o'},
                                          {"batches", required_argument, NULL, 'b'},
                                          {"shrink", no_argument, NULL, 'k'},
                                          {"keep-going", no_argument, NULL, 'g'},
                                          {"groups", no_argument, NULL, 'G'},
                                          {"members", no_argument, NULL, 'E'},
                                          {"consumers", no_argument, NULL, 'C'},
                                          {"rolls", no_argument, NULL, 'R'},
                                          {"clean", no_argument, NULL, 'Z'},
                                          {"haunted", no_argument, NULL, 'H'},
                                          {"repairs", no_argument, NULL, 'X'},
                                          {"pace", optional_argument, NULL, 'P'},
                                          {"regressions", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    bool is_fine = true;
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            is_fine = is_fine && parse_seeds(optarg);
            break;
        case 'j':
            opt.jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
        case 'v':
            opt.is_trace = true;
            break;
        case '2':
            opt.is_twice = true;
            break;
        case 'l':
            opt.is_list = true;
            break;
        case 'm':
            is_fine = is_fine && parse_mistake(optarg);
            break;
        case 'o':
            is_fine = is_fine && parse_off(optarg);
            break;
        case 'b':
            opt.batches = (int)strtol(optarg, NULL, 10);
            break;
        case 'k':
            opt.is_shrink = true;
            break;
        case 'g':
            opt.is_going_on = true;
            break;
        case 'G':
            sim.is_group_forced = true;
            break;
        case 'E':
            sim.is_member_forced = true;
            break;
        case 'C':
            sim.is_peer_forced = true;
            break;
        case 'P':
            opt.is_pace = true;
            opt.scene = optarg == NULL ? -1 : (int)strtol(optarg, NULL, 10);
            break;
        case 'R':
            sim.is_roll_forced = true;
            break;
        case 'Z':
            sim.is_clean_forced = true;
            break;
        case 'H':
            sim.is_haunt_forced = true;
            break;
        case 'X':
            sim.is_repair_forced = true;
            break;
        case 'r':
            opt.regressions = optarg;
            break;
        default:
            is_fine = false;
        }
    }
    return is_fine && optind == argc;
}

static void
slots_make(void)
{
    if (opt.jobs <= 0) {
        opt.jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    }
    opt.jobs = opt.jobs > JOBS_MAX - 1 ? JOBS_MAX - 1 : opt.jobs;
    for (int i = 0; i < JOBS_MAX; i++) {
        slots[i] = mmap(NULL, sizeof(struct sim_result), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (slots[i] == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
    }
}

static double
seconds_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
finish(double began)
{
    if (mistake_on == MISTAKE_NONE) {
        print_summary(seconds_now() - began);
    }
    if (sum.first_failed != 0) {
        struct sim_result *r = slots[0];
        if (opt.is_shrink) {
            shrink(sum.first_failed);
        }
        run_once(r, sum.first_failed, false, false);
        if (mistake_on == MISTAKE_NONE || opt.is_shrink) {
            report(r);
        }
    }
    if (mistake_on != MISTAKE_NONE) {
        printf("mistake %s: %s", mistakes[mistake_on].name,
               sum.failed > 0 ? "caught" : "NOT CAUGHT");
        if (sum.failed > 0) {
            printf(" at seed %" PRIu64, sum.first_failed);
        }
        printf(" (%" PRIu64 " seeds, %.1f s)\n", sum.seeds, seconds_now() - began);
    }
    return sum.failed > 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
    double began = seconds_now();
    if (!parse(argc, argv)) {
        (void)fprintf(stderr, "usage: sim --seeds A..B [--jobs N] [--trace] [--twice] "
                              "[--keep-going] [--shrink] [--off FAULTS] [--batches N]\n"
                              "       sim --list-mistakes | --mistake NAME [--seeds A..B]\n"
                              "       sim --regressions FILE | --pace\n");
        return 2;
    }
    if (opt.is_list) {
        for (int i = 1; i < MISTAKE_COUNT; i++) {
            printf("%-22s %s\n", mistakes[i].name, mistakes[i].text);
        }
        return 0;
    }
    slots_make();
    if (opt.is_pace) {
        return run_paces();
    }
    if (opt.regressions != NULL) {
        return run_regressions(opt.regressions);
    }
    if (opt.is_trace) {
        run_once(slots[0], opt.first, true, true);
        printf("seed %" PRIu64 ": %s %s\n", opt.first,
               slots[0]->is_violated ? slots[0]->invariant : "passed", slots[0]->text);
        return slots[0]->is_violated ? 1 : 0;
    }
    run_all();
    return finish(began);
}
