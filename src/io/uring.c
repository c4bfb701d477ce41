// SPDX-License-Identifier: MIT
//
// The back end over io_uring(7): each watched descriptor has a poll operation on a ring. What has
// to be armed or cancelled is only written down; the next wait hands all of it over with the system
// call that it makes anyway. The life of an operation is drawn in docs/io_uring.md.
//
// Threads: one sleeps in wait(), others may poll (timeout 0), watch, notify and set the alarm
// meanwhile. One lock guards the table and both queues; it is not held across a system call.
//
// Receiving ahead is a file of its own: uring_receive.c.
//
// Any of these threads may hand entries over, so the ring is not set up for a single issuer, nor
// for deferred work, which needs that. It costs little here (docs/io_uring.md) and buys two things:
// completions reach the queue while the owner computes, so that another thread can take its events;
// and there is no queue of requests to the owner that could be full.
//
// 1. Everything but `notifier` and `alarm` changes only under `lock`.
// 2. A watch is on the list of those to be handed over, or what it wants is in the queue, or the
//    kernel has it. So a cancel is never lost: the list is linked through the table and has room
//    for all.
// 3. A completion counts only if it bears the generation that its watch has armed. The generation
//    changes with each call of watch(): an event under way for an earlier owner of the number, or
//    for an interest that was given up, is thrown away. Nothing is lost with it: arming reports
//    what is ready.
// 4. An armed operation holds the file. So what is no longer to be watched is cancelled at once,
//    not at the next wait: the caller is about to close, and the peer would not see it.
// 5. A notification ends a sleep even if somebody who only polls takes its edge: see notifier.h.
// 6. Somebody sleeps only if all that was written down has been handed over; who writes something
//    down after that kicks the sleeper.
// 7. The kernel ends the operations of a thread that exits. They come back cancelled although
//    nobody asked for it, and are armed anew.

#include <errno.h>
#include <rouse/clock.h>
#include <string.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"
#include "io/pollable.h"
#include "io/uring.h"

// Submissions; twice as many completions.
#ifndef RS_URING_ENTRIES
#define RS_URING_ENTRIES 256
#endif

enum {
    WATCHES_MIN = 64,
    // 5.13: polls that go on; 5.17: no completion for a cancel that works.
    NEEDED_FEATURES = IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP,
};

// True for what calls again may mend, and for the end of a wait.
static bool is_passing(int err)
{
    return err == -EINTR || err == -ETIME || err == -EAGAIN || err == -EBUSY;
}

// ---- Entries ----

// The kernel's words are in the order of its halves.
static uint32_t poll_mask(int events)
{
    uint32_t mask = (uint32_t)events;

    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? mask << 16 | mask >> 16 : mask;
}

static bool prepare_poll(struct rs_uring *b, int fd, uint64_t tag, int events, bool goes_on)
{
    struct io_uring_sqe *sqe = rs_io_ring_sqe(&b->ring);

    if (sqe == NULL) return false;
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->poll32_events = poll_mask(events);
    sqe->len = goes_on ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = tag;
    return true;
}

// Not a poll removal: that fails while the operation is reporting an event.
bool rs_uring_prepare_cancel(struct rs_uring *b, uint64_t tag, uint32_t flags)
{
    struct io_uring_sqe *sqe = rs_io_ring_sqe(&b->ring);

    if (sqe == NULL) return false;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = tag;
    sqe->cancel_flags = flags;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = RS_URING_TAG_CANCEL;
    return true;
}

// ---- The list ----

// What has to be polled: a stream that is received tells of what can be read by that.
static uint32_t polled_of(const struct rs_uring_watch *watch)
{
    return rs_uring_is_receiving(watch) ? watch->interest & ~(uint32_t)ROUSE_READABLE
                                        : watch->interest;
}

// Writes entries that give the kernel what the watch wants. False if the queue is full.
static bool hand_over(struct rs_uring *b, uint32_t fd)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];
    bool edge = (watch->interest & RS_WATCH_EDGE) != 0;

    if (watch->armed != 0 && watch->armed != watch->generation) {
        if (!rs_uring_prepare_cancel(b, rs_uring_tag(fd, watch->armed), 0)) return false;
        watch->armed = 0;
    }
    if (!rs_uring_receive_hand_over(b, fd)) return false;
    if ((watch->interest & RS_WATCH_NONE) != 0 || watch->armed != 0) return true;
    uint32_t polled = polled_of(watch);

    // A receive tells of hangups and errors too.
    if (rs_uring_is_receiving(watch) && (polled & ROUSE_WRITABLE) == 0) return true;
    // A level is asked for again in each wait.
    if (!prepare_poll(b, (int)fd, rs_uring_tag(fd, watch->generation), rs_poll_events_of(polled),
                      edge)) {
        return false;
    }
    watch->armed = watch->generation;
    return true;
}

