// SPDX-License-Identifier: MIT
//
// The virtual clock and real descriptors: an event that is there goes before a jump of the clock,
// and is not slept through.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"

static int fds[2];

// Several times: the first wait may be helped along by the notice of the spawn.
static int wait_for_byte(void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < 3 && err == 0; i++) {
        struct rouse_fd *in;

        err = rouse_fd_adopt(&in, dup(fds[0]));
        if (err < 0) break;
        err = rouse_fd_wait(in, ROUSE_READABLE);
        rouse_fd_free(in);
    }
    return err;
}

static int wait_for_byte_and_sleep(void *arg)
{
    uint64_t start = rouse_now_ns();
    int err = wait_for_byte(arg);

    if (err == 0 && rouse_now_ns() != start) err = -ETIME;
    if (err == 0) err = rouse_sleep(3600 * ROUSE_NS_PER_S);
    return err == 0 && rouse_now_ns() - start != 3600 * ROUSE_NS_PER_S ? -ETIME : err;
}

static int64_t run_in_executor(rouse_fiber_function fn)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    struct rouse_join_handle handle;

    if (rouse_executor_new(&executor, &spawner, NULL) < 0) exit(1);
    if (rouse_spawner_spawn(spawner, &handle, fn, NULL) < 0) exit(1);
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);
    int64_t result = rouse_block_on(NULL, &handle.base) == 0 ? handle.output : -EIO;
    rouse_executor_free(executor);
    return result;
}

int main(void)
{
    (void)alarm(60);  // a lost wake-up is an end by signal
    rouse_clock_use_virtual(1000);
    if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1) exit(1);
    claim(run_in_executor(wait_for_byte) == 0, "an executor sees what is readable already");
    claim(run_in_executor(wait_for_byte_and_sleep) == 0, "and only then lets the clock jump");
    claim(rouse_run_with(wait_for_byte_and_sleep, NULL,
                         &(struct rouse_runtime_options){
                             .size = sizeof(struct rouse_runtime_options), .workers = 2}) == 0,
          "so do two workers");
    return claims_end();
}
