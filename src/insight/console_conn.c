// SPDX-License-Identifier: MIT
//
// Reading a request and sending an answer: see console_conn.h.

#include "insight/console_conn.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/counters.h"
#include "base/sys.h"

#define REQUEST_NS (10 * ROUSE_NS_PER_S)
#define ANSWER_NS (10 * ROUSE_NS_PER_S)
#define END_NS ROUSE_NS_PER_S

// What everyone is told who is answered.
#define COMMON_HEADERS                              \
    "Cache-Control: no-store\r\n"                   \
    "X-Content-Type-Options: nosniff\r\n"           \
    "Cross-Origin-Resource-Policy: same-origin\r\n" \
    "Referrer-Policy: no-referrer\r\n"              \
    "Connection: close\r\n"

void rs_conn_open(struct rs_conn *conn, int fd, uint64_t now_ns)
{
    rs_counter_add(RS_COUNTER_FDS, 1);
    conn->fd = fd;
    conn->state = RS_CONN_READING;
    conn->deadline_ns = now_ns + REQUEST_NS;
    conn->request_size = 0;
    conn->head_size = 0;
    conn->sent = 0;
    conn->seen = (struct rs_lanes_place){.at_ns = 0};
    rs_text_init(&conn->body);
}

void rs_conn_close(struct rs_conn *conn)
{
    int fd = conn->fd;

    if (conn->state == RS_CONN_FREE) return;
    conn->state = RS_CONN_FREE;
    conn->fd = -1;
    // Also for a child of a fork that still has it.
    (void)rs_sys.shutdown(fd, SHUT_RDWR);
    (void)rs_sys.close(fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
    rs_text_deinit(&conn->body);
}

static bool is_to_be_repeated(ssize_t result)
{
    return result == -EAGAIN || result == -EINTR;
}

enum rs_conn_progress rs_conn_read(struct rs_conn *conn)
{
    size_t room = sizeof conn->request - conn->request_size;
    ssize_t n = rs_sys.recv(conn->fd, conn->request + conn->request_size, room, 0);

    if (is_to_be_repeated(n)) return RS_CONN_WAITS;
    if (n <= 0) return RS_CONN_GONE;
    conn->request_size += (size_t)n;
    bool is_whole = rs_request_end(conn->request, conn->request_size) > 0;

    return is_whole || conn->request_size == sizeof conn->request ? RS_CONN_DONE : RS_CONN_WAITS;
}

enum rs_conn_progress rs_conn_discard(struct rs_conn *conn)
{
    char bytes[1024];
    ssize_t n = rs_sys.recv(conn->fd, bytes, sizeof bytes, 0);

    if (n > 0 || is_to_be_repeated(n)) return RS_CONN_WAITS;
    return n == 0 ? RS_CONN_DONE : RS_CONN_GONE;
}

bool rs_conn_is_sent(const struct rs_conn *conn)
{
    return conn->sent == conn->head_size + conn->body.used;
}

enum rs_conn_progress rs_conn_write(struct rs_conn *conn, uint64_t now_ns)
{
    while (!rs_conn_is_sent(conn)) {
        bool in_head = conn->sent < conn->head_size;
        const char *from = in_head ? conn->head + conn->sent
                                   : conn->body.buf + (conn->sent - conn->head_size);
        size_t size = in_head ? conn->head_size - conn->sent
                              : conn->head_size + conn->body.used - conn->sent;
        ssize_t n = rs_sys.send(conn->fd, from, size, MSG_NOSIGNAL | (in_head ? MSG_MORE : 0));

        if (is_to_be_repeated(n)) return RS_CONN_WAITS;
        if (n <= 0) return RS_CONN_GONE;
        conn->sent += (size_t)n;
        conn->deadline_ns = now_ns + ANSWER_NS;
    }
    return RS_CONN_DONE;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 421:
        return "Misdirected Request";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Service Unavailable";
    }
}

void rs_conn_answer(struct rs_conn *conn, int status, const char *type, const char *extra,
                    bool has_body, uint64_t now_ns)
{
    if (conn->body.truncated) {
        rs_text_clear(&conn->body);
        rs_text_print(&conn->body, "there is no memory for the answer\n");
        status = 503;
        type = "text/plain; charset=utf-8";
        extra = "";
    }
    int length = snprintf(conn->head, sizeof conn->head,
                          "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"  //
                          COMMON_HEADERS "%s\r\n",
                          status, reason(status), type, conn->body.used, extra);

    rouse_assert(length > 0 && (size_t)length < sizeof conn->head, "there is room for every head");
    conn->head_size = (size_t)length;
    conn->sent = 0;
    if (!has_body) rs_text_clear(&conn->body);
    conn->state = RS_CONN_ANSWERING;
    conn->deadline_ns = now_ns + ANSWER_NS;
}

void rs_conn_stream(struct rs_conn *conn, uint64_t now_ns)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" COMMON_HEADERS "\r\n";

    memcpy(conn->head, head, sizeof head - 1);
    conn->head_size = sizeof head - 1;
    conn->sent = 0;
    conn->state = RS_CONN_STREAMING;
    conn->deadline_ns = now_ns + ANSWER_NS;
    conn->next_ns = now_ns;
}

void rs_conn_end(struct rs_conn *conn, uint64_t now_ns)
{
    (void)rs_sys.shutdown(conn->fd, SHUT_WR);
    conn->state = RS_CONN_ENDING;
    conn->deadline_ns = now_ns + END_NS;
}
