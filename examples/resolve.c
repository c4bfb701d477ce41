// SPDX-License-Identifier: MIT
//
// Looks up names, all at once, and prints their addresses in the order in which they were asked
// for. A name that has no answer within five seconds is given up.

#include <errno.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADDRESSES_MAX = 16 };

struct question {
    const char *host;
    struct rouse_addr addresses[ADDRESSES_MAX];
    struct rouse_join_handle handle;
};

static int ask(void *arg)
{
    struct question *q = arg;
    struct rouse_resolve resolve;

    rouse_resolve_init(&resolve, q->addresses, ADDRESSES_MAX, q->host, NULL, NULL);
    int err = rouse_await_until(&resolve.base, rouse_deadline_after(5 * ROUSE_NS_PER_S));

    return err < 0 ? err : resolve.output;
}

static void print_answer(const struct question *q, int64_t count)
{
    char text[ROUSE_ADDR_TEXT_MAX];

    if (count < 0) printf("%s: %s\n", q->host, rouse_strerror((int)count));
    for (int64_t i = 0; i < count; i++) {
        (void)rouse_addr_format(&q->addresses[i], text, sizeof text);
        printf("%s: %s\n", q->host, text);
    }
}

static int run(void *arg)
{
    char **hosts = arg;
    struct question *questions;
    size_t count = 0;
    size_t begun = 0;
    int failed = 0;

    while (hosts[count] != NULL) count++;
    questions = calloc(count, sizeof *questions);
    if (questions == NULL) return -ENOMEM;
    for (; begun < count && failed == 0; begun++) {
        questions[begun].host = hosts[begun];
        failed = rouse_spawn(&questions[begun].handle, ask, &questions[begun]);
        if (failed < 0) break;
    }
    for (size_t i = 0; i < begun; i++) {
        int64_t result = rouse_join(&questions[i].handle);

        print_answer(&questions[i], result);
        if (result < 0) failed = 1;
    }
    free(questions);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 2) return fputs("Usage: resolve NAME...\n", stderr), 2;
    int result = rouse_run(run, argv + 1);

    if (result < 0) fprintf(stderr, "resolve: %s\n", rouse_strerror(result));
    return result != 0;
}
