// SPDX-License-Identifier: MIT
//
// Sockets: the last share, and a close against a read. And a name that is looked up on the pool of
// the default runtime.

#include <errno.h>
#include <rouse/runtime.h>
#include <rouse/tcp.h>
#include <stdlib.h>

#include "base/sys.h"
#include "net/socket.h"
#include "wait.h"

enum { CAPACITY = 4 };

static struct rs_socket *sock;
static int ends[2];  // the socket has the first
static int plain[2];
static struct rouse_driver *driver;

static void make(void)
{
    driver = driver_make("epoll");
    model_stream(ends, CAPACITY);
    sock = model_alloc(sizeof *sock);
    rs_socket_init(sock, ends[0]);
    for (int i = 0; i < 2; i++) plain[i] = 0;
}

static void unmake_driver(void)
{
    rouse_driver_free(driver);
}

// ---- The last share ----

static void make_shared(void)
{
    make();
    rs_socket_ref(sock);
}

static void use_and_unref(int index)
{
    plain[index] = 1;
    if (!rs_socket_unref(sock)) return;
    model_claim(plain[0] == 1 && plain[1] == 1, "the last one sees what the other did");
    model_free(sock);
}

static void unref_first(void)
{
    use_and_unref(0);
}

static void unref_second(void)
{
    use_and_unref(1);
}

// ---- A close ----

struct reader {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct model_waker waker;
    ssize_t output;
};

static struct reader reader;

static ssize_t read_some(int fd, void *arg)
{
    char buf[CAPACITY];

    (void)arg;
    return rs_sys.read(fd, buf, sizeof buf);
}

static rouse_poll reader_poll(struct rouse_future *self, struct rouse_context *cx)
{
    ssize_t result;

    (void)self;
    if (rs_source_poll(&sock->source, RS_READ, &reader.wait, cx, read_some, NULL, CAPACITY,
                       &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    reader.output = rs_socket_result(sock, result);
    return ROUSE_READY;
}

static const struct rouse_future_vtable reader_vtable = {.poll = reader_poll, .name = "reader"};

static void make_reader(void)
{
    make();
    reader = (struct reader){.base.vtable = &reader_vtable, .waker.thread = 1};
}

static void read_until_closed(void)
{
    wait_for(&reader.base, &reader.waker, driver);
    model_claim(reader.output == -EBADF, "what a close of ours does is not taken for the peer's");
}

static void close_socket(void)
{
    rs_socket_close(sock);
}

static void unmake_reader(void)
{
    if (rs_socket_unref(sock)) model_free(sock);
    claim_dropped(&reader.waker);
    unmake_driver();
}

// ---- A name ----

// The driver of the runtime gets a record that is known to stay.
static void make_record(void)
{
    rouse_driver_free(driver_make("epoll"));
}

static void connect_name(void)
{
    struct rouse_tcp *conn;

    (void)setenv("ROUSE_WORKERS", "1", 1);
    model_claim(rouse_tcp_connect_name(&conn, "host", "80") == -ENOENT, "nobody has that name");
    rouse_runtime_free(rouse_runtime_default());
}

const struct model_scenario model_net_scenarios[] = {
    {.name = "net_last_share",
     .about = "the last share of a socket goes after all that was done with the others",
     .setup = make_shared,
     .threads = {unref_first, unref_second},
     .check = unmake_driver},
    {.name = "net_close_against_read",
     .about = "a read under which its socket is closed says so",
     .setup = make_reader,
     .threads = {read_until_closed, close_socket},
     .check = unmake_reader},
    {.name = "net_close_twice",
     .about = "of two closes one closes",
     .setup = make_reader,
     .threads = {read_until_closed, close_socket, close_socket},
     .check = unmake_reader},
    {.name = "net_connect_name",
     .about = "a lookup is freed by the last of its caller and its job",
     .setup = make_record,
     .threads = {connect_name}},
    {.name = NULL},
};
