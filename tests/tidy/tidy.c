// SPDX-License-Identifier: MIT
//
// Checks what a tool can check in the style guide:
//
//     tidy LAYERS WAIVERS FILE...
//
// Runs every rule over every file and prints TAP, one test point per rule, without the plan (the
// script that runs us has points of its own). Ends with 1 if a rule is broken. A waiver is a line
// "RULE PATH REASON"; where it applies, the report is printed but does not count.

#include "tidy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rule rules[] = {
    {"opening", "every file opens with its licence and a paragraph",
     "include/ src/ apps/ bench/ examples/ tests/", ".c .h .S", check_opening},
    {"lines", "lines are at most 100 columns, without tabs or blanks at their end",
     "include/ src/ apps/ bench/ examples/ tests/", ".c .h .S .sh", check_lines},
    {"notes", "no note to do something later stands without an issue number",
     "include/ src/ apps/ bench/ examples/ tests/ scripts/ cmake/", ".c .h .S .sh .cmake .txt",
     check_notes},
    {"layers", "includes point down the table of layers", "include/rouse/ src/", ".c .h",
     check_layers},
    {"docs", "every public function is documented line by line", "include/rouse/", ".h",
     check_docs},
    {"atomics", "every atomic access names its order, and none is a fence", "include/ src/ apps/",
     ".c .h", check_atomics},
    {"reserved", "no name of ours begins as names of the compiler do",
     "include/ src/ apps/ bench/ examples/ tests/", ".c .h", check_reserved},
    {"typedefs", "no type of ours ends in _t", "include/ src/ apps/ bench/ examples/ tests/",
     ".c .h", check_typedefs},
    {"length", "no function is longer than 70 lines", "include/ src/ apps/", ".c .h",
     check_lengths},
    {"braces", "only an if that fits on one line goes without braces",
     "include/ src/ apps/ bench/ examples/ tests/", ".c .h", check_braces},
    {"system", "system calls go through the one table", "src/", ".c .h", check_system_calls},
};

static const char *waivers;         // the text of the file of waivers
static const struct rule *current;  // the rule being checked
static int violations;              // of it

static bool is_waived(const struct source *source)
{
    char start[512];

    snprintf(start, sizeof start, "\n%s %s ", current->key, source->path);
    return strstr(waivers, start) != NULL;
}

static void print_place(const struct source *source, size_t line, const char *kind)
{
    printf("# %s:%zu: %s%s: ", source->path, line + 1, kind, current->key);
}

void tidy_report(const struct source *source, size_t line, const char *format, ...)
{
    bool waived = is_waived(source);
    va_list arguments;

    if (!waived) ++violations;
    print_place(source, line, waived ? "waived: " : "");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void tidy_inform(const struct source *source, size_t line, const char *format, ...)
{
    va_list arguments;

    print_place(source, line, "info: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

// Whether one of the blank-separated words of `list` begins (or ends) `path`.
static bool matches(const char *path, const char *list, bool at_end)
{
    struct span whole = {path, strlen(path)};
    char word[64];
    int length;

    for (; sscanf(list, "%63s%n", word, &length) == 1; list += length) {
        if (at_end ? span_ends(whole, word) : span_starts(whole, word)) return true;
    }
    return false;
}

static bool check_rule(const struct rule *rule, const struct source *sources, int count)
{
    current = rule;
    violations = 0;
    for (int i = 0; i < count; ++i) {
        if (!matches(sources[i].path, rule->where, false)) continue;
        if (matches(sources[i].path, rule->types, true)) rule->check(&sources[i]);
    }
    printf("%s - %s: %s\n", violations == 0 ? "ok" : "not ok", rule->key, rule->claim);
    return violations == 0;
}

int main(int argc, char **argv)
{
    int count = argc - 3;
    struct source waiver_file;
    struct source *sources;
    bool passed = true;

    if (count < 1) {
        fprintf(stderr, "usage: tidy LAYERS WAIVERS FILE...\n");
        return 2;
    }
    layers_open(argv[1]);
    source_open(&waiver_file, argv[2]);
    waivers = waiver_file.text;
    sources = calloc((size_t)count, sizeof *sources);
    if (sources == NULL) return 2;
    for (int i = 0; i < count; ++i) {
        source_open(&sources[i], argv[i + 3]);
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; ++i) {
        passed &= check_rule(&rules[i], sources, count);
    }
    for (int i = 0; i < count; ++i) {
        source_close(&sources[i]);
    }
    free(sources);
    source_close(&waiver_file);
    return passed ? 0 : 1;
}
