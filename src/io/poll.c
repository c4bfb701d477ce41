// SPDX-License-Identifier: MIT
//
// The back end over poll(2): for kernels and sandboxes without epoll, and for tests, which run on
// both. We keep the table of watched descriptors, and each wait costs their number.
//
// Threads: one sleeps in wait(), on a copy of the table; others poll (timeout 0), watch and notify
// meanwhile. What is reported is always read from the table itself, under its lock, so an event is
// never that of a descriptor watched earlier, and a direction is reported to one thread only.
//
// 1. The table changes only under `lock`. The copy in it belongs to the sleeper while there is one.
// 2. A table that grows is replaced. The sleeper frees the one it slept on if it was replaced
//    meanwhile; else whoever replaces it does.
// 3. A watch in place while somebody sleeps wakes the sleeper, since its copy is old.
// 4. Only a sleep takes a notification: it stays in the eventfd until then.

#include <errno.h>
#include <limits.h>
#include <rouse/clock.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/lock.h"
#include "base/sys.h"
#include "io/backend.h"
#include "io/pollable.h"

enum { CAPACITY_MIN = 64, FDS_MIN = 256 };

struct poll_watch {
    uint64_t key;
    uint32_t interest;
};

// One block of memory: this, and the arrays behind it. watches[i] belongs to fds[i].
struct poll_table {
    struct poll_watch *watches;
    struct pollfd *fds;   // one that waits for nothing now has its number inverted
    struct pollfd *copy;  // of fds, and the notifier behind them
    uint32_t *places;     // by descriptor: index + 1; 0: not watched
    size_t count;
    size_t capacity;
    size_t fds_max;  // length of places
    size_t size;     // of the block
};

struct poll_backend {
    struct rs_backend base;
    const struct rouse_allocator *allocator;
    int event_fd;
    struct rs_lock lock;
    struct poll_table *table;    // these four under lock
    struct poll_table *sleeper;  // whose copy is slept on; NULL: nobody sleeps
    bool copy_is_old;            // and the sleeper has been told
    size_t cursor;               // where the next scan starts, so that none is starved
};

static struct poll_backend *from_base(struct rs_backend *backend)
{
    return ROUSE_CONTAINER_OF(backend, struct poll_backend, base);
}

static struct poll_table *table_new(const struct rouse_allocator *allocator, size_t capacity,
                                    size_t fds_max)
{
    size_t watches_at = (sizeof(struct poll_table) + 7) / 8 * 8;
    size_t fds_at = watches_at + capacity * sizeof(struct poll_watch);
    size_t copy_at = fds_at + capacity * sizeof(struct pollfd);
    size_t places_at = copy_at + (capacity + 1) * sizeof(struct pollfd);
    size_t size = places_at + fds_max * sizeof(uint32_t);
    char *block = rs_alloc(allocator, size);
    struct poll_table *table = (void *)block;

    if (block == NULL) return NULL;
    *table = (struct poll_table){.watches = (void *)(block + watches_at),
                                 .fds = (void *)(block + fds_at),
                                 .copy = (void *)(block + copy_at),
                                 .places = (void *)(block + places_at),
                                 .capacity = capacity,
                                 .fds_max = fds_max,
                                 .size = size};
    return table;
}

static void table_free(const struct rouse_allocator *allocator, struct poll_table *table)
{
    if (table != NULL) rs_free(allocator, table, table->size);
}

static void table_fill(struct poll_table *to, const struct poll_table *from)
{
    to->count = from->count;
    memcpy(to->watches, from->watches, from->count * sizeof from->watches[0]);
    memcpy(to->fds, from->fds, from->count * sizeof from->fds[0]);
    memcpy(to->places, from->places, from->fds_max * sizeof from->places[0]);
}

static int poll_open(struct rs_backend **out, const struct rouse_allocator *allocator)
{
    struct poll_backend *b = rs_alloc(allocator, sizeof *b);
    int err;

    if (b == NULL) return -ENOMEM;
    *b = (struct poll_backend){.base.ops = &rs_backend_poll, .allocator = allocator};
    b->table = table_new(allocator, CAPACITY_MIN, FDS_MIN);
    err = -ENOMEM;
    if (b->table == NULL) goto free_backend;
    b->event_fd = rs_sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = b->event_fd;
    if (err < 0) goto free_table;
    rs_counter_add(RS_COUNTER_FDS, 1);
    *out = &b->base;
    return 0;

free_table:
    table_free(allocator, b->table);
free_backend:
    rs_free(allocator, b, sizeof *b);
    return err;
}

