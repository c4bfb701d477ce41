// SPDX-License-Identifier: MIT
//
// Who may have the console, and when: by the API until it is stopped, or by the environment from
// the first scheduler to the last.

#include "insight/console.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/console.h>
#include <rouse/error.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "insight/console_server.h"

#define LISTEN_DEFAULT "127.0.0.1:6669"

// Under RS_GLOBAL_CONSOLE, but for what the server's thread has to itself. That thread never takes
// the lock, since it is joined under it: what is attached while an action runs is only counted.
static struct rs_server server;
static bool is_by_environment;  // what runs was begun by an attach
static bool fork_handled;

static _Atomic unsigned attached;

// In the child of a fork, in which nobody else runs.
static void fork_child(void)
{
    rs_server_forget(&server);
    // Relaxed: there is one thread.
    atomic_store_explicit(&attached, 0, memory_order_relaxed);
}

// A port alone is of this machine only.
static int parse_listen(struct rouse_addr *out, const char *listen)
{
    char text[ROUSE_ADDR_TEXT_MAX];
    bool is_port = listen[0] != '\0' && strspn(listen, "0123456789") == strlen(listen);

    if (strlen(listen) + sizeof "127.0.0.1:" > sizeof text) return -EINVAL;
    (void)snprintf(text, sizeof text, "%s%s", is_port ? "127.0.0.1:" : "", listen);
    return rouse_addr_parse(out, text);
}

static int start_locked(const struct rouse_console_options *options)
{
    const char *listen = options->listen != NULL ? options->listen : LISTEN_DEFAULT;
    const char *host = options->host != NULL ? options->host : "";
    struct rouse_addr addr;
    int err = parse_listen(&addr, listen);

    if (err == 0 && strlen(host) >= RS_GUARD_HOST_MAX) err = -EINVAL;
    if (err < 0) return err;
    if (!fork_handled && pthread_atfork(NULL, NULL, fork_child) != 0) return -ENOMEM;
    fork_handled = true;
    server.guard = (struct rs_guard){.allow_remote = options->allow_remote,
                                     .allow_control = options->allow_control};
    (void)strcpy(server.guard.host, host);
    return rs_server_start(&server, &addr);
}

int rouse_console_start(const struct rouse_console_options *options)
{
    struct rouse_console_options o = {.size = sizeof o};

    rouse_assert(!rs_server_is_here(&server), "an action of the console may not start it");
    if (options != NULL) {
        size_t common = options->size < sizeof o ? options->size : sizeof o;

        if (options->size < sizeof options->size) return -EINVAL;
        memcpy(&o, options, common);
    }
    rs_lock(rs_global_lock(RS_GLOBAL_CONSOLE));
    int err = server.is_running ? -EALREADY : start_locked(&o);

    if (err == 0) is_by_environment = false;
    rs_unlock(rs_global_lock(RS_GLOBAL_CONSOLE));
    return err;
}

void rouse_console_stop(void)
{
    rouse_assert(!rs_server_is_here(&server),
                 "an action of the console may not end it; spawn a task that does");
    rs_lock(rs_global_lock(RS_GLOBAL_CONSOLE));
    rs_server_stop(&server);
    rs_unlock(rs_global_lock(RS_GLOBAL_CONSOLE));
}

int rouse_console_address(struct rouse_addr *out)
{
    rs_lock(rs_global_lock(RS_GLOBAL_CONSOLE));
    int err = server.is_running ? 0 : -ENOENT;

    if (err == 0) *out = server.address;
    rs_unlock(rs_global_lock(RS_GLOBAL_CONSOLE));
    return err;
}

// ---- By the environment ----

static bool is_set(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && strcmp(value, "1") == 0;
}

// Told without the lock, since the log's hook is the program's.
static void tell(int err, const char *listen, const struct rouse_addr *addr)
{
    char text[ROUSE_ADDR_TEXT_MAX];

    if (err == 0) {
        (void)rouse_addr_format(addr, text, sizeof text);
        rs_log(ROUSE_LOG_WARN, "console: http://%s/", text);
    } else if (err == -EACCES) {
        rs_log(ROUSE_LOG_WARN,
               "no console at %s, which others can reach: if they may, set ROUSE_CONSOLE_REMOTE=1",
               listen);
    } else {
        rs_log(ROUSE_LOG_WARN, "no console at %s: %s", listen, rouse_strerror(err));
    }
}

void rs_console_attach(const char *listen)
{
    const struct rouse_console_options options = {
        .size = sizeof options,
        .listen = listen,
        .host = secure_getenv("ROUSE_CONSOLE_HOST"),
        .allow_remote = is_set("ROUSE_CONSOLE_REMOTE"),
        .allow_control = is_set("ROUSE_CONSOLE_CONTROL"),
    };
    struct rouse_addr addr = {.length = 0};
    int err = 0;

    // Relaxed: a count. Who stops what runs looks at it again, under the lock.
    unsigned before = atomic_fetch_add_explicit(&attached, 1, memory_order_relaxed);

    if (before > 0 || rs_server_is_here(&server)) return;
    rs_lock(rs_global_lock(RS_GLOBAL_CONSOLE));
    bool is_started = !server.is_running;

    if (is_started) err = start_locked(&options);
    if (is_started && err == 0) {
        is_by_environment = true;
        addr = server.address;
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_CONSOLE));
    if (is_started) tell(err, listen, &addr);
}

void rs_console_detach(void)
{
    // Relaxed: as above.
    unsigned before = atomic_fetch_sub_explicit(&attached, 1, memory_order_relaxed);

    // An action that frees the last scheduler leaves the console to whoever comes next.
    if (before > 1 || rs_server_is_here(&server)) return;
    rs_lock(rs_global_lock(RS_GLOBAL_CONSOLE));
    bool is_last = atomic_load_explicit(&attached, memory_order_relaxed) == 0;

    if (is_last && is_by_environment) rs_server_stop(&server);
    rs_unlock(rs_global_lock(RS_GLOBAL_CONSOLE));
}
