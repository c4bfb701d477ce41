// SPDX-License-Identifier: MIT
//
// The text of a screen, put together line by line. No line is wider than the screen, and there are
// no more lines than it has; what is beyond is left out. What others have put into a text cannot
// move the cursor: control characters and what is no UTF-8 are shown as '?'.
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include <rouse/compiler.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { SCREEN_COLUMNS_MAX = 1000, SCREEN_ROWS_MAX = 1000 };

typedef enum screen_style {
    SCREEN_PLAIN = 0,
    SCREEN_BOLD = 1,
    SCREEN_REVERSE = 2,
} screen_style;

struct screen {
    unsigned columns;
    unsigned rows;
    bool is_terminal;  // the text has control sequences
    bool has_unicode;  // what is not ASCII can be shown
    char *text;
    size_t size;
    size_t capacity;
    unsigned row;     // how many lines are complete
    unsigned column;  // how many characters the line has
    bool has_failed;  // there was no memory
    bool is_styled;   // the line has begun with a style
};

// All zero is an empty one.
void screen_deinit(struct screen *screen);

// Begins a new text. The size is cut down to what is allowed, and is at least 1.
void screen_begin(struct screen *screen, unsigned columns, unsigned rows);
// Ends it: on a terminal, what was there before is cleared.
void screen_end(struct screen *screen);

// Whether another line has room.
bool screen_has_room(const struct screen *screen);

// Puts text into the line.
void screen_put(struct screen *screen, const char *text);
void screen_putf(struct screen *screen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Fills the line with blanks up to a column.
void screen_fill_to(struct screen *screen, unsigned column);
// Puts a text into a field: cut off or filled with blanks, and a blank behind it.
void screen_put_left(struct screen *screen, const char *text, unsigned width);
void screen_put_right(struct screen *screen, const char *text, unsigned width);

// All of the line that follows is in this style; called at its begin.
void screen_style_line(struct screen *screen, screen_style style);
void screen_end_line(struct screen *screen);

#endif
