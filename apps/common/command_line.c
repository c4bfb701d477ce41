// SPDX-License-Identifier: MIT
//
// See command_line.h.
#include "common/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <rouse/assert.h>
#include <rouse/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/complain.h"

enum { SECONDS_MAX = 1000000, OPTION_HELP = 1000, OPTION_VERSION };

// ---- Values ----

bool app_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;

    if (!(text[0] >= '0' && text[0] <= '9')) return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

const char *app_unsigned_take(unsigned *out, const char *value, uint64_t min, uint64_t max,
                              const char *expected)
{
    uint64_t number;

    if (!app_number_parse(value, min, max, &number)) return expected;
    *out = (unsigned)number;
    return NULL;
}

const char *app_seconds_take(uint64_t *out_ns, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end != '\0' || !(seconds >= 0.001) || seconds > SECONDS_MAX) {
        return "a number of seconds, 0.001 or more";
    }
    *out_ns = (uint64_t)(seconds * 1e9);
    return NULL;
}

const char *app_workers_take(unsigned *out, const char *value)
{
    _Static_assert(ROUSE_WORKERS_MAX == 56, "the text below says so");
    return app_unsigned_take(out, value, 1, ROUSE_WORKERS_MAX, "a number from 1 to 56");
}

const char *app_reactor_take(const char **out, const char *value)
{
    static const char *const names[] = {"auto", "epoll", "io_uring", "poll"};

    *out = value;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) return NULL;
    }
    return "auto, epoll, io_uring or poll";
}

// ---- The line ----

// The value that getopt_long() returns for an option of the table is its index.
static void names_fill(struct option *names, const struct app_command_line *line)
{
    static const int arguments[] = {[APP_VALUE] = required_argument,
                                    [APP_VALUE_OPTIONAL] = optional_argument,
                                    [APP_NO_VALUE] = no_argument};

    for (size_t i = 0; i < line->count; i++) {
        const struct app_option *option = &line->options[i];

        names[i] = (struct option){option->name, arguments[option->value], NULL, (int)i};
    }
    names[line->count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    names[line->count + 1] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    names[line->count + 2] = (struct option){0};
}

static enum app_verdict printed(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? APP_DONE : APP_WRONG;
}

static enum app_verdict wrong(void)
{
    (void)fprintf(stderr, "%s: `%s --help` names the options\n", app_name, app_name);
    return APP_WRONG;
}

// What is left when the options have been read.
static enum app_verdict argument_take(const struct app_command_line *line, void *options, int argc,
                                      char **argv)
{
    if (optind == argc) return APP_RUN;
    if (line->argument == NULL) {
        (void)fprintf(stderr, "%s: '%s' is no option; %s\n", app_name, argv[optind], line->stray);
        return wrong();
    }
    if (optind + 1 < argc) {
        (void)fprintf(stderr, "%s: '%s' is one argument too many\n", app_name, argv[optind + 1]);
        return wrong();
    }
    const char *expected = line->argument(options, argv[optind]);

    if (expected == NULL) return APP_RUN;
    (void)fprintf(stderr, "%s: '%s' is not %s\n", app_name, argv[optind], expected);
    return wrong();
}

enum app_verdict app_command_line_parse(const struct app_command_line *line, void *options,
                                        int argc, char **argv)
{
    struct option names[APP_OPTIONS_MAX + 3];
    int which;

    rouse_assert(line->count <= APP_OPTIONS_MAX, "the table is too long; raise APP_OPTIONS_MAX");
    names_fill(names, line);
    while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (which == OPTION_HELP) return printed(line->help);
        if (which == OPTION_VERSION) return printed(line->version);
        if (which == '?') return wrong();

        const char *expected = line->options[which].take(options, optarg);

        if (expected == NULL) continue;
        (void)fprintf(stderr, "%s: --%s is %s, not '%s'\n", app_name, line->options[which].name,
                      expected, optarg != NULL ? optarg : "");
        return wrong();
    }
    return argument_take(line, options, argc, argv);
}
