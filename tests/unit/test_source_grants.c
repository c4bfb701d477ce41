// SPDX-License-Identifier: MIT
//
// Several waits for one descriptor: an event is for the first of them, and one that was granted it
// and is dropped before its poll hands it on, as often as that happens. One that is set aside holds
// up nobody in its own task. For descriptors that were adopted, and for accepts on one listener; on
// both back ends.

#include <netinet/in.h>
#include <sys/socket.h>

#include "claim.h"
#include "source_wait.h"

enum { WAITS = 4 };

static struct rouse_driver *driver;

static rouse_poll poll_with(struct hand_waker *hand, struct rouse_future *future)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rouse_future_poll(future, &cx);
}

// Whether `hands[first]` and those before it have been woken once each, and the others not.
static bool woken_up_to(struct hand_waker *hands, int first)
{
    for (int i = 0; i < WAITS; i++) {
        if (hand_waker_wakes(&hands[i]) != (i <= first)) return false;
    }
    return true;
}

// One event; each wait but the last is dropped when it has been granted.
static void dropped_in_turn(struct rouse_future *futures[WAITS], struct hand_waker *hands,
                            const char *text)
{
    char line[120];
    bool held = source_turn(driver) == 1 && woken_up_to(hands, 0);

    for (int i = 0; i + 1 < WAITS; i++) {
        rouse_future_drop(futures[i]);
        held = held && woken_up_to(hands, i + 1);
    }
    (void)snprintf(line, sizeof line, "%s: each that is dropped hands its grant on", text);
    claim(held, line);
}

static void readers_of_a_pipe(void)
{
    struct hand_waker hands[WAITS] = {{0}};
    struct rouse_fd_ready ready[WAITS];
    struct rouse_future *futures[WAITS];
    struct rouse_fd *in;
    bool pending = true;
    int fds[2];

    source_pipe(fds);
    source_need(rouse_fd_adopt(&in, fds[0]) == 0, "adopt");
    for (int i = 0; i < WAITS; i++) {
        rouse_fd_ready_init(&ready[i], in, ROUSE_READABLE);
        futures[i] = &ready[i].base;
        pending = pending && poll_with(&hands[i], futures[i]) == ROUSE_PENDING;
    }
    claim(pending, "four wait for one pipe");
    source_write(fds[1]);
    dropped_in_turn(futures, hands, "waits for a pipe");
    claim(poll_with(&hands[WAITS - 1], futures[WAITS - 1]) == ROUSE_READY &&
              ready[WAITS - 1].output == 0,
          "and the last one finds it readable");
    rouse_fd_free(in);
    (void)close(fds[1]);
}

static int connect_to(const struct rouse_addr *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    source_need(fd >= 0 &&
                    connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0,
                "connect");
    return fd;
}

static void acceptors_of_a_listener(void)
{
    const struct rouse_addr any = rouse_addr_loopback(0);
    struct hand_waker hands[WAITS] = {{0}};
    struct rouse_tcp_accept accepts[WAITS];
    struct rouse_future *futures[WAITS];
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    bool pending = true;

    source_need(rouse_tcp_listen(&listener, &any, NULL) == 0 &&
                    rouse_tcp_listener_address(listener, &address) == 0,
                "listen");
    for (int i = 0; i < WAITS; i++) {
        rouse_tcp_accept_init(&accepts[i], listener);
        futures[i] = &accepts[i].base;
        pending = pending && poll_with(&hands[i], futures[i]) == ROUSE_PENDING;
    }
    claim(pending, "four accept on one listener");
    int fd = connect_to(&address);

    dropped_in_turn(futures, hands, "accepts");
    claim(poll_with(&hands[WAITS - 1], futures[WAITS - 1]) == ROUSE_READY &&
              accepts[WAITS - 1].output == 0,
          "and the last one gets the connection");
    rouse_tcp_unref(rouse_tcp_accept_take(&accepts[WAITS - 1]));
    (void)close(fd);
    rouse_tcp_listener_unref(listener);
}

