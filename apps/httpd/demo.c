// SPDX-License-Identifier: MIT
//
// See demo.h. A press goes through a channel to a fiber, the director, which runs what was asked
// for in a scope of its own. Its scope and the channel outlive all of it.
#include "demo.h"

#include <errno.h>
#include <rouse/blocking.h>
#include <rouse/console.h>

#include "common/complain.h"
#include "demo_show.h"

// ---- The visitors: their runtime begins and ends on threads that may block ----

static int64_t client_begin(void *client)
{
    return httpd_demo_client_begin(client);
}

static int64_t client_switch(void *client)
{
    return httpd_demo_client_switch(client);
}

static int client_do(rouse_blocking_function what, struct httpd_demo *demo)
{
    int64_t result;
    int err = rouse_blocking(what, &demo->client, &result);

    return err < 0 ? err : (int)result;
}

static int reactor_change(void *demo)
{
    return client_do(client_switch, demo);
}

// ---- The buttons ----

struct kind {
    const char *name;
    const char *label;
    const char *help;
    rouse_fiber_function run;
};

static const struct kind kinds[HTTPD_DEMO_SHOWS] = {
    {"sleepers", "100,000 sleepers",
     "Tasks that sleep for five to ten seconds. Each is a timer and a few hundred bytes.",
     httpd_demo_sleepers},
    {"fork-join", "Fork-join",
     "Counts the primes below two million. Each arc is tasks that an idle worker stole.",
     httpd_demo_fork_join},
    {"block", "Block a worker for 200 ms",
     "A task computes and never waits. Standard error says who it is, and where.",
     httpd_demo_block},
    {"leak", "Leak a waker",
     "A future keeps its waker nowhere, so its task is lost. The demo ends it after 20 seconds.",
     httpd_demo_leak},
    {"cancel", "Cancel the tree",
     "1,110 fibers, each with a scope for its children. After two seconds one cancel at the root "
     "ends them all.",
     httpd_demo_tree},
    {"reactor", "epoll \u2194 io_uring",
     "The visitors' runtime shuts down, and begins anew on the other back end. The server goes on.",
     reactor_change},
};

static int show_run(void *arg)
{
    struct httpd_demo_show *show = arg;
    const struct kind *kind = &kinds[show->which];
    int err = kind->run(show->demo);

    // Cancelled: the server ends.
    if (err < 0 && err != -ECANCELED) (void)app_complain("cannot show", kind->label, err, "");
    // Relaxed: what it did is not read by whoever asks next; the tasks of both are the runtime's.
    atomic_store_explicit(&show->is_running, false, memory_order_relaxed);
    return 0;
}

// On the console's thread.
static int show_ask(void *arg)
{
    struct httpd_demo_show *show = arg;
    int err;

    // Relaxed: only one of those who ask gets to see false; the channel carries the rest.
    if (atomic_exchange_explicit(&show->is_running, true, memory_order_relaxed)) return -EBUSY;
    err = rouse_channel_try_send(show->demo->asking, &show);
    // Relaxed: as above.
    if (err < 0) atomic_store_explicit(&show->is_running, false, memory_order_relaxed);
    return err;
}

// ---- The director ----

static int direct(void *arg)
{
    struct httpd_demo *demo = arg;
    struct httpd_demo_show *show;
    struct rouse_scope scope;
    int err = client_do(client_begin, demo);

    if (err < 0 && err != -ECANCELED) (void)app_complain("cannot start", "the visitors", err, "");
    rouse_scope_open(&scope, ROUSE_NEVER);
    while (rouse_channel_receive(demo->asked, &show) == 0) {
        const struct rouse_task_attrs attrs = {
            .size = sizeof attrs, .name = kinds[show->which].name, .site = ROUSE_SITE};

        err = rouse_scope_spawn_at(&scope, NULL, show_run, show, &attrs);
        if (err == 0) continue;
        // Relaxed: as in show_ask().
        atomic_store_explicit(&show->is_running, false, memory_order_relaxed);
        (void)app_complain("cannot show", kinds[show->which].label, err, "");
    }
    rouse_scope_cancel(&scope, "the server ends");
    (void)rouse_scope_wait(&scope, NULL);
    return 0;
}

static int button_add(struct httpd_demo *demo, unsigned which)
{
    struct httpd_demo_show *show = &demo->shows[which];
    const struct rouse_console_action action = {
        .size = sizeof action,
        .name = kinds[which].name,
        .label = kinds[which].label,
        .help = kinds[which].help,
        .run = show_ask,
        .arg = show,
    };

    show->demo = demo;
    show->which = which;
    return rouse_console_add_action(&action);
}

int httpd_demo_start(struct httpd_demo *demo, struct rouse_scope *scope,
                     const struct rouse_addr *server)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "demo", .site = ROUSE_SITE};
    // A show is asked for once at a time, so there is a place for each.
    int err = rouse_channel_new(&demo->asking, &demo->asked, sizeof(struct httpd_demo_show *),
                                HTTPD_DEMO_SHOWS);

    if (err < 0) return err;
    demo->client.server = *server;
    for (unsigned i = 0; err == 0 && i < HTTPD_DEMO_SHOWS; i++) {
        err = button_add(demo, i);
    }
    return err < 0 ? err : rouse_scope_spawn_at(scope, NULL, direct, demo, &attrs);
}

void httpd_demo_deinit(struct httpd_demo *demo)
{
    httpd_demo_client_end(&demo->client);
    if (demo->asking == NULL) return;
    // It may be one that the environment asked for, which still runs.
    rouse_console_stop();
    rouse_channel_sender_unref(demo->asking);
    rouse_channel_receiver_unref(demo->asked);
}