static bool has_to_prepare(const struct rs_uring *b)
{
    return b->list != RS_URING_LIST_END || !b->notifier_armed;
}

// What was prepared has yet to be taken where the kernel lacked memory for it.
static bool has_to_hand_over(const struct rs_uring *b)
{
    return has_to_prepare(b) || rs_io_ring_has_prepared(&b->ring);
}

// Prepares as much of the list as fits.
static void list_hand_over(struct rs_uring *b)
{
    if (!b->notifier_armed) {
        b->notifier_armed = prepare_poll(b, b->notifier.fd, RS_URING_TAG_NOTIFIER, POLLIN, true);
    }
    while (b->list != RS_URING_LIST_END && hand_over(b, b->list - 1)) {
        struct rs_uring_watch *watch = &b->table.watches[b->list - 1];

        b->list = watch->next;
        watch->next = 0;
    }
}

// ---- The kernel ----

// Makes the outer descriptor readable for good, so that a wait finds out what has failed. Call with
// the lock held.
static void outer_alert(struct rs_uring *b)
{
    struct epoll_event event = {.events = EPOLLIN};

    // It may be there already.
    (void)rs_sys.epoll_ctl(b->outer_fd, EPOLL_CTL_ADD, b->notifier.fd, &event);
    rs_notifier_kick(&b->notifier);
}

// The kernel refuses for good: each wait says so from now on. Call with the lock held.
static void fail(struct rs_uring *b, int err)
{
    if (b->failed != 0) return;
    b->failed = err;
    if (b->outer_fd >= 0) outer_alert(b);
}

static void ring_leave(struct rs_uring *b)
{
    if (!b->retired || b->lingers || b->entered > 0 || !b->ring_open) return;
    rs_io_ring_close(&b->ring);
    b->ring_open = false;
}

// Call with the lock held, which is given up meanwhile. Returns what rs_io_ring_submit() does.
int rs_uring_enter(struct rs_uring *b, unsigned wait_for, uint64_t timeout_ns)
{
    unsigned count = rs_io_ring_publish(&b->ring);

    b->entered++;
    rs_unlock(&b->lock);
    int result = rs_io_ring_submit(&b->ring, count, wait_for, timeout_ns);

    rs_lock(&b->lock);
    b->entered--;
    ring_leave(b);
    if (result < 0 && !is_passing(result)) fail(b, result);
    return result;
}

// Hands over the whole list, in more than one call if it is long. Call with the lock held.
static void submit_all(struct rs_uring *b)
{
    do {
        list_hand_over(b);
        if (rs_uring_enter(b, 0, 0) < 0) return;
    } while (b->failed == 0 && has_to_hand_over(b));
}

// ---- Completions ----

// A poll operation has ended or gone on. Returns true if `*event` was filled.
static bool complete(struct rs_uring *b, const struct io_uring_cqe *cqe, struct rs_event *event)
{
    uint32_t fd = (uint32_t)cqe->user_data;
    uint32_t generation = (uint32_t)(cqe->user_data >> 32);
    struct rs_uring_watch *watch = &b->table.watches[fd];

    if (watch->armed != generation) return false;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) watch->armed = 0;
    if (generation != watch->generation) return false;
    // Closed while watched: as with epoll, it is forgotten.
    if (cqe->res == -EBADF) {
        watch->interest = RS_WATCH_NONE;
        return false;
    }
    if (cqe->res < 0 && cqe->res != -ECANCELED) fail(b, cqe->res);
    if (watch->armed == 0) rs_uring_list_add(b, fd);
    if (cqe->res <= 0) return false;
    *event = (struct rs_event){.key = watch->key, .ready = rs_poll_ready_of(cqe->res)};
    return true;
}

