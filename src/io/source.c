// SPDX-License-Identifier: MIT
//
// Waiting for a descriptor. An operation tries its system call first; when that would block it
// queues up, under the lock of the driver that watches the direction.
//
// No event is lost. An operation reads the tick, tries, and, on EAGAIN, takes the lock and
// compares: an event that came in between has changed the tick, and it tries again; one that comes
// later finds it in the queue. The descriptor is watched before the waiter is queued, and a new
// watch reports what is ready already.

#include "io/source.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/poller.h>

#include "base/choice.h"
#include "base/sys.h"
#include "io/driver.h"

// Flags in `users`, above the count of operations in progress. SOURCE_GONE: the descriptor has been
// closed, or is being closed by who set it.
enum { SOURCE_CLOSED = 1 << 30, SOURCE_RELEASED = 1 << 29, SOURCE_GONE = 1 << 28 };

// The life of a wait.
enum { WAIT_NONE = 0, WAIT_QUEUED = 1, WAIT_GRANTED = 2 };

// A direction moves to where it is polled after this many waits in a row elsewhere: by then the
// task has moved for good, and each message would pay a wake from core to core.
enum { FOREIGN_WAITS_MAX = 8 };

static const uint32_t interests[2] = {ROUSE_READABLE, ROUSE_WRITABLE};

static _Atomic uint32_t *wait_state(struct rouse_io_wait *wait)
{
    return (_Atomic uint32_t *)&wait->state;
}

void rs_source_init(struct rs_source *source, int fd)
{
    *source = (struct rs_source){.fd = fd};
}

uint64_t rs_source_tick(const struct rs_source *source, enum rs_direction_name direction)
{
    // Acquire, with the release in direction_ready(): the system call after it sees what the event
    // was about.
    return atomic_load_explicit(&source->directions[direction].tick, memory_order_acquire);
}

bool rs_source_may_be_ready(const struct rs_source *source, enum rs_direction_name direction)
{
    const struct rs_direction *d = &source->directions[direction];

    // Relaxed: a stale value costs a needless system call, or a look under the lock.
    return atomic_load_explicit(&d->drained, memory_order_relaxed) !=
           rs_source_tick(source, direction) + 1;
}

void rs_source_drained(struct rs_source *source, enum rs_direction_name direction, uint64_t tick)
{
    // Relaxed: a hint that a newer tick overrides.
    atomic_store_explicit(&source->directions[direction].drained, tick + 1, memory_order_relaxed);
}

// A short transfer shows the direction not ready, unless the end of the stream has been announced:
// that is there to be read, and no event will tell of it again.
static void drained_by_short(struct rs_source *source, enum rs_direction_name direction,
                             uint64_t tick)
{
    // Relaxed: set before the tick that we have seen.
    if (atomic_load_explicit(&source->directions[direction].hangup, memory_order_relaxed) == 0) {
        rs_source_drained(source, direction, tick);
    }
}

static void close_descriptor(struct rs_source *source)
{
    // Linux frees the number even when close fails: nothing to retry.
    (void)rs_sys.close(source->fd);
}

int rs_source_enter(struct rs_source *source)
{
    // Relaxed: the count keeps the descriptor's number ours until rs_source_leave(), and the flag
    // stands for nothing but itself.
    uint32_t before = atomic_fetch_add_explicit(&source->users, 1, memory_order_relaxed);

    if (ROUSE_LIKELY((before & (SOURCE_CLOSED | SOURCE_RELEASED)) == 0)) return 0;
    rs_source_leave(source);
    return -EBADF;
}

void rs_source_leave(struct rs_source *source)
{
    uint32_t idle = SOURCE_CLOSED;

    // Acq_rel: the last user closes, after everything the others did.
    if (atomic_fetch_sub_explicit(&source->users, 1, memory_order_acq_rel) != (SOURCE_CLOSED | 1)) {
        return;
    }
    // Who comes after the close is counted for a moment too, and may be the last once more: the
    // flag lets one of them close. On failure somebody has come meanwhile, or closed. Relaxed: who
    // was counted in between has found the flag, and used nothing.
    if (atomic_compare_exchange_strong_explicit(&source->users, &idle, SOURCE_CLOSED | SOURCE_GONE,
                                                memory_order_relaxed, memory_order_relaxed)) {
        close_descriptor(source);
    }
}

