// SPDX-License-Identifier: MIT
//
// Server-sent events and the head before them, as apps/rouse reads them: streams fed whole and byte
// by byte give the same events.

#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "response.h"

// Feeds a stream in pieces of `step`, and writes its events down as "name=data;".
static void read_stream(const char *stream, size_t step, char *out, size_t size)
{
    struct events events = {0};
    size_t left = strlen(stream);
    struct event event;

    out[0] = '\0';
    while (left > 0) {
        size_t part = left < step ? left : step;
        size_t room_size;
        char *room;

        if (events_room(&events, &room, &room_size) < 0 || room_size < part) abort();
        memcpy(room, stream, part);
        events_add(&events, part);
        stream += part;
        left -= part;
        while (events_next(&events, &event)) {
            size_t used = strlen(out);

            snprintf(out + used, size - used, "%s=%s;", event.name, event.data);
            if (strlen(event.data) != event.size) abort();
        }
    }
    events_deinit(&events);
}

static bool becomes(const char *stream, const char *expected)
{
    char out[256];

    for (size_t step = 1; step <= strlen(stream); step++) {
        read_stream(stream, step, out, sizeof out);
        if (strcmp(out, expected) == 0) continue;
        printf("# in steps of %zu: %s\n", step, out);
        return false;
    }
    return true;
}

static void streams(void)
{
    claim(becomes("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", "a=1;b=2;"), "events follow");
    claim(becomes("data:x\n\n", "message=x;"), "without a name, and without a blank");
    claim(becomes("event: a\r\ndata: 1\r\n\r\n", "a=1;"), "lines end by CR LF as well");
    claim(becomes("data: one\nevent: a\ndata: a line longer than the name\ndata\ndata: \n\n",
                  "a=one\na line longer than the name\n\n;"),
          "lines of data are joined");
    claim(becomes(": comment\n\n\nretry: 5\n\nevent: a\n\ndatas: 3\ndata: 1\n\n", "message=1;"),
          "comments, other fields and events without data are left out");
    claim(becomes("data: 1\n", "") && becomes("data: 1\n\r", ""), "half an event is none");
    claim(becomes("event: a name of more than thirty-two characters\ndata: 1\n\n",
                  "a name of more than thirty-two =1;"),
          "a long name is cut off");
}

static void limit(void)
{
    struct events events = {0};
    size_t total = 0, size;
    char *room;
    int err;

    while ((err = events_room(&events, &room, &size)) == 0) {
        memset(room, 'x', size);
        events_add(&events, size);
        total += size;
    }
    claim(err == -EMSGSIZE && total > EVENTS_SIZE_MAX && total < 4 * (size_t)EVENTS_SIZE_MAX,
          "an event without an end is given up");
    events_deinit(&events);
}

// ---- Heads ----

static int head_of(struct response *out, const char *text)
{
    return response_read(out, text, strlen(text));
}

static void heads(void)
{
    static const char whole[] =
        "HTTP/1.1 200 OK\r\nX: y\r\ncontent-type:text/event-stream; charset=utf-8\r\n\r\n";
    static const char encoded[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct response response;
    bool is_part = true;

    claim(head_of(&response, whole) == (int)strlen(whole) && response.status == 200 &&
              response.has_events && !response.is_encoded,
          "a head is read");
    for (size_t i = 0; i + 1 < sizeof whole; i++) {
        is_part = is_part && response_read(&response, whole, i) == 0;
    }
    claim(is_part, "a part of it asks for more");
    claim(head_of(&response, "HTTP/1.0 421 \r\n\r\nrest") == 17 && response.status == 421 &&
              !response.has_events,
          "what follows is left alone");
    claim(head_of(&response, encoded) > 0 && response.is_encoded, "an encoding is seen");
    claim(head_of(&response, "220 mail\r\n") == -EPROTO && head_of(&response, "HTTP/1.1\r\n") < 0 &&
              head_of(&response, "HTTP/1.1 2x0 OK\r\n") < 0 &&
              head_of(&response, "HTTP/1.1 200 OK\n") < 0,
          "what is no HTTP is refused");
}

static void long_heads(void)
{
    struct response response;
    char *text = malloc(3 * (size_t)RESPONSE_HEAD_MAX);

    if (text == NULL) abort();
    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + strlen(text), 'y', 2 * (size_t)RESPONSE_HEAD_MAX);
    claim(response_read(&response, text, 2 * (size_t)RESPONSE_HEAD_MAX) == -EPROTO,
          "a line without an end is refused");
    memcpy(text + RESPONSE_HEAD_MAX, "\r\n\r\n", 5);
    claim(response_read(&response, text, RESPONSE_HEAD_MAX + 4) == -EPROTO, "so is a long head");
    free(text);
}

int main(void)
{
    streams();
    limit();
    heads();
    long_heads();
    return claims_end();
}
