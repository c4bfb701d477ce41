// SPDX-License-Identifier: MIT
//
// Faults in what uses the network and other descriptors: a TCP echo by fibers, through a proxy, and
// by futures; the calls with several buffers, descriptors that somebody else made, and a driver in
// a loop of the program's own.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "waits.h"

enum { PAYLOAD = 40000, PIECE = 3000 };

static char pattern(size_t place)
{
    return (char)(place * 31 + place / 251);
}

static void pattern_fill(char *buf, size_t size)
{
    for (size_t i = 0; i < size; i++) buf[i] = pattern(i);
}

static void pattern_check(const char *buf, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (buf[i] == pattern(i)) continue;
        fault_broken("bytes have changed on their way");
        return;
    }
}

// A listener on a free port and its address; NULL, noted.
static struct rouse_tcp_listener *listener_make(struct rouse_addr *address)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_tcp_listener *listener;

    if (fault_note(rouse_tcp_listen(&listener, &any, NULL)) < 0) return NULL;
    if (fault_note(rouse_tcp_listener_address(listener, address)) == 0) return listener;
    rouse_tcp_listener_unref(listener);
    return NULL;
}

// ---- By fibers ----

// What both ends share.
struct meeting {
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
};

static int echo_serve(void *arg)
{
    struct meeting *meeting = arg;
    struct rouse_tcp_accept accept;
    char buf[PIECE];
    ssize_t count;

    rouse_tcp_accept_init(&accept, meeting->listener);
    if (wait_for(&accept.base) < 0 || fault_note(accept.output) < 0) {
        rouse_tcp_listener_close(meeting->listener);  // who has connected is told
        rouse_tcp_listener_unref(meeting->listener);
        return -1;
    }
    struct rouse_tcp *conn = rouse_tcp_accept_take(&accept);

    while ((count = rouse_tcp_read(conn, buf, sizeof buf)) > 0) {
        count = rouse_tcp_write_all(conn, buf, (size_t)count);
        if (count < 0) break;
    }
    (void)fault_note(count);
    if (count == 0) step_done();
    rouse_tcp_unref(conn);
    rouse_tcp_listener_unref(meeting->listener);
    return 0;
}

static struct rouse_tcp *client_connect(const struct rouse_addr *address)
{
    struct rouse_tcp_connect connect;

    rouse_tcp_connect_init(&connect, address);
    if (wait_for(&connect.base) < 0 || fault_note(connect.output) < 0) return NULL;
    return rouse_tcp_connect_take(&connect);
}

static int echo_write(void *arg)
{
    static char out[PAYLOAD];
    struct rouse_tcp *conn = arg;

    pattern_fill(out, sizeof out);
    if (fault_note(rouse_tcp_write_all(conn, out, sizeof out)) == PAYLOAD &&
        fault_note(rouse_tcp_shutdown_write(conn)) == 0) {
        step_done();
    } else {
        rouse_tcp_close(conn);  // nobody is to wait for what will not come
    }
    rouse_tcp_unref(conn);
    return 0;
}

// Reads the echo, up to its end.
static void echo_read(struct rouse_tcp *conn)
{
    static char in[PAYLOAD + 1];
    struct rouse_tcp_read_exact read;

    rouse_tcp_read_exact_init(&read, conn, in, sizeof in);
    if (wait_for(&read.base) < 0) return;
    pattern_check(in, read.done);
    if (fault_note(read.output) < 0) return;
    if (read.output == PAYLOAD) {
        step_done();
    } else {
        (void)fault_note(-EPIPE);  // the server has given up
    }
}

static void echo_client(const struct rouse_addr *address)
{
    struct rouse_tcp *conn = client_connect(address);
    struct rouse_join_handle writer;

    if (conn == NULL) return;
    if (fault_note(rouse_spawn(&writer, echo_write, rouse_tcp_ref(conn))) == 0) {
        echo_read(conn);
        rouse_tcp_close(conn);
        (void)wait_joined(&writer);
    } else {
        rouse_tcp_unref(conn);
    }
    rouse_tcp_unref(conn);
}

