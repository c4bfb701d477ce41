// SPDX-License-Identifier: MIT
//
// Turning a driver: fire the timers that are due, ask the back end, hand out its events. Its owner
// turns it; others may poll it while the owner is busy, and file timers and watches at any time.
//
// Sleep and notify must not miss each other. The sleeper stores SLEEPING, then looks for work (its
// caller does), then waits. A notifier first makes the work visible, then exchanges NOTIFIED into
// the word. Both are read-modify-writes of one word, so one comes first: either the notifier sees
// SLEEPING and makes the back end return, or the sleeper's look comes later and sees the work.

#include "io/driver.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/counters.h"
#include "base/global_lock.h"
#include "base/sanitizer.h"

// The key of a replaced back end in its successor, while it receives. No watch has it.
#define RECEIVE_KEY (RS_OPS_KEY - 1)

enum {
    EVENTS_MAX = 128,
    FETCH_MIN = 64,  // events at once: what fewer sources need is near
    // Entries of a crowded slot that are moved in a turn: some 10 us.
    PREPARE_STEP = 512,
};

static struct rouse_driver *free_records;  // under RS_GLOBAL_DRIVER_RECORDS

static struct rouse_driver *record_take(void)
{
    rs_lock(rs_global_lock(RS_GLOBAL_DRIVER_RECORDS));
    struct rouse_driver *driver = free_records;
    if (driver != NULL) free_records = driver->next_free;
    rs_unlock(rs_global_lock(RS_GLOBAL_DRIVER_RECORDS));

    // From the default pages and never returned: see invariant 2 in driver.h.
    if (driver == NULL) {
        const struct rouse_allocator *pages = rouse_allocator_default();

        driver = pages->pages_alloc(pages->data, (sizeof *driver + 4095) & ~(size_t)4095, 4096);
        if (driver != NULL) rs_leak_root_add(driver, sizeof *driver);
    }
    return driver;
}

static void record_give_back(struct rouse_driver *driver)
{
    rs_lock(rs_global_lock(RS_GLOBAL_DRIVER_RECORDS));
    driver->next_free = free_records;
    free_records = driver;
    rs_unlock(rs_global_lock(RS_GLOBAL_DRIVER_RECORDS));
}

int rouse_driver_new(struct rouse_driver **out, const struct rouse_driver_options *options)
{
    const struct rouse_allocator *allocator = options != NULL && options->allocator != NULL
                                                  ? options->allocator
                                                  : rouse_allocator_default();
    struct rouse_driver *driver = record_take();

    if (driver == NULL) return -ENOMEM;
    rs_biased_prepare();
    int err =
        rs_reactor_open(&driver->reactor, options != NULL ? options->reactor : NULL, allocator);

    if (err < 0) {
        record_give_back(driver);
        return err;
    }
    rs_driver_lock(driver);
    driver->allocator = allocator;
    driver->table = (struct rs_watch_table){0};
    driver->conduits = (struct rs_conduit_pool){0};
    rs_ops_init(&driver->ops, rs_reactor_get(&driver->reactor)->ops->edge &&
                                  rs_backend_may_pair(options != NULL ? options->reactor : NULL));
    driver->live = true;
    rs_wheel_init(&driver->wheel, rouse_now_ns());
    // Relaxed: published with the pointer.
    atomic_store_explicit(&driver->state, RS_DRIVER_AWAKE, memory_order_relaxed);
    atomic_store_explicit(&driver->keepers, 0, memory_order_relaxed);
    atomic_store_explicit(&driver->holders, 1, memory_order_relaxed);
    atomic_store_explicit(&driver->next_alarm, ROUSE_NEVER, memory_order_relaxed);
    atomic_store_explicit(&driver->burst, ROUSE_NEVER, memory_order_relaxed);
    driver->told_burst = ROUSE_NEVER;
    rs_driver_unlock(driver);
    *out = driver;
    return 0;
}

void rs_driver_hold(struct rouse_driver *driver)
{
    // Relaxed: whoever the caller relies on holds it too.
    atomic_fetch_add_explicit(&driver->holders, 1, memory_order_relaxed);
}

void rs_driver_unhold(struct rouse_driver *driver)
{
    // Acq_rel: the record is reused after everything that any of its holders did with it.
    if (atomic_fetch_sub_explicit(&driver->holders, 1, memory_order_acq_rel) == 1) {
        record_give_back(driver);
    }
}

