// SPDX-License-Identifier: MIT
//
// The overflow report, each time in a child that runs into a guard or into some other fault; seen
// are how the child ended and what it wrote to standard error. Sanitizers have handlers of their
// own for faults; where a test needs the default one, the child restores it.

#include "fiber/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "child.h"
#include "fiber/coroutine.h"

enum { ADVICE_GUARD_INSTALL = 102, CHAINED = 42, CHILD_SECONDS = 30 };

static int test_count;
static int failure_count;

static void claim(bool holds, const char *text)
{
    printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

// How a child ended.
struct ending {
    int status;
    char text[4096];  // its standard error
};

static bool ended_by(const struct ending *ending, int signal)
{
    return WIFSIGNALED(ending->status) && WTERMSIG(ending->status) == signal;
}

static bool exited_with(const struct ending *ending, int code)
{
    return WIFEXITED(ending->status) && WEXITSTATUS(ending->status) == code;
}

static bool said(const struct ending *ending, const char *part)
{
    return strstr(ending->text, part) != NULL;
}

static struct ending run_in_child(void (*body)(void))
{
    struct ending ending = {.status = -1};
    size_t length = 0;
    ssize_t n;
    int fds[2];

    fflush(stdout);
    if (pipe(fds) < 0) abort();

    pid_t child = fork();

    if (child == 0) {
        struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        alarm(CHILD_SECONDS);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        child_expects_abort();
        body();
        child_exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], ending.text + length, sizeof ending.text - 1 - length)) > 0) {
        length += (size_t)n;
    }
    close(fds[0]);
    waitpid(child, &ending.status, 0);
    return ending;
}

// The "fiber" that runs in the child.
static struct rs_stack_pool pool;
static struct rs_stack stack;
static struct rs_coroutine coroutine;
static const char *fiber_name;
static const char *spawn_site;
static size_t stack_size;

static bool describe(const void *fault_address, struct rs_overflow_info *out)
{
    if (!coroutine.running || !rs_stack_guard_contains(&stack, fault_address)) return false;
    *out = (struct rs_overflow_info){
        .fiber_name = fiber_name, .spawn_site = spawn_site, .stack_size = stack.size};
    return true;
}

// Never reached; the volatile object keeps compilers from knowing it.
static volatile unsigned depth_max = 1U << 30;

__attribute__((noinline)) static unsigned recurse(unsigned depth)
{
    volatile char frame[256];

    frame[depth % sizeof frame] = 1;
    return (depth < depth_max ? recurse(depth + 1) : 0) + (unsigned)frame[depth % sizeof frame];
}

static void overflow_by_calls(void *arg)
{
    (void)arg;
    (void)recurse(0);
}

// Frames of many pages, of which the upper end is touched first.
__attribute__((noinline)) static unsigned recurse_in_strides(unsigned depth)
{
    volatile char frame[40 << 10];

    frame[sizeof frame - 1] = 1;
    return (depth < depth_max ? recurse_in_strides(depth + 1) : 0) +
           (unsigned)frame[sizeof frame - 1];
}

static void overflow_by_large_frames(void *arg)
{
    (void)arg;
    (void)recurse_in_strides(0);
}

static void set_default_handlers(void)
{
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
}

static void enter(struct rs_overflow_stack *signal_stack)
{
    if (rs_overflow_stack_init(signal_stack, rouse_allocator_default()) < 0) abort();
    if (rs_overflow_thread_enter(signal_stack) < 0) abort();
}

static void install(void)
{
    static struct rs_overflow_stack signal_stack;

    rs_overflow_describe = describe;
    enter(&signal_stack);
    if (rs_overflow_install() < 0) abort();
}

static void run_fiber(void (*entry)(void *arg))
{
    if (rs_stack_pool_init(&pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, 1) < 0 ||
        rs_stack_get(&pool, stack_size, &stack) < 0) {
        abort();
    }
    rs_coroutine_start(&coroutine, &stack, entry, NULL);
    rs_coroutine_resume(&coroutine);
}

static void overflow_default(void)
{
    install();
    run_fiber(overflow_by_calls);
}

static int old_madvise(void *memory, size_t size, int advice)
{
    if (advice == ADVICE_GUARD_INSTALL) return -EINVAL;
    return rs_sys_real.madvise(memory, size, advice);
}

static void overflow_into_mprotect(void)
{
    rs_sys.madvise = old_madvise;
    overflow_default();
}