// EBADF is what operations say that our own close has ended. A server that starves for its stack
// runs when the root has given its own back.
static int echo_root(void *arg)
{
    static struct meeting meeting;
    struct rouse_join_handle server;

    (void)arg;
    meeting.listener = listener_make(&meeting.address);
    if (meeting.listener == NULL) return 0;
    (void)rouse_tcp_listener_ref(meeting.listener);
    if (fault_note(rouse_spawn(&server, echo_serve, &meeting)) == 0) {
        echo_client(&meeting.address);
        rouse_abort(&server);
        (void)wait_joined(&server);
    } else {
        rouse_tcp_listener_unref(meeting.listener);
    }
    rouse_tcp_listener_unref(meeting.listener);
    return 0;
}

static bool echo_fibers_run(void)
{
    with_runtime(2, echo_root, NULL);
    return steps_are(3);
}

// ---- Through a proxy ----

// One listener is the proxy's, where the client goes; behind it is the other one.
struct proxied {
    struct meeting front;
    struct meeting back;
};

static int proxy_copy(struct rouse_tcp *inner, struct rouse_tcp *outer)
{
    int err = rouse_tcp_copy_bidirectional(inner, outer, NULL, NULL);

    if (fault_note(err) == 0) {
        step_done();
    } else {
        rouse_tcp_reset(inner);
        rouse_tcp_reset(outer);
    }
    return err;
}

static int proxy_serve(void *arg)
{
    struct proxied *proxied = arg;
    struct rouse_tcp_accept accept;

    rouse_tcp_accept_init(&accept, proxied->front.listener);
    if (wait_for(&accept.base) < 0 || fault_note(accept.output) < 0) {
        rouse_tcp_listener_close(proxied->front.listener);  // who has connected is told
        rouse_tcp_listener_unref(proxied->front.listener);
        return -1;
    }
    struct rouse_tcp *inner = rouse_tcp_accept_take(&accept);
    struct rouse_tcp *outer = client_connect(&proxied->back.address);

    if (outer != NULL) (void)proxy_copy(inner, outer);
    rouse_tcp_unref(inner);
    rouse_tcp_unref(outer);
    rouse_tcp_listener_unref(proxied->front.listener);
    return 0;
}

static void proxy_between(struct proxied *proxied)
{
    struct rouse_join_handle server, proxy;

    (void)rouse_tcp_listener_ref(proxied->back.listener);
    (void)rouse_tcp_listener_ref(proxied->front.listener);
    bool serves = fault_note(rouse_spawn(&server, echo_serve, &proxied->back)) == 0;
    bool proxies = fault_note(rouse_spawn(&proxy, proxy_serve, proxied)) == 0;

    if (!serves) rouse_tcp_listener_unref(proxied->back.listener);
    if (!proxies) rouse_tcp_listener_unref(proxied->front.listener);
    if (serves && proxies) echo_client(&proxied->front.address);
    if (proxies) {
        rouse_abort(&proxy);
        (void)wait_joined(&proxy);
    }
    if (serves) {
        rouse_abort(&server);
        (void)wait_joined(&server);
    }
}

static int proxy_root(void *arg)
{
    static struct proxied proxied;

    (void)arg;
    proxied.back.listener = listener_make(&proxied.back.address);
    proxied.front.listener = listener_make(&proxied.front.address);
    if (proxied.back.listener != NULL && proxied.front.listener != NULL) proxy_between(&proxied);
    rouse_tcp_listener_unref(proxied.back.listener);
    rouse_tcp_listener_unref(proxied.front.listener);
    return 0;
}

static bool proxy_run(void)
{
    with_runtime(2, proxy_root, NULL);
    return steps_are(4);
}

// ---- By futures ----

struct server_frame {
    struct rouse_async async;
    struct rouse_tcp_listener *listener;  // borrowed
    struct rouse_tcp *conn;
    struct rouse_tcp_accept accept;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char buf[PIECE];
};

static rouse_poll server_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct server_frame *s = ROUSE_CONTAINER_OF(self, struct server_frame, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    rouse_tcp_accept_init(&s->accept, s->listener);
    ROUSE_AWAIT(&s->accept.base);
    if (fault_note(s->accept.output) == 0) {
        s->conn = rouse_tcp_accept_take(&s->accept);
        for (;;) {
            rouse_tcp_read_init(&s->read, s->conn, s->buf, sizeof s->buf);
            ROUSE_AWAIT(&s->read.base);
            (void)fault_note(s->read.output);
            if (s->read.output <= 0) break;
            rouse_tcp_write_all_init(&s->write, s->conn, s->buf, (size_t)s->read.output);
            ROUSE_AWAIT(&s->write.base);
            if (fault_note(s->write.output) < 0) break;
        }
        if (s->read.output == 0) step_done();
        rouse_tcp_unref(s->conn);
        s->conn = NULL;
    } else {
        rouse_tcp_listener_close(s->listener);  // who has connected is told
    }
    ROUSE_ASYNC_END();
}