void rs_driver_keep(struct rouse_driver *driver)
{
    // Relaxed: a leaf that sees it late only moves once more.
    bool first = atomic_fetch_add_explicit(&driver->keepers, 1, memory_order_relaxed) == 0;

    if (first && rs_tls.driver == NULL) rs_tls.driver = driver;
}

void rs_driver_unkeep(struct rouse_driver *driver)
{
    if (rs_tls.driver == driver) {
        rs_biased_disown(&driver->lock);
        rs_tls.driver = NULL;
    }
    // Relaxed: as above.
    atomic_fetch_sub_explicit(&driver->keepers, 1, memory_order_relaxed);
}

bool rs_driver_is_kept(const struct rouse_driver *driver)
{
    // Relaxed: as above.
    return atomic_load_explicit(&driver->keepers, memory_order_relaxed) > 0;
}

// Told once: whoever has taken a burst need not be told of it again.
static void burst_publish(struct rouse_driver *driver)
{
    bool is_burst = rs_wheel_burst(&driver->wheel) >= RS_DRIVER_BURST;
    uint64_t burst_ns = is_burst ? rs_wheel_next(&driver->wheel) : ROUSE_NEVER;

    if (burst_ns == driver->told_burst) return;
    driver->told_burst = burst_ns;
    // Relaxed: a hint.
    atomic_store_explicit(&driver->burst, burst_ns, memory_order_relaxed);
}

uint64_t rs_driver_burst(const struct rouse_driver *driver)
{
    // Relaxed: as above.
    return atomic_load_explicit(&driver->burst, memory_order_relaxed);
}

bool rs_driver_take_burst(struct rouse_driver *driver, uint64_t burst_ns)
{
    // Relaxed, both: as above; the exchange gives it to one.
    return atomic_compare_exchange_strong_explicit(&driver->burst, &burst_ns, ROUSE_NEVER,
                                                   memory_order_relaxed, memory_order_relaxed);
}

void rs_driver_give_burst_back(struct rouse_driver *driver, uint64_t burst_ns)
{
    uint64_t none = ROUSE_NEVER;

    // Relaxed, both: as above. If another burst is told of by now, this one is past.
    (void)atomic_compare_exchange_strong_explicit(&driver->burst, &none, burst_ns,
                                                  memory_order_relaxed, memory_order_relaxed);
}

// The wheel's next deadline, or when a crowded slot of it is to be emptied ahead of its time. The
// virtual clock knows deadlines only: it stands still while we work.
static void alarm_publish(struct rouse_driver *driver)
{
    uint64_t alarm = rs_wheel_next(&driver->wheel);

    if (!rs_clock_is_virtual()) {
        uint64_t prepare = rs_wheel_prepare_at(&driver->wheel);

        if (prepare < alarm) alarm = prepare;
    }
    // Relaxed: a time, which publishes nothing; under the lock, so never backwards.
    atomic_store_explicit(&driver->next_alarm, alarm, memory_order_relaxed);
    burst_publish(driver);
}

uint64_t rs_driver_next_deadline(const struct rouse_driver *driver)
{
    // Seq_cst, with the store in rs_driver_timer_insert(): whoever announces a sleep and then looks
    // here, to let the clock jump or to set an alarm, sees a deadline that did not see the sleep.
    return atomic_load_explicit(&driver->next_alarm, memory_order_seq_cst);
}

bool rs_driver_timer_insert(struct rouse_driver *driver, struct rouse_timer_entry *entry,
                            uint64_t deadline_ns)
{
    rs_wheel_insert(&driver->wheel, entry, deadline_ns);
    if (deadline_ns >= rs_driver_next_deadline(driver)) return false;
    // Seq_cst, both, with rs_driver_prepare_sleep() and the look that follows it: either the
    // sleeper sees this deadline before it decides how long to sleep, or we see that it sleeps.
    atomic_store_explicit(&driver->next_alarm, deadline_ns, memory_order_seq_cst);
    // Relaxed, the bound: it is not older than the sleep that we have seen, and ROUSE_NEVER until
    // the sleeper has decided, which costs at most a needless notify.
    return atomic_load_explicit(&driver->state, memory_order_seq_cst) == RS_DRIVER_SLEEPING &&
           deadline_ns < atomic_load_explicit(&driver->sleep_until, memory_order_relaxed);
}

