// SPDX-License-Identifier: MIT
//
// Reading a command line by a table: what each option is called, what it takes, and how it is read.
// Used before any thread is started.
#ifndef APP_COMMAND_LINE_H
#define APP_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Takes the value of one option, or NULL if it has none, into the program's struct of options.
// Returns NULL, or what the value should have been.
typedef const char *app_take_function(void *options, const char *value);

struct app_option {
    const char *name;
    app_take_function *take;
    enum { APP_VALUE = 0, APP_VALUE_OPTIONAL, APP_NO_VALUE } value;  // without: take gets NULL
};

enum { APP_OPTIONS_MAX = 32 };

struct app_command_line {
    const char *help;
    const char *version;  // a line
    const char *stray;    // the cure for an argument that is no option, where none is taken
    const struct app_option *options;
    size_t count;
    app_take_function *argument;  // takes one that is no option; NULL: none is taken
};

// What to do next.
enum app_verdict {
    APP_RUN,
    APP_DONE,   // all that was asked for has been printed
    APP_WRONG,  // and standard error says why
};

enum app_verdict app_command_line_parse(const struct app_command_line *line, void *options,
                                        int argc, char **argv);

// ---- For take functions: NULL, or what was expected ----

bool app_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out);
const char *app_unsigned_take(unsigned *out, const char *value, uint64_t min, uint64_t max,
                              const char *expected);
const char *app_seconds_take(uint64_t *out_ns, const char *value);
const char *app_workers_take(unsigned *out, const char *value);
const char *app_reactor_take(const char **out, const char *value);

#endif