static void server_drop(struct rouse_future *self)
{
    struct server_frame *s = ROUSE_CONTAINER_OF(self, struct server_frame, async.base);

    rouse_async_cancel(&s->async);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable server_vtable = {
    .poll = server_poll, .drop = server_drop, .name = "server"};

static void server_init(struct rouse_future *storage, void *arg)
{
    struct server_frame *s = ROUSE_CONTAINER_OF(storage, struct server_frame, async.base);
    const struct meeting *meeting = arg;

    rouse_async_init(&s->async, &server_vtable);
    s->listener = meeting->listener;
    s->conn = NULL;
}

// Writes and reads at once, as one task.
struct client_frame {
    struct rouse_async async;
    struct rouse_addr address;
    struct rouse_tcp *conn;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    struct rouse_try_join both;
    struct rouse_timeout timeout;
};

static char client_out[PAYLOAD];
static char client_in[PAYLOAD];
static bool client_is_served;  // written by the client's task, read when that has been joined

static rouse_poll client_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct client_frame *c = ROUSE_CONTAINER_OF(self, struct client_frame, async.base);

    ROUSE_ASYNC_BEGIN(&c->async, cx);
    rouse_tcp_connect_init(&c->connect, &c->address);
    ROUSE_AWAIT(&c->connect.base);
    if (fault_note(c->connect.output) == 0) {
        c->conn = rouse_tcp_connect_take(&c->connect);
        rouse_tcp_write_all_init(&c->write, c->conn, client_out, PAYLOAD);
        rouse_tcp_read_exact_init(&c->read, c->conn, client_in, PAYLOAD);
        rouse_try_join_init(&c->both, &c->write.base, &c->read.base);
        rouse_timeout_init(&c->timeout, &c->both.base, fault_deadline());
        ROUSE_AWAIT(&c->timeout.base);
        pattern_check(client_in, c->read.done);
        if (fault_note(c->timeout.output) == 0 && fault_note(c->both.output) == 0) {
            client_is_served = c->read.output == PAYLOAD;
            if (!client_is_served) (void)fault_note(-EPIPE);
        }
        rouse_tcp_unref(c->conn);
        c->conn = NULL;
    }
    ROUSE_ASYNC_END();
}

static void client_drop(struct rouse_future *self)
{
    struct client_frame *c = ROUSE_CONTAINER_OF(self, struct client_frame, async.base);

    rouse_async_cancel(&c->async);
    rouse_tcp_unref(c->conn);
}

static const struct rouse_future_vtable client_vtable = {
    .poll = client_poll, .drop = client_drop, .name = "client"};

static void client_init(struct rouse_future *storage, void *arg)
{
    struct client_frame *c = ROUSE_CONTAINER_OF(storage, struct client_frame, async.base);
    const struct meeting *meeting = arg;

    rouse_async_init(&c->async, &client_vtable);
    c->address = meeting->address;
    c->conn = NULL;
}

// Waits on a plain thread until both tasks have ended.
static void futures_join(struct rouse_runtime *runtime, struct rouse_join_handle *server,
                         struct rouse_join_handle *client)
{
    bool is_over = fault_note(rouse_block_on(runtime, &client->base)) == 0;
    struct rouse_timeout timeout;

    if (is_over) rouse_future_drop(&client->base);
    if (is_over && client_is_served) {
        step_done();
    } else {
        rouse_abort(server);  // it may wait for a client that never comes
    }
    rouse_abort_on_drop(server);
    rouse_timeout_init(&timeout, &server->base, fault_deadline());
    if (fault_note(rouse_block_on(runtime, &timeout.base)) < 0) return;
    if (fault_note(timeout.output) == 0) rouse_future_drop(&server->base);
}

static void futures_on(struct rouse_runtime *runtime, struct meeting *meeting)
{
    const struct rouse_future_spec server_spec = {
        .size = sizeof(struct server_frame), .init = server_init, .arg = meeting};
    const struct rouse_future_spec client_spec = {
        .size = sizeof(struct client_frame), .init = client_init, .arg = meeting};
    struct rouse_join_handle server, client;

    if (fault_note(rouse_runtime_spawn_future(runtime, &server, &server_spec, NULL)) < 0) return;
    if (fault_note(rouse_runtime_spawn_future(runtime, &client, &client_spec, NULL)) < 0) {
        rouse_abort(&server);
        rouse_detach(&server);
        return;
    }
    futures_join(runtime, &server, &client);
}