// Fires what is due, a batch at a time. Crowds to come have to wait for that, and for what waits
// for the caller, if `is_busy`.
static int fire_timers(struct rouse_driver *driver, bool is_busy)
{
    struct rs_batch batch;
    int woken = 0;
    bool more = true;

    batch.count = 0;
    while (more) {
        uint64_t now = rouse_now_ns();

        if (now < rs_driver_next_deadline(driver)) break;
        rs_driver_lock(driver);
        while (!rs_batch_is_full(&batch)) {
            struct rouse_timer_entry *entry = rs_wheel_pop(&driver->wheel, now);

            more = entry != NULL;
            if (!more) break;
            rs_timer_expired(driver, entry, &batch);
        }
        if (!more) {
            rs_wheel_prepare(&driver->wheel, now, PREPARE_STEP, is_busy || woken + batch.count > 0);
        }
        alarm_publish(driver);
        rs_driver_unlock(driver);
        rs_chaos_delay();
        woken += rs_batch_wake(&batch);
    }
    return woken;
}

void rs_driver_prepare_crowd(struct rouse_driver *driver)
{
    uint64_t now = rouse_now_ns();

    if (now < rs_driver_next_deadline(driver)) return;
    rs_driver_lock(driver);
    rs_wheel_prepare(&driver->wheel, now, PREPARE_STEP, false);
    alarm_publish(driver);
    rs_driver_unlock(driver);
}

// The ring's descriptor is ready. Call with the lock held.
static void ring_event(struct rouse_driver *driver, struct rs_backend *backend)
{
    // A back end that forgets it has watched it before, and has room for it.
    if (!backend->ops->edge) (void)rs_ops_watch(&driver->ops, backend);
}

static int dispatch(struct rouse_driver *driver, struct rs_backend *backend,
                    const struct rs_event *events, int count);

// What a back end that was replaced goes on to receive.
static int hear_receiver(struct rouse_driver *driver, struct rs_backend *receiver,
                         struct rs_backend *successor)
{
    struct rs_event events[EVENTS_MAX];
    int woken = 0;
    int count;

    while ((count = receiver->ops->wait(receiver, events, EVENTS_MAX, 0)) > 0) {
        woken += dispatch(driver, receiver, events, count);
    }
    int fd = receiver->ops->receive->fd(receiver);

    if (fd >= 0 && !successor->ops->edge) {
        (void)successor->ops->watch(successor, fd, RECEIVE_KEY, 0, ROUSE_READABLE | RS_WATCH_EDGE);
    }
    return woken;
}

// Each event leads from its watch to the source, to who waits there and to the task, which may all
// have left the caches since the last one. So those that come next are fetched, each a step further
// the nearer it is. Under the lock: what is watched is there.
__attribute__((always_inline)) static inline void fetch_ahead(
    struct rouse_driver *driver, const struct rs_event *next, int count)
{
    const struct rs_watch *watch;

    if (count > 6) rs_watch_fetch(&driver->table, next[6].key);
    if (count > 4 && (watch = rs_watch_find(&driver->table, next[4].key)) != NULL) {
        __builtin_prefetch(watch->source, 1);
        __builtin_prefetch((const char *)watch->source + RS_CACHE_LINE, 1);
    }
    if (count > 2 && (watch = rs_watch_find(&driver->table, next[2].key)) != NULL) {
        __builtin_prefetch(rs_source_first(watch->source, RS_READ), 1);
    }
}

// `backend` is whose events they are.
static int dispatch(struct rouse_driver *driver, struct rs_backend *backend,
                    const struct rs_event *events, int count)
{
    struct rs_batch batch;
    struct rs_backend *receiver = NULL;
    bool ring_ready = false;
    int woken = 0;

    batch.count = 0;
    rs_counter_add(RS_COUNTER_READY_EVENTS, count);
    for (int i = 0; i < count;) {
        rs_driver_lock(driver);
        // Two directions may wake one waiter each.
        for (; i < count && batch.count + 2 <= RS_BATCH_SIZE; i++) {
            struct rs_watch *watch = rs_watch_find(&driver->table, events[i].key);

            if (count >= FETCH_MIN) fetch_ahead(driver, &events[i], count - i);
            if (events[i].key == RS_OPS_KEY) {
                ring_event(driver, backend);
                ring_ready = true;
            }
            if (events[i].key == RECEIVE_KEY) receiver = driver->reactor.retired;
            if (watch == NULL) continue;
            if (!backend->ops->edge) {
                watch->interest &= ~(events[i].ready & (ROUSE_READABLE | ROUSE_WRITABLE));
            }
            rs_source_event(watch->source, driver, events[i].ready, &batch);
        }
        rs_driver_unlock(driver);
        woken += rs_batch_wake(&batch);
    }
    // Somebody who polls for the owner has taken the edge that was to end its sleep.
    if (ring_ready && rs_tls.driver != driver) rouse_driver_notify(driver);
    if (receiver != NULL) woken += hear_receiver(driver, receiver, backend);
    return woken;
}