static rouse_poll flag_poll(void *arg, struct rouse_context *cx)
{
    const bool *flag = arg;

    (void)cx;
    return *flag ? ROUSE_READY : ROUSE_PENDING;
}

// Nobody drops it by hand: the other arm of a select wins, and is polled first.
static void a_granted_arm_of_a_select(void)
{
    struct hand_waker hands[2] = {{0}};
    struct rouse_fd_ready ready[2];
    struct rouse_poll_fn flag_set;
    struct rouse_select select;
    struct rouse_fd *in;
    bool flag = false;
    int fds[2];

    source_pipe(fds);
    source_need(rouse_fd_adopt(&in, fds[0]) == 0, "adopt");
    rouse_fd_ready_init(&ready[0], in, ROUSE_READABLE);
    rouse_fd_ready_init(&ready[1], in, ROUSE_READABLE);
    rouse_poll_fn_init(&flag_set, flag_poll, &flag);
    rouse_select_init(&select, &flag_set.base, &ready[0].base, ROUSE_SELECT_BIASED);
    source_need(poll_with(&hands[0], &select.base) == ROUSE_PENDING, "the first wait");
    source_need(poll_with(&hands[1], &ready[1].base) == ROUSE_PENDING, "the second wait");
    source_write(fds[1]);
    claim(source_turn(driver) == 1 && hand_waker_wakes(&hands[0]) == 1 &&
              hand_waker_wakes(&hands[1]) == 0,
          "an arm of a select is granted the event");
    flag = true;
    claim(poll_with(&hands[0], &select.base) == ROUSE_READY && select.output == 0,
          "the other arm wins before it is polled");
    claim(hand_waker_wakes(&hands[1]) == 1, "the grant goes on to the second wait");
    claim(poll_with(&hands[1], &ready[1].base) == ROUSE_READY, "which finds it readable");
    rouse_fd_free(in);
    (void)close(fds[1]);
}

// The known shape of a deadlock: a task sets aside a wait that stands first in the queue, the loser
// of a select that was lent to it, and waits for the same thing again. Both have its waker.
static void a_wait_set_aside(void)
{
    struct hand_waker hand = {0};
    struct rouse_fd_ready lost;
    struct rouse_fd_ready again;
    struct rouse_borrow lent;
    struct rouse_poll_fn flag_set;
    struct rouse_select select;
    struct rouse_fd *in;
    bool flag = false;
    int fds[2];

    source_pipe(fds);
    source_need(rouse_fd_adopt(&in, fds[0]) == 0, "adopt");
    rouse_fd_ready_init(&lost, in, ROUSE_READABLE);
    rouse_borrow_init(&lent, &lost.base);
    rouse_poll_fn_init(&flag_set, flag_poll, &flag);
    rouse_select_init(&select, &flag_set.base, &lent.base, ROUSE_SELECT_BIASED);
    source_need(poll_with(&hand, &select.base) == ROUSE_PENDING, "the select");
    flag = true;
    source_need(poll_with(&hand, &select.base) == ROUSE_READY, "its other arm");
    rouse_fd_ready_init(&again, in, ROUSE_READABLE);
    source_need(poll_with(&hand, &again.base) == ROUSE_PENDING, "the second wait");
    source_write(fds[1]);
    claim(source_turn(driver) == 1 && hand_waker_wakes(&hand) == 1,
          "an event is granted to a wait that was set aside");
    claim(poll_with(&hand, &again.base) == ROUSE_READY,
          "the wait of the same task behind it is not held up");
    claim(poll_with(&hand, &lost.base) == ROUSE_READY, "and neither is the first one later");
    rouse_fd_free(in);
    (void)close(fds[1]);
}

static void on_back_end(const char *reactor)
{
    printf("# %s\n", reactor);
    driver = source_driver(reactor);
    readers_of_a_pipe();
    acceptors_of_a_listener();
    a_granted_arm_of_a_select();
    a_wait_set_aside();
    rouse_driver_free(driver);
}

int main(void)
{
    (void)alarm(50);
    on_back_end("epoll");
    on_back_end("poll");
    on_back_end("io_uring");
    return claims_end();
}
