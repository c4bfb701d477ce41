// SPDX-License-Identifier: MIT
//
// A rule looks at one file at a time and reports each place that breaks it.

#ifndef TIDY_TIDY_H
#define TIDY_TIDY_H

#include "source.h"

struct rule {
    const char *key;    // how waivers.txt names it
    const char *claim;  // what holds if nothing is reported
    const char *where;  // beginnings of the paths it is for, separated by blanks
    const char *types;  // ends of the paths it is for, separated by blanks
    void (*check)(const struct source *source);
};

// Reports that line `line`, from 0, breaks the rule being checked.
void tidy_report(const struct source *source, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Prints what is worth a look but breaks no rule.
void tidy_inform(const struct source *source, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Rules about text: licence, lines, notes to self.
void check_opening(const struct source *source);
void check_lines(const struct source *source);
void check_notes(const struct source *source);

// Rules about code.
void check_atomics(const struct source *source);
void check_reserved(const struct source *source);
void check_typedefs(const struct source *source);
void check_lengths(const struct source *source);
void check_braces(const struct source *source);
void check_system_calls(const struct source *source);

// Rules about how files stand to each other, and about the reference in public headers.
void check_layers(const struct source *source);
void check_docs(const struct source *source);

// Reads the table of layers. Exits the program if it cannot.
void layers_open(const char *path);

#endif