static bool echo_futures_run(void)
{
    struct rouse_runtime *runtime = runtime_make(2);
    struct meeting meeting;

    if (runtime == NULL) return false;
    pattern_fill(client_out, sizeof client_out);
    meeting.listener = listener_make(&meeting.address);
    if (meeting.listener != NULL) futures_on(runtime, &meeting);
    rouse_runtime_free(runtime);
    rouse_tcp_listener_unref(meeting.listener);
    return steps_are(2);
}

// ---- Several buffers, files, options ----

enum { FILE_SIZE = 9000 };

static int file_make(void)
{
    static char content[FILE_SIZE];
    FILE *file = tmpfile();

    if (file == NULL) return (int)fault_note(-errno);
    pattern_fill(content, sizeof content);
    (void)fwrite(content, 1, sizeof content, file);
    (void)fflush(file);
    int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);

    if (fd < 0) (void)fault_note(-errno);
    (void)fclose(file);
    return fd;
}

// Sends the pattern: 1,000 bytes from two buffers, the rest from a file.
static int vectors_send(void *arg)
{
    struct rouse_tcp *conn = arg;
    char head[1000];
    const struct iovec iov[2] = {{head, 300}, {head + 300, 700}};
    struct rouse_addr address;
    int fd = file_make();

    pattern_fill(head, sizeof head);
    if (fd >= 0 && fault_note(rouse_tcp_set_keepalive(conn, 60, 10, 3)) == 0 &&
        fault_note(rouse_tcp_peer_address(conn, &address)) == 0 &&
        fault_note(rouse_tcp_writev_all(conn, iov, 2)) == 1000 &&
        fault_note(rouse_tcp_sendfile(conn, fd, 1000, FILE_SIZE - 1000)) == FILE_SIZE - 1000) {
        step_done();
    }
    if (fd >= 0) (void)close(fd);
    rouse_tcp_unref(conn);
    return 0;
}

static int vectors_receive(void *arg)
{
    static char in[FILE_SIZE + 100];
    struct rouse_tcp *conn = arg;
    size_t done = 0;
    ssize_t count;

    do {
        const size_t half = (sizeof in - done) / 2;
        const struct iovec iov[2] = {{in + done, half},
                                     {in + done + half, sizeof in - done - half}};

        count = rouse_tcp_readv(conn, iov, 2);
        if (count > 0) done += (size_t)count;
    } while (fault_note(count) > 0);
    pattern_check(in, done);
    if (count == 0 && done == FILE_SIZE) step_done();
    if (count == 0 && done < FILE_SIZE) (void)fault_note(-EPIPE);
    // A sender that goes on is told.
    rouse_tcp_close(conn);
    rouse_tcp_unref(conn);
    return 0;
}

// Moves bytes from one fiber to another. Takes both connections.
static void pair_move(struct rouse_tcp *near, struct rouse_tcp *far, rouse_fiber_function send,
                      rouse_fiber_function receive)
{
    struct rouse_join_handle sender, receiver;
    bool sends = fault_note(rouse_spawn(&sender, send, near)) == 0;
    bool receives = fault_note(rouse_spawn(&receiver, receive, far)) == 0;

    if (!sends) rouse_tcp_unref(near);
    if (!receives) rouse_tcp_unref(far);
    if (receives) (void)wait_joined(&receiver);
    if (sends) (void)wait_joined(&sender);
}

// What is done with a connection.
struct move {
    rouse_fiber_function send;
    rouse_fiber_function receive;
};

static int pair_root(void *arg)
{
    const struct move *move = arg;
    struct meeting meeting;
    struct rouse_tcp_accept accept;

    meeting.listener = listener_make(&meeting.address);
    if (meeting.listener == NULL) return 0;
    struct rouse_tcp *near = client_connect(&meeting.address);

    if (near != NULL) {
        rouse_tcp_accept_init(&accept, meeting.listener);
        if (wait_for(&accept.base) == 0 && fault_note(accept.output) == 0) {
            pair_move(near, rouse_tcp_accept_take(&accept), move->send, move->receive);
        } else {
            rouse_tcp_unref(near);
        }
    }
    rouse_tcp_listener_unref(meeting.listener);
    return 0;
}

