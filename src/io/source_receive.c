// SPDX-License-Identifier: MIT
//
// A source whose back end receives ahead of who reads. Any thread; each state is changed under the
// lock of the direction's home, but for the last look at the orphans.

#include <errno.h>

#include "base/sys.h"
#include "io/driver.h"
#include "io/inflow.h"
#include "io/source.h"

static struct rs_direction *reading(struct rs_source *source)
{
    return &source->directions[RS_READ];
}

static uint8_t receive_state(struct rs_source *source)
{
    // Acquire: see rs_source_receives().
    return atomic_load_explicit(&reading(source)->receive, memory_order_acquire);
}

static void receive_set(struct rs_source *source, enum rs_source_receive state)
{
    // Release, with the acquire in rs_source_receives(): what was received is read before somebody
    // asks the kernel for what follows.
    atomic_store_explicit(&reading(source)->receive, (uint8_t)state, memory_order_release);
}

// From `before` to `after`, if it is `before`.
static void receive_change(struct rs_source *source, enum rs_source_receive before,
                           enum rs_source_receive after)
{
    uint8_t expected = (uint8_t)before;

    // Release: as in receive_set(). Relaxed on failure: nothing was learnt.
    (void)atomic_compare_exchange_strong_explicit(&reading(source)->receive, &expected,
                                                  (uint8_t)after, memory_order_release,
                                                  memory_order_relaxed);
}

void rs_source_may_receive(struct rs_source *source)
{
    receive_set(source, RS_RECEIVE_MAY);
}

// ---- Under the home's lock ----

bool rs_source_receive_begin(struct rs_source *source)
{
    receive_change(source, RS_RECEIVE_MAY, RS_RECEIVE_RECEIVING);
    return receive_state(source) == RS_RECEIVE_RECEIVING;
}

void rs_source_receive_cancel(struct rs_source *source)
{
    receive_change(source, RS_RECEIVE_RECEIVING, RS_RECEIVE_MAY);
}

// Takes what has come out of the home. Returns the error that follows.
static int leave(struct rs_source *source, struct rouse_driver *home, struct rs_inflow *out)
{
    struct rs_backend *receiver = rs_driver_receiver(home);

    out->first = NULL;
    return receiver != NULL ? receiver->ops->receive->leave(receiver, source->fd, out) : 0;
}

void rs_source_receive_drop(struct rs_source *source, struct rouse_driver *home)
{
    struct rs_inflow unread;

    if (receive_state(source) != RS_RECEIVE_RECEIVING) return;
    (void)leave(source, home, &unread);
    rs_inflow_free(&unread);
    receive_set(source, RS_RECEIVE_MAY);
}

bool rs_source_receive_orphan(struct rs_source *source, struct rouse_driver *home)
{
    struct rs_inflow unread;

    if (receive_state(source) != RS_RECEIVE_RECEIVING) return false;
    int error = leave(source, home, &unread);
    bool has = rs_inflow_orphan(&unread, error, source);

    receive_set(source, has ? RS_RECEIVE_ORPHANED : RS_RECEIVE_MAY);
    return has;
}

// ---- Reading ----

static ssize_t read_orphan(struct rs_source *source, struct rs_inflow_read *read)
{
    ssize_t result = rs_inflow_read_orphan(source, read);

    if (result == -ENODATA) receive_change(source, RS_RECEIVE_ORPHANED, RS_RECEIVE_MAY);
    return result;
}

static ssize_t read_at_home(struct rs_source *source, struct rouse_driver *home,
                            struct rs_inflow_read *read)
{
    struct rs_backend *receiver = rs_driver_receiver(home);
    ssize_t result = -ENODATA;

    if (receiver != NULL) result = receiver->ops->receive->read(receiver, source->fd, read);
    if (result == -ENODATA) receive_change(source, RS_RECEIVE_RECEIVING, RS_RECEIVE_MAY);
    return result;
}

ssize_t rs_source_received(struct rs_source *source, struct rs_inflow_read *read)
{
    for (;;) {
        uint8_t state = receive_state(source);

        if (state < RS_RECEIVE_RECEIVING) return -ENODATA;
        if (state == RS_RECEIVE_ORPHANED) return read_orphan(source, read);
        struct rouse_driver *home = rs_direction_lock(reading(source));

        // It has been left meanwhile, and the state changed before.
        if (home == NULL) continue;
        ssize_t result = -EAGAIN;
        bool same = receive_state(source) == RS_RECEIVE_RECEIVING;

        if (same) result = read_at_home(source, home, read);
        rs_driver_unlock(home);
        if (same) return result;
    }
}

ssize_t rs_source_recv_ahead(struct rs_source *source, void *buf, size_t size)
{
    struct rs_inflow_read read = {.buf = buf, .size = size};
    ssize_t result = rs_source_received(source, &read);

    rs_inflow_free(&read.spent);
    return result == -ENODATA ? rs_sys.recv(source->fd, buf, size, 0) : result;
}

// ---- The end ----

void rs_source_receive_forget(struct rs_source *source)
{
    struct rs_inflow_read read = {0};

    if (receive_state(source) != RS_RECEIVE_ORPHANED) return;
    while (rs_inflow_read_orphan(source, &read) != -ENODATA) {
        rouse_buffer_free(read.lent);
        read.lent = NULL;
    }
    rs_inflow_free(&read.spent);
}

void rs_source_receive_never(struct rs_source *source)
{
    if (receive_state(source) == RS_RECEIVE_NEVER) return;
    receive_change(source, RS_RECEIVE_MAY, RS_RECEIVE_NEVER);
    if (receive_state(source) != RS_RECEIVE_RECEIVING) return;
    struct rouse_driver *home = rs_direction_lock(reading(source));

    if (home == NULL) return;
    struct rs_backend *receiver = rs_driver_receiver(home);

    if (receiver != NULL && receive_state(source) == RS_RECEIVE_RECEIVING) {
        receiver->ops->receive->end(receiver, source->fd);
    }
    rs_driver_unlock(home);
}