// ---- A back end that is refused ----

// Has the successor watch what the table says. Returns how many it could not. Under the lock.
static uint32_t watch_all(struct rouse_driver *driver, struct rs_backend *successor)
{
    uint32_t failures = 0;

    for (uint32_t i = 0; i < driver->table.chunk_count * RS_WATCH_CHUNK; i++) {
        struct rs_watch *watch = rs_watch_at(&driver->table, i);

        if (watch->source == NULL || watch->interest == RS_WATCH_NONE) continue;
        if (successor->ops->watch(successor, watch->source->fd, rs_watch_key(&driver->table, i),
                                  RS_WATCH_NONE, watch->interest | RS_WATCH_EDGE) < 0) {
            watch->interest = RS_WATCH_NONE;
            failures++;
        }
    }
    return failures;
}

// Has those look that `concerns` is true for.
static void wake_some(struct rouse_driver *driver, bool (*concerns)(const struct rs_watch *watch))
{
    struct rs_batch batch;
    uint32_t i = 0;
    bool more = true;

    batch.count = 0;
    while (more) {
        rs_driver_lock(driver);
        for (; batch.count + 2 <= RS_BATCH_SIZE; i++) {
            more = i < driver->table.chunk_count * RS_WATCH_CHUNK;
            if (!more) break;
            struct rs_watch *watch = rs_watch_at(&driver->table, i);

            if (watch->source == NULL || !concerns(watch)) continue;
            rs_source_event(watch->source, driver, ROUSE_READABLE | ROUSE_WRITABLE, &batch);
        }
        rs_driver_unlock(driver);
        (void)rs_batch_wake(&batch);
    }
}

static bool is_unwatched(const struct rs_watch *watch)
{
    return watch->interest == RS_WATCH_NONE;
}

static bool is_received(const struct rs_watch *watch)
{
    return rs_source_receives(watch->source);
}

void rs_driver_wake_receivers(struct rouse_driver *driver)
{
    wake_some(driver, is_received);
}

// What `failed` could not be made to stop receiving goes on to be heard of. Where that fails too,
// those who read it hear of it when the peer ends.
static void watch_receiver(struct rouse_driver *driver, struct rs_backend *failed,
                           struct rs_backend *successor)
{
    if (failed->ops->receive == NULL) return;
    int fd = failed->ops->receive->fd(failed);

    if (fd >= 0) {
        (void)successor->ops->watch(successor, fd, RECEIVE_KEY, RS_WATCH_NONE,
                                    ROUSE_READABLE | RS_WATCH_EDGE);
    }
    rs_driver_wake_receivers(driver);
}

// A wait of `failed` gave `err`: another back end goes on. See reactor.h.
static void replace_backend(struct rouse_driver *driver, struct rs_backend *failed, int err)
{
    struct rs_backend *successor = rs_reactor_successor(&driver->reactor, failed, err);
    uint32_t failures = 0;

    if (successor == NULL) return;
    rs_driver_lock(driver);
    // Without the ring it is as good as none; the next wait will say the same.
    bool done = rs_ops_watch(&driver->ops, successor) == 0 &&
                rs_reactor_put(&driver->reactor, failed, successor);

    if (done) failures = watch_all(driver, successor);
    rs_driver_unlock(driver);
    if (!done) {
        successor->ops->close(successor);
        return;
    }
    failed->ops->retire(failed, successor);
    // The owner may have fallen asleep in it already: see invariant 4 there.
    successor->ops->notify(successor);
    watch_receiver(driver, failed, successor);
    // Who waits for what could not be watched tries again, and so is told why.
    if (failures > 0) wake_some(driver, is_unwatched);
}

// ---- Turning ----

// Ends what the ring has completed, if we are the one who may.
static int reap(struct rouse_driver *driver)
{
    if (rs_tls.driver != driver || !rs_ops_are_in_flight(&driver->ops)) return 0;
    return rs_ops_reap(driver);
}

