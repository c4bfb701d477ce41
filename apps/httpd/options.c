// SPDX-License-Identifier: MIT
//
// The command line. One table says what each option is called, what it takes, and how it is read;
// the help text is the only other place that knows them. Used before any thread is started.
#include "options.h"

#include <rouse/clock.h>

#include "common/complain.h"

const char app_name[] = "httpd";

enum {
    CONNECTIONS_MAX = 10000000,
    HEAD_SIZE_MIN = 256,
    HEAD_SIZE_MAX = 1 << 20,
    HEADERS_MAX = 10000,
};

static const char help[] =
    "usage: httpd [OPTION...]\n"
    "\n"
    "Serves the files of a folder over HTTP/1.1.\n"
    "\n"
    "  --root DIR             the folder to serve (default: this one)\n"
    "  --listen ADDR:PORT     where to listen, up to 8 times (default 127.0.0.1:8080);\n"
    "                         *:80 is every address, [::1]:80 is IPv6, port 0 any free one\n"
    "  --workers N            threads (default: as many as there are processors for us)\n"
    "  --reactor NAME         auto, epoll, io_uring or poll (default: ROUSE_REACTOR, or auto)\n"
    "  --access-log FILE      write a line for each answer; - is standard output\n"
    "  --max-connections N    then 503 (default: what the limit of open files allows)\n"
    "  --max-head-size BYTES  of a request's head, then 431 (default 16384); half of it\n"
    "                         for the request line, then 414\n"
    "  --max-headers N        field lines of a request, then 431 (default 100)\n"
    "  --max-body-size BYTES  of a request, then 413 (default 65536)\n"
    "  --idle-timeout S       for a connection on which nothing moves (default 60)\n"
    "  --request-timeout S    for a request to arrive whole, then 408 (default 30)\n"
    "  --grace S              for requests in progress at the end (default 10)\n"
    "  --console[=ADDR:PORT]  a live page about the server, which /console leads to\n"
    "                         (default 127.0.0.1:6669; only for this machine)\n"
    "  --allow-control        the page's buttons may be pressed, and tasks be aborted\n"
    "  --demo                 buttons that show what a runtime does, and visitors\n"
    "  --help, --version\n"
    "\n"
    "SIGINT and SIGTERM end it in order, a second one at once. SIGQUIT prints what every\n"
    "connection waits for. /healthz answers \"ok\".\n";

static const char *root_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    o->root = value;
    return NULL;
}

static const char *listen_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_listen_take(&o->listen, value);
}

static const char *workers_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_workers_take(&o->workers, value);
}

static const char *reactor_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_reactor_take(&o->reactor, value);
}

static const char *access_log_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    o->access_log = value;
    return NULL;
}

static const char *connections_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_unsigned_take(&o->connections, value, 1, CONNECTIONS_MAX,
                             "a number from 1 to 10000000");
}

static const char *head_size_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    const char *expected =
        app_unsigned_take(&o->limits.head_max, value, HEAD_SIZE_MIN, HEAD_SIZE_MAX,
                          "a number of bytes from 256 to 1048576");

    o->limits.request_line_max = o->limits.head_max / 2;
    return expected;
}

static const char *headers_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_unsigned_take(&o->limits.header_count_max, value, 1, HEADERS_MAX,
                             "a number from 1 to 10000");
}

static const char *body_size_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    if (app_number_parse(value, 0, INT64_MAX, &o->limits.body_max)) return NULL;
    return "a number of bytes";
}

static const char *idle_timeout_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_seconds_take(&o->idle_ns, value);
}

static const char *request_timeout_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_seconds_take(&o->request_ns, value);
}

static const char *grace_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    return app_seconds_take(&o->grace_ns, value);
}

static const char *console_take(void *options, const char *value)
{
    struct httpd_options *o = options;
    struct rouse_addr address;

    o->has_console = true;
    o->console = value;
    if (value == NULL || rouse_addr_parse(&address, value) == 0) return NULL;
    return "an address and a port, as 127.0.0.1:6669";
}

static const char *allow_control_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    (void)value;
    o->allow_control = true;
    return NULL;
}

static const char *demo_take(void *options, const char *value)
{
    struct httpd_options *o = options;

    (void)value;
    o->has_demo = true;
    return NULL;
}

static const struct app_option table[] = {
    {"root", root_take, APP_VALUE},
    {"listen", listen_take, APP_VALUE},
    {"workers", workers_take, APP_VALUE},
    {"reactor", reactor_take, APP_VALUE},
    {"access-log", access_log_take, APP_VALUE},
    {"max-connections", connections_take, APP_VALUE},
    {"max-head-size", head_size_take, APP_VALUE},
    {"max-headers", headers_take, APP_VALUE},
    {"max-body-size", body_size_take, APP_VALUE},
    {"idle-timeout", idle_timeout_take, APP_VALUE},
    {"request-timeout", request_timeout_take, APP_VALUE},
    {"grace", grace_take, APP_VALUE},
    {"console", console_take, APP_VALUE_OPTIONAL},
    {"allow-control", allow_control_take, APP_NO_VALUE},
    {"demo", demo_take, APP_NO_VALUE},
};

static const struct app_command_line command_line = {
    .help = help,
    .version = "httpd of rouse " HTTPD_VERSION "\n",
    .stray = "a folder is named by --root",
    .options = table,
    .count = sizeof table / sizeof table[0],
};

enum app_verdict httpd_options_parse(struct httpd_options *out, int argc, char **argv)
{
    *out = (struct httpd_options){
        .root = ".",
        .idle_ns = 60 * ROUSE_NS_PER_S,
        .request_ns = 30 * ROUSE_NS_PER_S,
        .grace_ns = 10 * ROUSE_NS_PER_S,
        .limits = HTTP_LIMITS_DEFAULT,
    };
    enum app_verdict verdict = app_command_line_parse(&command_line, out, argc, argv);

    if (out->listen.count == 0) {
        out->listen.list[0] = rouse_addr_loopback(8080);
        out->listen.count = 1;
    }
    return verdict;
}
