// SPDX-License-Identifier: MIT
//
// Faults in httpd: its own connection code, cache and log serve a small file from memory and a
// large one from a descriptor, on a runtime in this process. libc's calls that httpd makes by
// itself fail too. Whatever happens to one connection, no answer is wrong, and the next one is
// served once the fault is over.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connection.h"
#include "server.h"
#include "waits.h"

enum { SMALL_SIZE = 700, LARGE_SIZE = 90000, ANSWERS_MAX = SMALL_SIZE + LARGE_SIZE + 4096 };

static char folder[] = "/tmp/rouse-fault-XXXXXX";
static char content[LARGE_SIZE];

// ---- The files ----

static bool file_write(const char *name, size_t size)
{
    char path[64];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");

    if (file == NULL) return false;
    bool written = fwrite(content, 1, size, file) == size;

    return fclose(file) == 0 && written;
}

static void folder_remove(void)
{
    char path[64];

    (void)snprintf(path, sizeof path, "%s/small.txt", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/large.txt", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static bool folder_make(void)
{
    for (size_t i = 0; i < sizeof content; i++) content[i] = (char)('a' + i % 23);
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0) return false;
    return file_write("small.txt", SMALL_SIZE) && file_write("large.txt", LARGE_SIZE);
}

// ---- The client ----

static const char requests[] = "GET /small.txt HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /large.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

// Reads up to the end of the stream; returns the length.
static size_t answers_read(struct rouse_tcp *conn, char *answers)
{
    struct rouse_tcp_read_exact read;

    rouse_tcp_read_exact_init(&read, conn, answers, ANSWERS_MAX);
    (void)fault_note(wait_for(&read.base) == 0 ? read.output : 0);
    answers[read.done] = '\0';
    return read.done;
}

// Checks the answer at `*at`, moves on to the next, and returns the status; 0: it is not all there.
static int answer_check(char **at, const char *end, size_t size)
{
    char *body = strstr(*at, "\r\n\r\n");
    int status = 0;

    if (body == NULL || sscanf(*at, "HTTP/1.1 %d", &status) != 1) return 0;
    body += 4;
    if (status != 200) return status;
    size_t there = (size_t)(end - body) < size ? (size_t)(end - body) : size;

    if (memcmp(body, content, there) != 0) fault_broken("an answer has the wrong content");
    *at = body + there;
    return there == size ? 200 : 0;
}

// True if both files came.
static bool answers_check(char *answers, size_t length)
{
    static const size_t sizes[2] = {SMALL_SIZE, LARGE_SIZE};
    char *at = answers;

    for (int i = 0; i < 2; i++) {
        int status = answer_check(&at, answers + length, sizes[i]);

        if (status == 200) continue;
        if (status != 0 && status < 500) fault_broken("the fault was called the client's");
        (void)fault_note(-EPIPE);  // cut off, or refused
        return false;
    }
    return true;
}

static bool exchange(const struct rouse_addr *address)
{
    static char answers[ANSWERS_MAX + 1];
    struct rouse_tcp_connect connect;
    bool is_served = false;

    rouse_tcp_connect_init(&connect, address);
    if (wait_for(&connect.base) < 0 || fault_note(connect.output) < 0) return false;
    struct rouse_tcp *conn = rouse_tcp_connect_take(&connect);

    if (fault_note(rouse_tcp_write_all(conn, requests, sizeof requests - 1)) >= 0) {
        size_t length = answers_read(conn, answers);

        is_served = answers_check(answers, length);
    }
    rouse_tcp_unref(conn);
    return is_served;
}

// ---- The server ----

struct site {
    struct httpd_options options;
    struct httpd_server server;
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
};

static int accept_fiber(void *arg)
{
    struct site *site = arg;
    struct rouse_tcp *tcp;
    int err;

    while ((err = rouse_tcp_accept(site->listener, &tcp)) == 0) {
        httpd_connection_start(&site->server.workers[0], tcp);
    }
    if (err != -ECANCELED) {
        (void)fault_note(err);
        rouse_tcp_listener_close(site->listener);  // who has connected is told
    }
    rouse_tcp_listener_unref(site->listener);
    return 0;
}

static void exchange_twice(struct site *site)
{
    if (exchange(&site->address)) step_done();
    fault_over();
    if (exchange(&site->address)) step_done();
}

// In scopes as httpd_server_run() has them. They wait for what is in them also where a wait of this
// fiber failed.
static void serve(struct site *site)
{
    struct httpd_worker *worker = &site->server.workers[0];
    struct rouse_deadline limit;
    struct rouse_scope tending, accepting;

    rouse_deadline_enter(&limit, ROUSE_NEVER);
    rouse_scope_open(&site->server.connections, ROUSE_NEVER);
    rouse_scope_open(&tending, ROUSE_NEVER);
    rouse_scope_open(&accepting, ROUSE_NEVER);
    (void)fault_note(rouse_scope_spawn(&tending, NULL, httpd_worker_tend, worker));
    (void)rouse_tcp_listener_ref(site->listener);
    if (fault_note(rouse_scope_spawn(&accepting, NULL, accept_fiber, site)) == 0) {
        exchange_twice(site);
    } else {
        rouse_tcp_listener_unref(site->listener);
    }
    rouse_scope_cancel(&accepting, NULL);
    (void)rouse_scope_wait(&accepting, NULL);
    fault_over();
    rouse_scope_cancel(&tending, NULL);
    (void)rouse_scope_wait(&tending, NULL);
    rouse_deadline_move(&limit, fault_deadline());
    (void)rouse_scope_wait(&site->server.connections, NULL);
    (void)fault_note(rouse_deadline_leave(&limit));
}

static int site_listen(struct site *site)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    int64_t err = fault_note(rouse_tcp_listen(&site->listener, &any, NULL));

    if (err < 0) return (int)err;
    return (int)fault_note(rouse_tcp_listener_address(site->listener, &site->address));
}

static int site_fiber(void *arg)
{
    struct site *site = arg;
    struct httpd_server *server = &site->server;

    server->connections_max = 10;
    server->workers = calloc(1, sizeof *server->workers);
    if (server->workers == NULL) return (int)fault_note(-ENOMEM);
    server->worker_count = 1;
    if (fault_note(httpd_worker_init(&server->workers[0], server, 0)) == 0 &&
        site_listen(site) == 0) {
        serve(site);
    }
    rouse_tcp_listener_unref(site->listener);
    return 0;
}

static bool http_run(void)
{
    static struct site site = {
        .options = {.access_log = "/dev/null",
                    .idle_ns = 3600 * ROUSE_NS_PER_S,
                    .request_ns = 3600 * ROUSE_NS_PER_S,
                    .limits = HTTP_LIMITS_DEFAULT},
    };

    site.options.root = folder;
    if (fault_note(httpd_server_init(&site.server, &site.options)) < 0) return false;
    with_runtime(1, site_fiber, &site);
    httpd_server_deinit(&site.server);
    return steps_are(2);
}

const struct scenario fault_scenarios[] = {
    {.name = "http",
     .prepare = folder_make,
     .run = http_run,
     .clean_up = folder_remove,
     .is_server = true},
    {.name = NULL},
};
