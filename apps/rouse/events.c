// SPDX-License-Identifier: MIT
//
// See events.h. An event is taken apart where it lies: its data is moved together over its own
// lines, which are longer by their field's name.
#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void events_deinit(struct events *events)
{
    free(events->text);
    *events = (struct events){0};
}

// What has been taken makes room.
static void close_up(struct events *events)
{
    if (events->begin == 0) return;
    memmove(events->text, events->text + events->begin, events->size - events->begin);
    events->size -= events->begin;
    events->looked_at -= events->begin;
    events->begin = 0;
}

int events_room(struct events *events, char **out, size_t *size)
{
    close_up(events);
    if (events->capacity - events->size < EVENTS_ROOM_MIN) {
        size_t capacity = 2 * events->capacity + 2 * (size_t)EVENTS_ROOM_MIN;

        if (events->size > EVENTS_SIZE_MAX) return -EMSGSIZE;
        char *text = realloc(events->text, capacity);

        if (text == NULL) return -ENOMEM;
        events->text = text;
        events->capacity = capacity;
    }
    *out = events->text + events->size;
    *size = events->capacity - events->size;
    return 0;
}

void events_add(struct events *events, size_t size)
{
    events->size += size;
}

const char *events_rest(const struct events *events, size_t *size)
{
    *size = events->size - events->begin;
    return events->text + events->begin;
}

void events_skip(struct events *events, size_t size)
{
    events->begin += size;
    events->looked_at = events->begin;
}

// A line without its end.
struct line {
    char *at;
    size_t size;
};

// Takes the next whole line from `*at` on.
static bool line_take(const struct events *events, size_t *at, struct line *out)
{
    char *begin = events->text + *at;
    char *end = *at < events->size ? memchr(begin, '\n', events->size - *at) : NULL;

    if (end == NULL) return false;
    *at += (size_t)(end - begin) + 1;
    *out = (struct line){.at = begin, .size = (size_t)(end - begin)};
    if (out->size > 0 && begin[out->size - 1] == '\r') out->size--;
    return true;
}

// The value of a field, behind its colon and one blank; NULL if the line is another's.
static char *field_value(const struct line *line, const char *name, size_t *size)
{
    size_t skipped = strlen(name);

    if (line->size < skipped || memcmp(line->at, name, skipped) != 0) return NULL;
    if (skipped < line->size && line->at[skipped] != ':') return NULL;
    if (skipped < line->size) skipped++;
    if (skipped < line->size && line->at[skipped] == ' ') skipped++;
    *size = line->size - skipped;
    return line->at + skipped;
}

// The lines from `begin` to `end`, the last of which is empty, become an event. What is written of
// its data never gets beyond the line that is read.
static bool take_apart(struct events *events, size_t begin, size_t end, struct event *out)
{
    struct line line;
    char *data = NULL;
    size_t used = 0;

    (void)snprintf(out->name, sizeof out->name, "message");
    while (begin < end && line_take(events, &begin, &line)) {
        size_t size;
        char *value = field_value(&line, "data", &size);

        if (value != NULL) {
            if (data == NULL) {
                data = value;
            } else {
                data[used++] = '\n';
                memmove(data + used, value, size);
            }
            used += size;
            continue;
        }
        value = field_value(&line, "event", &size);
        if (value != NULL) (void)snprintf(out->name, sizeof out->name, "%.*s", (int)size, value);
    }
    if (data == NULL) return false;
    data[used] = '\0';
    out->data = data;
    out->size = used;
    return true;
}

bool events_next(struct events *events, struct event *out)
{
    struct line line;

    while (line_take(events, &events->looked_at, &line)) {
        if (line.size > 0) continue;
        size_t begin = events->begin;

        events->begin = events->looked_at;
        if (take_apart(events, begin, events->looked_at, out)) return true;
    }
    return false;
}
