// SPDX-License-Identifier: MIT
//
// Runs cases. The parent has one thread and never touches rouse; so each child, made by fork,
// starts from nothing. What the child notes lies in memory that both share.

#include "cases.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/stress.h"
#include "unit/child.h"

enum {
    NOTES_MAX = 32,
    DESCRIPTORS = 256,  // that are looked at
    WATCHDOG_S = 30,
    STATUS_WRONG = 1,
    STATUS_SKIPPED = 77,
    TASKS_FD = 250  // out of the way of limits and checks
};

#define PATIENCE_NS (10 * ROUSE_NS_PER_S)
#define PATIENCE_STARVED_NS (60 * ROUSE_NS_PER_MS)

struct record {
    struct seam_counts counts;
    _Atomic int note_count;
    _Atomic int notes[NOTES_MAX];
    _Atomic bool is_broken;
    bool is_complete;
};

static struct record *record;
static const struct fault_case *now;
static FILE *said;  // what the child says

// ---- For scenarios ----

// All accesses to the record's words are relaxed: they are read when the threads have ended.
int64_t fault_note(int64_t err)
{
    if (err >= 0) return err;
    int index = atomic_fetch_add_explicit(&record->note_count, 1, memory_order_relaxed);

    if (index < NOTES_MAX) {
        atomic_store_explicit(&record->notes[index], (int)err, memory_order_relaxed);
    }
    return err;
}

void fault_broken(const char *what)
{
    fprintf(stderr, "broken: %s\n", what);
    atomic_store_explicit(&record->is_broken, true, memory_order_relaxed);
}

static bool may_starve(void)
{
    return now->jail != NULL || (now->plan.fault->kind == FAULT_ERROR &&
                                 fault_outcome(now->plan.fault, now->plan.mode) == FAULT_STARVES);
}

uint64_t fault_deadline(void)
{
    return rouse_deadline_after(
        (may_starve() ? PATIENCE_STARVED_NS : PATIENCE_NS) * case_slowness());
}

void fault_over(void)
{
    seam_end();
    jail_leave();
}

// ---- The verdict ----

// What follows from another error at the other end of something.
static bool is_consequence(int err)
{
    return err == -ECANCELED || err == -EPIPE || err == -ECONNRESET || err == -ENOTCONN ||
           err == -ECONNREFUSED;
}

static bool is_expected(int err)
{
    const struct fault *fault = now->plan.fault;
    int also = now->scenario->also;

    if (err == -ETIMEDOUT && may_starve()) return true;
    if (also != 0 && err == -also) return true;
    if (now->jail != NULL) return jail_explains(now->jail, err);
    return err == -fault->error || (fault->also != 0 && err == -fault->also);
}

static int note_at(int index)
{
    return atomic_load_explicit(&record->notes[index], memory_order_relaxed);
}

static int note_count(void)
{
    int count = atomic_load_explicit(&record->note_count, memory_order_relaxed);

    return count < NOTES_MAX ? count : NOTES_MAX;
}

static bool is_touched(void)
{
    return now->jail != NULL ||
           atomic_load_explicit(&record->counts.injected, memory_order_relaxed) > 0;
}

static bool is_whole(void)
{
    return record->is_complete && note_count() == 0;
}

// The short patience with what may starve has run out before the fault was met.
static bool only_late(void)
{
    bool is_late = false;

    for (int i = 0; i < note_count(); i++) {
        if (note_at(i) != -ETIMEDOUT && !is_consequence(note_at(i))) return false;
        is_late |= note_at(i) == -ETIMEDOUT;
    }
    return may_starve() && is_late;
}

// NULL: the errors are those that the fault allows. Else what is wrong with them.
static const char *judge_notes(void)
{
    bool explained = now->scenario->is_server;

    if (is_whole()) return NULL;
    if (!is_touched()) return only_late() ? NULL : "nothing was made to fail, yet it failed";
    if (now->jail == NULL && fault_outcome(now->plan.fault, now->plan.mode) == FAULT_ABSORBED) {
        return "this was to be absorbed";
    }
    if (note_count() == 0) return "it did not do all, and nobody got an error";
    for (int i = 0; i < note_count(); i++) {
        if (is_expected(note_at(i))) {
            explained = true;
        } else if (!is_consequence(note_at(i))) {
            return "an error that has nothing to do with the fault";
        }
    }
    return explained ? NULL : "the error that was injected got lost";
}

