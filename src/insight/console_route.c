// SPDX-License-Identifier: MIT
//
// Which request is answered how: see docs/console.md for the list.

#include <rouse/clock.h>
#include <rouse/error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "insight/console_action.h"
#include "insight/console_page.h"
#include "insight/console_query.h"
#include "insight/console_server.h"
#include "insight/dump.h"
#include "insight/prometheus.h"

enum {
    PERIOD_MS = 500,
    PERIOD_MIN_MS = 100,
    PERIOD_MAX_MS = 10000,
    NONCE_SIZE = 16,
    TRACE_MS = 2000,
    TRACE_MAX_MS = 10000
};

static const char text_type[] = "text/plain; charset=utf-8";
static const char json_type[] = "application/json";

static void answer(struct rs_server *server, struct rs_conn *conn, const struct rs_request *request,
                   const char *type, const char *extra)
{
    rs_conn_answer(conn, 200, type, extra, request->method != RS_REQUEST_HEAD, server->now_ns);
}

void rs_server_refuse(struct rs_server *server, struct rs_conn *conn, int status, const char *why)
{
    rs_text_clear(&conn->body);
    rs_text_print(&conn->body, "%s\n", why);
    rs_conn_answer(conn, status, text_type, "", true, server->now_ns);
}

static const char *why(int status)
{
    switch (status) {
    case 403:
        return "the console does not answer pages from elsewhere";
    case 413:
        return "the console takes no bodies";
    case 421:
        return "the console answers to addresses and localhost, or to the name it was given";
    case 501:
        return "the console knows GET, HEAD and POST";
    case 505:
        return "the console speaks HTTP/1.1";
    default:
        return "this is no request";
    }
}

// ---- The page ----

// What nobody can foresee, so not the generator that a seed repeats. False if there is none.
static bool make_nonce(char *out)
{
    unsigned char bytes[NONCE_SIZE];

    if (rs_sys.getrandom(bytes, sizeof bytes) < 0) return false;
    for (int i = 0; i < NONCE_SIZE; i++) (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static void put_page(struct rs_text *text, const char *nonce)
{
    static const char mark[] = "@NONCE@";
    const char *at = (const char *)rs_console_page;
    const char *end = at + rs_console_page_size;

    while (at < end) {
        const char *found = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);

        rs_text_put(text, at, (size_t)((found != NULL ? found : end) - at));
        if (found == NULL) return;
        rs_text_put(text, nonce, strlen(nonce));
        at = found + sizeof mark - 1;
    }
}

static void serve_page(struct rs_server *server, struct rs_conn *conn,
                       const struct rs_request *request)
{
    char nonce[2 * NONCE_SIZE + 1];
    char policy[512];

    if (!make_nonce(nonce)) {
        rs_server_refuse(server, conn, 503, "the kernel has no random number");
        return;
    }
    put_page(&conn->body, nonce);
    (void)snprintf(policy, sizeof policy,
                   "Content-Security-Policy: default-src 'none'; script-src 'nonce-%s'; "
                   "style-src 'nonce-%s'; connect-src 'self'; img-src data:; base-uri 'none'; "
                   "form-action 'none'; frame-ancestors 'none'\r\n",
                   nonce, nonce);
    answer(server, conn, request, "text/html; charset=utf-8", policy);
}

static void serve_root(struct rs_server *server, struct rs_conn *conn,
                       const struct rs_request *request)
{
    if (request->accept != NULL && strstr(request->accept, "text/html") != NULL) {
        serve_page(server, conn, request);
        return;
    }
    rs_snapshot_print_workers(&server->snapshots, &conn->body);
    rs_text_print(&conn->body, "\n");
    rs_dump_print(&conn->body, false);
    answer(server, conn, request, text_type, "");
}

// ---- Snapshots ----

static void read_query(struct rs_conn *conn, const char *query)
{
    char key[16];

    conn->period_ns = rs_query_number(query, "period", PERIOD_MIN_MS, PERIOD_MAX_MS, PERIOD_MS) *
                      ROUSE_NS_PER_MS;
    conn->query.count = (unsigned)rs_query_number(query, "tasks", 0, RS_ROWS_MAX, RS_ROWS_DEFAULT);
    conn->has_no_lanes = rs_query_number(query, "lanes", 0, 1, 1) == 0;
    rs_query_text(query, "sort", key, sizeof key);
    rs_rows_parse_key(&conn->query, key);
    rs_query_text(query, "filter", conn->query.filter, sizeof conn->query.filter);
}

static void serve_snapshot(struct rs_server *server, struct rs_conn *conn,
                           const struct rs_request *request)
{
    read_query(conn, request->query);
    rs_server_snapshot(server, conn);
    rs_text_print(&conn->body, "\n");
    answer(server, conn, request, json_type, "");
}

static void serve_events(struct rs_server *server, struct rs_conn *conn,
                         const struct rs_request *request)
{
    if (request->method == RS_REQUEST_HEAD) {
        answer(server, conn, request, "text/event-stream", "");
        return;
    }
    read_query(conn, request->query);
    rs_conn_stream(conn, server->now_ns);
}

// ---- The rest ----

static void serve_dump(struct rs_server *server, struct rs_conn *conn,
                       const struct rs_request *request)
{
    rs_dump_print(&conn->body, false);
    answer(server, conn, request, text_type, "");
}

static void serve_metrics(struct rs_server *server, struct rs_conn *conn,
                          const struct rs_request *request)
{
    rs_prometheus_print(&conn->body);
    answer(server, conn, request, "text/plain; version=0.0.4", "");
}

// Its head is sent when all of it is known.
static void serve_trace(struct rs_server *server, struct rs_conn *conn,
                        const struct rs_request *request)
{
    uint64_t ms = rs_query_number(request->query, "ms", 1, TRACE_MAX_MS, TRACE_MS);

    if (request->method == RS_REQUEST_HEAD) {
        answer(server, conn, request, json_type, "");
        return;
    }
    if (server->recording.text != NULL) {
        rs_server_refuse(server, conn, 503, "another trace is being recorded");
        return;
    }
    rs_recording_begin(&server->recording, &server->snapshots.observer, &conn->body);
    conn->state = RS_CONN_RECORDING;
    conn->deadline_ns = server->now_ns + ms * ROUSE_NS_PER_MS;
}

void rs_server_end_recording(struct rs_server *server, struct rs_conn *conn)
{
    char extra[96];

    rs_observer_look(&server->snapshots.observer);
    rs_recording_end(&server->recording, &server->snapshots.observer, true);
    (void)snprintf(extra, sizeof extra,
                   "Content-Disposition: attachment; filename=\"rouse-%ld.json\"\r\n",
                   (long)getpid());
    rs_conn_answer(conn, 200, json_type, extra, true, server->now_ns);
}

// Of a path that begins with `before`, goes on with a task's id, and ends with `behind`.
static bool is_task_path(const char *path, const char *before, const char *behind, uint64_t *id)
{
    char digits[24];
    size_t skipped = strlen(before);

    if (strncmp(path, before, skipped) != 0) return false;
    size_t length = strcspn(path + skipped, "/");

    if (length >= sizeof digits || strcmp(path + skipped + length, behind) != 0) return false;
    memcpy(digits, path + skipped, length);
    digits[length] = '\0';
    return rs_query_decimal(digits, id) == 0;
}

static void serve_task(struct rs_server *server, struct rs_conn *conn,
                       const struct rs_request *request, uint64_t id)
{
    if (rs_snapshot_print_task(&server->snapshots, id, &conn->body)) {
        rs_text_print(&conn->body, "\n");
        answer(server, conn, request, json_type, "");
    } else {
        rs_server_refuse(server, conn, 404, "there is no such task");
    }
}

struct route {
    const char *path;
    void (*serve)(struct rs_server *server, struct rs_conn *conn, const struct rs_request *request);
};

static const struct route routes[] = {
    {"/", serve_root},     {"/snapshot", serve_snapshot}, {"/events", serve_events},
    {"/dump", serve_dump}, {"/metrics", serve_metrics},   {"/trace", serve_trace},
};

static void serve_get(struct rs_server *server, struct rs_conn *conn,
                      const struct rs_request *request)
{
    uint64_t id;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(request->path, routes[i].path) != 0) continue;
        routes[i].serve(server, conn, request);
        return;
    }
    if (is_task_path(request->path, "/task/", "", &id)) {
        serve_task(server, conn, request, id);
    } else {
        rs_server_refuse(server, conn, 404, "there is no such page");
    }
}

