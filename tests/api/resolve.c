// SPDX-License-Identifier: MIT
//
// Names to addresses as users see it: numbers at once, the names that every machine has, a look-up
// that is given up, and a connection to a name.

#include <netinet/in.h>
#include <rouse/error.h>
#include <rouse/resolve.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/tcp.h>
#include <stdio.h>

#include "harness/api.h"

enum { ROOM = 4 };

struct numbers_and_names_become_addresses {
    struct body body;
    struct rouse_addr found[ROOM];
    struct rouse_resolve resolve;
};

static rouse_poll numbers_and_names_become_addresses(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(numbers_and_names_become_addresses, frame, cx);
    rouse_resolve_init(&f->resolve, f->found, ROOM, "127.0.0.1", "80", NULL);
    AWAIT(&f->resolve.base);
    CHECK_EQ(f->resolve.output, 1);
    CHECK_EQ(rouse_addr_port(&f->found[0]), 80);
    rouse_resolve_init(&f->resolve, f->found, ROOM, "localhost", "81",
                       &(struct rouse_resolve_options){.family = AF_INET});
    AWAIT(&f->resolve.base);
    CHECK_WITHIN(f->resolve.output, 1, ROOM);
    CHECK_EQ(rouse_addr_port(&f->found[0]), 81);
    rouse_resolve_init(&f->resolve, f->found, ROOM, "127.0.0.1", "no-such-service", NULL);
    AWAIT(&f->resolve.base);
    CHECK_EQ(f->resolve.output, -ENOENT);
    BODY_END();
}

struct client {
    struct body body;
    struct rouse_addr found[ROOM];
    struct rouse_resolve resolve;
};

static rouse_poll client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(client, frame, cx);
    rouse_resolve_init(&f->resolve, f->found, ROOM, "localhost", "80", NULL);
    AWAIT(&f->resolve.base);
    BODY_RETURN(f->resolve.output > 0 ? 1 : f->resolve.output);
    BODY_END();
}

enum { CLIENTS = 40 };

// Some of them are given up before they begin, some while they run, and some when they are over.
struct look_ups_can_be_given_up_at_any_point {
    struct body body;
    int next;
    int64_t result;
    struct rouse_sleep sleep;
    struct rouse_join_handle handles[CLIENTS];
};

static rouse_poll look_ups_can_be_given_up_at_any_point(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(look_ups_can_be_given_up_at_any_point, frame, cx);
    for (int i = 0; i < CLIENTS; i++) CHECK_EQ(SPAWN(&f->handles[i], client, .body.end = NULL), 0);
    for (f->next = 0; f->next < CLIENTS; f->next++) {
        rouse_sleep_init(&f->sleep, (uint64_t)(f->next % 3) * 20 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
        if (f->next % 2 == 0) rouse_abort(&f->handles[f->next]);
        AWAIT(&f->handles[f->next].base);
        f->result = joined(&f->handles[f->next]);
        CHECK(f->result == 1 || (f->result == -ECANCELED && f->next % 2 == 0));
    }
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct name_is_connected_to {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp_listener *listener;
    struct rouse_tcp *conn;
    char service[8];
};

static rouse_poll name_is_connected_to(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(name_is_connected_to, frame, cx);
    f->address = rouse_addr_loopback(0);
    CHECK_EQ(rouse_tcp_listen(&f->listener, &f->address, NULL), 0);
    CHECK_EQ(rouse_tcp_listener_address(f->listener, &f->address), 0);
    (void)snprintf(f->service, sizeof f->service, "%u", (unsigned)rouse_addr_port(&f->address));
    CHECK_EQ(rouse_tcp_connect_name(&f->conn, "localhost", f->service), 0);
    rouse_tcp_unref(f->conn);
    CHECK_EQ(rouse_tcp_connect_name(&f->conn, "127.0.0.1", f->service), 0);
    rouse_tcp_unref(f->conn);
    rouse_tcp_listener_unref(f->listener);
    CHECK_EQ(rouse_tcp_connect_name(&f->conn, "127.0.0.1", f->service), -ECONNREFUSED);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(numbers_and_names_become_addresses)},
    {TEST(look_ups_can_be_given_up_at_any_point), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(name_is_connected_to)},
#endif
    {0}};
