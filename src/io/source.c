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
#include "io/source_poll.h"

// A direction moves to where it is polled after this many waits in a row elsewhere: by then the
// task has moved for good, and each message would pay a wake from core to core.
enum { FOREIGN_WAITS_MAX = 8 };

_Static_assert(RS_READ == 0 && ROUSE_READABLE << RS_WRITE == ROUSE_WRITABLE, "see interest_of()");

static uint32_t interest_of(enum rs_direction_name direction)
{
    return (uint32_t)ROUSE_READABLE << direction;
}

void rs_source_init(struct rs_source *source, int fd)
{
    *source = (struct rs_source){.fd = fd};
}

void rs_source_stops_short(struct rs_source *source, enum rs_direction_name direction)
{
    // Relaxed: published with the pointer.
    atomic_store_explicit(&source->directions[direction].ticks, RS_TICK_SHORT,
                          memory_order_relaxed);
}

// Under the lock the tick stays as it is; what others may set meanwhile is the same flag.
static void drained_at_home(struct rs_direction *d, struct rouse_driver *home, uint64_t tick)
{
    rs_driver_lock(home);
    // Relaxed, all: as in rs_source_drained().
    uint64_t ticks = atomic_load_explicit(&d->ticks, memory_order_relaxed);

    if (ticks / RS_TICK_ONE == tick && rs_direction_is_at(d, home)) {
        atomic_store_explicit(&d->ticks, ticks | RS_TICK_DRAINED, memory_order_relaxed);
    }
    rs_driver_unlock(home);
}

void rs_source_drained(struct rs_source *source, enum rs_direction_name direction, uint64_t tick)
{
    struct rs_direction *d = &source->directions[direction];
    // Relaxed: at worst it is not our own any more.
    struct rouse_driver *home = atomic_load_explicit(&d->home, memory_order_relaxed);

    // Our own lock costs less than a compare-exchange.
    if (ROUSE_LIKELY(home != NULL && home == rs_tls.driver)) {
        drained_at_home(d, home, tick);
        return;
    }
    // Relaxed: the compare-exchange compares.
    uint64_t ticks = atomic_load_explicit(&d->ticks, memory_order_relaxed);

    if (ticks / RS_TICK_ONE != tick) return;
    // Relaxed: a hint about this tick; on failure there is a newer one, or it was said before.
    (void)atomic_compare_exchange_strong_explicit(&d->ticks, &ticks, ticks | RS_TICK_DRAINED,
                                                  memory_order_relaxed, memory_order_relaxed);
}

// A short transfer shows the direction not ready, unless the end of the stream has been announced:
// that is there to be read, and no event will tell of it again. Nor where transfers stop short.
void rs_source_drained_by_short(struct rs_source *source, enum rs_direction_name direction,
                                uint64_t tick)
{
    // Relaxed: set by the tick that we have seen, or by one before it.
    if ((atomic_load_explicit(&source->directions[direction].ticks, memory_order_relaxed) &
         RS_TICK_SHORT) != 0) {
        return;
    }
    // What a ring has received comes in pieces. If nothing is left, whatever comes is an event.
    if (direction == RS_READ && rs_source_receives(source) &&
        rs_source_received(source, NULL) != -EAGAIN) {
        return;
    }
    rs_source_drained(source, direction, tick);
}

// After the end of the use. The caller is inside no operation.
static void wait_for_owners(struct rs_source *source)
{
    rs_owners_wait(&source->directions[RS_READ].owner, &source->directions[RS_WRITE].owner);
}

static void close_descriptor(struct rs_source *source)
{
    wait_for_owners(source);
    // Linux frees the number even when close fails: nothing to retry.
    (void)rs_sys.close(source->fd);
}

int rs_source_hold(struct rs_source *source)
{
    if (ROUSE_LIKELY(rs_use_count(&source->use))) return 0;
    rs_source_unhold(source);
    return -EBADF;
}

