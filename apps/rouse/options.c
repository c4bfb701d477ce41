// SPDX-License-Identifier: MIT
//
// See options.h. One table says what each option is called and how it is read; the help text is the
// only other place that knows them.
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/complain.h"

const char app_name[] = "rouse";

static const char help[] =
    "usage: rouse top [ADDRESS] [OPTION...]\n"
    "\n"
    "Shows what a program does that uses rouse and has its console on: its workers, how\n"
    "long polls take, and its tasks. Begin that program with ROUSE_CONSOLE=127.0.0.1:6669\n"
    "in its environment.\n"
    "\n"
    "  ADDRESS          of the console (default: ROUSE_CONSOLE, or 127.0.0.1:6669)\n"
    "  --sort KEY       id, name, site, state, polls, wakes, busy, scheduled or idle; with -\n"
    "                   before it: falling (default -busy)\n"
    "  --filter TEXT    only tasks that have this in their name, site, state or wait\n"
    "  --period MS      from one screen to the next, 100 to 10000 (default 1000)\n"
    "  --once           write one screen to standard output, which may be a pipe, and end\n"
    "  --help, --version\n"
    "\n"
    "Keys: q ends; s or the arrows left and right choose what tasks are sorted by, r turns\n"
    "the order round; / filters; space pauses; the arrows up and down move through tasks.\n"
    "\n"
    "--once shows the change over one period. It is as wide as COLUMNS says, or 80.\n";

static const char *sort_take(void *options, const char *value)
{
    struct top_options *o = options;

    if (query_order_parse(&o->query.order, value)) return NULL;
    return "id, name, site, state, polls, wakes, busy, scheduled or idle, perhaps with - before it";
}

static const char *filter_take(void *options, const char *value)
{
    struct top_options *o = options;

    if (strlen(value) >= sizeof o->query.filter) return "a text of at most 127 bytes";
    (void)snprintf(o->query.filter, sizeof o->query.filter, "%s", value);
    return NULL;
}

static const char *period_take(void *options, const char *value)
{
    struct top_options *o = options;

    return app_unsigned_take(&o->query.period_ms, value, QUERY_PERIOD_MIN_MS, QUERY_PERIOD_MAX_MS,
                             "a number of milliseconds from 100 to 10000");
}

static const char *once_take(void *options, const char *value)
{
    struct top_options *o = options;

    (void)value;
    o->once = true;
    return NULL;
}

static const char *address_take(void *options, const char *value)
{
    struct top_options *o = options;

    return target_parse(&o->target, value) ? NULL : "an address as 127.0.0.1:6669";
}

static const struct app_option table[] = {
    {"sort", sort_take, APP_VALUE},
    {"filter", filter_take, APP_VALUE},
    {"period", period_take, APP_VALUE},
    {"once", once_take, APP_NO_VALUE},
};

static const struct app_command_line command_line = {
    .help = help,
    .version = "rouse " TOP_VERSION "\n",
    .argument = address_take,
    .options = table,
    .count = sizeof table / sizeof table[0],
};

// The command is the first argument, and the rest is its own.
static enum app_verdict command_parse(struct top_options *out, int argc, char **argv)
{
    static char command[] = "rouse top";  // as what getopt_long() complains

    if (argc > 1 && strcmp(argv[1], "top") == 0) {
        argv[1] = command;
        return app_command_line_parse(&command_line, out, argc - 1, argv + 1);
    }
    if (argc > 1 && argv[1][0] == '-') {
        enum app_verdict verdict = app_command_line_parse(&command_line, out, argc, argv);

        if (verdict != APP_RUN) return verdict;
    }
    (void)fprintf(stderr, "rouse: the command is missing; there is one: rouse top\n");
    return APP_WRONG;
}

enum app_verdict top_options_parse(struct top_options *out, int argc, char **argv)
{
    const char *console = getenv("ROUSE_CONSOLE");

    *out = (struct top_options){
        .query = {.order = query_order_of(QUERY_BUSY), .period_ms = QUERY_PERIOD_DEFAULT_MS},
    };
    enum app_verdict verdict = command_parse(out, argc, argv);

    if (verdict != APP_RUN) return verdict;
    if (out->target.host[0] == '\0') {
        const char *text = console != NULL && console[0] != '\0' ? console : TARGET_DEFAULT;

        if (!target_parse(&out->target, text)) {
            (void)fprintf(stderr, "rouse: ROUSE_CONSOLE is '%s'; name an address\n", text);
            return APP_WRONG;
        }
    }
    (void)unsetenv("ROUSE_CONSOLE");
    return APP_RUN;
}
