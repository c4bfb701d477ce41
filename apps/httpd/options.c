// SPDX-License-Identifier: MIT
//
// Reading the command line. One table says what each option is called, what it takes, and how it is
// read; the help text is the only other place that knows them. Used before any thread is started.
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <rouse/clock.h>
#include <rouse/runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECTIONS_MAX = 10000000,
    HEAD_SIZE_MIN = 256,
    HEAD_SIZE_MAX = 1 << 20,
    HEADERS_MAX = 10000,
    SECONDS_MAX = 1000000,
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
    "  --reactor NAME         epoll or poll (default: ROUSE_REACTOR, or the best there is)\n"
    "  --access-log FILE      write a line for each answer; - is standard output\n"
    "  --max-connections N    then 503 (default: what the limit of open files allows)\n"
    "  --max-head-size BYTES  of a request's head, then 431 (default 16384); half of it\n"
    "                         for the request line, then 414\n"
    "  --max-headers N        field lines of a request, then 431 (default 100)\n"
    "  --max-body-size BYTES  of a request, then 413 (default 65536)\n"
    "  --idle-timeout S       for a connection on which nothing moves (default 60)\n"
    "  --request-timeout S    for a request to arrive whole, then 408 (default 30)\n"
    "  --grace S              for requests in progress at the end (default 10)\n"
    "  --help, --version\n"
    "\n"
    "SIGINT and SIGTERM end it in order, a second one at once. SIGQUIT prints what every\n"
    "connection waits for. /healthz answers \"ok\".\n";

// Takes the value of one option. Returns NULL, or what the value should have been.
typedef const char *take_function(struct httpd_options *options, const char *value);

static bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;

    if (!(text[0] >= '0' && text[0] <= '9')) return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

static const char *unsigned_take(unsigned *out, const char *value, uint64_t min, uint64_t max,
                                 const char *expected)
{
    uint64_t number;

    if (!number_parse(value, min, max, &number)) return expected;
    *out = (unsigned)number;
    return NULL;
}

static const char *seconds_take(uint64_t *out_ns, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end != '\0' || !(seconds >= 0.001) || seconds > SECONDS_MAX) {
        return "a number of seconds, 0.001 or more";
    }
    *out_ns = (uint64_t)(seconds * 1e9);
    return NULL;
}

static const char *root_take(struct httpd_options *o, const char *value)
{
    o->root = value;
    return NULL;
}

static const char *listen_take(struct httpd_options *o, const char *value)
{
    if (o->listen_count == HTTPD_LISTEN_MAX) return "given at most 8 times";
    if (rouse_addr_parse(&o->listen[o->listen_count], value) < 0) {
        return "an address and a port, as 127.0.0.1:8080, [::1]:8080 or *:8080";
    }
    o->listen_count++;
    return NULL;
}

static const char *workers_take(struct httpd_options *o, const char *value)
{
    _Static_assert(ROUSE_WORKERS_MAX == 56, "the text below says so");
    return unsigned_take(&o->workers, value, 1, ROUSE_WORKERS_MAX, "a number from 1 to 56");
}

static const char *reactor_take(struct httpd_options *o, const char *value)
{
    o->reactor = value;
    if (strcmp(value, "epoll") == 0 || strcmp(value, "poll") == 0) return NULL;
    return "epoll or poll";
}

static const char *access_log_take(struct httpd_options *o, const char *value)
{
    o->access_log = value;
    return NULL;
}

static const char *connections_take(struct httpd_options *o, const char *value)
{
    return unsigned_take(&o->connections, value, 1, CONNECTIONS_MAX, "a number from 1 to 10000000");
}

static const char *head_size_take(struct httpd_options *o, const char *value)
{
    const char *expected = unsigned_take(&o->limits.head_max, value, HEAD_SIZE_MIN, HEAD_SIZE_MAX,
                                         "a number of bytes from 256 to 1048576");

    o->limits.request_line_max = o->limits.head_max / 2;
    return expected;
}

static const char *headers_take(struct httpd_options *o, const char *value)
{
    return unsigned_take(&o->limits.header_count_max, value, 1, HEADERS_MAX,
                         "a number from 1 to 10000");
}

static const char *body_size_take(struct httpd_options *o, const char *value)
{
    if (number_parse(value, 0, INT64_MAX, &o->limits.body_max)) return NULL;
    return "a number of bytes";
}

static const char *idle_timeout_take(struct httpd_options *o, const char *value)
{
    return seconds_take(&o->idle_ns, value);
}

static const char *request_timeout_take(struct httpd_options *o, const char *value)
{
    return seconds_take(&o->request_ns, value);
}

static const char *grace_take(struct httpd_options *o, const char *value)
{
    return seconds_take(&o->grace_ns, value);
}

static const struct {
    const char *name;
    take_function *take;
} takers[] = {
    {"root", root_take},
    {"listen", listen_take},
    {"workers", workers_take},
    {"reactor", reactor_take},
    {"access-log", access_log_take},
    {"max-connections", connections_take},
    {"max-head-size", head_size_take},
    {"max-headers", headers_take},
    {"max-body-size", body_size_take},
    {"idle-timeout", idle_timeout_take},
    {"request-timeout", request_timeout_take},
    {"grace", grace_take},
};

enum { TAKER_COUNT = sizeof takers / sizeof takers[0], OPTION_HELP = 1000, OPTION_VERSION };

// The value that getopt_long() returns for a taker is its index.
static void names_fill(struct option names[TAKER_COUNT + 3])
{
    for (int i = 0; i < TAKER_COUNT; i++) {
        names[i] = (struct option){takers[i].name, required_argument, NULL, i};
    }
    names[TAKER_COUNT] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    names[TAKER_COUNT + 1] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    names[TAKER_COUNT + 2] = (struct option){0};
}

static enum httpd_options_verdict printed(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0
               ? HTTPD_OPTIONS_DONE
               : HTTPD_OPTIONS_WRONG;
}

static enum httpd_options_verdict wrong(void)
{
    (void)fputs("httpd: `httpd --help` names the options\n", stderr);
    return HTTPD_OPTIONS_WRONG;
}

static enum httpd_options_verdict take_all(struct httpd_options *options, int argc, char **argv)
{
    struct option names[TAKER_COUNT + 3];
    int which;

    names_fill(names);
    while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (which == OPTION_HELP) return printed(help);
        if (which == OPTION_VERSION) return printed("httpd of rouse " HTTPD_VERSION "\n");
        if (which == '?') return wrong();

        const char *expected = takers[which].take(options, optarg);

        if (expected == NULL) continue;
        (void)fprintf(stderr, "httpd: --%s is %s, not '%s'\n", takers[which].name, expected,
                      optarg);
        return wrong();
    }
    if (optind == argc) return HTTPD_OPTIONS_SERVE;
    (void)fprintf(stderr, "httpd: '%s' is no option; a folder is named by --root\n", argv[optind]);
    return wrong();
}

enum httpd_options_verdict httpd_options_parse(struct httpd_options *out, int argc, char **argv)
{
    *out = (struct httpd_options){
        .root = ".",
        .idle_ns = 60 * ROUSE_NS_PER_S,
        .request_ns = 30 * ROUSE_NS_PER_S,
        .grace_ns = 10 * ROUSE_NS_PER_S,
        .limits = HTTP_LIMITS_DEFAULT,
    };
    enum httpd_options_verdict verdict = take_all(out, argc, argv);

    if (out->listen_count == 0) {
        out->listen[0] = rouse_addr_loopback(8080);
        out->listen_count = 1;
    }
    return verdict;
}
