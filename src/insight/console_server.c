// SPDX-License-Identifier: MIT
//
// The loop of the console's thread: see console_server.h. Its time is the kernel's: a virtual clock
// may stand still.

#include "insight/console_server.h"

#include <errno.h>
#include <poll.h>
#include <rouse/clock.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "base/thread.h"

enum { BACKLOG = 16, ENTRIES = RS_SERVER_CONNS + 2 };

// How often workers' rings are emptied while somebody watches. They have room for a poll each two
// and a half microseconds; of more a sample is taken.
#define DRAIN_NS (20 * ROUSE_NS_PER_MS)
// After the system had no descriptor for a connection, or a wait failed.
#define RETRY_NS (100 * ROUSE_NS_PER_MS)

static uint64_t real_now_ns(void)
{
    struct timespec now = {.tv_sec = 0};

    (void)rs_sys.clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ROUSE_NS_PER_S + (uint64_t)now.tv_nsec;
}

// ---- Connections ----

static struct rs_conn *free_conn(struct rs_server *server)
{
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        if (server->conns[i].state == RS_CONN_FREE) return &server->conns[i];
    }
    return NULL;
}

// Whoever is one too many is told so, if that takes no time.
static void turn_away(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        "the console has too many connections\n";

    (void)rs_sys.send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    (void)rs_sys.shutdown(fd, SHUT_RDWR);
    (void)rs_sys.close(fd);
}

static void accept_one(struct rs_server *server)
{
    int fd = rs_sys.accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    // Without a descriptor it stays in the backlog, and would make each wait return at once.
    if (fd < 0 && fd != -EAGAIN && fd != -EINTR) server->accept_at_ns = server->now_ns + RETRY_NS;
    if (fd < 0) return;
    struct rs_conn *conn = free_conn(server);

    if (conn == NULL) {
        turn_away(fd);
    } else {
        rs_conn_open(conn, fd, server->now_ns);
    }
}

static void read_request(struct rs_server *server, struct rs_conn *conn)
{
    switch (rs_conn_read(conn)) {
    case RS_CONN_DONE:
        rs_server_route(server, conn);
        break;
    case RS_CONN_GONE:
        rs_conn_close(conn);
        break;
    case RS_CONN_WAITS:
        break;
    }
}

static void send_answer(struct rs_server *server, struct rs_conn *conn)
{
    enum rs_conn_progress progress = rs_conn_write(conn, server->now_ns);

    if (progress == RS_CONN_GONE) {
        rs_conn_close(conn);
    } else if (progress == RS_CONN_DONE && conn->state == RS_CONN_ANSWERING) {
        rs_conn_end(conn, server->now_ns);
    }
}

// A peer that has closed its side does not want the rest.
static void listen_to_peer(struct rs_server *server, struct rs_conn *conn)
{
    if (rs_conn_discard(conn) == RS_CONN_WAITS) return;
    if (conn->state == RS_CONN_RECORDING) {
        rs_recording_end(&server->recording, &server->snapshots.observer, false);
    }
    rs_conn_close(conn);
}

void rs_server_snapshot(struct rs_server *server, struct rs_conn *conn)
{
    struct rs_lanes_place *seen = conn->has_no_lanes ? NULL : &conn->seen;

    rs_snapshot_print(&server->snapshots, &conn->query, conn->period_ns, seen, &conn->body);
}

// A snapshot is due. One that the peer has not taken yet is not added to: it misses this one.
static void stream_next(struct rs_server *server, struct rs_conn *conn)
{
    conn->next_ns = server->now_ns + conn->period_ns;
    if (!rs_conn_is_sent(conn)) return;
    rs_text_clear(&conn->body);
    conn->head_size = 0;
    conn->sent = 0;
    rs_text_print(&conn->body, "event: snapshot\ndata: ");
    rs_server_snapshot(server, conn);
    rs_text_print(&conn->body, "\n\n");
    // Without memory there is none this time.
    if (conn->body.truncated) rs_text_clear(&conn->body);
    send_answer(server, conn);
}

