// SPDX-License-Identifier: MIT
//
// The direct forms of locks and channels where there is nothing to wait for: they are checkpoints
// all the same, and spend what a wait spends. A fiber that has been cancelled, or is inside a
// deadline that has passed, gets nothing; one that never has to wait lets others run; and none may
// be called in a poll.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"
#include "panics.h"

static struct rouse_mutex mutex;
static struct rouse_semaphore semaphore;
static struct rouse_rwlock rwlock;
static struct rouse_notify notify;
static struct rouse_channel_sender *elements_in;
static struct rouse_channel_receiver *elements_out;
static struct rouse_oneshot_receiver *answer;
static struct rouse_broadcast_sender *news;
static struct rouse_broadcast_receiver *hearer;
static struct rouse_watch_sender *watched;
static struct rouse_watch_receiver *watcher;

// A wait that always ends at once, and what makes the next one end so too.
struct direct {
    int (*wait)(void);
    void (*undo)(void);
    const char *cancelled;
    const char *expired;
    const char *late;
    const char *fair;
    const char *polled;
};

static int lock_mutex(void)
{
    return rouse_mutex_lock(&mutex);
}

static void unlock_mutex(void)
{
    rouse_mutex_unlock(&mutex);
}

static int acquire(void)
{
    return rouse_semaphore_acquire(&semaphore, 1);
}

static void release(void)
{
    rouse_semaphore_release(&semaphore, 1);
}

static int lock_write(void)
{
    return rouse_rwlock_write_lock(&rwlock);
}

static void unlock_write(void)
{
    rouse_rwlock_write_unlock(&rwlock);
}

static int lock_read(void)
{
    return rouse_rwlock_read_lock(&rwlock);
}

static void unlock_read(void)
{
    rouse_rwlock_read_unlock(&rwlock);
}

static int wait_for_notify(void)
{
    return rouse_notify_wait(&notify);
}

static void notify_one(void)
{
    rouse_notify_one(&notify);
}

static int send_element(void)
{
    return rouse_channel_send(elements_in, &(char){0});
}

static void take_element(void)
{
    char element;

    if (rouse_channel_try_receive(elements_out, &element) < 0) exit(1);
}

static int receive_element(void)
{
    char element;

    return rouse_channel_receive(elements_out, &element);
}

static void put_element(void)
{
    if (rouse_channel_try_send(elements_in, &(char){0}) < 0) exit(1);
}

// A value that has been sent.
static void refill_oneshot(void)
{
    struct rouse_oneshot_sender *tx;

    rouse_oneshot_receiver_free(answer);
    if (rouse_oneshot_new(&tx, &answer, 0, NULL) < 0) exit(1);
    (void)rouse_oneshot_send(tx, NULL);
}

static int receive_answer(void)
{
    return rouse_oneshot_receive(answer, NULL);
}

static int receive_news(void)
{
    return rouse_broadcast_receive(hearer, NULL, NULL);
}

static void send_news(void)
{
    (void)rouse_broadcast_send(news, NULL);
}

static int wait_for_change(void)
{
    return rouse_watch_changed(watcher);
}

static void see_nothing(void)
{
    // The value is new until it is read.
}

static const struct direct directs[] = {
    {lock_mutex, unlock_mutex, "a cancelled fiber does not lock a free mutex",
     "nor does one whose time is over", "and afterwards it does",
     "one that locks a mutex all the time lets others run", "a poll may not lock a mutex"},
    {acquire, release, "a cancelled fiber acquires no permit", "nor does one whose time is over",
     "and afterwards it does", "one that acquires all the time lets others run",
     "a poll may not acquire"},
    {lock_write, unlock_write, "a cancelled fiber does not lock to write",
     "nor does one whose time is over", "and afterwards it does",
     "one that writes all the time lets others run", "a poll may not lock to write"},
    {lock_read, unlock_read, "a cancelled fiber does not lock to read",
     "nor does one whose time is over", "and afterwards it does",
     "one that reads all the time lets others run", "a poll may not lock to read"},
    {wait_for_notify, notify_one, "a cancelled fiber takes no notification",
     "nor does one whose time is over", "and afterwards it does",
     "one that is always notified lets others run", "a poll may not wait for a notification"},
    {send_element, take_element, "a cancelled fiber sends nothing",
     "nor does one whose time is over", "and afterwards it does",
     "one that sends all the time lets others run", "a poll may not send"},
    {receive_element, put_element, "a cancelled fiber receives nothing",
     "nor does one whose time is over", "and afterwards it does",
     "one that receives all the time lets others run", "a poll may not receive"},
    {receive_answer, refill_oneshot, "a cancelled fiber takes no answer",
     "nor does one whose time is over", "and afterwards it does",
     "one that is always answered lets others run", "a poll may not receive an answer"},
    {receive_news, send_news, "a cancelled fiber receives no message",
     "nor does one whose time is over", "and afterwards it does",
     "one that always receives lets others run", "a poll may not receive a message"},
    {wait_for_change, see_nothing, "a cancelled fiber does not look for a change",
     "nor does one whose time is over", "and afterwards it does",
     "one that always looks for a change lets others run", "a poll may not wait for a change"},
};

