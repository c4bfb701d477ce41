// SPDX-License-Identifier: MIT
//
// See acceptors.h. In the root fiber, but for the fibers that accept.
#include "common/acceptors.h"

#include <errno.h>
#include <rouse/sleep.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/complain.h"

enum { BACKLOG = 4096 };

const char *app_listen_take(struct app_addresses *addresses, const char *value)
{
    if (addresses->count == APP_LISTEN_MAX) return "given at most 8 times";
    if (rouse_addr_parse(&addresses->list[addresses->count], value) < 0) {
        return "an address and a port, as 127.0.0.1:8080, [::1]:8080 or *:8080";
    }
    addresses->count++;
    return NULL;
}

// The body of a fiber of the listener's worker.
struct acceptor {
    const struct app_acceptors *acceptors;
    unsigned worker;
    struct rouse_tcp_listener *listener;  // one share
};

static int accept_run(void *arg)
{
    struct acceptor *a = arg;
    struct rouse_tcp *tcp;
    int err;

    while ((err = rouse_tcp_accept(a->listener, &tcp)) != -ECANCELED) {
        if (err == 0) {
            a->acceptors->start(a->acceptors->arg, a->worker, tcp);
            continue;
        }
        (void)app_complain("cannot accept", "a connection", err, "; trying again");
        if (rouse_sleep(ROUSE_NS_PER_S) < 0) break;
    }
    rouse_tcp_listener_unref(a->listener);
    free(a);
    return 0;
}

static int acceptor_start(struct rouse_scope *accepting, const struct app_acceptors *acceptors,
                          unsigned worker, const struct rouse_addr *address)
{
    const struct rouse_tcp_listen_options options = {
        .size = sizeof options, .backlog = BACKLOG, .reuse_port = acceptors->workers > 1};
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "accept", .worker = worker + 1, .site = ROUSE_SITE};
    struct acceptor *a = malloc(sizeof *a);
    int err;

    if (a == NULL) return -ENOMEM;
    a->acceptors = acceptors;
    a->worker = worker;
    err = rouse_tcp_listen(&a->listener, address, &options);
    if (err < 0) goto no_listener;
    err = rouse_scope_spawn_at(accepting, NULL, accept_run, a, &attrs);
    if (err < 0) goto no_fiber;
    return 0;

no_fiber:
    rouse_tcp_listener_unref(a->listener);
no_listener:
    free(a);
    return err;
}

// Listeners that share a port do not notice one of another program that does so, too. This one
// does, and it picks the port where any will do.
static int address_claim(struct rouse_addr *address)
{
    struct rouse_tcp_listener *probe;
    int err = rouse_tcp_listen(&probe, address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(probe, address);
    rouse_tcp_listener_unref(probe);
    return err;
}

static const char *listen_cure(int err)
{
    switch (err) {
    case -EADDRINUSE:
        return "; stop who has it, or choose another port with --listen";
    case -EACCES:
        return "; a port below 1024 takes privileges: choose another with --listen";
    case -EADDRNOTAVAIL:
        return "; no interface has this address: choose another with --listen";
    default:
        return "";
    }
}

// `address` is then the one that was given to us, with its port.
static int listen_on(struct rouse_scope *accepting, const struct app_acceptors *acceptors,
                     struct rouse_addr *address)
{
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = address_claim(address);

    (void)rouse_addr_format(address, text, sizeof text);
    for (unsigned i = 0; err == 0 && i < acceptors->workers; i++) {
        err = acceptor_start(accepting, acceptors, i, address);
    }
    if (err < 0) return app_complain("cannot listen on", text, err, listen_cure(err));
    (void)printf("%s%s%s\n", acceptors->before, text, acceptors->after);
    (void)fflush(stdout);
    return 0;
}

int app_acceptors_start(struct rouse_scope *accepting, const struct app_acceptors *acceptors,
                        const struct app_addresses *addresses)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < addresses->count; i++) {
        struct rouse_addr address = addresses->list[i];

        err = listen_on(accepting, acceptors, &address);
        if (err == 0 && i == 0 && acceptors->first != NULL) *acceptors->first = address;
    }
    return err;
}