// Takes completions until `events` is full. Call with the lock held. Returns how many were filled.
// `*edge` is set if one was the notifier's.
static int collect(struct rs_uring *b, struct rs_event *events, int max, bool *edge)
{
    struct io_uring_cqe cqe;
    int filled = 0;

    while (filled < max && rs_io_ring_next(&b->ring, &cqe)) {
        if (cqe.user_data == RS_URING_TAG_NOTIFIER) {
            *edge = true;
            if ((cqe.flags & IORING_CQE_F_MORE) == 0) b->notifier_armed = false;
            if (cqe.res < 0 && cqe.res != -ECANCELED) fail(b, cqe.res);
        } else if (cqe.user_data == RS_URING_TAG_CANCEL) {
            // What it was about may have ended by itself.
            if (cqe.res < 0 && cqe.res != -ENOENT && cqe.res != -EALREADY) fail(b, cqe.res);
        } else if (rs_uring_is_receive(cqe.user_data)) {
            filled += rs_uring_receive_complete(b, &cqe, &events[filled]);
        } else {
            filled += complete(b, &cqe, &events[filled]);
        }
    }
    return filled;
}

void rs_uring_take_back(struct rs_uring *b)
{
    struct rs_event event;
    bool edge;

    while (collect(b, &event, 1, &edge) > 0) {
    }
    for (uint32_t fd = 0; fd < b->table.count; fd++) {
        struct rs_uring_watch *watch = &b->table.watches[fd];

        if (watch->generation == 0 || (watch->interest & RS_WATCH_NONE) != 0) continue;
        watch->generation = rs_uring_generation_after(watch->generation);
        rs_uring_list_add(b, fd);
    }
}

// ---- Waiting ----

// Takes what there is. Call with the lock held.
static int look(struct rs_uring *b, struct rs_event *events, int max, bool *edge)
{
    // What goes on to be received is told of for as long as it does.
    int filled = b->failed == 0 || b->receiving > 0 ? collect(b, events, max, edge) : 0;

    if (filled == 0 && b->failed == 0 && has_to_hand_over(b)) {
        submit_all(b);
        if (b->failed == 0) filled = collect(b, events, max, edge);
    }
    return filled;
}