// ---- The queue, under the home's lock ----

static void queue_count(struct rs_direction *d, uint32_t change)
{
    // Relaxed, both: written under the lock; read outside it only as a hint.
    uint32_t before = atomic_load_explicit(&d->queued, memory_order_relaxed);

    atomic_store_explicit(&d->queued, before + change, memory_order_relaxed);
}

static void queue_push(struct rs_direction *d, struct rouse_io_wait *wait, bool first)
{
    wait->next = first ? d->first : NULL;
    wait->prev = first ? NULL : d->last;
    *(wait->next != NULL ? &wait->next->prev : &d->last) = wait;
    *(wait->prev != NULL ? &wait->prev->next : &d->first) = wait;
    queue_count(d, 1);
    // Relaxed: written under the lock; read outside it only as a hint.
    atomic_store_explicit(wait_state(wait), WAIT_QUEUED, memory_order_relaxed);
}

// The owner of `wait` may free it as soon as it sees `state`: nothing of it is touched after.
static void queue_remove(struct rs_direction *d, struct rouse_io_wait *wait, uint32_t state)
{
    *(wait->next != NULL ? &wait->next->prev : &d->last) = wait->prev;
    *(wait->prev != NULL ? &wait->prev->next : &d->first) = wait->next;
    queue_count(d, UINT32_MAX);  // one less
    // Release, with the acquire in wait_granted() and rs_source_unwait(): we are done with it.
    atomic_store_explicit(wait_state(wait), state, memory_order_release);
}

// Takes the first waiter out and its waker into `waker`; none when the queue is empty.
static void grant_first(struct rs_direction *d, struct rouse_waker *waker)
{
    struct rouse_io_wait *wait = d->first;

    *waker = (struct rouse_waker){0};
    if (wait == NULL) return;
    *waker = wait->waker;
    wait->waker = (struct rouse_waker){0};
    queue_remove(d, wait, WAIT_GRANTED);
}

static void direction_ready(struct rs_direction *d, bool hangup, struct rs_batch *batch)
{
    struct rouse_waker waker;
    // Relaxed: it changes here only, under the lock.
    uint64_t tick = atomic_load_explicit(&d->tick, memory_order_relaxed);

    // Relaxed: published by the tick. Release, that, with the acquire in rs_source_tick().
    if (hangup) atomic_store_explicit(&d->hangup, 1, memory_order_relaxed);
    atomic_store_explicit(&d->tick, tick + 1, memory_order_release);
    grant_first(d, &waker);
    rs_batch_take(batch, &waker);
}

static bool is_home(struct rs_direction *d, const struct rouse_driver *driver)
{
    // Relaxed: the caller holds the driver's lock; only `driver` itself could change under it.
    return atomic_load_explicit(&d->home, memory_order_relaxed) == driver;
}

void rs_source_event(struct rs_source *source, struct rouse_driver *driver, uint32_t ready,
                     struct rs_batch *batch)
{
    struct rs_direction *read = &source->directions[RS_READ];
    struct rs_direction *write = &source->directions[RS_WRITE];
    bool hangup = (ready & (ROUSE_HANGUP | ROUSE_ERROR)) != 0;

    if ((ready & ROUSE_READABLE) != 0 && is_home(read, driver)) {
        direction_ready(read, hangup, batch);
    }
    if ((ready & ROUSE_WRITABLE) != 0 && is_home(write, driver)) {
        direction_ready(write, hangup, batch);
    }
}

// ---- Homes ----

// Locks the home of a direction; NULL, nothing locked, if it has none.
static struct rouse_driver *home_lock(struct rs_direction *d)
{
    for (;;) {
        // Seq_cst, with rs_source_close(): a closer that does not find our home had set its flag
        // before, and we see that under the lock. Acquire would do for the rest.
        struct rouse_driver *home = atomic_load_explicit(&d->home, memory_order_seq_cst);

        if (home == NULL) return NULL;
        rs_driver_lock(home);
        if (is_home(d, home)) return home;
        rs_driver_unlock(home);
    }
}