static void overflow_in_large_steps(void)
{
    install();
    run_fiber(overflow_by_large_frames);
}

static void *overflow_thread(void *arg)
{
    struct rs_overflow_stack signal_stack;

    (void)arg;
    enter(&signal_stack);
    run_fiber(overflow_by_calls);
    return NULL;
}

static void overflow_on_another_thread(void)
{
    pthread_t thread;

    install();
    if (pthread_create(&thread, NULL, overflow_thread, NULL) != 0) abort();
    pthread_join(thread, NULL);
}

static void overflows_are_reported(void)
{
    struct ending ending;
    char size[64];

    fiber_name = "reader";
    spawn_site = "main.c:12";
    ending = run_in_child(overflow_default);
    snprintf(size, sizeof size, "its stack is %zu KiB; ",
             (RS_STACK_SIZE_DEFAULT * RS_STACK_SANITIZER_FACTOR) >> 10);
    claim(ended_by(&ending, SIGABRT), "an_overflow_aborts");
    claim(said(&ending, "stack overflow in fiber \"reader\" spawned at main.c:12: ") &&
              said(&ending, size) && said(&ending, "give it more with rouse_task_attrs.stack_size"),
          "the_report_names_fiber_site_size_and_cure");
    ending = run_in_child(overflow_into_mprotect);
    claim(ended_by(&ending, SIGABRT) && said(&ending, "\"reader\""),
          "a_guard_made_by_mprotect_is_as_good");
    stack_size = 256 << 10;
    ending = run_in_child(overflow_in_large_steps);
    snprintf(size, sizeof size, "its stack is %zu KiB; ",
             stack_size * RS_STACK_SANITIZER_FACTOR >> 10);
    claim(ended_by(&ending, SIGABRT) && said(&ending, size), "large_frames_run_into_the_guard_too");
    stack_size = 0;
    fiber_name = NULL;
    ending = run_in_child(overflow_on_another_thread);
    claim(ended_by(&ending, SIGABRT) && said(&ending, "overflow in fiber spawned at main.c:12: "),
          "an_overflow_of_an_unnamed_fiber_on_another_thread_is_reported");
}

// Memory that nobody may use.
static volatile char *nowhere;

static void fault(void *arg)
{
    (void)arg;
    *nowhere = 1;
}

static void fault_with_default(void)
{
    set_default_handlers();
    install();
    run_fiber(fault);
}

static void fault_with_ignore(void)
{
    signal(SIGSEGV, SIG_IGN);
    install();
    run_fiber(fault);
}

static void raise_with_default(void)
{
    set_default_handlers();
    install();
    raise(SIGSEGV);
}

static void raise_with_ignore(void)
{
    signal(SIGSEGV, SIG_IGN);
    install();
    raise(SIGSEGV);
    raise(SIGSEGV);
    child_exit(CHAINED);
}

// A file shorter than its mapping makes SIGBUS.
static void bus_error_with_default(void)
{
    FILE *file = tmpfile();
    volatile char *memory;

    set_default_handlers();
    install();
    if (file == NULL) abort();
    memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    if (memory == MAP_FAILED) abort();
    (void)*memory;
}

static void other_faults_take_their_course(void)
{
    struct ending ending = run_in_child(fault_with_default);

    claim(ended_by(&ending, SIGSEGV) && !said(&ending, "overflow in fiber"),
          "another_fault_kills_as_ever");
    ending = run_in_child(fault_with_ignore);
    claim(ended_by(&ending, SIGSEGV), "a_fault_cannot_be_ignored");
    ending = run_in_child(raise_with_default);
    claim(ended_by(&ending, SIGSEGV), "a_sent_signal_kills_as_ever");
    ending = run_in_child(raise_with_ignore);
    claim(exited_with(&ending, CHAINED), "a_sent_signal_is_ignored_where_it_was");
    ending = run_in_child(bus_error_with_default);
    claim(ended_by(&ending, SIGBUS), "a_bus_error_kills_as_ever");
}

static void chained_info(int number, siginfo_t *info, void *context)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    child_exit(number == SIGSEGV && info->si_addr == (void *)nowhere && context != NULL &&
                       sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGSEGV) == 1
                   ? CHAINED
                   : 1);
}

static void fault_with_handler(void)
{
    struct sigaction action = {.sa_sigaction = chained_info, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, NULL);
    install();
    install();
    run_fiber(fault);
}

static volatile sig_atomic_t chained_count;

static void chained_plain(int number)
{
    chained_count += number == SIGSEGV ? 1 : 100;
}

