// SPDX-License-Identifier: MIT
//
// A dump taken while a task is being made: it is not there yet. Made by its init function, on a
// thread from outside and in a task.

#include <fcntl.h>
#include <rouse.h>
#include <rouse/dump.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"

static int dump_fd = -1;

static void init_and_dump(struct rouse_future *storage, void *arg)
{
    int *err = arg;

    *err = rouse_dump(dump_fd);
    rouse_ready_init((struct rouse_ready *)storage);
}

static const struct rouse_task_attrs half_made = {.name = "half made"};

static int spawn_inside(void *arg)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_ready), .init = init_and_dump, .arg = arg};

    return rouse_spawn_future_at(NULL, &spec, &half_made);
}

static bool was_dumped(const char *text)
{
    static char buf[1 << 16];
    ssize_t size = pread(dump_fd, buf, sizeof buf - 1, 0);

    if (size < 0) return false;
    buf[size] = '\0';
    return strstr(buf, text) != NULL;
}

int main(void)
{
    char path[] = "/tmp/rouse-test-dump-XXXXXX";
    struct rouse_runtime *runtime;
    struct rouse_join_handle handle;
    int err = -1;
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_ready), .init = init_and_dump, .arg = &err};

    dump_fd = mkstemp(path);
    (void)unlink(path);
    if (dump_fd < 0 || rouse_runtime_new(&runtime, NULL) < 0) return 1;
    claim(rouse_runtime_spawn_future(runtime, &handle, &spec, &half_made) == 0 && err == 0,
          "a dump while a thread from outside makes a task");
    (void)rouse_join(&handle);  // or the next dump may find it, complete
    err = -1;
    if (rouse_runtime_spawn(runtime, &handle, spawn_inside, &err, NULL) < 0) return 1;
    claim(rouse_block_on(runtime, &handle.base) == 0 && handle.output == 0 && err == 0,
          "a dump while a task makes a task");
    rouse_runtime_free(runtime);
    claim(was_dumped("rouse dump:"), "the dumps were written");
    claim(!was_dumped("half made"), "neither names the task that was not complete");
    (void)close(dump_fd);
    return claims_end();
}
