// SPDX-License-Identifier: MIT
//
// The command line. One table says what each option is called and how it is read; the help text is
// the only other place that knows them. Used before any thread is started.
#include "options.h"

#include <rouse/clock.h>
#include <stdio.h>
#include <string.h>

#include "common/complain.h"

const char app_name[] = "tcp_proxy";

enum { CONNECTIONS_MAX = 10000000 };

static const char help[] =
    "usage: tcp_proxy --to HOST:PORT [OPTION...]\n"
    "\n"
    "Takes TCP connections and carries each to an upstream and back.\n"
    "\n"
    "  --to HOST:PORT         an upstream, up to 16 of them, taken in turn; a name is looked\n"
    "                         up once, at the start, and each of its addresses is one\n"
    "  --listen ADDR:PORT     where to listen, up to 8 times (default 127.0.0.1:8081);\n"
    "                         *:80 is every address, [::1]:80 is IPv6, port 0 any free one\n"
    "  --workers N            threads (default: as many as there are processors for us)\n"
    "  --reactor NAME         auto, epoll, io_uring or poll (default: ROUSE_REACTOR, or auto)\n"
    "  --max-connections N    more are reset (default: what the limit of open files allows)\n"
    "  --connect-timeout S    for an upstream to answer, then the next one (default 5)\n"
    "  --idle-timeout S       for a connection on which nothing moves (default 600)\n"
    "  --grace S              for connections to end by themselves at the end (default 10)\n"
    "  --log FILE             write a line for each connection that ended; - is standard\n"
    "                         output\n"
    "  --help, --version\n"
    "\n"
    "SIGINT and SIGTERM end it in order, a second one at once. SIGQUIT prints what every\n"
    "connection waits for.\n";

static const char *to_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    if (o->to_count == PROXY_TO_MAX) return "given at most 16 times";
    o->to[o->to_count++] = value;
    return strrchr(value, ':') != NULL ? NULL : "a host and a port, as example.net:80";
}

static const char *listen_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_listen_take(&o->listen, value);
}

static const char *workers_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_workers_take(&o->workers, value);
}

static const char *reactor_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_reactor_take(&o->reactor, value);
}

static const char *connections_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_unsigned_take(&o->connections, value, 1, CONNECTIONS_MAX,
                             "a number from 1 to 10000000");
}

static const char *connect_timeout_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_seconds_take(&o->connect_ns, value);
}

static const char *idle_timeout_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_seconds_take(&o->idle_ns, value);
}

static const char *grace_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    return app_seconds_take(&o->grace_ns, value);
}

static const char *log_take(void *options, const char *value)
{
    struct proxy_options *o = options;

    o->log = value;
    return NULL;
}

static const struct app_option table[] = {
    {"to", to_take, APP_VALUE},
    {"listen", listen_take, APP_VALUE},
    {"workers", workers_take, APP_VALUE},
    {"reactor", reactor_take, APP_VALUE},
    {"max-connections", connections_take, APP_VALUE},
    {"connect-timeout", connect_timeout_take, APP_VALUE},
    {"idle-timeout", idle_timeout_take, APP_VALUE},
    {"grace", grace_take, APP_VALUE},
    {"log", log_take, APP_VALUE},
};

static const struct app_command_line command_line = {
    .help = help,
    .version = "tcp_proxy of rouse " PROXY_VERSION "\n",
    .stray = "an upstream is named by --to",
    .options = table,
    .count = sizeof table / sizeof table[0],
};

enum app_verdict proxy_options_parse(struct proxy_options *out, int argc, char **argv)
{
    *out = (struct proxy_options){
        .idle_ns = 600 * ROUSE_NS_PER_S,
        .connect_ns = 5 * ROUSE_NS_PER_S,
        .grace_ns = 10 * ROUSE_NS_PER_S,
    };
    enum app_verdict verdict = app_command_line_parse(&command_line, out, argc, argv);

    if (out->listen.count == 0) {
        out->listen.list[0] = rouse_addr_loopback(8081);
        out->listen.count = 1;
    }
    if (verdict != APP_RUN || out->to_count > 0) return verdict;
    (void)fputs("tcp_proxy: there is no upstream; name one by --to\n", stderr);
    return APP_WRONG;
}