int rs_driver_poll(struct rouse_driver *driver)
{
    struct rs_event events[EVENTS_MAX];
    int woken = fire_timers(driver, true);
    struct rs_backend *backend = rs_reactor_get(&driver->reactor);
    int count = backend->ops->wait(backend, events, EVENTS_MAX, 0);

    if (count < 0) replace_backend(driver, backend, count);
    if (count > 0) woken += dispatch(driver, backend, events, count);
    // Last: the wait may have taken the edge that says that the ring has something.
    return woken + reap(driver);
}

void rs_driver_prepare_sleep(struct rouse_driver *driver)
{
    uint32_t expected = RS_DRIVER_AWAKE;

    // Many timers may have been filed since, or the next one cancelled.
    rs_driver_lock(driver);
    alarm_publish(driver);
    rs_driver_unlock(driver);
    // Relaxed: published by what follows.
    atomic_store_explicit(&driver->sleep_until, ROUSE_NEVER, memory_order_relaxed);
    // Seq_cst, with the load in rs_driver_timer_insert(); and with the exchange in
    // rouse_driver_notify(): see the head of this file. A failure means NOTIFIED, which the sleep
    // consumes. Relaxed then: what it was about is seen after rs_driver_cancel_sleep() at last.
    (void)atomic_compare_exchange_strong_explicit(&driver->state, &expected, RS_DRIVER_SLEEPING,
                                                  memory_order_seq_cst, memory_order_relaxed);
}

void rs_driver_cancel_sleep(struct rouse_driver *driver)
{
    // Acquire, with the exchange in rouse_driver_notify(): what came before the notify is seen. The
    // back end may still have been notified: its next wait then returns early, once.
    atomic_exchange_explicit(&driver->state, RS_DRIVER_AWAKE, memory_order_acquire);
}

// How long to sleep: until the nearest of two deadlines.
static uint64_t sleep_timeout(struct rouse_driver *driver, uint64_t deadline_ns)
{
    uint64_t alarm = rs_driver_next_deadline(driver);
    uint64_t until = alarm < deadline_ns ? alarm : deadline_ns;

    if (rs_clock_is_virtual()) {
        // Time stands still meanwhile, and who moves the clock notifies. `sleep_until` stays
        // ROUSE_NEVER: each timer that is filed now ends the sleep, so that the clock can jump.
        return until <= rouse_now_ns() ? 0 : ROUSE_NEVER;
    }
    // Relaxed: an insert that does not see it yet sees ROUSE_NEVER, and notifies.
    atomic_store_explicit(&driver->sleep_until, until, memory_order_relaxed);
    if (until == ROUSE_NEVER) return ROUSE_NEVER;

    uint64_t now = rouse_now_ns();

    return until > now ? until - now : 0;
}

int rs_driver_sleep(struct rouse_driver *driver, uint64_t deadline_ns, void (*awake)(void *arg),
                    void *arg)
{
    struct rs_event events[EVENTS_MAX];
    // Relaxed: a notify since rs_driver_prepare_sleep() spares the sleep if it is seen; if not, it
    // goes by way of the back end.
    bool sleeping = atomic_load_explicit(&driver->state, memory_order_relaxed) ==
                    RS_DRIVER_SLEEPING;
    struct rs_backend *backend = rs_reactor_get(&driver->reactor);
    int count = backend->ops->wait(backend, events, EVENTS_MAX,
                                   sleeping ? sleep_timeout(driver, deadline_ns) : 0);

    // Awake for all to see before anybody is woken: or what we wake would have us notified.
    rs_chaos_delay();
    rs_driver_cancel_sleep(driver);
    if (awake != NULL) awake(arg);
    int woken = count > 0 ? dispatch(driver, backend, events, count) : 0;

    if (count < 0) replace_backend(driver, backend, count);
    return woken + reap(driver) + fire_timers(driver, woken > 0);
}

int rouse_driver_turn(struct rouse_driver *driver, uint64_t deadline_ns)
{
    int woken = rs_driver_poll(driver);

    if (woken > 0 || deadline_ns == 0) return woken;
    rs_driver_prepare_sleep(driver);
    if (rs_clock_is_virtual()) {
        uint64_t next = rs_driver_next_deadline(driver);
        uint64_t until = next < deadline_ns ? next : deadline_ns;

        if (until != ROUSE_NEVER) rs_clock_jump_to(until);
    }
    return rs_driver_sleep(driver, deadline_ns, NULL, NULL);
}