static void poll_close(struct rs_backend *backend)
{
    struct poll_backend *b = from_base(backend);

    (void)rs_sys.close(b->event_fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
    table_free(b->allocator, b->table);
    rs_free(b->allocator, b, sizeof *b);
}

static void poll_notify(struct rs_backend *backend)
{
    const uint64_t one = 1;

    // It fails only with -EAGAIN, and then the eventfd is readable anyway.
    (void)rs_sys.write(from_base(backend)->event_fd, &one, sizeof one);
}

static int real_fd(const struct pollfd *entry)
{
    return entry->fd < 0 ? ~entry->fd : entry->fd;
}

// Makes entry `i` wait for `interest` and no more. Without the flag for edges it waits for hangups
// and errors in any case, as with epoll.
static void entry_set(struct poll_table *table, size_t i, uint32_t interest)
{
    struct pollfd *entry = &table->fds[i];
    int fd = real_fd(entry);

    table->watches[i].interest = interest;
    entry->events = (short)rs_poll_events_of(interest);
    entry->fd = entry->events == 0 && (interest & RS_WATCH_EDGE) != 0 ? ~fd : fd;
}

static void table_remove(struct poll_table *table, int fd)
{
    if ((size_t)fd >= table->fds_max || table->places[fd] == 0) return;

    size_t i = table->places[fd] - 1;
    size_t last = --table->count;

    table->places[fd] = 0;
    if (i == last) return;
    table->fds[i] = table->fds[last];
    table->watches[i] = table->watches[last];
    table->places[real_fd(&table->fds[i])] = (uint32_t)i + 1;
}

// Adds `fd` or changes what it waits for. There is room.
static void table_put(struct poll_table *table, int fd, uint64_t key, uint32_t interest)
{
    if (table->places[fd] == 0) {
        table->fds[table->count] = (struct pollfd){.fd = fd};
        table->places[fd] = (uint32_t)++table->count;
    }

    size_t i = table->places[fd] - 1;

    table->watches[i].key = key;
    entry_set(table, i, interest);
}

static bool table_has_room(const struct poll_table *table, int fd)
{
    if ((size_t)fd >= table->fds_max) return false;
    return table->places[fd] != 0 || table->count < table->capacity;
}

// Call with the lock held. Puts the bigger `spare` in place; returns what the caller is to free.
static struct poll_table *table_replace(struct poll_backend *b, struct poll_table *spare)
{
    struct poll_table *old = b->table;

    table_fill(spare, old);
    b->table = spare;
    return b->sleeper == old ? NULL : old;
}

// Takes the lock and leaves it held, with room for `fd` in the table; on failure it is not held.
// `*spare` is the caller's to free. Allocators are not called under locks, so this may go round
// again when another thread was faster.
static int lock_with_room(struct poll_backend *b, int fd, struct poll_table **spare)
{
    for (;;) {
        rs_lock(&b->lock);

        size_t capacity = b->table->capacity;
        size_t fds_max = b->table->fds_max;

        if (table_has_room(b->table, fd)) return 0;
        if (b->table->count == capacity) capacity *= 2;
        while ((size_t)fd >= fds_max) {
            fds_max *= 2;
        }
        if (*spare != NULL && (*spare)->capacity >= capacity && (*spare)->fds_max >= fds_max) {
            *spare = table_replace(b, *spare);
            return 0;
        }
        rs_unlock(&b->lock);
        table_free(b->allocator, *spare);
        *spare = table_new(b->allocator, capacity, fds_max);
        if (*spare == NULL) return -ENOMEM;
    }
}

// Call with the lock held, after a change. Returns true if the caller must notify the sleeper.
static bool outdate_copy(struct poll_backend *b)
{
    bool tell = b->sleeper != NULL && !b->copy_is_old;

    b->copy_is_old = true;
    return tell;
}

static int poll_watch(struct rs_backend *backend, int fd, uint64_t key, uint32_t before,
                      uint32_t interest)
{
    struct poll_backend *b = from_base(backend);
    struct poll_table *spare = NULL;
    bool removes = (interest & RS_WATCH_NONE) != 0;
    bool tell;
    int err = 0;

    if (!removes && (before & RS_WATCH_NONE) != 0) err = rs_check_pollable(fd);
    if (err < 0 || fd < 0) return err;
    if (removes) {
        rs_lock(&b->lock);
        table_remove(b->table, fd);
    } else {
        err = lock_with_room(b, fd, &spare);
        if (err < 0) return err;
        table_put(b->table, fd, key, interest);
    }
    tell = outdate_copy(b);
    rs_unlock(&b->lock);
    table_free(b->allocator, spare);
    if (tell) poll_notify(backend);
    return 0;
}

// Copies the table for a sleep; `*count` is the length without the notifier.
static struct poll_table *sleep_begin(struct poll_backend *b, size_t *count)
{
    rs_lock(&b->lock);

    struct poll_table *table = b->table;

    *count = table->count;
    memcpy(table->copy, table->fds, table->count * sizeof table->fds[0]);
    b->sleeper = table;
    b->copy_is_old = false;
    rs_unlock(&b->lock);
    table->copy[*count] = (struct pollfd){.fd = b->event_fd, .events = POLLIN};
    return table;
}

static void sleep_end(struct poll_backend *b, struct poll_table *table)
{
    rs_lock(&b->lock);
    bool replaced = b->table != table;
    b->sleeper = NULL;
    rs_unlock(&b->lock);
    if (replaced) table_free(b->allocator, table);
}

// Sleeps until a descriptor is ready. Returns > 0 if one may be, 0 if not, or an error.
static int sleep_for(struct poll_backend *b, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / ROUSE_NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % ROUSE_NS_PER_S)};
    size_t count;
    uint64_t notifications;
    struct poll_table *table = sleep_begin(b, &count);
    int ready = rs_sys.ppoll(table->copy, count + 1, timeout_ns == ROUSE_NEVER ? NULL : &timeout);
    bool notified = ready > 0 && table->copy[count].revents != 0;

    sleep_end(b, table);
    if (ready == -EINTR) return 0;
    if (!notified) return ready;
    // Whoever wrote it ends this sleep, the one it was meant for.
    (void)rs_sys.read(b->event_fd, &notifications, sizeof notifications);
    return ready - 1;
}