static bool vectors_run(void)
{
    struct move move = {vectors_send, vectors_receive};

    with_runtime(1, pair_root, &move);
    return steps_are(2);
}

// ---- Lent buffers ----

static int pooled_send(void *arg)
{
    static char out[PAYLOAD];
    struct rouse_tcp *conn = arg;

    pattern_fill(out, sizeof out);
    // The reader waits by then.
    (void)rouse_sleep(ROUSE_NS_PER_MS);
    if (fault_note(rouse_tcp_write_all(conn, out, sizeof out)) == PAYLOAD) step_done();
    rouse_tcp_unref(conn);
    return 0;
}

// Waits for data, and then for a buffer with it. Copies it to `in`. As rouse_tcp_read().
static int64_t pooled_take(struct rouse_tcp *conn, char *in, size_t size)
{
    struct rouse_tcp_readable readable;
    struct rouse_tcp_read_pooled read;

    rouse_tcp_readable_init(&readable, conn);
    int64_t err = wait_for(&readable.base);

    if (err == 0) err = fault_note(readable.output);
    if (err < 0) return err;
    rouse_tcp_read_pooled_init(&read, conn);
    err = wait_for(&read.base);
    if (err < 0 || fault_note(read.output) <= 0) return err < 0 ? err : read.output;
    if ((size_t)read.output > size) {
        fault_broken("more bytes than were sent");
    } else {
        memcpy(in, read.data, (size_t)read.output);
    }
    rouse_future_drop(&read.base);
    return read.output;
}

static int pooled_receive(void *arg)
{
    static char in[PAYLOAD];
    struct rouse_tcp *conn = arg;
    size_t done = 0;
    int64_t count;

    while ((count = pooled_take(conn, in + done, sizeof in - done)) > 0) done += (size_t)count;
    pattern_check(in, done);
    if (count == 0 && done == PAYLOAD) step_done();
    if (count == 0 && done < PAYLOAD) (void)fault_note(-EPIPE);
    // A sender that goes on is told.
    rouse_tcp_close(conn);
    rouse_tcp_unref(conn);
    return 0;
}

static bool pooled_run(void)
{
    struct move move = {pooled_send, pooled_receive};

    with_runtime(1, pair_root, &move);
    return steps_are(2);
}

// ---- Lent memory ----

static void count_release(void *arg)
{
    atomic_int *releases = arg;

    // Release, with the acquire in was_released(): nobody uses the memory any more.
    if (atomic_fetch_add_explicit(releases, 1, memory_order_release) != 0) {
        fault_broken("memory came back twice");
    }
}

static bool was_released(const atomic_int *releases)
{
    return atomic_load_explicit(releases, memory_order_acquire) == 1;
}

static int lent_send(void *arg)
{
    static char out[PAYLOAD];
    static atomic_int releases;
    struct rouse_tcp *conn = arg;
    struct rouse_tcp_write_zerocopy write;

    pattern_fill(out, sizeof out);
    rouse_tcp_write_zerocopy_init(&write, conn, out, sizeof out, count_release, &releases);
    if (wait_for(&write.base) == 0 && fault_note(write.output) == PAYLOAD) {
        if (!was_released(&releases)) fault_broken("a write ended before its memory was back");
        step_done();
    }
    rouse_tcp_unref(conn);
    return 0;
}

static bool lent_run(void)
{
    struct move move = {lent_send, pooled_receive};

    with_runtime(1, pair_root, &move);
    return steps_are(2);
}

// More than both ends hold, so that some of it is out when the write is given up.
static int left_send(void *arg)
{
    static char out[4 << 20];
    static atomic_int releases;
    struct rouse_tcp *conn = arg;
    struct rouse_tcp_write_zerocopy write;
    uint64_t deadline = fault_deadline();

    rouse_tcp_write_zerocopy_init(&write, conn, out, sizeof out, count_release, &releases);
    // What becomes of the connection is not looked at here.
    int64_t err = rouse_await_until(&write.base, rouse_deadline_after(2 * ROUSE_NS_PER_MS));

    rouse_tcp_unref(conn);
    while (!was_released(&releases) && rouse_now_ns() < deadline) {
        if (rouse_sleep(ROUSE_NS_PER_MS) < 0) break;
    }
    if (!was_released(&releases)) {
        (void)fault_note(err);
    } else {
        step_done();
    }
    return 0;
}

