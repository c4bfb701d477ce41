// SPDX-License-Identifier: MIT
//
// A libFuzzer target for what `rouse top` reads from a console: the stream of events, the JSON in
// them, and what it draws of that. The input is the text of a snapshot. What must hold of every
// input:
//
// - a text that is taken has balanced brackets, and the begin of it, cut off, is not taken;
// - what the reader of snapshots takes, the reader of JSON takes as well;
// - put into an event, in pieces, a text without line ends comes out as it went in;
// - whatever was read draws a screen that keeps to its size and moves no cursor.
//
// Built from this file and apps/rouse by clang -fsanitize=fuzzer,address,undefined.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../apps/rouse/events.h"
#include "../../apps/rouse/json.h"
#include "../../apps/rouse/keys.h"
#include "../../apps/rouse/response.h"
#include "../../apps/rouse/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held) abort();
}

// ---- JSON ----

static bool is_taken(const char *text, size_t size)
{
    struct json json;

    json_init(&json, text, size);
    json_skip(&json);
    return json_end(&json);
}

// In memory of its size, so that none beyond can be read.
static bool is_taken_exactly(const char *text, size_t size)
{
    char *copy = malloc(size + 1);

    if (copy == NULL) abort();
    memcpy(copy + 1, text, size);
    bool is_good = is_taken(copy + 1, size);

    free(copy);
    return is_good;
}

// But for numbers, each of whose begins may be one.
static void prefixes_must_be_refused(const char *text, size_t size)
{
    size_t step = size < 100 ? 1 : size / 50;

    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL) size--;
    if (size == 0 || strchr("]}\"", text[size - 1]) == NULL) return;
    for (size_t i = 0; i < size; i += step) must(!is_taken_exactly(text, i));
}

// ---- Events ----

static void event_must_be_whole(const char *text, size_t size, size_t step)
{
    static const char before[] = "event: snapshot\ndata: ";
    struct events events = {0};
    struct event event;
    size_t total = sizeof before - 1 + size + 2;
    char *stream = malloc(total);

    if (stream == NULL) abort();
    memcpy(stream, before, sizeof before - 1);
    memcpy(stream + sizeof before - 1, text, size);
    memcpy(stream + total - 2, "\n\n", 2);
    for (size_t at = 0; at < total; at += step) {
        size_t part = total - at < step ? total - at : step;
        size_t room_size;
        char *room;

        must(events_room(&events, &room, &room_size) == 0 && room_size >= part);
        memcpy(room, stream + at, part);
        events_add(&events, part);
        must(events_next(&events, &event) == (at + part == total));
    }
    must(strcmp(event.name, "snapshot") == 0 && event.size == size);
    must(memcmp(event.data, text, size) == 0 && event.data[size] == '\0');
    free(stream);
    events_deinit(&events);
}

// ---- The screen ----

static void screen_must_keep_to(const struct screen *screen, unsigned columns, unsigned rows)
{
    unsigned column = 0, lines = 0;

    for (size_t i = 0; i < screen->size; i++) {
        unsigned char byte = (unsigned char)screen->text[i];

        must(byte == '\n' || (byte >= 0x20 && byte != 0x7f));
        lines += byte == '\n';
        column = byte == '\n' ? 0 : column + ((byte & 0xc0) != 0x80);
        must(column <= columns);
    }
    must(lines <= rows);
}

static void draw(const struct snapshot *snapshot, unsigned columns, unsigned rows)
{
    struct view view = {.now = snapshot, .target = "t", .trouble = "", .filter = ""};
    struct screen screen = {.has_unicode = true};

    (void)view_draw(&screen, &view, columns, rows);
    screen_must_keep_to(&screen, columns, rows);
    screen_deinit(&screen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct snapshot snapshot;
    const char *text = (const char *)data;
    struct response response;
    struct key key;

    if (size > 4096) return 0;
    bool is_good = is_taken_exactly(text, size);

    if (is_good) prefixes_must_be_refused(text, size);
    if (snapshot_read(&snapshot, text, size) == 0) must(is_good);
    draw(&snapshot, 80, 24);
    draw(&snapshot, 200, 1 + (unsigned)(size % 50));
    if (memchr(text, '\n', size) == NULL && (size == 0 || text[size - 1] != '\r')) {
        event_must_be_whole(text, size, 1 + size % 7);
        event_must_be_whole(text, size, size + 64);
    }
    must(response_read(&response, text, size) <= (int)size);
    must(key_read(&key, text, size, true) <= size);
    must(size == 0 || key_read(&key, text, size, true) > 0);
    return 0;
}