static void run_action(struct rs_server *server, struct rs_conn *conn, const char *name)
{
    int err;

    if (!rs_action_run(name, &err)) {
        rs_server_refuse(server, conn, 404, "there is no such action");
    } else if (err >= 0) {
        rs_server_refuse(server, conn, 202, "done");
    } else {
        rs_server_refuse(server, conn, 500, rouse_strerror(err));
    }
}

static void serve_post(struct rs_server *server, struct rs_conn *conn,
                       const struct rs_request *request)
{
    static const char actions[] = "/action/";
    uint64_t id;

    if (rs_guard_check_control(&server->guard, request) != 0) {
        rs_server_refuse(server, conn, 403,
                         "control is not allowed: set ROUSE_CONSOLE_CONTROL=1, and send the header "
                         "X-Rouse-Console: 1");
    } else if (strncmp(request->path, actions, sizeof actions - 1) == 0) {
        run_action(server, conn, request->path + sizeof actions - 1);
    } else if (is_task_path(request->path, "/task/", "/abort", &id) && rs_task_ask_to_end(id)) {
        rs_server_refuse(server, conn, 202, "the task was asked to end");
    } else {
        rs_server_refuse(server, conn, 404, "there is no such action or task");
    }
}

void rs_server_route(struct rs_server *server, struct rs_conn *conn)
{
    struct rs_request request;
    size_t end = rs_request_end(conn->request, conn->request_size);

    if (end == 0) {
        rs_server_refuse(server, conn, 431, "the head of a request is 8 KiB at the most");
        return;
    }
    int status = rs_request_parse(&request, conn->request, end);

    if (status == 0) status = rs_guard_check(&server->guard, &request);
    if (status != 0) {
        rs_server_refuse(server, conn, status, why(status));
    } else if (request.method == RS_REQUEST_POST) {
        serve_post(server, conn, &request);
    } else {
        serve_get(server, conn, &request);
    }
}
