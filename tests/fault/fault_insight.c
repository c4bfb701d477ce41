// SPDX-License-Identifier: MIT
//
// Faults in what shows the program from inside: the console, which starts or says why not, and
// whose clients get all of an answer, or are told that there is none, or see the connection end.
// Without a runtime, whose own faults are swept elsewhere.

#include <stdlib.h>
#include <string.h>

#include "console_client.h"
#include "json_text.h"
#include "waits.h"

// What is asked for, in this order.
static const char *const requests[] = {"GET /snapshot", "GET /"};

enum { REQUESTS = sizeof requests / sizeof requests[0] };

static struct rouse_addr addr;

// How long a client waits for what a fault may keep from coming.
static long patience_ms(void)
{
    uint64_t now_ns = rouse_now_ns();
    uint64_t deadline_ns = fault_deadline();

    return deadline_ns > now_ns ? (long)((deadline_ns - now_ns) / ROUSE_NS_PER_MS) + 1 : 1;
}

static void ask(const char *what)
{
    uint64_t until_ns = rouse_now_ns();

    client_patience_ms = patience_ms();
    until_ns += (uint64_t)client_patience_ms * ROUSE_NS_PER_MS;
    char *answer = client_ask(&addr, what, "");
    const char *body = client_body(answer);
    int status = client_status(answer);
    bool is_json = strcmp(what, "GET /snapshot") == 0;

    if (status == 200 && body != NULL) {
        if (is_json && !json_is_valid(body)) fault_broken("a snapshot is no JSON");
        step_done();
    } else if (rouse_now_ns() >= until_ns) {
        (void)fault_note(-ETIMEDOUT);
    } else {
        // 503: there was no memory for it.
        (void)fault_note(status == 503 && body != NULL ? -ENOMEM : -ECONNRESET);
    }
    free(answer);
}

static bool console_run(void)
{
    const struct rouse_console_options options = {.size = sizeof options, .listen = "127.0.0.1:0"};

    if (fault_note(rouse_console_start(&options)) < 0) return false;
    if (fault_note(rouse_console_address(&addr)) == 0) {
        for (int i = 0; i < REQUESTS; i++) ask(requests[i]);
    }
    rouse_console_stop();
    return steps_are(REQUESTS);
}

const struct scenario fault_scenarios[] = {
    {.name = "console", .run = console_run, .also = ENOMEM, .is_server = true, .reactor = "epoll"},
    {.name = NULL},
};