void rs_source_unhold(struct rs_source *source)
{
    if (rs_use_uncount(&source->use)) close_descriptor(source);
}

bool rs_source_is_used(const struct rs_source *source)
{
    return rs_use_is_counted(&source->use) ||
           rs_owner_is_inside(&source->directions[RS_READ].owner) ||
           rs_owner_is_inside(&source->directions[RS_WRITE].owner);
}

// ---- The queue, under the home's lock ----

// A chain from the first to the last, whose `next` is NULL; `prev` of the first is the last.

static struct rouse_io_wait *queue_first(const struct rs_direction *d)
{
    // Relaxed: written under the lock; read outside it only as a hint.
    return atomic_load_explicit(&d->first, memory_order_relaxed);
}

static void queue_set_first(struct rs_direction *d, struct rouse_io_wait *wait)
{
    // Relaxed: as above.
    atomic_store_explicit(&d->first, wait, memory_order_relaxed);
}

static enum rs_direction_name place_direction(uintptr_t place)
{
    return (place & RS_WAIT_DIRECTION) != 0 ? RS_WRITE : RS_READ;
}

static struct rs_source *place_source(uintptr_t place)
{
    return (struct rs_source *)(place & ~(uintptr_t)RS_WAIT_BITS);
}

// Relaxed: of a wait that is queued under the lock, of another one by its owner.
static uintptr_t wait_place(struct rouse_io_wait *wait)
{
    return atomic_load_explicit(rs_wait_place(wait), memory_order_relaxed);
}

static bool wait_is(struct rouse_io_wait *wait, uint32_t state)
{
    return (wait_place(wait) & RS_WAIT_STATE) == state;
}

static void queue_push(struct rs_source *source, enum rs_direction_name direction,
                       struct rouse_io_wait *wait, bool at_front)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_io_wait *first = queue_first(d);

    wait->next = at_front ? first : NULL;
    wait->prev = first != NULL ? first->prev : wait;
    if (first != NULL) first->prev = wait;
    if (first == NULL || at_front) {
        queue_set_first(d, wait);
    } else {
        wait->prev->next = wait;
    }
    // Relaxed: written under the lock; read outside it only as a hint.
    atomic_store_explicit(rs_wait_place(wait),
                          (uintptr_t)source | (direction == RS_WRITE ? RS_WAIT_DIRECTION : 0) |
                              RS_WAIT_QUEUED,
                          memory_order_relaxed);
}

// The owner of `wait` may free it as soon as it sees `state`: nothing of it is touched after.
static void queue_remove(struct rs_direction *d, struct rouse_io_wait *wait, uint32_t state)
{
    struct rouse_io_wait *first = queue_first(d);
    uintptr_t place = wait_place(wait);

    if (wait->next != NULL) {
        wait->next->prev = wait->prev;
    } else {
        first->prev = wait->prev;
    }
    if (wait == first) {
        queue_set_first(d, wait->next);
    } else {
        wait->prev->next = wait->next;
    }
    // Release, with the acquire in rs_wait_load(): we are done with it.
    atomic_store_explicit(rs_wait_place(wait), (place & ~(uintptr_t)RS_WAIT_STATE) | state,
                          memory_order_release);
}

// Takes the first waiter out and its waker into `waker`; none when the queue is empty.
static void grant_first(struct rs_direction *d, struct rouse_waker *waker)
{
    struct rouse_io_wait *wait = queue_first(d);

    *waker = (struct rouse_waker){0};
    if (wait == NULL) return;
    *waker = wait->waker;
    wait->waker = (struct rouse_waker){0};
    queue_remove(d, wait, RS_WAIT_GRANTED);
}

static void direction_tick(struct rs_direction *d, bool hangup)
{
    // Relaxed: the tick changes here only, under the lock.
    uint64_t ticks = atomic_load_explicit(&d->ticks, memory_order_relaxed);
    // No more is known of the new one, whatever is said of the old one meanwhile.
    uint64_t next = (ticks | RS_TICK_DRAINED | RS_TICK_SHORT) + 1;

    // Release, with the acquire in rs_source_tick().
    atomic_store_explicit(&d->ticks, next | (hangup ? RS_TICK_SHORT : ticks & RS_TICK_SHORT),
                          memory_order_release);
}

