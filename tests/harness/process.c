// SPDX-License-Identifier: MIT
//
// The inside of a test's process: what it sets up, the test itself, and the check for leaks. A
// thread waits for SIGQUIT, by which the harness asks a test that hangs what it is waiting for.

#include <pthread.h>
#include <rouse/clock.h>
#include <rouse/dump.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/check.h"
#include "harness/harness.h"
#include "harness/leaks.h"

static const struct test_case *current;

const struct test_case *test_now(void)
{
    return current;
}

unsigned test_slowness(void)
{
    const char *preload = getenv("LD_PRELOAD");

    if (preload != NULL && strstr(preload, "vgpreload") != NULL) return 4;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 4;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 4;
#endif
#endif
    return 1;
}

static void *answer_sigquit(void *unused)
{
    sigset_t all;
    sigset_t quit;
    int number;

    (void)unused;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    sigemptyset(&quit);
    sigaddset(&quit, SIGQUIT);
    while (sigwait(&quit, &number) == 0) {
        (void)rouse_dump(STDERR_FILENO);
    }
    return NULL;
}

// The thread is part of what lives before the test; it ends with the process.
static void watch_sigquit(void)
{
    pthread_t thread;
    sigset_t quit;

    sigemptyset(&quit);
    sigaddset(&quit, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, &quit, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, answer_sigquit, NULL), 0);
    pthread_detach(thread);
}

static void run_on_host(const struct test_case *test)
{
    struct host host;

    host_open(&host, test->host, &test->test->options);
    CHECK_EQ(host_run(&host, test->style, &test->test->root), 0);
    host_close(&host);
}

void test_process(const struct test_case *test)
{
    struct leaks before;

    current = test;
    setenv("ROUSE_REACTOR", test->reactor, 1);
    if (test->test->virtual_clock) rouse_clock_use_virtual(VIRTUAL_START_NS);
    watch_sigquit();
    leaks_start(&before);
    if (test->test->plain != NULL) {
        test->test->plain();
    } else {
        run_on_host(test);
    }
    if (!test->test->lasting) leaks_check(&before);
    exit(0);
}