// Makes `driver` the home of a direction that has none, and returns the home, locked: it may be
// another one by now. NULL if the driver has been freed.
static struct rouse_driver *home_settle(struct rs_direction *d, struct rouse_driver *driver)
{
    for (;;) {
        struct rouse_driver *home = home_lock(d);
        struct rouse_driver *none = NULL;

        if (home != NULL) return home;
        rs_driver_lock(driver);
        if (!driver->live) break;
        // Seq_cst: see home_lock(). On failure somebody else settled it elsewhere.
        if (atomic_compare_exchange_strong_explicit(&d->home, &none, driver, memory_order_seq_cst,
                                                    memory_order_relaxed)) {
            d->foreign = 0;
            d->index = UINT32_MAX;  // not watched yet
            return driver;
        }
        rs_driver_unlock(driver);
    }
    rs_driver_unlock(driver);
    return NULL;
}

// Stops watching for a direction, under its home's lock, and leaves it without a home.
static void home_leave(struct rs_source *source, enum rs_direction_name direction,
                       struct rouse_driver *home)
{
    struct rs_direction *d = &source->directions[direction];
    struct rs_direction *other = &source->directions[1 - direction];

    if (d->index != UINT32_MAX) {
        struct rs_watch *watch = rs_watch_at(&home->table, d->index);
        bool shared = is_home(other, home) && other->index == d->index;
        uint32_t before = watch->interest != 0 ? watch->interest | RS_WATCH_EDGE : 0;
        uint32_t interest = shared ? before & ~interests[direction] : RS_WATCH_NONE;

        // The descriptor may have been closed behind our back: then there is nothing to undo.
        (void)home->backend->ops->watch(home->backend, source->fd,
                                        rs_watch_key(&home->table, d->index), before, interest);
        if (shared) {
            watch->interest &= ~interests[direction];
        } else {
            rs_watch_give_back(&home->table, d->index);
        }
    }
    // Release: the next home's settler sees the queue and index as we leave them.
    atomic_store_explicit(&d->home, NULL, memory_order_release);
}

// The watch of a direction at its home, new or shared with the other direction. Under the lock.
static int watch_find(struct rs_source *source, enum rs_direction_name direction,
                      struct rouse_driver *home)
{
    struct rs_direction *d = &source->directions[direction];
    struct rs_direction *other = &source->directions[1 - direction];

    if (d->index != UINT32_MAX) return 0;
    if (is_home(other, home) && other->index != UINT32_MAX) {
        d->index = other->index;
        return 0;
    }
    int err = rs_watch_take(&home->table, home->allocator, &d->index);

    if (err == 0) {
        rs_watch_at(&home->table, d->index)->source = source;
        rs_watch_at(&home->table, d->index)->interest = RS_WATCH_NONE;
    }
    return err;
}

// Makes the back end watch a direction. Under the lock.
static int watch_arm(struct rs_source *source, enum rs_direction_name direction,
                     struct rouse_driver *home)
{
    struct rs_direction *d = &source->directions[direction];
    int err = watch_find(source, direction, home);

    if (err < 0) return err;
    struct rs_watch *watch = rs_watch_at(&home->table, d->index);
    bool fresh = watch->interest == RS_WATCH_NONE;
    uint32_t before = fresh ? 0 : watch->interest;

    if ((before & interests[direction]) != 0) return 0;
    err = home->backend->ops->watch(home->backend, source->fd, rs_watch_key(&home->table, d->index),
                                    fresh ? RS_WATCH_NONE : before | RS_WATCH_EDGE,
                                    before | interests[direction] | RS_WATCH_EDGE);
    if (err < 0 && fresh) {
        rs_watch_give_back(&home->table, d->index);
        d->index = UINT32_MAX;
    } else if (err == 0) {
        watch->interest = before | interests[direction];
    }
    return err;
}

