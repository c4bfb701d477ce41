// SPDX-License-Identifier: MIT
//
// The public poller: a back end, and a table from descriptors to the caller's keys.
//
// Threads: one waits; others add, modify, remove and notify meanwhile, under the lock.
//
// 1. The back end's key is the descriptor and how often it was removed before, so an event that was
//    under way when its descriptor was removed is thrown away, also if it has been added again.
// 2. A descriptor with interest 0 is in the table but not in the back end: nothing is reported for
//    it, hangups included, until somebody asks.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <rouse/poller.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "io/reactor.h"

enum { ENTRIES_MIN = 64, BATCH_MAX = 64 };

struct poller_entry {
    uint64_t key;
    uint32_t interest;
    uint32_t removals;  // modulo 2^31, so that no key is one the back ends reserve
    bool watched;
};

struct rouse_poller {
    struct rs_reactor reactor;
    const struct rouse_allocator *allocator;
    struct rs_lock lock;
    struct poller_entry *entries;  // by descriptor; this and its length under lock
    size_t entry_count;
    atomic_bool notified;
};

int rouse_poller_new(struct rouse_poller **out, const char *reactor)
{
    const struct rouse_allocator *allocator = rouse_allocator_default();
    struct rouse_poller *poller = rs_alloc(allocator, sizeof *poller);
    int err;

    if (poller == NULL) return -ENOMEM;
    *poller = (struct rouse_poller){.allocator = allocator, .entry_count = ENTRIES_MIN};
    poller->entries = rs_alloc(allocator, ENTRIES_MIN * sizeof poller->entries[0]);
    err = -ENOMEM;
    if (poller->entries == NULL) goto free_poller;
    err = rs_reactor_open(&poller->reactor, reactor, allocator);
    if (err < 0) goto free_entries;
    *out = poller;
    return 0;

free_entries:
    rs_free(allocator, poller->entries, ENTRIES_MIN * sizeof poller->entries[0]);
free_poller:
    rs_free(allocator, poller, sizeof *poller);
    return err;
}

void rouse_poller_free(struct rouse_poller *poller)
{
    if (poller == NULL) return;
    rs_reactor_close(&poller->reactor);
    rs_free(poller->allocator, poller->entries, poller->entry_count * sizeof poller->entries[0]);
    rs_free(poller->allocator, poller, sizeof *poller);
}

// Call with the lock held. The allocator is our own, so it may be called under it.
static int make_room(struct rouse_poller *poller, int fd)
{
    size_t count = poller->entry_count;
    struct poller_entry *entries;

    while ((size_t)fd >= count) {
        count *= 2;
    }
    if (count == poller->entry_count) return 0;
    entries = rs_alloc(poller->allocator, count * sizeof entries[0]);
    if (entries == NULL) return -ENOMEM;
    memcpy(entries, poller->entries, poller->entry_count * sizeof entries[0]);
    rs_free(poller->allocator, poller->entries, poller->entry_count * sizeof entries[0]);
    poller->entries = entries;
    poller->entry_count = count;
    return 0;
}

// Call with the lock held. NULL if `fd` is not watched.
static struct poller_entry *find(struct rouse_poller *poller, int fd)
{
    if (fd < 0 || (size_t)fd >= poller->entry_count) return NULL;
    return poller->entries[fd].watched ? &poller->entries[fd] : NULL;
}

static int backend_watch(struct rouse_poller *poller, int fd, uint32_t before, uint32_t interest)
{
    struct rs_backend *backend = rs_reactor_get(&poller->reactor);
    uint64_t key = (uint64_t)poller->entries[fd].removals << 32 | (uint32_t)fd;

    return backend->ops->watch(backend, fd, key, before, interest);
}

static uint32_t interest_or_none(uint32_t interest)
{
    return interest != 0 ? interest : (uint32_t)RS_WATCH_NONE;
}

static void check_interest(uint32_t interest)
{
    rouse_assert((interest & ~(uint32_t)(ROUSE_READABLE | ROUSE_WRITABLE)) == 0,
                 "an interest is ROUSE_READABLE, ROUSE_WRITABLE, both or 0; hangups and errors are "
                 "reported without being asked for");
}

// Call with the lock held. For an interest of 0 the descriptor goes into the back end and out
// again, so that one that cannot be watched is refused now.
static int add_locked(struct rouse_poller *poller, int fd, uint64_t key, uint32_t interest)
{
    int err = make_room(poller, fd);

    if (err < 0) return err;
    if (find(poller, fd) != NULL) return -EEXIST;
    err = backend_watch(poller, fd, RS_WATCH_NONE, interest);
    if (err < 0) return err;
    if (interest == 0) (void)backend_watch(poller, fd, 0, RS_WATCH_NONE);
    poller->entries[fd].key = key;
    poller->entries[fd].interest = interest;
    poller->entries[fd].watched = true;
    return 0;
}

int rouse_poller_add(struct rouse_poller *poller, int fd, uint64_t key, uint32_t interest)
{
    check_interest(interest);
    if (fd < 0) return -EBADF;
    rs_lock(&poller->lock);
    int err = add_locked(poller, fd, key, interest);
    rs_unlock(&poller->lock);
    return err;
}

