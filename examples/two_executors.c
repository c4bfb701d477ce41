// SPDX-License-Identifier: MIT
//
// The last waker wins. One future is polled on two threads, one after the other: on the first
// inside a select, which ends after half a second because its other arm does; the future is only
// borrowed there, so the select leaves it alive. On the second thread it is driven to its end. The
// timer inside it was armed under the first thread's waker, but it is the second one's, in force at
// the last poll, that is woken.

#include <pthread.h>
#include <rouse.h>
#include <stdio.h>

static uint64_t start_ns;

static void got(int number)
{
    printf("Future got %d at time: %.2f.\n", number,
           (double)(rouse_now_ns() - start_ns) / (double)ROUSE_NS_PER_S);
}

// Waits 1 s, then 2 s more: the second timer starts when it is first polled.
struct work {
    struct rouse_async async;
    struct rouse_sleep sleep;
};

static rouse_poll work_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct work *w = ROUSE_CONTAINER_OF(self, struct work, async.base);

    ROUSE_ASYNC_BEGIN(&w->async, cx);
    rouse_sleep_init(&w->sleep, 1 * ROUSE_NS_PER_S);
    ROUSE_AWAIT(&w->sleep.base);
    got(1);

    rouse_sleep_init(&w->sleep, 2 * ROUSE_NS_PER_S);
    ROUSE_AWAIT(&w->sleep.base);
    got(2);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable work_vtable = {
    .poll = work_poll, .drop = rouse_async_drop, .name = "work"};

static int first_executor(struct rouse_future *work)
{
    struct rouse_borrow borrow;
    struct rouse_sleep pause;
    struct rouse_select select;

    puts("Running on first executor");
    rouse_borrow_init(&borrow, work);
    rouse_sleep_init(&pause, 500 * ROUSE_NS_PER_MS);
    rouse_select_init(&select, &borrow.base, &pause.base, ROUSE_SELECT_FAIR);
    return rouse_block_on(NULL, &select.base);
}

static void *second_executor(void *arg)
{
    struct rouse_future *work = arg;

    puts("Running on second executor");
    int err = rouse_block_on(NULL, work);

    if (err < 0) fprintf(stderr, "two_executors: %s\n", rouse_strerror(err));
    return err < 0 ? work : NULL;
}

int main(void)
{
    struct work work;
    pthread_t thread;
    void *failed = NULL;

    start_ns = rouse_now_ns();
    rouse_async_init(&work.async, &work_vtable);
    int err = first_executor(&work.async.base);

    if (err == 0) err = -pthread_create(&thread, NULL, second_executor, &work.async.base);
    if (err < 0) {
        rouse_future_drop(&work.async.base);
        fprintf(stderr, "two_executors: %s\n", rouse_strerror(err));
        return 1;
    }
    pthread_join(thread, &failed);
    return failed != NULL;
}