static void raise_with_handler(void)
{
    signal(SIGSEGV, chained_plain);
    install();
    raise(SIGSEGV);
    raise(SIGSEGV);
    child_exit(chained_count == 2 ? CHAINED : 1);
}

// The first signal finds the handler, the second one the default.
static void raise_with_one_shot_handler(void)
{
    struct sigaction action = {.sa_handler = chained_plain, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    install();
    raise(SIGSEGV);
    if (chained_count != 1) child_exit(1);
    raise(SIGSEGV);
}

static void chained_nodefer(int number)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    child_exit(sigismember(&mask, number) == 0 ? CHAINED : 1);
}

static void raise_with_nodefer_handler(void)
{
    struct sigaction action = {.sa_handler = chained_nodefer, .sa_flags = SA_NODEFER};

    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    install();
    raise(SIGSEGV);
}

static void overflow_with_handler(void)
{
    signal(SIGSEGV, chained_plain);
    overflow_default();
}

static void other_faults_go_to_the_handler_before(void)
{
    struct ending ending = run_in_child(fault_with_handler);

    claim(exited_with(&ending, CHAINED), "another_fault_goes_to_the_handler_found");
    ending = run_in_child(raise_with_handler);
    claim(exited_with(&ending, CHAINED), "a_sent_signal_goes_to_the_handler_found");
    ending = run_in_child(raise_with_one_shot_handler);
    claim(ended_by(&ending, SIGSEGV), "a_handler_for_once_is_called_once");
    ending = run_in_child(raise_with_nodefer_handler);
    claim(exited_with(&ending, CHAINED), "a_handler_that_wants_its_signal_unblocked_has_it_so");
    ending = run_in_child(overflow_with_handler);
    claim(ended_by(&ending, SIGABRT) && said(&ending, "stack overflow"),
          "an_overflow_is_ours_whoever_came_before");
}

static stack_t current_signal_stack(void)
{
    stack_t current;

    if (sigaltstack(NULL, &current) < 0) abort();
    return current;
}

static void signal_stacks_are_lent(void)
{
    struct rs_overflow_stack first, second;
    stack_t none = {.ss_flags = SS_DISABLE};
    stack_t before = current_signal_stack();

    sigaltstack(&none, NULL);
    enter(&first);
    claim(current_signal_stack().ss_sp == first.memory && first.size >= (64 << 10),
          "a_thread_gets_a_signal_stack_of_64_kib");
    enter(&second);
    claim(current_signal_stack().ss_sp == first.memory, "a_thread_that_has_one_keeps_it");
    rs_overflow_thread_leave(&second);
    rs_overflow_stack_deinit(&second);
    claim(current_signal_stack().ss_sp == first.memory, "and_leaving_does_not_take_it");
    rs_overflow_thread_leave(&first);
    claim((current_signal_stack().ss_flags & SS_DISABLE) != 0, "leaving_takes_ours_away");
    enter(&second);
    rs_overflow_thread_leave(&first);
    claim(current_signal_stack().ss_sp == second.memory, "leaving_twice_does_nothing");
    rs_overflow_stack_deinit(&second);
    claim((current_signal_stack().ss_flags & SS_DISABLE) != 0,
          "a_stack_is_taken_away_before_it_is_freed");
    rs_overflow_stack_deinit(&first);
    rs_overflow_stack_deinit(&first);
    rs_overflow_stack_deinit(&(struct rs_overflow_stack){.memory = NULL});
    claim(true, "freeing_twice_does_nothing");
    if ((before.ss_flags & SS_DISABLE) == 0) sigaltstack(&before, NULL);
}

static void *no_pages(void *data, size_t size, size_t align)
{
    (void)data;
    (void)size;
    (void)align;
    return NULL;
}

static void a_signal_stack_may_fail(void)
{
    struct rouse_allocator allocator = *rouse_allocator_default();
    struct rs_overflow_stack signal_stack;

    allocator.pages_alloc = no_pages;
    claim(rs_overflow_stack_init(&signal_stack, &allocator) == -ENOMEM &&
              signal_stack.memory == NULL,
          "without_memory_there_is_no_signal_stack");
}

int main(void)
{
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nowhere == MAP_FAILED) return 1;
    overflows_are_reported();
    other_faults_take_their_course();
    other_faults_go_to_the_handler_before();
    signal_stacks_are_lent();
    a_signal_stack_may_fail();
    printf("1..%d\n", test_count);
    return failure_count > 0;
}
