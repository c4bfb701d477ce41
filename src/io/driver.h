// SPDX-License-Identifier: MIT
//
// The inside of a driver: one lock over a timer wheel and a table of watched descriptors, a back
// end, and the word that says whether somebody sleeps in it.
//
// 1. The wheel, the table, and every timer and direction that is at home here change only under
//    `lock`. No waker is woken, cloned or dropped under it.
// 2. Records of drivers are never given back to the system, only reused. So whoever reads the home
//    of a timer or direction without a lock may lock that record, and then looks whether it is
//    still the home.
// 3. A driver that goes away takes every timer and direction out before its record can be reused:
//    whatever has a record as its home was filed there at the driver that the record is now.
// 4. A record is not reused while somebody holds it. A plain thread that waits polls with a driver
//    that it does not turn and that may go away meanwhile; held, the record then stays dead, and
//    what the thread polls fails. Reused, it would be live again: the wait would be filed at the
//    driver of somebody who perhaps never turns it.
// 5. Two drivers are never locked at once.

#ifndef RS_IO_DRIVER_H
#define RS_IO_DRIVER_H

#include <rouse/clock.h>
#include <rouse/driver.h>
#include <rouse/future.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/biased_lock.h"
#include "base/tls.h"
#include "io/batch.h"
#include "io/conduit.h"
#include "io/op.h"
#include "io/reactor.h"
#include "io/source.h"
#include "io/watch.h"
#include "io/wheel.h"

// Whether somebody sleeps in the driver. Whoever changes SLEEPING to NOTIFIED owes the back end's
// notify.
enum { RS_DRIVER_AWAKE = 0, RS_DRIVER_SLEEPING = 1, RS_DRIVER_NOTIFIED = 2 };

// So many timers are work for two: to wake their tasks and to run them takes twice as long as to
// wake a thread.
enum { RS_DRIVER_BURST = 256 };

struct rouse_driver {
    struct rs_biased_lock lock;    // its owner is the loop that turns the driver
    bool live;                     // under lock; false once freed: nothing may be added
    _Atomic uint32_t state;        // RS_DRIVER_AWAKE and so on
    _Atomic uint32_t keepers;      // loops that promise to turn it
    _Atomic uint32_t holders;      // of the record: the driver's owner, and who waits with it
    _Atomic uint64_t sleep_until;  // while SLEEPING: when it looks by itself
    _Atomic uint64_t next_alarm;   // a bound on the wheel's next deadline, read without the lock
    _Atomic uint64_t burst;        // when many timers come due together; ROUSE_NEVER, or taken
    uint64_t told_burst;           // under lock: the same, though it was taken
    struct rs_wheel wheel;
    struct rs_watch_table table;
    struct rs_reactor reactor;
    struct rs_ops ops;  // the owner's
    struct rs_conduit_pool conduits;
    const struct rouse_allocator *allocator;
    struct rouse_driver *next_free;  // among the records that wait for reuse
};

static inline void rs_driver_lock(struct rouse_driver *driver)
{
    rs_biased_lock(&driver->lock, rs_tls.driver == driver);
}

static inline void rs_driver_unlock(struct rouse_driver *driver)
{
    rs_biased_unlock(&driver->lock, rs_tls.driver == driver);
}

// Under the lock of `driver`.
static inline bool rs_direction_is_at(struct rs_direction *d, const struct rouse_driver *driver)
{
    // Relaxed: only `driver` itself could change under its lock.
    return atomic_load_explicit(&d->home, memory_order_relaxed) == driver;
}

// Locks the home of a direction; NULL, nothing locked, if it has none.
static inline struct rouse_driver *rs_direction_lock(struct rs_direction *d)
{
    for (;;) {
        // Seq_cst, with rs_source_close(): a closer that does not find our home had set its flag
        // before, and we see that under the lock. Acquire would do for the rest.
        struct rouse_driver *home = atomic_load_explicit(&d->home, memory_order_seq_cst);

        if (home == NULL) return NULL;
        rs_driver_lock(home);
        if (ROUSE_LIKELY(rs_direction_is_at(d, home))) return home;
        rs_driver_unlock(home);
    }
}

// Says that a loop of the calling thread turns the driver from now on, or no longer does: leaves
// stay where they are turned, and the lock favours that thread.
void rs_driver_keep(struct rouse_driver *driver);
void rs_driver_unkeep(struct rouse_driver *driver);
bool rs_driver_is_kept(const struct rouse_driver *driver);

// For the owner, after a sleep: when that was to end by itself at the latest; ROUSE_NEVER if it was
// to go on, or was over before that had been decided.
static inline uint64_t rs_driver_slept_until(const struct rouse_driver *driver)
{
    // Relaxed: the owner has written it.
    return atomic_load_explicit(&driver->sleep_until, memory_order_relaxed);
}

// True from the announcement of a sleep until a notify, or until the sleep is over; it may have
// found events by then.
bool rs_driver_is_asleep(const struct rouse_driver *driver);