static uint64_t time_left(uint64_t until_ns)
{
    if (until_ns == ROUSE_NEVER) return ROUSE_NEVER;
    uint64_t now_ns = rouse_now_ns();
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

// Sleeps until there is an event, a notification or a signal, or the time is over. Call with the
// lock held. A completion that is none of these, and a kick, do not end it.
static int sleep_for(struct rs_uring *b, struct rs_event *events, int max, uint64_t timeout_ns)
{
    uint64_t until_ns = timeout_ns != ROUSE_NEVER ? rouse_deadline_after(timeout_ns) : ROUSE_NEVER;
    bool edge;  // nobody else needs it: we look at the word
    int filled = 0;

    while (b->failed == 0) {
        // The word is looked at after the completions: what was collected may have been the edge of
        // a notification, and nothing else would end the sleep. One that comes after the look is a
        // completion that does.
        filled = collect(b, events, max, &edge);
        if (filled > 0 || timeout_ns == 0 || b->failed != 0) break;
        if (rs_notifier_is_notified(&b->notifier)) break;
        list_hand_over(b);
        b->sleeping = !has_to_prepare(b);
        // With more than fits in the queue there is another round before the sleep.
        int result = rs_uring_enter(b, b->sleeping ? 1 : 0, timeout_ns);

        b->sleeping = false;
        timeout_ns = result < 0 ? 0 : time_left(until_ns);
    }
    return filled;
}

// Takes completions that mean nothing any more from the head of the queue: or a foreign loop would
// turn for them. Call with the lock held.
static void drop_stale(struct rs_uring *b)
{
    const struct io_uring_cqe *next;
    struct io_uring_cqe cqe;
    struct rs_event event;

    while ((next = rs_io_ring_peek(&b->ring)) != NULL) {
        uint32_t fd = (uint32_t)next->user_data & ~RS_URING_TAG_RECEIVE;
        uint32_t generation = (uint32_t)(next->user_data >> 32);
        bool receives = rs_uring_is_receive(next->user_data);

        if (next->user_data == RS_URING_TAG_NOTIFIER) return;
        if (receives && rs_uring_receive_counts(&b->table.watches[fd], generation)) return;
        if (!receives && generation != 0 && b->table.watches[fd].armed == generation) return;
        (void)rs_io_ring_next(&b->ring, &cqe);
        // Its buffer goes back to the kernel.
        if (receives) (void)rs_uring_receive_complete(b, &cqe, &event);
    }
}

// Whoever sleeps on, another thread or a foreign loop, must not miss what this wait has written
// down. And an alarm that is due has been heard. Call with the lock held.
void rs_uring_settle(struct rs_uring *b)
{
    uint64_t expirations;

    if (b->failed != 0) return;
    if (b->sleeping && has_to_hand_over(b)) rs_notifier_kick(&b->notifier);
    if (b->outer_fd < 0) return;
    if (has_to_hand_over(b)) submit_all(b);
    if (b->failed == 0) drop_stale(b);
    if (b->alarm_ns <= rouse_now_ns() &&
        rs_sys.read(b->alarm.fd, &expirations, sizeof expirations) > 0) {
        b->alarm_ns = ROUSE_NEVER;
    }
}

static int uring_wait(struct rs_backend *backend, struct rs_event *events, int max,
                      uint64_t timeout_ns)
{
    struct rs_uring *b = rs_uring_of(backend);
    bool sleeps = timeout_ns != 0 && !rs_notifier_sleep_begin(&b->notifier);
    bool edge = false;

    rs_uring_receive_refill(b);
    rs_lock(&b->lock);
    int filled = sleeps ? sleep_for(b, events, max, timeout_ns) : look(b, events, max, &edge);

    rs_uring_settle(b);
    int failed = b->failed;

    rs_unlock(&b->lock);
    if (timeout_ns != 0) rs_notifier_sleep_end(&b->notifier);
    if (timeout_ns == 0 && edge) rs_notifier_pass_on(&b->notifier);
    return filled == 0 && failed != 0 ? failed : filled;
}

static void uring_notify(struct rs_backend *backend)
{
    rs_notifier_notify(&rs_uring_of(backend)->notifier);
}

// ---- Watching ----

static void table_free(const struct rs_uring *b, const struct rs_uring_table *table)
{
    rs_free(b->allocator, table->watches, table->count * sizeof table->watches[0]);
}

// Takes the lock and leaves it held, with `fd` in the table; on failure it is not held. `*spare` is
// the caller's to free. Allocators are not called under locks, so this may go round again when
// another thread was faster.
static int lock_with_room(struct rs_uring *b, size_t fd, struct rs_uring_table *spare)
{
    for (;;) {
        rs_lock(&b->lock);

        struct rs_uring_table old = b->table;

        if (fd < old.count) return 0;
        if (fd < spare->count) {
            memcpy(spare->watches, old.watches, old.count * sizeof old.watches[0]);
            b->table = *spare;
            *spare = old;
            return 0;
        }
        rs_unlock(&b->lock);
        table_free(b, spare);
        *spare = (struct rs_uring_table){.count = old.count};
        while (fd >= spare->count) {
            spare->count *= 2;
        }
        spare->watches = rs_alloc(b->allocator, spare->count * sizeof spare->watches[0]);
        if (spare->watches == NULL) return -ENOMEM;
    }
}

// Makes the watch want something new. Call with the lock held.
static void watch_set(struct rs_uring_watch *watch, uint64_t key, uint32_t interest)
{
    watch->key = key;
    watch->interest = interest;
    watch->generation = rs_uring_generation_after(watch->generation);
}

// Stops watching, now: see invariant 4. A cancel that finds the queue full is handed over by the
// next wait instead. Call with the lock held.
static void unwatch(struct rs_uring *b, uint32_t fd, struct rs_inflow *unread)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];

    watch_set(watch, 0, RS_WATCH_NONE);
    rs_uring_receive_drop(b, fd, unread);
    if ((watch->armed == 0 && watch->receive_armed == 0) || b->failed != 0) return;
    if (!hand_over(b, fd)) rs_uring_list_add(b, fd);
    (void)rs_uring_enter(b, 0, 0);
    rs_uring_settle(b);
}

// Makes the watch want `interest`. True if what can be read is received. What was received for who
// reads no more goes to `*unread`. Call with the lock held.
static bool watch_for(struct rs_uring *b, uint32_t fd, uint64_t key, uint32_t interest,
                      struct rs_inflow *unread)
{
    bool receives = (interest & RS_WATCH_RECEIVE) != 0;

