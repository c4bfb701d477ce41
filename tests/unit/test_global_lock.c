// SPDX-License-Identifier: MIT
//
// Forks beside threads that hold the locks of the process all the time: every child reads the
// counters, makes a driver, sets a hook and lets go of its parent's runtime. One that hangs is
// ended by its alarm.

#include <pthread.h>
#include <rouse.h>
#include <rouse/dump.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "claim.h"

enum { FORKS = 300, CHILD_SECONDS = 10 };

static _Atomic bool is_over;

static void *read_counters(void *arg)
{
    struct rouse_stats stats;

    // Relaxed: only to end some time.
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) rouse_stats_get(&stats);
    return arg;
}

static void *make_drivers(void *arg)
{
    struct rouse_driver *driver;

    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        if (rouse_driver_new(&driver, NULL) == 0) rouse_driver_free(driver);
        rouse_log_set_hook(NULL, NULL, ROUSE_LOG_WARN);
    }
    return arg;
}

static int child(struct rouse_runtime *runtime)
{
    struct rouse_stats stats;
    struct rouse_driver *driver;

    (void)alarm(CHILD_SECONDS);
    rouse_stats_get(&stats);
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    rouse_driver_free(driver);
    rouse_log_set_hook(NULL, NULL, ROUSE_LOG_WARN);
    rouse_runtime_free(runtime);
    return rouse_dump(STDERR_FILENO) < 0 ? 2 : 0;
}

static bool fork_once(struct rouse_runtime *runtime)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) _exit(child(runtime));
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

int main(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    struct rouse_runtime *runtime;
    pthread_t threads[2];
    int alive = 0;

    if (RS_TSAN) return 77;  // its own locks do not survive a fork beside threads
    if (freopen("/dev/null", "w", stderr) == NULL) return 1;
    if (rouse_runtime_new(&runtime, &options) < 0) return 1;
    if (pthread_create(&threads[0], NULL, read_counters, NULL) != 0) return 1;
    if (pthread_create(&threads[1], NULL, make_drivers, NULL) != 0) return 1;
    while (alive < FORKS && fork_once(runtime)) alive++;
    claim(alive == FORKS, "no child finds a lock of the process held");
    atomic_store_explicit(&is_over, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++) (void)pthread_join(threads[i], NULL);
    rouse_runtime_free(runtime);
    return claims_end();
}
