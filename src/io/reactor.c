// SPDX-License-Identifier: MIT
//
// Replacing a back end.

#include "io/reactor.h"

int rs_reactor_open(struct rs_reactor *reactor, const char *name,
                    const struct rouse_allocator *allocator)
{
    struct rs_backend *backend;
    int err = rs_backend_open(&backend, name, allocator);

    if (err < 0) return err;
    reactor->retired = NULL;
    reactor->allocator = allocator;
    // Relaxed: published with the owner.
    atomic_store_explicit(&reactor->place, backend, memory_order_relaxed);
    return 0;
}

void rs_reactor_close(struct rs_reactor *reactor)
{
    struct rs_backend *backend = rs_reactor_get(reactor);

    backend->ops->close(backend);
    if (reactor->retired != NULL) reactor->retired->ops->close(reactor->retired);
    reactor->retired = NULL;
}

static void discard(struct rs_backend *backend)
{
    if (backend->ops->discard != NULL) {
        backend->ops->discard(backend);
    } else {
        backend->ops->close(backend);
    }
}

void rs_reactor_discard(struct rs_reactor *reactor)
{
    discard(rs_reactor_get(reactor));
    if (reactor->retired != NULL) discard(reactor->retired);
    reactor->retired = NULL;
}

int rs_reactor_fd(const struct rs_reactor *reactor)
{
    struct rs_backend *first =
        reactor->retired != NULL ? reactor->retired : rs_reactor_get(reactor);

    return first->ops->fd(first);
}

struct rs_backend *rs_reactor_successor(const struct rs_reactor *reactor, struct rs_backend *failed,
                                        int err)
{
    struct rs_backend *successor;

    if (failed->ops->retire == NULL || rs_reactor_get(reactor) != failed) return NULL;
    if (rs_backend_open_instead(&successor, failed->ops, err, reactor->allocator) < 0) return NULL;
    return successor;
}

bool rs_reactor_put(struct rs_reactor *reactor, struct rs_backend *failed,
                    struct rs_backend *successor)
{
    if (rs_reactor_get(reactor) != failed) return false;
    reactor->retired = failed;
    // Seq_cst, with the load in rouse_poller_notify(). Release, with the acquire in
    // rs_reactor_get(), for all others.
    atomic_store_explicit(&reactor->place, successor, memory_order_seq_cst);
    return true;
}