static void direction_ready(struct rs_direction *d, bool hangup, struct rs_batch *batch)
{
    struct rouse_waker waker;

    direction_tick(d, hangup);
    grant_first(d, &waker);
    rs_batch_take(batch, &waker);
}

void rs_source_event(struct rs_source *source, struct rouse_driver *driver, uint32_t ready,
                     struct rs_batch *batch)
{
    struct rs_direction *read = &source->directions[RS_READ];
    struct rs_direction *write = &source->directions[RS_WRITE];
    bool hangup = (ready & (ROUSE_HANGUP | ROUSE_ERROR)) != 0;

    if ((ready & ROUSE_READABLE) != 0 && rs_direction_is_at(read, driver)) {
        direction_ready(read, hangup, batch);
    }
    if ((ready & ROUSE_WRITABLE) != 0 && rs_direction_is_at(write, driver)) {
        direction_ready(write, hangup, batch);
    }
}

// ---- Homes ----

// Makes `driver` the home of a direction that has none, and returns the home, locked: it may be
// another one by now. NULL if the driver has been freed.
static struct rouse_driver *home_settle(struct rs_direction *d, struct rouse_driver *driver)
{
    for (;;) {
        struct rouse_driver *home = rs_direction_lock(d);
        struct rouse_driver *none = NULL;

        if (home != NULL) return home;
        rs_driver_lock(driver);
        if (!driver->live) break;
        // Seq_cst: see rs_direction_lock(). On failure somebody else settled it elsewhere.
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
        bool shared = rs_direction_is_at(other, home) && other->index == d->index;
        uint32_t before = watch->interest != 0 ? watch->interest | RS_WATCH_EDGE : 0;

        if (direction == RS_READ) rs_source_receive_drop(source, home);
        uint32_t interest = shared ? before & ~interest_of(direction) : RS_WATCH_NONE;

        // The descriptor may have been closed behind our back: then there is nothing to undo.
        (void)rs_driver_watch(home, source->fd, rs_watch_key(&home->table, d->index), before,
                              interest);
        if (shared) {
            watch->interest &= ~interest_of(direction);
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
    if (rs_direction_is_at(other, home) && other->index != UINT32_MAX) {
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

// Makes the back end watch a direction that it does not watch.
static int watch_begin(struct rs_source *source, enum rs_direction_name direction,
                       struct rouse_driver *home)
{
    struct rs_direction *d = &source->directions[direction];
    int err = watch_find(source, direction, home);

    if (err < 0) return err;
    struct rs_watch *watch = rs_watch_at(&home->table, d->index);
    bool fresh = watch->interest == RS_WATCH_NONE;
    uint32_t before = fresh ? 0 : watch->interest;

    if ((before & interest_of(direction)) != 0) return 0;
    bool receives = direction == RS_READ && rs_source_receive_begin(source);

    err = rs_driver_watch(home, source->fd, rs_watch_key(&home->table, d->index),
                          fresh ? RS_WATCH_NONE : before | RS_WATCH_EDGE,
                          before | interest_of(direction) | RS_WATCH_EDGE |
                              (receives ? RS_WATCH_RECEIVE : 0));
    if (receives && err <= 0) rs_source_receive_cancel(source);
    if (err > 0) err = 0;
    if (err < 0 && fresh) {
        rs_watch_give_back(&home->table, d->index);
        d->index = UINT32_MAX;
    } else if (err == 0) {
        watch->interest = before | interest_of(direction);
    }
    return err;
}

// Makes the back end watch a direction: nearly always it does. Under the lock.
static inline int watch_arm(struct rs_source *source, enum rs_direction_name direction,
                            struct rouse_driver *home)
{
    const struct rs_direction *d = &source->directions[direction];

    if (ROUSE_LIKELY(d->index != UINT32_MAX)) {
        uint32_t interest = rs_watch_at(&home->table, d->index)->interest;

        if (ROUSE_LIKELY((interest & interest_of(direction)) != 0)) return 0;
    }
    return watch_begin(source, direction, home);
}

// What is received has to be ended, and read, before the direction can leave: then a wait tries
// again. As home_reconsider().
static struct rouse_driver *receiver_leave(struct rs_source *source, struct rouse_driver *home)
{
    struct rs_backend *receiver = rs_driver_receiver(home);

    if (receiver == NULL) return home;
    if (rs_driver_is_kept(home)) {
        receiver->ops->receive->end(receiver, source->fd);
        return home;
    }
    // Nobody would take the event that tells of it.
    receiver->ops->receive->halt(receiver);
    rs_driver_unlock(home);
    rs_driver_wake_receivers(home);
    return NULL;
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
    if (d->foreign < FOREIGN_WAITS_MAX) d->foreign++;
    if (queue_first(d) != NULL || (d->foreign < FOREIGN_WAITS_MAX && rs_driver_is_kept(home))) {
        return home;
    }
    if (direction == RS_READ && rs_source_receives(source)) return receiver_leave(source, home);
    home_leave(source, direction, home);
    rs_driver_unlock(home);
    return NULL;
}

// Locks the driver at which a wait is to be queued.
static struct rouse_driver *home_for_wait(
    struct rs_source *source, enum rs_direction_name direction, struct rouse_driver *here)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = rs_direction_lock(d);

    if (home != NULL) home = home_reconsider(source, direction, home, here);
    if (home != NULL || here == NULL) return home;
    return home_settle(d, here);
}

// ---- Waiting ----

static bool is_closed(const struct rs_source *source)
{
    // Seq_cst, with rs_source_close(): see rs_direction_lock().
    return rs_use_is_ended(&source->use, memory_order_seq_cst);
}

// Queues `wait` unless the direction has become ready since `tick` was read. 0: queued, and the
// waker with it; 1: try again; or an error.
//
// It is no user of the descriptor, whose number is ours all the same: who closes it sets the flag
// that we look for under the lock, and then takes the lock, before the number is given back.
static int queue_wait(struct rs_source *source, enum rs_direction_name direction,
                      struct rouse_io_wait *wait, struct rouse_context *cx, uint64_t tick,
                      struct rouse_waker waker)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = home_for_wait(source, direction, cx->driver);
    int result = 0;

    if (home == NULL) return is_closed(source) ? -EBADF : -ECANCELED;
    if (ROUSE_UNLIKELY(is_closed(source))) {
        result = -EBADF;
    } else if (rs_source_tick(source, direction) != tick ||
               (queue_first(d) == NULL && rs_source_may_be_ready(source, direction))) {
        // A newer event; or we stood back for a queue that is gone: then nobody else will look.
        result = 1;
    } else {
        result = watch_arm(source, direction, home);
    }
    if (result == 0) {
        wait->waker = waker;
        queue_push(source, direction, wait, wait_is(wait, RS_WAIT_GRANTED));
    }
    if (d->index == UINT32_MAX) home_leave(source, direction, home);
    rs_driver_unlock(home);
    return result;
}

// The waker of this poll replaces the one in the queue. False if `wait` is queued no longer.
static bool waker_replace(struct rs_source *source, enum rs_direction_name direction,
                          struct rouse_io_wait *wait, const struct rouse_waker *waker)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_waker spare = {0};

    for (;;) {
        struct rouse_driver *home = rs_direction_lock(d);
        // Without a home nothing is queued.
        bool queued = home != NULL && wait_is(wait, RS_WAIT_QUEUED);
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

void rs_source_turn_pass(struct rs_source *source, enum rs_direction_name direction, bool has_tried)
{
    struct rs_direction *d = &source->directions[direction];
    struct rouse_waker waker = {0};
    struct rouse_driver *home = rs_direction_lock(d);

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
    uintptr_t place = rs_wait_load(wait);
    uint32_t state = place & RS_WAIT_STATE;

    if (state == RS_WAIT_NONE) return;
    struct rs_source *source = place_source(place);
    enum rs_direction_name direction = place_direction(place);
    struct rs_direction *d = &source->directions[direction];
    struct rouse_driver *home = state == RS_WAIT_QUEUED ? rs_direction_lock(d) : NULL;
    struct rouse_waker waker = {0};

    if (home != NULL) {
        state = wait_place(wait) & RS_WAIT_STATE;
        if (state == RS_WAIT_QUEUED) {
            waker = wait->waker;
            wait->waker = (struct rouse_waker){0};
            queue_remove(d, wait, RS_WAIT_NONE);
        }
        rs_driver_unlock(home);
    } else {
        state = RS_WAIT_GRANTED;  // without a home nothing is queued: it was granted meanwhile
    }
    rouse_waker_drop(&waker);
    if (state == RS_WAIT_GRANTED) {
        rs_wait_clear(wait);
        rs_source_turn_end(source, direction, false);
    }
}

int rs_source_wait(struct rs_source *source, enum rs_direction_name direction,
                   struct rouse_io_wait *wait, struct rouse_context *cx, uint64_t tick)
{
    if (rs_wait_state(wait) == RS_WAIT_QUEUED) {
        return waker_replace(source, direction, wait, &cx->waker) ? 0 : 1;
    }

    struct rouse_waker waker = rouse_waker_clone(&cx->waker);
    int result = queue_wait(source, direction, wait, cx, tick, waker);

    if (ROUSE_UNLIKELY(result != 0)) rouse_waker_drop(&waker);
    return result;
}

rouse_poll rs_source_poll(struct rs_source *source, enum rs_direction_name direction,
                          struct rouse_io_wait *wait, struct rouse_context *cx,
                          rs_source_function fn, void *arg, size_t want, ssize_t *result)
{
    return rs_source_poll_inline(source, direction, wait, cx, fn, arg, want, result);
}

// ---- The end ----

// Takes waiters into the batch; true when none is left.
static bool grant_all(struct rs_direction *d, struct rs_batch *batch)
{
    while (queue_first(d) != NULL && !rs_batch_is_full(batch)) {
        struct rouse_waker waker;

        grant_first(d, &waker);
        rs_batch_take(batch, &waker);
    }
    return queue_first(d) == NULL;
}

bool rs_source_orphaned(struct rs_source *source, struct rouse_driver *driver,
                        struct rs_batch *batch)
{
    for (int i = 0; i < 2; i++) {
        struct rs_direction *d = &source->directions[i];

        if (!rs_direction_is_at(d, driver)) continue;
        if (i == RS_READ && rs_source_receive_orphan(source, driver)) direction_tick(d, false);
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
        struct rouse_driver *home = rs_direction_lock(d);

        if (home == NULL) return;
        ended = grant_all(d, &batch);
        if (ended) home_leave(source, direction, home);
        rs_driver_unlock(home);
        (void)rs_batch_wake(&batch);
    }
}

void rs_source_close(struct rs_source *source)
{
    // Counted meanwhile, so that the descriptor's number stays ours until it is no longer watched.
    (void)rs_use_count(&source->use);
    if (rs_use_end(&source->use, RS_USE_CLOSED) == 0) {
        direction_end(source, RS_READ);
        direction_end(source, RS_WRITE);
        rs_source_receive_forget(source);
    }
    rs_source_unhold(source);
}

int rs_source_release(struct rs_source *source)
{
    int err = rs_use_end(&source->use, RS_USE_RELEASED);

    if (err < 0) return err;
    wait_for_owners(source);
    direction_end(source, RS_READ);
    direction_end(source, RS_WRITE);
    return source->fd;
}