// A direction that is waited on elsewhere for long, or whose home is turned by nobody, goes to
// where it is polled. Called with the home locked; returns it, or NULL, unlocked, if it was left.
static struct rouse_driver *home_reconsider(struct rs_source *source,
                                            enum rs_direction_name direction,
                                            struct rouse_driver *home, struct rouse_driver *here)
{
    struct rs_direction *d = &source->directions[direction];

    if (home == here || here == NULL) {
        d->foreign = 0;
        return home;
    }
    d->foreign++;
    if (d->first != NULL || (d->foreign < FOREIGN_WAITS_MAX && rs_driver_is_kept(home))) {
        return home;
    }
    home_leave(source, direction, home);
    rs_driver_unlock(home);
    return NULL;
}

// Locks the driver at which a wait is to be queued.
static struct rouse_driver *home_for_wait(
    struct rs_source *source, enum rs_direction_name direction, struct rouse_driver *here)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = home_lock(d);

    if (home != NULL) home = home_reconsider(source, direction, home, here);
    if (home != NULL || here == NULL) return home;
    return home_settle(d, here);
}

// ---- Waiting ----

static bool is_closed(const struct rs_source *source)
{
    // Seq_cst, with rs_source_close(): see home_lock().
    return (atomic_load_explicit(&source->users, memory_order_seq_cst) &
            (SOURCE_CLOSED | SOURCE_RELEASED)) != 0;
}

// Queues `wait` unless the direction has become ready since `tick` was read. 0: queued; 1: try
// again; or an error. Takes the waker into the queue, or leaves it empty-handed with the caller.
//
// It is no user of the descriptor, whose number is ours all the same: who closes it sets the flag
// that we look for under the lock, and then takes the lock, before the number is given back.
static int queue_wait(struct rs_source *source, enum rs_direction_name direction,
                      struct rouse_io_wait *wait, struct rouse_context *cx, uint64_t tick,
                      struct rouse_waker *waker)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = home_for_wait(source, direction, cx->driver);
    int result = 0;

    if (home == NULL) return is_closed(source) ? -EBADF : -ECANCELED;
    // Relaxed: only we change it while it is not queued.
    bool granted = atomic_load_explicit(wait_state(wait), memory_order_relaxed) == WAIT_GRANTED;

    if (is_closed(source)) {
        result = -EBADF;
    } else if (rs_source_tick(source, direction) != tick ||
               (d->first == NULL && rs_source_may_be_ready(source, direction))) {
        // A newer event; or we stood back for a queue that is gone: then nobody else will look.
        result = 1;
    } else {
        result = watch_arm(source, direction, home);
    }
    if (result == 0) {
        wait->waker = *waker;
        *waker = (struct rouse_waker){0};
        wait->source = source;
        wait->direction = direction;
        queue_push(d, wait, granted);
    }
    if (d->index == UINT32_MAX) home_leave(source, direction, home);
    rs_driver_unlock(home);
    return result;
}

// The waker of this poll replaces the one in the queue. False if `wait` is queued no longer.
static bool waker_replace(struct rouse_io_wait *wait, const struct rouse_waker *waker)
{
    struct rs_source *source = wait->source;
    struct rs_direction *d = &source->directions[wait->direction];
    struct rouse_waker spare = {0};

    for (;;) {
        struct rouse_driver *home = home_lock(d);
        // Relaxed: it changes under the lock only; without a home nothing is queued.
        bool queued = home != NULL &&
                      atomic_load_explicit(wait_state(wait), memory_order_relaxed) == WAIT_QUEUED;
        bool same = queued && rouse_waker_will_wake(&wait->waker, waker);
        bool replaced = queued && !same && spare.vtable != NULL;

        if (replaced) {
            struct rouse_waker old = wait->waker;

            wait->waker = spare;
            spare = old;
        }
        if (home != NULL) rs_driver_unlock(home);
        if (!queued || same || replaced) {
            rouse_waker_drop(&spare);
            return queued;
        }
        spare = rouse_waker_clone(waker);  // not under the lock
    }
}