// What the time brings.
static void conn_tick(struct rs_server *server, struct rs_conn *conn)
{
    bool is_late = server->now_ns >= conn->deadline_ns;

    switch (conn->state) {
    case RS_CONN_READING:
        if (is_late) rs_server_refuse(server, conn, 408, "the request took too long");
        break;
    case RS_CONN_STREAMING:
        if (!rs_conn_is_sent(conn) && is_late) {
            rs_conn_close(conn);
        } else if (server->now_ns >= conn->next_ns) {
            stream_next(server, conn);
        }
        break;
    case RS_CONN_ANSWERING:
    case RS_CONN_ENDING:
        if (is_late) rs_conn_close(conn);
        break;
    case RS_CONN_RECORDING:
        if (is_late) rs_server_end_recording(server, conn);
        break;
    case RS_CONN_FREE:
        break;
    }
}

static void conn_event(struct rs_server *server, struct rs_conn *conn, short events)
{
    if (conn->state == RS_CONN_READING) {
        read_request(server, conn);
    } else if (conn->state != RS_CONN_ANSWERING && (events & ~POLLOUT) != 0) {
        listen_to_peer(server, conn);
    }
    if (conn->state == RS_CONN_ANSWERING || conn->state == RS_CONN_STREAMING) {
        send_answer(server, conn);
    }
}

// ---- The loop ----

static bool has_viewer(const struct rs_server *server)
{
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        if (server->conns[i].state == RS_CONN_STREAMING) return true;
    }
    return server->recording.text != NULL;
}

static void observe(struct rs_server *server)
{
    struct rs_observer *observer = &server->snapshots.observer;

    rs_observer_set(observer, has_viewer(server), server->recording.text != NULL);
    if (!observer->is_on || server->now_ns < server->drain_at_ns) return;
    rs_observer_look(observer);
    server->drain_at_ns = server->now_ns + DRAIN_NS;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(const struct rs_server *server)
{
    uint64_t next = ROUSE_NEVER;

    if (server->accept_at_ns > server->now_ns) next = server->accept_at_ns;
    if (server->snapshots.observer.is_on) next = earlier(next, server->drain_at_ns);
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        const struct rs_conn *conn = &server->conns[i];

        if (conn->state == RS_CONN_FREE) continue;
        bool is_stream = conn->state == RS_CONN_STREAMING;

        next = earlier(next, is_stream ? conn->next_ns : conn->deadline_ns);
    }
    return next;
}

// Who is being answered may have closed its side already.
static short events_of(const struct rs_conn *conn)
{
    if (conn->state == RS_CONN_ANSWERING) return POLLOUT;
    if (conn->state == RS_CONN_STREAMING && !rs_conn_is_sent(conn)) return POLLIN | POLLOUT;
    return POLLIN;
}

// A negative descriptor is left out.
static void fill_entries(const struct rs_server *server, struct pollfd *entries)
{
    bool may_accept = server->now_ns >= server->accept_at_ns;

    entries[0] = (struct pollfd){.fd = server->wake_fd, .events = POLLIN};
    entries[1] = (struct pollfd){.fd = may_accept ? server->listener : -1, .events = POLLIN};
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        const struct rs_conn *conn = &server->conns[i];

        entries[2 + i] = (struct pollfd){.fd = conn->state != RS_CONN_FREE ? conn->fd : -1,
                                         .events = events_of(conn)};
    }
}

static void wait_for_events(const struct rs_server *server, struct pollfd *entries)
{
    uint64_t until_ns = next_deadline(server);
    uint64_t left_ns = until_ns > server->now_ns ? until_ns - server->now_ns : 0;
    const struct timespec retry = {.tv_nsec = (long)RETRY_NS};
    const struct timespec left = {.tv_sec = (time_t)(left_ns / ROUSE_NS_PER_S),
                                  .tv_nsec = (long)(left_ns % ROUSE_NS_PER_S)};
    int n = rs_sys.ppoll(entries, ENTRIES, until_ns != ROUSE_NEVER ? &left : NULL);

    if (n >= 0) return;
    for (int i = 0; i < ENTRIES; i++) entries[i].revents = 0;
    if (n != -EINTR) (void)nanosleep(&retry, NULL);
}

static void server_turn(struct rs_server *server)
{
    struct pollfd entries[ENTRIES];

    fill_entries(server, entries);
    wait_for_events(server, entries);
    server->now_ns = real_now_ns();
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        if (entries[2 + i].revents != 0) {
            conn_event(server, &server->conns[i], entries[2 + i].revents);
        }
        conn_tick(server, &server->conns[i]);
    }
    if (entries[1].revents != 0) accept_one(server);
    observe(server);
}

static bool is_stopping(const struct rs_server *server)
{
    // Relaxed: the join orders what matters.
    return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}