// What a fiber's waits have come to.
struct seen {
    const struct direct *direct;
    int cancelled;
    int expired;
    int late;
};

static int wait_cancelled(void *arg)
{
    struct seen *seen = arg;
    struct rouse_deadline deadline;

    (void)rouse_sleep(ROUSE_NEVER);  // until the abort
    seen->cancelled = seen->direct->wait();
    rouse_deadline_enter(&deadline, ROUSE_NEVER);
    if (seen->cancelled == -ECANCELED) seen->cancelled = seen->direct->wait();
    (void)rouse_deadline_leave(&deadline);
    return 0;
}

static int wait_expired(void *arg)
{
    struct seen *seen = arg;
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, rouse_now_ns());
    (void)rouse_sleep(ROUSE_NS_PER_S);  // sees it pass
    seen->expired = seen->direct->wait();
    (void)rouse_deadline_leave(&deadline);
    seen->late = seen->direct->wait();
    if (seen->late == 0) seen->direct->undo();
    return 0;
}

static int raise_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

// True if a task that was spawned before runs before this fiber has waited very often.
static bool lets_others_run(const struct direct *direct)
{
    struct rouse_join_handle handle;
    bool flag = false;

    if (rouse_spawn(&handle, raise_flag, &flag) < 0) exit(1);
    for (int i = 0; i < 100000 && !flag; i++) {
        if (direct->wait() < 0) exit(1);
        direct->undo();
    }
    bool ran = flag;

    (void)rouse_join(&handle);
    return ran;
}

static void run(const struct direct *direct)
{
    struct seen seen = {.direct = direct};
    struct rouse_join_handle handle;

    if (rouse_spawn(&handle, wait_cancelled, &seen) < 0) exit(1);
    (void)rouse_yield();
    (void)rouse_abort_and_wait(&handle);
    claim(seen.cancelled == -ECANCELED, direct->cancelled);
    if (rouse_spawn(&handle, wait_expired, &seen) < 0) exit(1);
    (void)rouse_join(&handle);
    claim(seen.expired == -ETIMEDOUT, direct->expired);
    claim(seen.late == 0, direct->late);
    claim(lets_others_run(direct), direct->fair);
}

static int root(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof directs / sizeof directs[0]; i++) run(&directs[i]);
    return 0;
}

// ---- Inside a poll ----

// A future that calls a direct form.
struct caller {
    struct rouse_future base;
    const struct direct *direct;
};

static rouse_poll call_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)cx;
    (void)((struct caller *)self)->direct->wait();
    return ROUSE_READY;
}

static int await_caller(void *arg)
{
    static const struct rouse_future_vtable vtable = {.poll = call_poll, .name = "caller"};
    struct caller caller = {.base.vtable = &vtable, .direct = arg};

    return rouse_await(&caller.base);
}

static void run_in_poll(void *arg)
{
    (void)rouse_run_with(await_caller, arg,
                         &(struct rouse_runtime_options){
                             .size = sizeof(struct rouse_runtime_options), .workers = 1});
}

static void init(void)
{
    rouse_mutex_init(&mutex);
    rouse_semaphore_init(&semaphore, 1);
    rouse_rwlock_init(&rwlock);
    rouse_notify_init(&notify);
    rouse_notify_one(&notify);
    // There is an element, and a place.
    if (rouse_channel_new(&elements_in, &elements_out, 1, 2) < 0) exit(1);
    put_element();
    refill_oneshot();
    if (rouse_broadcast_new(&news, 1, 0) < 0) exit(1);
    if (rouse_broadcast_subscribe(news, &hearer) < 0) exit(1);
    send_news();
    if (rouse_watch_new(&watched, 0, NULL) < 0) exit(1);
    if (rouse_watch_subscribe(watched, &watcher) < 0) exit(1);
    (void)rouse_watch_send(watched, NULL);
}

static void deinit(void)
{
    rouse_channel_sender_unref(elements_in);
    rouse_channel_receiver_unref(elements_out);
    rouse_oneshot_receiver_free(answer);
    rouse_broadcast_receiver_free(hearer);
    rouse_broadcast_sender_unref(news);
    rouse_watch_receiver_free(watcher);
    rouse_watch_sender_unref(watched);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    init();
    for (size_t i = 0; i < sizeof directs / sizeof directs[0]; i++) {
        claim(panics(run_in_poll, (void *)(uintptr_t)&directs[i], "return ROUSE_PENDING instead"),
              directs[i].polled);
    }
    if (rouse_run_with(root, NULL,
                       &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = 1}) != 0) {
        return 1;
    }
    deinit();
    return claims_end();
}