// True while a notify has come since the last sleep that was announced was over: the next one takes
// no time.
bool rs_driver_is_notified(const struct rouse_driver *driver);

// Keeps the record from being reused. The caller knows the driver alive, or holds it already.
void rs_driver_hold(struct rouse_driver *driver);
void rs_driver_unhold(struct rouse_driver *driver);

// In the child of a fork: closes the descriptors and frees the memory, and leaves alone what the
// parent goes on using: the kernel's set of watched descriptors is shared. The record is not
// reused.
void rs_driver_discard(struct rouse_driver *driver);

// Wakes what is due and ready, without sleeping. Any thread: also on behalf of an owner that is
// busy. Returns the number of wakes.
int rs_driver_poll(struct rouse_driver *driver);

// Announces that the caller is about to sleep in rs_driver_sleep(). From here on a notify ends the
// sleep, so the caller looks for work after this call and before sleeping.
void rs_driver_prepare_sleep(struct rouse_driver *driver);
void rs_driver_cancel_sleep(struct rouse_driver *driver);

// Sleeps until an event, a notify, the wheel's next deadline or `deadline_ns`; then calls
// `awake(arg)`, if it is not NULL, and wakes what is due and ready. Returns the number of wakes.
int rs_driver_sleep(struct rouse_driver *driver, uint64_t deadline_ns, void (*awake)(void *arg),
                    void *arg);

// When many timers, RS_DRIVER_BURST or more, come due together next; ROUSE_NEVER if nothing is
// known of that, or somebody has taken it. A hint. Any thread.
uint64_t rs_driver_burst(const struct rouse_driver *driver);
// Takes what that was. False if somebody else was faster, or it is that no more.
bool rs_driver_take_burst(struct rouse_driver *driver, uint64_t burst_ns);
void rs_driver_give_burst_back(struct rouse_driver *driver, uint64_t burst_ns);

// For who has nothing else to do and does not sleep in the driver: readies some of a crowd of
// timers, which a sleep does by itself.
void rs_driver_prepare_crowd(struct rouse_driver *driver);

// The next deadline in the wheel, or an earlier bound; ROUSE_NEVER if there is none.
uint64_t rs_driver_next_deadline(const struct rouse_driver *driver);

// For a foreign loop: see rouse_executor_fd().
int rs_driver_fd(struct rouse_driver *driver);
void rs_driver_set_alarm(struct rouse_driver *driver, bool work_is_left);

// Tells the back end of a change, with the lock held: see its watch().
static inline int rs_driver_watch(struct rouse_driver *driver, int fd, uint64_t key,
                                  uint32_t before, uint32_t interest)
{
    struct rs_backend *backend = rs_reactor_get(&driver->reactor);

    return backend->ops->watch(backend, fd, key, before, interest);
}

// The back end that receives, with the lock held: the one that was replaced, for as long as it has
// something. NULL if none does.
static inline struct rs_backend *rs_driver_receiver(const struct rouse_driver *driver)
{
    struct rs_backend *backend = driver->reactor.retired;

    if (backend == NULL) backend = rs_reactor_get(&driver->reactor);
    return backend->ops->receive != NULL ? backend : NULL;
}

// Has all look that read what is received: it has ended, and no event has told so. Also of a driver
// that is gone, which has none.
void rs_driver_wake_receivers(struct rouse_driver *driver);

// Files `entry`, with the lock held. Returns true if the driver sleeps past the deadline and has
// to be notified.
bool rs_driver_timer_insert(struct rouse_driver *driver, struct rouse_timer_entry *entry,
                            uint64_t deadline_ns);

// What a wheel's expired entry belongs to. Called with the lock held.
void rs_timer_expired(struct rouse_driver *driver, struct rouse_timer_entry *entry,
                      struct rs_batch *batch);
// The driver goes away: the entry is in no wheel any more. Called with the lock held.
void rs_timer_orphaned(struct rouse_timer_entry *entry, struct rs_batch *batch);

// What a watch's event means to its source. Called with the lock held; takes up to two wakers.
void rs_source_event(struct rs_source *source, struct rouse_driver *driver, uint32_t ready,
                     struct rs_batch *batch);
// A wait is to be watched: true if it may be received. Called with the lock held, as are the next
// three.
bool rs_source_receive_begin(struct rs_source *source);
// The back end does not receive.
void rs_source_receive_cancel(struct rs_source *source);
// The direction leaves its home: nobody reads what has come.
void rs_source_receive_drop(struct rs_source *source, struct rouse_driver *home);
// The driver goes away: what has come is left to the next reads. True if there is something.
bool rs_source_receive_orphan(struct rs_source *source, struct rouse_driver *home);
// The source is closed: nobody reads what its driver has left. Called without the lock.
void rs_source_receive_forget(struct rs_source *source);
// The driver goes away. Called with the lock held. True when all waiters have been taken.
bool rs_source_orphaned(struct rs_source *source, struct rouse_driver *driver,
                        struct rs_batch *batch);

#endif
