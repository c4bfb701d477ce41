// SPDX-License-Identifier: MIT
//
// The program: forks a process for each case, some at a time, so that a crash or a hang of one does
// not end the others. One thread. A case that exceeds its limit is asked for a task dump by
// SIGQUIT, then killed by its process id; its output is shown only if it failed.

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/cases.h"

enum { JOBS_DEFAULT = 2, JOBS_MAX = 64, OUTPUT_MAX = 32 << 10, DUMP_GRACE_MS = 1000 };

struct options {
    const char *program;
    const char *filter;
    uint64_t seed;
    unsigned repeat;
    unsigned jobs;
    bool list;
    bool here;
};

// A process under way.
struct job {
    pid_t pid;  // 0: none
    const struct test_case *test;
    uint64_t seed;
    int64_t deadline_ms;
    int output;  // a file in memory
    bool timed_out;
};

struct run {
    struct options options;
    struct cases cases;
    struct job jobs[JOBS_MAX];
    unsigned running;
    size_t started;
    size_t ended;
    size_t failed;
};

static const char usage[] =
    "usage: %s [options]\n"
    "Runs every test in a process of its own and prints TAP.\n"
    "  --filter TEXT  only those whose name/host/reactor/style contains TEXT\n"
    "  --list         print the names and run nothing\n"
    "  --repeat N     run each N times, each time with the next seed\n"
    "  --seed N       of all random choices (ROUSE_SEED); default: from the clock\n"
    "  --jobs N       processes at a time; default: 2\n"
    "  --here         run the first match in this process, for a debugger\n"
    "  --help         print this\n";

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t seed_from_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static unsigned long number(const char *program, const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > max) {
        fprintf(stderr, "%s: \"%s\" is not a number from 1 to %lu\n", program, text, max);
        exit(2);
    }
    return value;
}

static void options_parse(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"filter", required_argument, NULL, 'f'}, {"list", no_argument, NULL, 'l'},
        {"repeat", required_argument, NULL, 'r'}, {"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},   {"here", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int name;

    *options = (struct options){.program = argv[0],
                                .filter = "",
                                .repeat = 1,
                                .jobs = JOBS_DEFAULT,
                                .seed = seed_from_clock()};
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'f') {
            options->filter = optarg;
        } else if (name == 'l') {
            options->list = true;
        } else if (name == 'r') {
            options->repeat = (unsigned)number(argv[0], optarg, 1000000);
        } else if (name == 's') {
            options->seed = number(argv[0], optarg, UINT64_MAX);
        } else if (name == 'j') {
            options->jobs = (unsigned)number(argv[0], optarg, JOBS_MAX);
        } else if (name == 'x') {
            options->here = true;
        } else {
            fprintf(name == 'h' ? stdout : stderr, usage, argv[0]);
            exit(name == 'h' ? 0 : 2);
        }
    }
}

// ---- In the child ----

static void export_seed(uint64_t seed)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, seed);
    setenv("ROUSE_SEED", text, 1);
}

ROUSE_NORETURN static void child_main(const struct job *job, pid_t parent)
{
    const struct rlimit no_core = {0, 0};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    setrlimit(RLIMIT_CORE, &no_core);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(job->output, STDOUT_FILENO);
    dup2(job->output, STDERR_FILENO);
    close(job->output);
    export_seed(job->seed);
    test_process(job->test);
}

// ---- In the parent ----

static void start(struct run *run, struct job *job)
{
    unsigned limit_s = run->cases.list[run->started % run->cases.count].test->limit_s;
    pid_t self = getpid();

    if (limit_s == 0) limit_s = DEFAULT_LIMIT_S;
    *job = (struct job){.test = &run->cases.list[run->started % run->cases.count],
                        .seed = run->options.seed + run->started / run->cases.count,
                        .deadline_ms = now_ms() + (int64_t)limit_s * 1000 * test_slowness(),
                        .output = memfd_create("output", MFD_CLOEXEC)};
    if (job->output < 0) {
        perror("memfd_create");
        exit(2);
    }
    run->started++;
    fflush(stdout);
    job->pid = fork();
    if (job->pid == 0) child_main(job, self);
    if (job->pid < 0) {
        perror("fork");
        exit(2);
    }
    run->running++;
}

// Reads what the test printed, its end if it is long.
static char *read_output(const struct job *job)
{
    off_t size = lseek(job->output, 0, SEEK_END);
    off_t start_at = size > OUTPUT_MAX ? size - OUTPUT_MAX : 0;
    char *text = calloc(1, OUTPUT_MAX + 1);

    if (text == NULL || pread(job->output, text, OUTPUT_MAX, start_at) < 0) {
        perror("reading a test's output");
        exit(2);
    }
    return text;
}