// Acquire, with the release in queue_remove(): the wait is ours again.
static uint32_t wait_load(struct rouse_io_wait *wait)
{
    return atomic_load_explicit(wait_state(wait), memory_order_acquire);
}

static void wait_clear(struct rouse_io_wait *wait)
{
    // Relaxed: it is ours.
    atomic_store_explicit(wait_state(wait), WAIT_NONE, memory_order_relaxed);
}

// Our turn is over. If the direction may still be ready, the next waiter gets one; if not, a back
// end that forgets what it has reported must be told to watch again, for those who are left.
static void turn_end(struct rs_source *source, enum rs_direction_name direction, bool has_tried)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_waker waker = {0};

    // Relaxed: whoever was queued when we were granted is seen, through the lock; whoever came
    // later found the queue empty and tried, or stands behind one who did.
    if (atomic_load_explicit(&d->queued, memory_order_relaxed) == 0) return;
    struct rouse_driver *home = home_lock(d);

    if (home == NULL) return;
    if (!has_tried || rs_source_may_be_ready(source, direction) ||
        watch_arm(source, direction, home) < 0) {
        grant_first(d, &waker);
    }
    rs_driver_unlock(home);
    rouse_waker_wake(&waker);
}

void rs_source_unwait(struct rouse_io_wait *wait)
{
    uint32_t state = wait_load(wait);

    if (state == WAIT_NONE) return;
    struct rs_source *source = wait->source;
    enum rs_direction_name direction = (enum rs_direction_name)wait->direction;
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = state == WAIT_QUEUED ? home_lock(d) : NULL;
    struct rouse_waker waker = {0};

    if (home != NULL) {
        // Relaxed: under the lock.
        state = atomic_load_explicit(wait_state(wait), memory_order_relaxed);
        if (state == WAIT_QUEUED) {
            waker = wait->waker;
            wait->waker = (struct rouse_waker){0};
            queue_remove(d, wait, WAIT_NONE);
        }
        rs_driver_unlock(home);
    } else {
        state = WAIT_GRANTED;  // without a home nothing is queued: it was granted meanwhile
    }
    rouse_waker_drop(&waker);
    if (state == WAIT_GRANTED) {
        wait_clear(wait);
        turn_end(source, direction, false);
    }
}

// Ends the poll of an operation that is over.
static rouse_poll finish(struct rs_source *source, enum rs_direction_name direction,
                         struct rouse_io_wait *wait)
{
    uint32_t state = wait_load(wait);

    if (state == WAIT_QUEUED) {
        rs_source_unwait(wait);
    } else if (state == WAIT_GRANTED) {
        wait_clear(wait);
        turn_end(source, direction, true);
    }
    return ROUSE_READY;
}

static bool may_try(struct rs_source *source, enum rs_direction_name direction,
                    struct rouse_io_wait *wait)
{
    struct rs_direction *d = &source->directions[direction];

    if (!rs_source_may_be_ready(source, direction)) return false;
    // Granted; or queued, and polled all the same. Then the event may have been granted to a wait
    // of our own task that it has set aside, the loser of a select that was lent to it: nobody
    // polls that one while the task waits for us.
    if (wait_load(wait) != WAIT_NONE) return true;
    // Relaxed: a hint. Who queues up behind is granted in turn.
    return atomic_load_explicit(&d->queued, memory_order_relaxed) == 0;
}

// Tries the operation. True if it is over.
static bool try_operation(struct rs_source *source, enum rs_direction_name direction, uint64_t tick,
                          rs_source_function fn, void *arg, size_t want, ssize_t *result)
{
    *result = rs_source_enter(source);
    if (*result < 0) return true;
    do {
        *result = fn(source->fd, arg);
    } while (*result == -EINTR);
    rs_source_leave(source);

    if (*result == -EAGAIN) {
        rs_source_drained(source, direction, tick);
        return false;
    }
    if (*result > 0 && (size_t)*result < want) drained_by_short(source, direction, tick);
    return true;
}

