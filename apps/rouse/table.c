// SPDX-License-Identifier: MIT
//
// See table.h. Columns of numbers have one width; those of texts share what is left. What a task
// waits for, with what is wrong about it, comes last and takes the rest.
#include "table.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

enum { WIDE = 110, NO_KEY = QUERY_KEYS, TITLE_SIZE = 16 };

typedef enum column_kind {
    COLUMN_TEXT,
    COLUMN_COUNT,
    COLUMN_DURATION,
    COLUMN_WAITS,
} column_kind;

enum {
    LEFT = 0,
    RIGHT = 1,      // at the right edge of the column
    WIDE_ONLY = 2,  // there is room for it on a wide screen only
    NARROW_ONLY = 4,
    KEEP_END = 8,  // of what is too long, which is what tells the ids of tasks apart
};

struct column {
    const char *title;
    size_t offset;  // of the member of struct snapshot_task
    unsigned width;
    column_kind kind;
    unsigned key;  // what it is sorted by; NO_KEY: by nothing
    unsigned place;
};

#define MEMBER(member) offsetof(struct snapshot_task, member)

// clang-format off
static const struct column columns[] = {
    {"ID", MEMBER(id), 8, COLUMN_TEXT, QUERY_ID, RIGHT | NARROW_ONLY | KEEP_END},
    {"ID", MEMBER(id), 20, COLUMN_TEXT, QUERY_ID, RIGHT | WIDE_ONLY},
    {"STATE", MEMBER(state), 9, COLUMN_TEXT, QUERY_STATE, LEFT},
    {"STYLE", MEMBER(style), 6, COLUMN_TEXT, NO_KEY, LEFT | WIDE_ONLY},
    {"POLLS", MEMBER(polls), 7, COLUMN_COUNT, QUERY_POLLS, RIGHT},
    {"WAKES", MEMBER(wakes), 7, COLUMN_COUNT, QUERY_WAKES, RIGHT | WIDE_ONLY},
    {"BUSY", MEMBER(busy_ns), 7, COLUMN_DURATION, QUERY_BUSY, RIGHT},
    {"SCHED", MEMBER(scheduled_ns), 7, COLUMN_DURATION, QUERY_SCHEDULED, RIGHT | WIDE_ONLY},
    {"IDLE", MEMBER(idle_ns), 7, COLUMN_DURATION, QUERY_IDLE, RIGHT},
    {"NAME", MEMBER(name), 16, COLUMN_TEXT, QUERY_NAME, LEFT},
    {"SITE", MEMBER(site), 26, COLUMN_TEXT, QUERY_SITE, LEFT | WIDE_ONLY},
    {"WAITS FOR", MEMBER(waits), SNAPSHOT_TEXT_SIZE, COLUMN_WAITS, NO_KEY, LEFT},
};
// clang-format on

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static bool is_shown(const struct screen *screen, const struct column *column)
{
    return (column->place & (screen->columns >= WIDE ? NARROW_ONLY : WIDE_ONLY)) == 0;
}

static void put(struct screen *screen, const struct column *column, const char *text)
{
    size_t size = strlen(text);

    if ((column->place & KEEP_END) && size > column->width) {
        screen_put(screen, "~");
        screen_put_right(screen, text + size - (column->width - 1), column->width - 1);
    } else if (column->place & RIGHT) {
        screen_put_right(screen, text, column->width);
    } else {
        screen_put_left(screen, text, column->width);
    }
}

void table_draw_titles(struct screen *screen, struct query_order order)
{
    screen_style_line(screen, SCREEN_REVERSE);
    for (size_t i = 0; i < COLUMNS; i++) {
        char title[TITLE_SIZE];
        const char *mark = columns[i].key != order.key ? "" : order.is_falling ? "-" : "+";

        (void)snprintf(title, sizeof title, "%s%s", columns[i].title, mark);
        if (is_shown(screen, &columns[i])) put(screen, &columns[i], title);
    }
    screen_end_line(screen);
}

// Tasks that have no name are known by where they were spawned.
static const char *text_of(const struct screen *screen, const struct snapshot_task *task,
                           const struct column *column)
{
    const char *text = (const char *)task + column->offset;

    if (column->offset != MEMBER(name) || text[0] != '\0' || screen->columns >= WIDE) return text;
    const char *file = strrchr(task->site, '/');

    return file == NULL ? task->site : file + 1;
}

static uint64_t number_of(const struct snapshot_task *task, const struct column *column)
{
    uint64_t number;

    memcpy(&number, (const char *)task + column->offset, sizeof number);
    return number;
}

static void draw_waits(struct screen *screen, const struct snapshot_task *task)
{
    if (task->lints[0] != '\0') {
        screen_put(screen, "[");
        screen_put(screen, task->lints);
        screen_put(screen, "] ");
    }
    screen_put(screen, task->waits);
}

void table_draw_task(struct screen *screen, const struct snapshot_task *task)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct column *column = &columns[i];
        char number[NUMBER_SIZE];

        if (!is_shown(screen, column)) continue;
        switch (column->kind) {
        case COLUMN_TEXT:
            put(screen, column, text_of(screen, task, column));
            break;
        case COLUMN_COUNT:
            number_of_count(number, (double)number_of(task, column));
            put(screen, column, number);
            break;
        case COLUMN_DURATION:
            number_of_duration(number, number_of(task, column));
            put(screen, column, number);
            break;
        case COLUMN_WAITS:
            draw_waits(screen, task);
            break;
        }
    }
    screen_end_line(screen);
}
