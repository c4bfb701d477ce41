// SPDX-License-Identifier: MIT
//
// See screen.h. A terminal does not wrap lines while we use it, so a character that is wider than
// we think spoils its own line only.
#include "screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

void screen_deinit(struct screen *screen)
{
    free(screen->text);
    *screen = (struct screen){0};
}

// ---- Bytes ----

static void append(struct screen *screen, const char *bytes, size_t size)
{
    if (screen->has_failed) return;
    if (screen->capacity - screen->size < size) {
        size_t capacity = 2 * screen->capacity + size + 4096;
        char *text = realloc(screen->text, capacity);

        if (text == NULL) {
            screen->has_failed = true;
            return;
        }
        screen->text = text;
        screen->capacity = capacity;
    }
    memcpy(screen->text + screen->size, bytes, size);
    screen->size += size;
}

static void append_control(struct screen *screen, const char *sequence)
{
    if (screen->is_terminal) append(screen, sequence, strlen(sequence));
}

// ---- The whole ----

static unsigned bounded(unsigned number, unsigned max)
{
    return number < 1 ? 1 : number > max ? max : number;
}

void screen_begin(struct screen *screen, unsigned columns, unsigned rows)
{
    screen->columns = bounded(columns, SCREEN_COLUMNS_MAX);
    screen->rows = bounded(rows, SCREEN_ROWS_MAX);
    screen->size = 0;
    screen->row = 0;
    screen->column = 0;
    screen->is_styled = false;
    screen->has_failed = false;
    append_control(screen, "\033[H");
}

void screen_end(struct screen *screen)
{
    append_control(screen, "\033[J");
}

bool screen_has_room(const struct screen *screen)
{
    return screen->row < screen->rows;
}

// ---- Lines ----

// Whether a character, of `size` bytes, moves no cursor: neither C0, DEL nor C1.
static bool is_shown(const struct screen *screen, const char *at, size_t size)
{
    unsigned char first = (unsigned char)at[0];

    if (size == 1) return first >= 0x20 && first != 0x7f;
    if (size == 0 || !screen->has_unicode) return false;
    return !(first == 0xc2 && (unsigned char)at[1] < 0xa0);
}

// Puts no more than `width` characters.
static void put_some(struct screen *screen, const char *text, unsigned width)
{
    const char *end = text + strlen(text);

    if (!screen_has_room(screen)) return;
    while (text < end && width > 0 && screen->column < screen->columns) {
        size_t size = utf8_size(text, end);

        if (is_shown(screen, text, size)) {
            append(screen, text, size);
        } else {
            append(screen, "?", 1);
        }
        text += size > 0 ? size : 1;
        screen->column++;
        width--;
    }
}

void screen_put(struct screen *screen, const char *text)
{
    put_some(screen, text, screen->columns);
}

void screen_putf(struct screen *screen, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    screen_put(screen, text);
}

void screen_fill_to(struct screen *screen, unsigned column)
{
    if (!screen_has_room(screen)) return;
    while (screen->column < column && screen->column < screen->columns) screen_put(screen, " ");
}

// Characters, as put_some() counts them.
static unsigned width_of(const char *text)
{
    const char *end = text + strlen(text);
    unsigned width = 0;

    for (; text < end; width++) {
        size_t size = utf8_size(text, end);

        text += size > 0 ? size : 1;
    }
    return width;
}

void screen_put_left(struct screen *screen, const char *text, unsigned width)
{
    unsigned begin = screen->column;

    put_some(screen, text, width);
    screen_fill_to(screen, begin + width + 1);
}

void screen_put_right(struct screen *screen, const char *text, unsigned width)
{
    unsigned own = width_of(text);

    if (own < width) screen_fill_to(screen, screen->column + width - own);
    put_some(screen, text, width);
    screen_put(screen, " ");
}

void screen_style_line(struct screen *screen, screen_style style)
{
    static const char *const sequences[] = {"", "\033[1m", "\033[7m"};

    if (!screen_has_room(screen) || style == SCREEN_PLAIN) return;
    append_control(screen, sequences[style]);
    screen->is_styled = true;
}

// A line that is reversed is so up to the edge. Blanks at the end are for terminals only.
void screen_end_line(struct screen *screen)
{
    if (!screen_has_room(screen)) return;
    if (screen->is_terminal) {
        if (screen->is_styled) screen_fill_to(screen, screen->columns);
        if (screen->is_styled) append_control(screen, "\033[0m");
        if (screen->column < screen->columns) append_control(screen, "\033[K");
        if (screen->row + 1 < screen->rows) append_control(screen, "\r\n");
    } else {
        while (screen->size > 0 && screen->text[screen->size - 1] == ' ') screen->size--;
        append(screen, "\n", 1);
    }
    screen->row++;
    screen->column = 0;
    screen->is_styled = false;
}