static void print_notes(void)
{
    fprintf(stderr, "complete: %s; errors:", record->is_complete ? "yes" : "no");
    for (int i = 0; i < note_count(); i++) fprintf(stderr, " %s", rouse_strerror(note_at(i)));
    fprintf(stderr, "\n");
}

// ---- What must be as before ----

struct inventory {
    struct rouse_stats stats;
    bool open[DESCRIPTORS];
    int threads;
};

static DIR *tasks;

static int threads_count(void)
{
    int count = 0;

    rewinddir(tasks);
    while (readdir(tasks) != NULL) count++;
    return count;
}

static void inventory_take(struct inventory *inventory)
{
    rouse_stats_get(&inventory->stats);
    for (int fd = 0; fd < DESCRIPTORS; fd++) inventory->open[fd] = fcntl(fd, F_GETFD) >= 0;
    inventory->threads = threads_count();
}

static bool descriptors_are_as(const struct inventory *before)
{
    bool same = true;

    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if ((fcntl(fd, F_GETFD) >= 0) == before->open[fd]) continue;
        fprintf(stderr, "descriptor %d was %s\n", fd, before->open[fd] ? "closed" : "left open");
        same = false;
    }
    return same;
}

// A thread that was joined may be seen for a moment.
static bool threads_are_as(const struct inventory *before)
{
    for (int waited_ms = 0; waited_ms < 5000; waited_ms++) {
        if (threads_count() == before->threads) return true;
        stress_nap(ROUSE_NS_PER_MS);
    }
    fprintf(stderr, "%d threads, %d before\n", threads_count(), before->threads);
    return false;
}

static bool nothing_is_left(const struct inventory *before)
{
    // All are looked at, so that all are reported.
    bool stats = stress_is_clean(&before->stats);
    bool descriptors = descriptors_are_as(before);
    bool threads = threads_are_as(before);

    if (!stats) fprintf(stderr, "rouse's counters differ\n");
    return stats && descriptors && threads;
}

// ---- In the child ----

static void open_tasks(void)
{
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    tasks = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, TASKS_FD));
    (void)close(fd);
    if (tasks == NULL) {
        fprintf(stderr, "/proc/self/task: %s\n", strerror(errno));
        _exit(STATUS_WRONG);
    }
}

static void *nothing_run(void *unused)
{
    return unused;
}

// ThreadSanitizer starts a thread of its own with the first one of ours.
static void start_tools(void)
{
    pthread_t thread;

    if (!RS_TSAN || pthread_create(&thread, NULL, nothing_run, NULL) != 0) return;
    (void)pthread_join(thread, NULL);
}

static _Noreturn void case_process(const struct fault_case *c)
{
    struct inventory before;
    struct rlimit no_core = {0, 0};
    const char *wrong;

    now = c;
    (void)dup2(fileno(said), STDERR_FILENO);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("ROUSE_REACTOR", c->reactor, 1);
    (void)alarm(WATCHDOG_S * case_slowness());
    start_tools();
    open_tasks();
    inventory_take(&before);
    if (c->jail != NULL && !jail_enter(c->jail, c->plan.n)) _exit(STATUS_SKIPPED);
    seam_begin(&c->plan, &record->counts);
    record->is_complete = c->scenario->run();
    seam_end();
    jail_leave();
    wrong = judge_notes();
    if (atomic_load_explicit(&record->is_broken, memory_order_relaxed)) wrong = "broken";
    if (wrong != NULL) {
        print_notes();
        fprintf(stderr, "%s\n", wrong);
    }
    child_exit(nothing_is_left(&before) && wrong == NULL ? 0 : STATUS_WRONG);
}

// ---- In the parent ----

static void print_said(void)
{
    char line[1024];

    rewind(said);
    while (fgets(line, sizeof line, said) != NULL) printf("#   %s", line);
}

