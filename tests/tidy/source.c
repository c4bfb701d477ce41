// SPDX-License-Identifier: MIT
//
// Reads files and tells code from comments and literals. One thread.

#include "source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *path, const char *why)
{
    fprintf(stderr, "tidy: %s: %s\n", path, why);
    exit(2);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);

    if (file == NULL) die(path, "cannot open");
    *size = 0;
    while (text != NULL && !feof(file) && !ferror(file)) {
        *size += fread(text + *size, 1, capacity - *size - 1, file);
        if (capacity - *size > 1) continue;
        capacity *= 2;
        text = realloc(text, capacity);
    }
    if (text == NULL) die(path, "out of memory");
    if (ferror(file)) die(path, "cannot read");
    fclose(file);
    text[*size] = '\0';
    if (strlen(text) != *size) die(path, "holds a NUL byte");
    return text;
}

// The end of the comment or literal that begins at `text`; `text` itself if none does.
static const char *blank_end(const char *text)
{
    if (text[0] == '/' && text[1] == '/') return text + strcspn(text, "\n");
    if (text[0] == '/' && text[1] == '*') {
        const char *end = strstr(text + 2, "*/");

        return end != NULL ? end + 2 : text + strlen(text);
    }
    if (text[0] == '"' || text[0] == '\'') {
        const char *end = text + 1;

        while (*end != text[0] && *end != '\n' && *end != '\0') {
            end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
        }
        return *end == text[0] ? end + 1 : end;
    }
    return text;
}

static void blank_out(char *code)
{
    while (*code != '\0') {
        const char *end = blank_end(code);

        if (code == end) ++code;
        for (; code < end; ++code) {
            if (*code != '\n') *code = ' ';
        }
    }
}

static void find_lines(struct source *source)
{
    size_t line = 0;

    for (size_t i = 0; i < source->size; ++i) {
        if (source->text[i] == '\n') ++source->line_count;
    }
    if (source->size > 0 && source->text[source->size - 1] != '\n') ++source->line_count;
    source->lines = calloc(source->line_count + 1, sizeof *source->lines);
    if (source->lines == NULL) die(source->path, "out of memory");
    for (size_t i = 0; i + 1 < source->size; ++i) {
        if (source->text[i] == '\n') source->lines[++line] = i + 1;
    }
    source->lines[source->line_count] = source->size;
}

void source_open(struct source *source, const char *path)
{
    *source = (struct source){.path = path};
    source->text = read_file(path, &source->size);
    source->code = malloc(source->size + 1);
    if (source->code == NULL) die(path, "out of memory");
    memcpy(source->code, source->text, source->size + 1);
    blank_out(source->code);
    find_lines(source);
}

void source_close(struct source *source)
{
    free(source->text);
    free(source->code);
    free(source->lines);
}

static struct span line_of(const struct source *source, const char *view, size_t line)
{
    const char *at = view + source->lines[line];
    size_t length = source->lines[line + 1] - source->lines[line];

    if (length > 0 && at[length - 1] == '\n') --length;
    return (struct span){at, length};
}

struct span source_text_line(const struct source *source, size_t line)
{
    return line_of(source, source->text, line);
}

struct span source_code_line(const struct source *source, size_t line)
{
    return line_of(source, source->code, line);
}

size_t source_line_at(const struct source *source, size_t offset)
{
    size_t line = 0;

    while (line + 1 < source->line_count && source->lines[line + 1] <= offset) {
        ++line;
    }
    return line;
}

static bool is_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

bool source_next_word(const struct source *source, size_t *offset, struct span *word)
{
    const char *code = source->code;
    size_t at = *offset;

    while (at < source->size) {
        size_t end = at;

        while (is_word(code[end])) {
            ++end;
        }
        if (end > at && !isdigit((unsigned char)code[at])) {
            *word = (struct span){code + at, end - at};
            *offset = end;
            return true;
        }
        at = end > at ? end : at + 1;
    }
    *offset = source->size;
    return false;
}

size_t source_skip_blank(const struct source *source, size_t offset)
{
    while (offset < source->size && isspace((unsigned char)source->code[offset])) {
        ++offset;
    }
    return offset;
}

bool span_is(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

bool span_starts(struct span span, const char *prefix)
{
    size_t length = strlen(prefix);

    return span.length >= length && memcmp(span.at, prefix, length) == 0;
}

bool span_ends(struct span span, const char *suffix)
{
    size_t length = strlen(suffix);

    return span.length >= length && memcmp(span.at + span.length - length, suffix, length) == 0;
}

bool span_has(struct span span, const char *part)
{
    for (; span.length >= strlen(part); ++span.at, --span.length) {
        if (span_starts(span, part)) return true;
    }
    return false;
}

struct span span_trim(struct span span)
{
    while (span.length > 0 && isspace((unsigned char)span.at[0])) {
        ++span.at;
        --span.length;
    }
    while (span.length > 0 && isspace((unsigned char)span.at[span.length - 1])) {
        --span.length;
    }
    return span;
}