void rouse_driver_notify(struct rouse_driver *driver)
{
    // Release, with the acquire in rs_driver_cancel_sleep(): see the head of this file. Acquire,
    // with the announcement of the sleep that it finds: we see the back end that the sleeper has
    // seen.
    if (atomic_exchange_explicit(&driver->state, RS_DRIVER_NOTIFIED, memory_order_acq_rel) ==
        RS_DRIVER_SLEEPING) {
        struct rs_backend *backend = rs_reactor_get(&driver->reactor);

        backend->ops->notify(backend);
    }
}

bool rs_driver_is_asleep(const struct rouse_driver *driver)
{
    // Relaxed: a hint. It may be about to wake, and what a notify is about is seen by its owner.
    return atomic_load_explicit(&driver->state, memory_order_relaxed) == RS_DRIVER_SLEEPING;
}

bool rs_driver_is_notified(const struct rouse_driver *driver)
{
    // Relaxed: a hint. What the notify is about is seen when the sleep is announced and cancelled.
    return atomic_load_explicit(&driver->state, memory_order_relaxed) == RS_DRIVER_NOTIFIED;
}

const char *rouse_driver_reactor(const struct rouse_driver *driver)
{
    return rs_reactor_get(&driver->reactor)->ops->name;
}

int rs_driver_fd(struct rouse_driver *driver)
{
    rs_driver_lock(driver);
    int fd = rs_reactor_fd(&driver->reactor);
    rs_driver_unlock(driver);
    return fd;
}

void rs_driver_set_alarm(struct rouse_driver *driver, bool work_is_left)
{
    // A notify that came before the sleep was announced was kept from the back end, and so are
    // those that follow it. Relaxed: the announcement has seen it.
    bool notified = atomic_load_explicit(&driver->state, memory_order_relaxed) ==
                    RS_DRIVER_NOTIFIED;

    struct rs_backend *backend = rs_reactor_get(&driver->reactor);
    int err = backend->ops->set_alarm(backend, rs_driver_next_deadline(driver));

    // Without an alarm, for want of descriptors, the caller's loop has to turn until there is one.
    if (err < 0 && err != -ENOTSUP) work_is_left = true;
    if (work_is_left || notified) backend->ops->notify(backend);
}

// Unlinks every timer and wakes its future, which then moves elsewhere.
static void drain_timers(struct rouse_driver *driver)
{
    struct rs_batch batch;
    struct rouse_timer_entry *entry;

    batch.count = 0;
    do {
        rs_driver_lock(driver);
        driver->live = false;
        while ((entry = rs_wheel_take_any(&driver->wheel)) != NULL) {
            rs_timer_orphaned(entry, &batch);
            if (rs_batch_is_full(&batch)) break;
        }
        rs_driver_unlock(driver);
        (void)rs_batch_wake(&batch);
    } while (entry != NULL);
}

static void drain_watches(struct rouse_driver *driver)
{
    uint32_t count = driver->table.chunk_count * RS_WATCH_CHUNK;
    struct rs_backend *receiver = rs_driver_receiver(driver);
    struct rs_batch batch;

    if (receiver != NULL) receiver->ops->receive->halt(receiver);

    batch.count = 0;
    for (uint32_t i = 0; i < count;) {
        rs_driver_lock(driver);
        for (; i < count; i++) {
            struct rs_watch *watch = rs_watch_at(&driver->table, i);

            if (watch->source == NULL) continue;
            if (!rs_source_orphaned(watch->source, driver, &batch)) break;
            rs_watch_give_back(&driver->table, i);
        }
        rs_driver_unlock(driver);
        (void)rs_batch_wake(&batch);
    }
}

void rouse_driver_free(struct rouse_driver *driver)
{
    if (driver == NULL) return;
    rs_ops_close(driver);
    drain_timers(driver);
    drain_watches(driver);
    rs_driver_lock(driver);
    rs_reactor_close(&driver->reactor);
    rs_watch_table_deinit(&driver->table, driver->allocator);
    rs_conduit_pool_deinit(&driver->conduits);
    rs_driver_unlock(driver);
    rs_driver_unhold(driver);
}

void rs_driver_discard(struct rouse_driver *driver)
{
    rs_ops_discard(&driver->ops);
    rs_reactor_discard(&driver->reactor);
    rs_watch_table_deinit(&driver->table, driver->allocator);
    rs_conduit_pool_deinit(&driver->conduits);
}