static void *server_main(void *arg)
{
    struct rs_server *server = arg;

    rs_thread_set_name("rouse-console");
    // Relaxed, here and below: it is only compared with the reader's own.
    atomic_store_explicit(&server->tid, (int32_t)gettid(), memory_order_relaxed);
    server->now_ns = real_now_ns();
    while (!is_stopping(server)) server_turn(server);
    for (int i = 0; i < RS_SERVER_CONNS; i++) rs_conn_close(&server->conns[i]);
    rs_snapshots_free(&server->snapshots);
    atomic_store_explicit(&server->tid, 0, memory_order_relaxed);
    return NULL;
}

bool rs_server_is_here(const struct rs_server *server)
{
    return atomic_load_explicit(&server->tid, memory_order_relaxed) == (int32_t)gettid();
}

// ---- Started and stopped ----

static int listen_at(struct rs_server *server, const struct rouse_addr *addr)
{
    const int on = 1;
    int fd = rs_sys.socket(addr->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) return fd;
    // Without it a program that is started again has to wait for its last connections.
    int err = rs_sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);

    if (err == 0) err = rs_sys.bind(fd, (const struct sockaddr *)&addr->storage, addr->length);
    if (err == 0) err = rs_sys.listen(fd, BACKLOG);
    server->address = (struct rouse_addr){.length = sizeof server->address.storage};
    if (err == 0) {
        err = rs_sys.getsockname(fd, (struct sockaddr *)&server->address.storage,
                                 &server->address.length);
    }
    if (err < 0) {
        (void)rs_sys.close(fd);
        return err;
    }
    server->listener = fd;
    return 0;
}

// In one process of those that have it; the others still do.
static void close_listener(struct rs_server *server)
{
    (void)rs_sys.close(server->listener);
    (void)rs_sys.close(server->wake_fd);
    rs_counter_add(RS_COUNTER_FDS, -2);
}

static void prepare(struct rs_server *server)
{
    // Relaxed: no thread runs yet.
    atomic_store_explicit(&server->stopping, false, memory_order_relaxed);
    server->accept_at_ns = 0;
    server->drain_at_ns = 0;
    server->recording = (struct rs_recording){.text = NULL};
    server->snapshots = (struct rs_snapshots){.started_ns = rouse_now_ns(),
                                              .has_control = server->guard.allow_control};
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        server->conns[i].state = RS_CONN_FREE;
        server->conns[i].fd = -1;
    }
}

int rs_server_start(struct rs_server *server, const struct rouse_addr *addr)
{
    if (!server->guard.allow_remote && !rs_guard_is_loopback(addr)) return -EACCES;
    int err = listen_at(server, addr);

    if (err < 0) return err;
    server->wake_fd = rs_sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->wake_fd < 0) {
        (void)rs_sys.close(server->listener);
        return server->wake_fd;
    }
    rs_counter_add(RS_COUNTER_FDS, 2);
    prepare(server);
    err = rs_thread_start(&server->thread, server_main, server);
    if (err < 0) {
        close_listener(server);
        return err;
    }
    rs_counter_add(RS_COUNTER_THREADS, 1);
    server->is_running = true;
    return 0;
}

static void ended(struct rs_server *server)
{
    server->is_running = false;
    rs_counter_add(RS_COUNTER_THREADS, -1);
    close_listener(server);
}

void rs_server_stop(struct rs_server *server)
{
    const uint64_t one = 1;

    if (!server->is_running) return;
    // Relaxed: as in is_stopping().
    atomic_store_explicit(&server->stopping, true, memory_order_relaxed);
    // It fails only when it is readable anyway.
    (void)rs_sys.write(server->wake_fd, &one, sizeof one);
    (void)pthread_join(server->thread, NULL);
    // The child of a fork that has not come to close it would keep the address taken.
    (void)rs_sys.shutdown(server->listener, SHUT_RDWR);
    ended(server);
}

void rs_server_forget(struct rs_server *server)
{
    if (!server->is_running) return;
    ended(server);
    // Relaxed: there is one thread.
    atomic_store_explicit(&server->tid, 0, memory_order_relaxed);
    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        // Its texts are the parent's thread's, which may have been about to change them.
        if (server->conns[i].fd >= 0) (void)rs_sys.close(server->conns[i].fd);
        server->conns[i].fd = -1;
        server->conns[i].state = RS_CONN_FREE;
    }
}
