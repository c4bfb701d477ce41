// SPDX-License-Identifier: MIT
//
// See demo_client.h. A visitor is a fiber, and its connection's worker in the server has no part in
// how it is made: this is a client like any other, on the same machine.
#include "demo_client.h"

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/runtime.h>
#include <rouse/sleep.h>
#include <rouse/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VISITORS = 8, ANSWER_SIZE = 8 << 10 };

#define PAUSE_NS (40 * ROUSE_NS_PER_MS)    // the shortest between two requests; the longest is
#define SPREAD_NS (160 * ROUSE_NS_PER_MS)  // so much longer
#define RETRY_NS (500 * ROUSE_NS_PER_MS)
#define END_NS (5 * ROUSE_NS_PER_S)

static const char *const pages[] = {"/", "/hello.txt", "/style.css", "/fifty/", "/rouse.svg"};

// How many bytes of the answer come after `size` of them; SIZE_MAX: its head is not whole, or is
// none that we understand.
static size_t answer_rest(const char *answer, size_t size)
{
    static const char field[] = "Content-Length: ";
    const char *end = memmem(answer, size, "\r\n\r\n", 4);
    const char *length = memmem(answer, size, field, sizeof field - 1);

    if (end == NULL || length == NULL || length > end) return SIZE_MAX;
    size_t whole = (size_t)(end + 4 - answer) + strtoull(length + sizeof field - 1, NULL, 10);

    return whole > size ? whole - size : 0;
}

// Reads one answer, to its end. Returns 0 or a negative errno.
static int answer_take(struct rouse_tcp *tcp)
{
    char answer[ANSWER_SIZE + 1];
    size_t size = 0;
    size_t rest = SIZE_MAX;

    while (rest > 0) {
        // The head first, then the rest over it.
        bool has_head = rest != SIZE_MAX;
        size_t room = has_head && rest < ANSWER_SIZE ? rest : ANSWER_SIZE;
        ssize_t n =
            rouse_tcp_read(tcp, answer + (has_head ? 0 : size), has_head ? room : room - size);

        if (n <= 0) return n < 0 ? (int)n : -EPIPE;
        if (has_head) {
            rest -= (size_t)n;
            continue;
        }
        size += (size_t)n;
        answer[size] = '\0';
        rest = answer_rest(answer, size);
        if (rest == SIZE_MAX && size == ANSWER_SIZE) return -EPROTO;
    }
    return 0;
}

static int page_ask(struct rouse_tcp *tcp, const char *page)
{
    char request[128];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: demo\r\n\r\n", page);
    ssize_t n = rouse_tcp_write_all(tcp, request, (size_t)size);

    return n < 0 ? (int)n : answer_take(tcp);
}

// Asks for one page after the other, until something fails.
static int visit(const struct rouse_addr *server, uint64_t *chance)
{
    struct rouse_tcp *tcp;
    int err = rouse_tcp_connect(&tcp, server);

    if (err < 0) return err;
    while (err == 0) {
        // Of Knuth's: good enough to be no pattern.
        *chance = *chance * 6364136223846793005U + 1442695040888963407U;
        err = page_ask(tcp, pages[(*chance >> 33) % (sizeof pages / sizeof pages[0])]);
        if (err == 0) err = rouse_sleep(PAUSE_NS + (*chance >> 33) % SPREAD_NS);
    }
    rouse_tcp_unref(tcp);
    return err;
}

static int visitor_run(void *arg)
{
    const struct httpd_demo_client *client = arg;
    uint64_t chance = rouse_now_ns();

    // The server may be ending, or have closed what was idle for long.
    while (visit(&client->server, &chance) != -ECANCELED) {
        if (rouse_sleep(RETRY_NS) < 0) break;
    }
    return 0;
}

int httpd_demo_client_begin(struct httpd_demo_client *client)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options,
        .workers = 1,
        .reactor = client->is_on_io_uring ? "io_uring" : "epoll",
    };
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "visitor", .site = ROUSE_SITE};
    int err = rouse_runtime_new(&client->runtime, &options);

    if (err < 0) {
        client->runtime = NULL;
        return err;
    }
    for (unsigned i = 0; err == 0 && i < VISITORS; i++) {
        err = rouse_runtime_spawn(client->runtime, NULL, visitor_run, client, &attrs);
    }
    return err;
}

int httpd_demo_client_switch(struct httpd_demo_client *client)
{
    if (client->runtime != NULL) {
        int err = rouse_runtime_shutdown(client->runtime, END_NS);

        if (err < 0) return err;
        client->runtime = NULL;
    }
    client->is_on_io_uring = !client->is_on_io_uring;
    return httpd_demo_client_begin(client);
}

void httpd_demo_client_end(struct httpd_demo_client *client)
{
    rouse_runtime_free(client->runtime);
    client->runtime = NULL;
}