static void print_failure(const struct fault_case *c, int status)
{
    char name[256];

    case_format(c, name, sizeof name);
    printf("# failed: --case %s\n", name);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        printf("#   it hung\n");
    } else if (WIFSIGNALED(status)) {
        printf("#   it died: %s\n", strsignal(WTERMSIG(status)));
    }
    print_said();
    (void)fflush(stdout);
}

static void said_clear(void)
{
    (void)ftruncate(fileno(said), 0);
    rewind(said);
}

struct case_end case_run(const struct fault_case *c)
{
    struct case_end end = {.verdict = CASE_FAILED};
    int status = 0;

    memset(record, 0, sizeof *record);
    said_clear();
    (void)fflush(stdout);
    pid_t child = fork();

    if (child == 0) case_process(c);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("Bail out! fork: %s\n", strerror(errno));
        exit(1);
    }
    now = c;
    end.is_touched = is_touched();
    end.is_whole = is_whole();
    for (int i = 0; i < CALL_COUNT; i++) {
        end.calls[i] = atomic_load_explicit(&record->counts.calls[i], memory_order_relaxed);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) end.verdict = CASE_PASSED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) end.verdict = CASE_SKIPPED;
    if (end.verdict == CASE_FAILED) print_failure(c, status);
    return end;
}

void cases_begin(void)
{
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    said = tmpfile();
    if (record == MAP_FAILED || said == NULL) {
        printf("Bail out! %s\n", strerror(errno));
        exit(1);
    }
    // A child appends where the parent has emptied.
    (void)fcntl(fileno(said), F_SETFL, O_APPEND);
}

unsigned case_slowness(void)
{
    const char *text = getenv("ROUSE_TEST_SLOWNESS");
    unsigned slowness = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 1;

    return slowness > 0 ? slowness : 1;
}

// ---- Names ----

// SCENARIO/REACTOR/CALL/ERRNO/MODE/N, or SCENARIO/REACTOR/jail/NAME/at/N.
void case_format(const struct fault_case *c, char *buf, size_t size)
{
    const struct fault *fault = c->plan.fault;

    if (c->jail != NULL) {
        (void)snprintf(buf, size, "%s/%s/jail/%s/at/%" PRIu32, c->scenario->name, c->reactor,
                       c->jail->name, c->plan.n);
    } else {
        (void)snprintf(buf, size, "%s/%s/%s/%s/%s/%" PRIu32, c->scenario->name, c->reactor,
                       call_name(fault->call), fault->name, fault_mode_name(c->plan.mode),
                       c->plan.n);
    }
}

static const struct scenario *scenario_find(const char *name)
{
    for (const struct scenario *s = fault_scenarios; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0) return s;
    }
    return NULL;
}

static const struct fault *fault_find(const char *call, const char *name)
{
    for (size_t i = 0; i < fault_count; i++) {
        if (strcmp(call_name(faults[i].call), call) == 0 && strcmp(faults[i].name, name) == 0) {
            return &faults[i];
        }
    }
    return strcmp(name, fault_none.name) == 0 ? &fault_none : NULL;
}

bool case_parse(struct fault_case *c, const char *text)
{
    static char reactor[32];
    char scenario[32], call[32], name[64], mode[16];
    unsigned n;

    if (sscanf(text, "%31[^/]/%31[^/]/%31[^/]/%63[^/]/%15[^/]/%u", scenario, reactor, call, name,
               mode, &n) != 6) {
        return false;
    }
    *c = (struct fault_case){.scenario = scenario_find(scenario), .reactor = reactor};
    c->plan = (struct seam_plan){.fault = fault_find(call, name), .n = n};
    if (strcmp(call, "jail") == 0) {
        c->plan.fault = &fault_none;
        c->jail = jail_find(name);
        if (c->jail == NULL) return false;
    }
    while (c->plan.mode < MODE_BURST && strcmp(mode, fault_mode_name(c->plan.mode)) != 0) {
        c->plan.mode++;
    }
    if (c->jail != NULL) c->plan.mode = MODE_ONCE;
    return c->scenario != NULL && c->plan.fault != NULL;
}