// 0: queued; 1: try again; or an error.
static int wait_turn(struct rs_source *source, enum rs_direction_name direction,
                     struct rouse_io_wait *wait, struct rouse_context *cx, uint64_t tick)
{
    if (wait_load(wait) == WAIT_QUEUED) return waker_replace(wait, &cx->waker) ? 0 : 1;

    struct rouse_waker waker = rouse_waker_clone(&cx->waker);
    int result = queue_wait(source, direction, wait, cx, tick, &waker);

    rouse_waker_drop(&waker);
    return result;
}

rouse_poll rs_source_poll(struct rs_source *source, enum rs_direction_name direction,
                          struct rouse_io_wait *wait, struct rouse_context *cx,
                          rs_source_function fn, void *arg, size_t want, ssize_t *result)
{
    int turn;

    if (!rouse_context_spend(cx)) return ROUSE_PENDING;
    do {
        uint64_t tick = rs_source_tick(source, direction);

        if (may_try(source, direction, wait) &&
            try_operation(source, direction, tick, fn, arg, want, result)) {
            return finish(source, direction, wait);
        }
        rs_chaos_delay();
        turn = wait_turn(source, direction, wait, cx, tick);
    } while (turn > 0);
    if (turn == 0) return ROUSE_PENDING;
    *result = turn;
    return finish(source, direction, wait);
}

// ---- The end ----

// Takes waiters into the batch; true when none is left.
static bool grant_all(struct rs_direction *d, struct rs_batch *batch)
{
    while (d->first != NULL && !rs_batch_is_full(batch)) {
        struct rouse_waker waker;

        grant_first(d, &waker);
        rs_batch_take(batch, &waker);
    }
    return d->first == NULL;
}

bool rs_source_orphaned(struct rs_source *source, struct rouse_driver *driver,
                        struct rs_batch *batch)
{
    for (int i = 0; i < 2; i++) {
        struct rs_direction *d = &source->directions[i];

        if (!is_home(d, driver)) continue;
        if (!grant_all(d, batch)) return false;
        // Release: see home_leave().
        atomic_store_explicit(&d->home, NULL, memory_order_release);
    }
    return true;
}

static void direction_end(struct rs_source *source, enum rs_direction_name direction)
{
    struct rs_direction *d = &source->directions[direction];
    struct rs_batch batch;
    bool ended = false;

    batch.count = 0;
    while (!ended) {
        struct rouse_driver *home = home_lock(d);

        if (home == NULL) return;
        ended = grant_all(d, &batch);
        if (ended) home_leave(source, direction, home);
        rs_driver_unlock(home);
        (void)rs_batch_wake(&batch);
    }
}

// Sets `flag`; false if the source had ended already, or, for a release, is in use.
static int source_end(struct rs_source *source, uint32_t flag)
{
    // Relaxed: the compare-exchange decides.
    uint32_t users = atomic_load_explicit(&source->users, memory_order_relaxed);

    do {
        if ((users & (SOURCE_CLOSED | SOURCE_RELEASED)) != 0) return -EBADF;
        if (flag == SOURCE_RELEASED && users != 0) return -EBUSY;
        // Seq_cst, with home_lock() and is_closed(): a wait that has settled a home is found by
        // direction_end(), and one that has not sees the flag.
    } while (!atomic_compare_exchange_weak_explicit(&source->users, &users, users | flag,
                                                    memory_order_seq_cst, memory_order_relaxed));
    return (int)users;
}

void rs_source_close(struct rs_source *source)
{
    // Counted as a user meanwhile, so that the descriptor's number stays ours until it is no
    // longer watched. Relaxed: as in rs_source_enter().
    atomic_fetch_add_explicit(&source->users, 1, memory_order_relaxed);
    if (source_end(source, SOURCE_CLOSED) >= 0) {
        direction_end(source, RS_READ);
        direction_end(source, RS_WRITE);
    }
    rs_source_leave(source);
}

int rs_source_release(struct rs_source *source)
{
    int err = source_end(source, SOURCE_RELEASED);

    if (err < 0) return err;
    direction_end(source, RS_READ);
    direction_end(source, RS_WRITE);
    return source->fd;
}
