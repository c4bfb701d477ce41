// SPDX-License-Identifier: MIT
//
// Rules about files as text.

#include <ctype.h>

#include "tidy.h"

enum { COLUMNS_MAX = 100 };

// Line `line` is a comment with words in it.
static bool has_prose(const struct source *source, size_t line)
{
    struct span text = source_text_line(source, line);

    if (!span_starts(text, "// ")) return false;
    return span_trim((struct span){text.at + 3, text.length - 3}).length > 0;
}

void check_opening(const struct source *source)
{
    if (source->line_count < 3 ||
        !span_is(source_text_line(source, 0), "// SPDX-License-Identifier: MIT")) {
        tidy_report(source, 0, "the first line is not // SPDX-License-Identifier: MIT");
    } else if (!has_prose(source, 1) && !has_prose(source, 2)) {
        tidy_report(source, 1, "no paragraph says what this file is");
    }
}

static size_t count_columns(struct span text)
{
    size_t columns = 0;

    for (size_t i = 0; i < text.length; ++i) {
        if (((unsigned char)text.at[i] & 0xc0) != 0x80) ++columns;  // not inside a UTF-8 sequence
    }
    return columns;
}

void check_lines(const struct source *source)
{
    for (size_t line = 0; line < source->line_count; ++line) {
        struct span text = source_text_line(source, line);
        size_t columns = count_columns(text);

        if (columns > COLUMNS_MAX) tidy_report(source, line, "%zu columns", columns);
        if (span_has(text, "\t")) tidy_report(source, line, "a tab");
        if (text.length > 0 && isspace((unsigned char)text.at[text.length - 1])) {
            tidy_report(source, line, "blanks at the end");
        }
    }
    if (source->size > 0 && source->text[source->size - 1] != '\n') {
        tidy_report(source, source->line_count - 1, "the last line has no end");
    }
}

// The words are written in parts so that this file does not break its own rule.
static const char *const notes[] = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X:"};

static bool names_an_issue(struct span text)
{
    for (size_t i = 0; i + 1 < text.length; ++i) {
        if (text.at[i] == '#' && isdigit((unsigned char)text.at[i + 1])) return true;
    }
    return false;
}

void check_notes(const struct source *source)
{
    for (size_t line = 0; line < source->line_count; ++line) {
        struct span text = source_text_line(source, line);

        for (size_t i = 0; i < sizeof notes / sizeof notes[0]; ++i) {
            if (span_has(text, notes[i]) && !names_an_issue(text)) {
                tidy_report(source, line, "%s", notes[i]);
            }
        }
    }
}