// Reports entry `i` in `*event`. A direction watched for edges is forgotten, and with a hangup,
// an error or a descriptor that is none both are: they would be reported for ever.
static void entry_report(struct poll_table *table, size_t i, struct rs_event *event)
{
    int revents = table->fds[i].revents;
    uint32_t ready = rs_poll_ready_of(revents);
    uint32_t interest = table->watches[i].interest;

    *event = (struct rs_event){.key = table->watches[i].key, .ready = ready};
    if ((revents & POLLNVAL) != 0) interest |= RS_WATCH_EDGE;
    if ((interest & RS_WATCH_EDGE) != 0) entry_set(table, i, interest & ~ready);
}

// Call with the lock held.
static int collect(struct poll_backend *b, struct rs_event *events, int max)
{
    struct poll_table *table = b->table;
    const struct timespec at_once = {0};
    size_t count = table->count;
    int filled = 0;
    int ready;

    // It has nothing to wait for, so an interrupt is no reason to come back without an answer: a
    // sleep would follow, and perhaps another look that is interrupted, for ever.
    do {
        ready = rs_sys.ppoll(table->fds, count, &at_once);
    } while (ready == -EINTR);
    if (ready <= 0) return ready;
    for (size_t seen = 0; seen < count && filled < ready && filled < max; seen++) {
        if (b->cursor >= count) b->cursor = 0;
        if (table->fds[b->cursor].revents != 0) {
            entry_report(table, b->cursor, &events[filled++]);
        }
        b->cursor++;
    }
    return filled;
}

static int poll_wait(struct rs_backend *backend, struct rs_event *events, int max,
                     uint64_t timeout_ns)
{
    struct poll_backend *b = from_base(backend);
    int ready = 1;

    if (timeout_ns != 0) ready = sleep_for(b, timeout_ns);
    if (ready <= 0) return ready;
    rs_lock(&b->lock);
    ready = collect(b, events, max);
    rs_unlock(&b->lock);
    return ready;
}

static int poll_fd(struct rs_backend *backend)
{
    (void)backend;
    return -ENOTSUP;
}

static int poll_set_alarm(struct rs_backend *backend, uint64_t deadline_ns)
{
    (void)backend;
    return deadline_ns == ROUSE_NEVER ? 0 : -ENOTSUP;
}

const struct rs_backend_ops rs_backend_poll = {
    .name = "poll",
    .edge = false,
    .open = poll_open,
    .close = poll_close,
    .watch = poll_watch,
    .wait = poll_wait,
    .notify = poll_notify,
    .fd = poll_fd,
    .set_alarm = poll_set_alarm,
};