    watch_set(&b->table.watches[fd], key, interest & ~(uint32_t)RS_WATCH_RECEIVE);
    if ((interest & ROUSE_READABLE) == 0) rs_uring_receive_drop(b, fd, unread);
    return receives && rs_uring_receive_begin(b, fd);
}

static int uring_watch(struct rs_backend *backend, int fd, uint64_t key, uint32_t before,
                       uint32_t interest)
{
    struct rs_uring *b = rs_uring_of(backend);
    struct rs_uring_table spare = {0};
    struct rs_inflow unread = {0};
    int err = 0;

    if ((interest & RS_WATCH_NONE) != 0) {
        rs_lock(&b->lock);
        if (fd >= 0 && (size_t)fd < b->table.count) unwatch(b, (uint32_t)fd, &unread);
        rs_unlock(&b->lock);
        rs_inflow_free(&unread);
        return 0;
    }
    if (fd < 0 || (before & RS_WATCH_NONE) != 0) err = rs_check_pollable(fd);
    if (err == 0) err = lock_with_room(b, (size_t)fd, &spare);
    if (err < 0) return err;
    bool receives = watch_for(b, (uint32_t)fd, key, interest, &unread);

    rs_uring_list_add(b, (uint32_t)fd);
    rs_uring_settle(b);
    rs_unlock(&b->lock);
    table_free(b, &spare);
    rs_inflow_free(&unread);
    return receives;
}

// ---- For a foreign loop ----

// The ring itself is readable while there are completions. Around it is a set of our own, in which
// a successor can take its place. Call with the lock held.
static int outer_open(struct rs_uring *b)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = rs_sys.epoll_create1(EPOLL_CLOEXEC);
    int err = fd;

    if (fd >= 0) err = rs_sys.epoll_ctl(fd, EPOLL_CTL_ADD, b->ring.fd, &event);
    if (err < 0) {
        if (fd >= 0) (void)rs_sys.close(fd);
        return err == -ENOSYS || err == -EPERM ? -ENOTSUP : err;
    }
    rs_counter_add(RS_COUNTER_FDS, 1);
    b->outer_fd = fd;
    if (b->failed != 0) outer_alert(b);
    return 0;
}

static int uring_fd(struct rs_backend *backend)
{
    struct rs_uring *b = rs_uring_of(backend);
    int err = 0;

    rs_lock(&b->lock);
    struct rs_backend *successor = b->outer_fd < 0 ? b->successor : NULL;

    if (b->outer_fd < 0 && successor == NULL) err = outer_open(b);
    if (err == 0 && successor == NULL) rs_uring_settle(b);
    int fd = b->outer_fd;

    rs_unlock(&b->lock);
    if (successor != NULL) return successor->ops->fd(successor);
    return err < 0 ? err : fd;
}

static int uring_set_alarm(struct rs_backend *backend, uint64_t deadline_ns)
{
    const struct epoll_event event = {.events = EPOLLIN};
    struct rs_uring *b = rs_uring_of(backend);
    int fd = uring_fd(backend);
    int err = fd < 0 ? fd : rs_alarm_set(&b->alarm, fd, &event, deadline_ns);

    if (err < 0) return err;
    rs_lock(&b->lock);
    b->alarm_ns = deadline_ns;
    rs_unlock(&b->lock);
    return 0;
}

// ---- Beginning and end ----