static bool has_passed(const struct job *job, int status, const char *output)
{
    const struct api_test *test = job->test->test;

    if (test->dies != NULL) {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && !job->timed_out &&
               strstr(output, test->dies) != NULL;
    }
    if (test->fails != NULL) {
        return (job->timed_out || (WIFEXITED(status) && WEXITSTATUS(status) != 0)) &&
               strstr(output, test->fails) != NULL;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && !job->timed_out;
}

static void print_reason(const struct job *job, int status)
{
    const struct api_test *test = job->test->test;
    const char *wanted = test->dies != NULL ? test->dies : test->fails;

    if (job->timed_out) {
        printf("# it did not end in time; the task dump is below\n");
    } else if (WIFSIGNALED(status)) {
        printf("# it was ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        printf("# it ended with exit status %d\n", WEXITSTATUS(status));
    }
    if (wanted != NULL) {
        printf("# it should have %s with: %s\n", test->dies != NULL ? "aborted" : "failed", wanted);
    }
}

static void print_output(char *output)
{
    for (char *line = strtok(output, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        printf("#   %s\n", line);
    }
}

static void finish(struct run *run, struct job *job, int status)
{
    char *output = read_output(job);
    bool passed = has_passed(job, status, output);

    run->ended++;
    printf("%sok %zu - %s\n", passed ? "" : "not ", run->ended, job->test->id);
    if (!passed) {
        run->failed++;
        print_reason(job, status);
        printf("# again: %s --filter %s --seed %" PRIu64 "\n", run->options.program, job->test->id,
               job->seed);
        print_output(output);
    }
    fflush(stdout);
    free(output);
    close(job->output);
    job->pid = 0;
    run->running--;
}

// Once asked for a dump, and then, when it had time for that, killed.
static void enforce_limit(struct job *job, int64_t time_ms)
{
    if (time_ms < job->deadline_ms) return;
    kill(job->pid, job->timed_out ? SIGKILL : SIGQUIT);
    job->timed_out = true;
    job->deadline_ms = time_ms + DUMP_GRACE_MS * (int64_t)test_slowness();
}

// Waits until a process has ended, or for a moment.
static void wait_for_child(void)
{
    static const struct timespec moment = {0, 50000000};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigtimedwait(&child, NULL, &moment);
}

static void look_at_jobs(struct run *run)
{
    for (unsigned i = 0; i < run->options.jobs; i++) {
        struct job *job = &run->jobs[i];
        int status;

        if (job->pid == 0) continue;
        if (waitpid(job->pid, &status, WNOHANG) == job->pid) {
            finish(run, job, status);
        } else {
            enforce_limit(job, now_ms());
        }
    }
}

static void run_all(struct run *run)
{
    size_t total = run->cases.count * run->options.repeat;
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    printf("1..%zu\n", total);
    while (run->ended < total) {
        for (unsigned i = 0; i < run->options.jobs && run->started < total; i++) {
            if (run->jobs[i].pid == 0) start(run, &run->jobs[i]);
        }
        wait_for_child();
        look_at_jobs(run);
    }
    if (run->failed > 0) {
        printf("# %zu of %zu failed; the first seed was %" PRIu64 "\n", run->failed, total,
               run->options.seed);
    }
}

int main(int argc, char **argv)
{
    static struct run run;

    options_parse(&run.options, argc, argv);
    cases_add(&run.cases, api_tests_fiber, STYLE_FIBER, run.options.filter);
    cases_add(&run.cases, api_tests_async, STYLE_ASYNC, run.options.filter);
    if (run.cases.count == 0 && run.options.filter[0] == '\0') {
        printf("1..0 # SKIP none of its tests can run here\n");
        return 77;
    }
    if (run.cases.count == 0) {
        fprintf(stderr, "%s: no test is called like \"%s\"\n", argv[0], run.options.filter);
        return 2;
    }
    if (run.options.here) {
        export_seed(run.options.seed);
        test_process(&run.cases.list[0]);
    }
    if (run.options.list) {
        for (size_t i = 0; i < run.cases.count; i++) {
            printf("%s\n", run.cases.list[i].id);
        }
    } else {
        run_all(&run);
    }
    cases_free(&run.cases);
    return run.failed == 0 ? 0 : 1;
}