// Call with the lock held.
static int modify_locked(struct rouse_poller *poller, int fd, uint64_t key, uint32_t interest)
{
    struct poller_entry *entry = find(poller, fd);
    int err;

    if (entry == NULL) return -ENOENT;
    err = backend_watch(poller, fd, interest_or_none(entry->interest), interest_or_none(interest));
    if (err < 0) return err;
    entry->key = key;
    entry->interest = interest;
    return 0;
}

int rouse_poller_modify(struct rouse_poller *poller, int fd, uint64_t key, uint32_t interest)
{
    check_interest(interest);
    rs_lock(&poller->lock);
    int err = modify_locked(poller, fd, key, interest);
    rs_unlock(&poller->lock);
    return err;
}

// Call with the lock held. What the back end says does not matter: the entry goes in any case.
static int remove_locked(struct rouse_poller *poller, int fd)
{
    struct poller_entry *entry = find(poller, fd);

    if (entry == NULL) return -ENOENT;
    (void)backend_watch(poller, fd, interest_or_none(entry->interest), RS_WATCH_NONE);
    *entry = (struct poller_entry){.removals = (entry->removals + 1) & INT32_MAX};
    return 0;
}

int rouse_poller_remove(struct rouse_poller *poller, int fd)
{
    rs_lock(&poller->lock);
    int err = remove_locked(poller, fd);
    rs_unlock(&poller->lock);
    return err;
}

// Turns the back end's events into the caller's, without those that came too late. Returns how many
// are left.
static int translate(struct rouse_poller *poller, const struct rs_event *from, int count,
                     struct rouse_poller_event *events)
{
    int filled = 0;

    rs_lock(&poller->lock);
    for (int i = 0; i < count; i++) {
        const struct poller_entry *entry = find(poller, (int)(from[i].key & UINT32_MAX));

        if (entry == NULL || entry->removals != from[i].key >> 32) continue;

        uint32_t ready = from[i].ready & (entry->interest | ROUSE_HANGUP | ROUSE_ERROR);

        if (ready != 0 && entry->interest != 0) {
            events[filled++] = (struct rouse_poller_event){.key = entry->key, .ready = ready};
        }
    }
    rs_unlock(&poller->lock);
    return filled;
}

// A wait of `failed` gave `err`. 0 if another back end goes on. What that cannot watch any more has
// been closed by the caller, and is forgotten as by any back end.
static int replace_backend(struct rouse_poller *poller, struct rs_backend *failed, int err)
{
    struct rs_backend *successor = rs_reactor_successor(&poller->reactor, failed, err);

    if (successor == NULL) return err;
    rs_lock(&poller->lock);
    bool done = rs_reactor_put(&poller->reactor, failed, successor);

    for (size_t fd = 0; done && fd < poller->entry_count; fd++) {
        const struct poller_entry *entry = &poller->entries[fd];

        if (!entry->watched || entry->interest == 0) continue;
        (void)backend_watch(poller, (int)fd, RS_WATCH_NONE, entry->interest);
    }
    rs_unlock(&poller->lock);
    rouse_assert(done, "a second thread waits in this poller; one at a time may");
    failed->ops->retire(failed, successor);
    return 0;
}

static uint64_t timeout_until(uint64_t deadline_ns)
{
    if (deadline_ns == 0 || deadline_ns == ROUSE_NEVER) return deadline_ns;
    uint64_t now_ns = rouse_now_ns();
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

// The back end's wait also ends for signals and, in some, for changes: only a notification of
// ours, an event or the deadline ends this one.
int rouse_poller_wait(struct rouse_poller *poller, struct rouse_poller_event *events, int max,
                      uint64_t deadline_ns)
{
    struct rs_event batch[BATCH_MAX];

    if (max < 1) return -EINVAL;
    if (max > BATCH_MAX) max = BATCH_MAX;
    for (;;) {
        uint64_t timeout_ns = timeout_until(deadline_ns);
        struct rs_backend *backend = rs_reactor_get(&poller->reactor);
        int count = backend->ops->wait(backend, batch, max, timeout_ns);

        bool replaced = count < 0;

        if (replaced) count = replace_backend(poller, backend, count);
        if (count < 0) return count;
        count = translate(poller, batch, count, events);
        // Acquire, with the release in rouse_poller_notify(): what was written before it is seen.
        // Seq_cst, with its store and load, and with rs_reactor_put(): either a notifier finds the
        // new back end, or we see here what it told the old one.
        bool notified = atomic_exchange_explicit(&poller->notified, false, memory_order_seq_cst);
        if (count > 0 || notified || (timeout_ns == 0 && !replaced)) return count;
    }
}

void rouse_poller_notify(struct rouse_poller *poller)
{
    // Release, with the acquire in rouse_poller_wait(). Set before the back end is notified: the
    // wait that this ends finds it. Seq_cst, both: see there.
    atomic_store_explicit(&poller->notified, true, memory_order_seq_cst);
    struct rs_backend *backend = atomic_load_explicit(&poller->reactor.place, memory_order_seq_cst);

    backend->ops->notify(backend);
}