static int left_receive(void *arg)
{
    static char in[1 << 16];
    ssize_t count;

    // The sender fills the buffers and gives up.
    (void)rouse_sleep(3 * ROUSE_NS_PER_MS);
    do {
        count = rouse_tcp_read(arg, in, sizeof in);
    } while (count > 0);
    rouse_tcp_unref(arg);
    step_done();
    return 0;
}

static bool left_run(void)
{
    struct move move = {left_send, left_receive};

    with_runtime(1, pair_root, &move);
    return steps_are(2);
}

// ---- A descriptor that somebody else made ----

static ssize_t pipe_read(int fd, void *arg)
{
    ssize_t count = read(fd, arg, 1);

    return count < 0 ? -errno : count;
}

static int pipe_write(void *arg)
{
    (void)rouse_sleep(ROUSE_NS_PER_MS);
    // The reader may have gone.
    if (write(*(int *)arg, "x", 1) != 1 && errno != EPIPE) fault_broken("a pipe takes no byte");
    return 0;
}

// Waits for a byte that comes later, then takes it.
static void pipe_wait(struct rouse_fd *fd)
{
    struct rouse_fd_ready ready;
    char byte = 0;

    rouse_fd_ready_init(&ready, fd, ROUSE_READABLE);
    if (wait_for(&ready.base) < 0 || fault_note(ready.output) < 0) return;
    step_done();
    if (fault_note(rouse_fd_try_io(fd, ROUSE_READABLE, pipe_read, &byte)) == 1 && byte == 'x') {
        step_done();
    }
}

static int pipe_root(void *arg)
{
    int *ends = arg;
    struct rouse_join_handle writer;
    struct rouse_fd *fd;

    if (fault_note(rouse_fd_adopt(&fd, ends[0])) < 0) {
        (void)close(ends[0]);
        return 0;
    }
    if (fault_note(rouse_spawn(&writer, pipe_write, &ends[1])) == 0) {
        pipe_wait(fd);
        (void)wait_joined(&writer);
    }
    rouse_fd_free(fd);
    return 0;
}

// The pipe belongs to the root fiber, which may never come to be.
static bool pipe_run(void)
{
    int ends[2];

    if (pipe(ends) < 0) {
        (void)fault_note(-errno);
        return false;
    }
    with_runtime(2, pipe_root, ends);
    (void)close(ends[1]);
    if (fcntl(ends[0], F_GETFD) >= 0) (void)close(ends[0]);
    return steps_are(2);
}

// ---- A driver in a loop of the program's own ----

static rouse_poll poll_with(struct rouse_future *future, struct rouse_driver *driver)
{
    const struct rouse_waker nobody = {0};
    struct rouse_context cx;

    rouse_context_init(&cx, &nobody, driver);
    return rouse_future_poll(future, &cx);
}

static bool driver_run(void)
{
    struct rouse_driver *driver;
    struct rouse_sleep sleep;
    uint64_t deadline = fault_deadline();
    bool is_over = false;

    if (fault_note(rouse_driver_new(&driver, NULL)) < 0) return false;
    rouse_sleep_init(&sleep, 2 * ROUSE_NS_PER_MS);
    while (!is_over && rouse_now_ns() < deadline) {
        is_over = poll_with(&sleep.base, driver) == ROUSE_READY;
        if (!is_over) (void)rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_S));
    }
    if (is_over && fault_note(sleep.output) == 0) step_done();
    if (!is_over) {
        (void)fault_note(-ETIMEDOUT);
        rouse_future_drop(&sleep.base);
    }
    rouse_driver_free(driver);
    return steps_are(1);
}

const struct scenario fault_scenarios[] = {
    {.name = "echo_fibers", .run = echo_fibers_run, .also = EBADF},
    {.name = "proxy", .run = proxy_run, .also = EBADF, .is_server = true},
    {.name = "echo_futures", .run = echo_futures_run},
    {.name = "vectors", .run = vectors_run},
    {.name = "pooled", .run = pooled_run},
    {.name = "lent", .run = lent_run, .reactor = "epoll"},
    {.name = "left", .run = left_run, .reactor = "epoll", .is_server = true},
    {.name = "pipe", .run = pipe_run},
    {.name = "driver", .run = driver_run},
    {.name = NULL},
};
