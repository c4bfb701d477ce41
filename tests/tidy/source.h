// SPDX-License-Identifier: MIT
//
// A file to be checked, as text and as code. Both views have the same size, so an offset or a
// line means the same place in both.

#ifndef TIDY_SOURCE_H
#define TIDY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *at;
    size_t length;
};

struct source {
    const char *path;
    char *text;     // as it stands in the file; a NUL follows the last byte
    char *code;     // the same with comments and literals blanked out, line ends kept
    size_t size;    // of either, without the NUL
    size_t *lines;  // the offset at which each line begins, and `size` after the last one
    size_t line_count;
};

// Reads `path`. Exits the program if that fails: a check that did not look must not pass.
void source_open(struct source *source, const char *path);
void source_close(struct source *source);

// Line `line`, from 0, without its line end.
struct span source_text_line(const struct source *source, size_t line);
struct span source_code_line(const struct source *source, size_t line);

// The line, from 0, that holds `offset`.
size_t source_line_at(const struct source *source, size_t offset);

// The next identifier or keyword in the code at or after `*offset`, which moves behind it. Returns
// false if there is none. A number is no identifier.
bool source_next_word(const struct source *source, size_t *offset, struct span *word);

// The first byte of code at or after `offset` that is not blank; `size` if there is none.
size_t source_skip_blank(const struct source *source, size_t offset);

bool span_is(struct span span, const char *text);
bool span_starts(struct span span, const char *prefix);
bool span_ends(struct span span, const char *suffix);
bool span_has(struct span span, const char *part);
struct span span_trim(struct span span);

#endif