// Cancels all operations, so that their files are let go now and not when the kernel comes round to
// what is left of the ring. Call with the lock held.
static void cancel_all(struct rs_uring *b)
{
    if (!b->ring_open) return;
    (void)rs_uring_prepare_cancel(b, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    (void)rs_uring_enter(b, 0, 0);
}

static void free_all(struct rs_uring *b)
{
    rs_uring_receive_close(b);
    if (b->ring_open) rs_io_ring_close(&b->ring);
    rs_alarm_close(&b->alarm);
    if (b->outer_fd >= 0) {
        (void)rs_sys.close(b->outer_fd);
        rs_counter_add(RS_COUNTER_FDS, -1);
    }
    rs_notifier_close(&b->notifier);
    table_free(b, &b->table);
    rs_free(b->allocator, b, sizeof *b);
}

static void uring_close(struct rs_backend *backend)
{
    struct rs_uring *b = rs_uring_of(backend);

    rs_lock(&b->lock);
    rs_uring_receive_halt(b);
    cancel_all(b);
    rs_unlock(&b->lock);
    free_all(b);
}

static void uring_discard(struct rs_backend *backend)
{
    free_all(rs_uring_of(backend));
}

static void uring_retire(struct rs_backend *backend, struct rs_backend *successor)
{
    struct rs_uring *b = rs_uring_of(backend);
    struct epoll_event event = {.events = EPOLLIN};

    rs_lock(&b->lock);
    if (b->failed == 0) b->failed = -ECANCELED;
    b->successor = successor;
    if (b->outer_fd >= 0) {
        int fd = successor->ops->fd(successor);

        (void)rs_sys.epoll_ctl(b->outer_fd, EPOLL_CTL_DEL, b->ring.fd, &event);
        (void)rs_sys.epoll_ctl(b->outer_fd, EPOLL_CTL_DEL, b->notifier.fd, &event);
        // One that has no descriptor has to be asked all the time.
        if (fd < 0 || rs_sys.epoll_ctl(b->outer_fd, EPOLL_CTL_ADD, fd, &event) < 0) outer_alert(b);
    }
    rs_uring_receive_halt(b);
    b->lingers = b->receiving > 0;
    b->retired = true;
    cancel_all(b);
    rs_unlock(&b->lock);
    rs_notifier_notify(&b->notifier);
}

// Does what the first wait will do, with an operation that ends at once: what a sandbox keeps from
// us shows now.
static int probe(struct rs_uring *b)
{
    struct io_uring_cqe cqe;

    if ((b->ring.features & NEEDED_FEATURES) != NEEDED_FEATURES) return -ENOSYS;
    (void)prepare_poll(b, b->notifier.fd, RS_URING_TAG_CANCEL, POLLOUT, false);
    int err = rs_io_ring_enter(&b->ring, 1, ROUSE_NEVER);

    if (err < 0) return err;
    return rs_io_ring_next(&b->ring, &cqe) && cqe.res < 0 ? cqe.res : 0;
}

// Cooperative: what is ready does not interrupt the worker that computes, but is found by its next
// system call, or at the latest by the next tick of the clock.
static int ring_open(struct rs_io_ring *ring)
{
    int err = rs_io_ring_open(ring, RS_URING_ENTRIES,
                              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN);

    // Kernels before 5.19.
    return err == -EINVAL ? rs_io_ring_open(ring, RS_URING_ENTRIES, IORING_SETUP_SUBMIT_ALL) : err;
}

static int uring_open(struct rs_backend **out, const struct rouse_allocator *allocator)
{
    struct rs_uring *b = rs_alloc(allocator, sizeof *b);
    int err = -ENOMEM;

    if (b == NULL) return err;
    *b = (struct rs_uring){.base.ops = &rs_backend_io_uring,
                           .allocator = allocator,
                           .alarm = RS_ALARM_INIT,
                           .list = RS_URING_LIST_END,
                           .outer_fd = -1,
                           .alarm_ns = ROUSE_NEVER,
                           .table.count = WATCHES_MIN};
    b->table.watches = rs_alloc(allocator, WATCHES_MIN * sizeof b->table.watches[0]);
    if (b->table.watches == NULL) goto free_backend;
    err = rs_notifier_open(&b->notifier);
    if (err < 0) goto free_table;
    err = ring_open(&b->ring);
    if (err < 0) goto close_notifier;
    b->ring_open = true;
    err = probe(b);
    if (err < 0) goto close_ring;
    rs_uring_receive_open(b);
    *out = &b->base;
    return 0;

close_ring:
    rs_io_ring_close(&b->ring);
close_notifier:
    rs_notifier_close(&b->notifier);
free_table:
    table_free(b, &b->table);
free_backend:
    rs_free(allocator, b, sizeof *b);
    return err;
}

const struct rs_backend_ops rs_backend_io_uring = {
    .name = "io_uring",
    .edge = true,
    .receive = &rs_uring_receive_ops,
    .open = uring_open,
    .close = uring_close,
    .discard = uring_discard,
    .retire = uring_retire,
    .watch = uring_watch,
    .wait = uring_wait,
    .notify = uring_notify,
    .fd = uring_fd,
    .set_alarm = uring_set_alarm,
};
