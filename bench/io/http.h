// SPDX-License-Identifier: MIT
//
// HTTP for the servers that have no runtime, the same work in each: each GET is answered with the
// same 13 bytes, and all requests of one read together. Every line of a request is walked; one that
// is not served is refused and ends its connection.

#ifndef ROUSE_BENCH_IO_HTTP_H
#define ROUSE_BENCH_IO_HTTP_H

#include "server.h"

#include <strings.h>
#include <time.h>

enum {
    REQUEST_MIN = sizeof "GET / HTTP/1.1\r\n\r\n" - 1,
    BATCH_MAX = INPUT_MAX / REQUEST_MIN,
    REPLY_MAX = 160,
    REFUSAL_MAX = 96,
};

enum {  // what a parse can say besides a length
    REQUEST_INCOMPLETE = 0,
    REQUEST_BAD = -400,
    REQUEST_METHOD = -405,
    REQUEST_BODY = -501,
};

struct request {
    bool close;  // the peer wants no more on this connection
};

struct line {
    const char *text;
    size_t len;
};

// --- parsing -------------------------------------------------------------------------------------

// Takes the line at *at and moves past its CR LF. Returns 1, or what the parse has to say.
static inline int line_next(const char **at, const char *end, struct line *line)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));

    if (newline == NULL) return REQUEST_INCOMPLETE;
    if (newline == *at || newline[-1] != '\r') return REQUEST_BAD;
    *line = (struct line){.text = *at, .len = (size_t)(newline - 1 - *at)};
    *at = newline + 1;
    return 1;
}

static inline bool line_is(struct line line, const char *text)
{
    return line.len == strlen(text) && strncasecmp(line.text, text, line.len) == 0;
}

static inline int request_line_parse(struct line line, struct request *request)
{
    const char *end = line.text + line.len;
    const char *target = line.text + 4;
    const char *space;

    if (line.len < 4 || memcmp(line.text, "GET ", 4) != 0) return REQUEST_METHOD;
    space = memchr(target, ' ', (size_t)(end - target));
    if (space == NULL || target[0] != '/') return REQUEST_BAD;
    if (end - space != 9 || memcmp(space, " HTTP/1.", 8) != 0) return REQUEST_BAD;
    if (space[8] != '0' && space[8] != '1') return REQUEST_BAD;
    request->close = space[8] == '0';
    return 1;
}

static inline struct line header_value(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (from < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct line){.text = from, .len = (size_t)(end - from)};
}

static inline bool is_name_byte(char byte)
{
    return byte > ' ' && byte < 127 && byte != ':';
}

static inline int header_parse(struct line line, struct request *request)
{
    const char *end = line.text + line.len;
    const char *colon = line.text;
    struct line name, value;

    while (colon < end && is_name_byte(*colon)) {
        colon++;
    }
    if (colon == end || colon == line.text || *colon != ':') return REQUEST_BAD;
    name = (struct line){.text = line.text, .len = (size_t)(colon - line.text)};
    value = header_value(colon + 1, end);

    if (line_is(name, "connection") && line_is(value, "close")) request->close = true;
    if (line_is(name, "content-length") && !line_is(value, "0")) return REQUEST_BODY;
    if (line_is(name, "transfer-encoding")) return REQUEST_BODY;
    return 1;
}

// Returns the length of the request at `text`, or one of REQUEST_….
static inline ssize_t request_parse(const char *text, size_t len, struct request *request)
{
    const char *at = text;
    struct line line;
    int said = line_next(&at, text + len, &line);

    if (said <= 0) return said;
    said = request_line_parse(line, request);
    while (said > 0) {
        said = line_next(&at, text + len, &line);
        if (said <= 0) break;
        if (line.len == 0) return at - text;
        said = header_parse(line, request);
    }
    return said;
}

// --- replying ------------------------------------------------------------------------------------

// The reply, made again when the second changes. Its length never does.
static char reply[REPLY_MAX];
static size_t reply_len;

static inline void reply_refresh(void)
{
    static time_t made_at = -1;
    time_t now = time(NULL);
    char date[32];
    struct tm utc;

    if (now == made_at) return;
    made_at = now;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    reply_len = (size_t)snprintf(
        reply, sizeof reply,
        "HTTP/1.1 200 OK\r\n"
        "Content-Length: 13\r\n"
        "Content-Type: text/plain\r\n"
        "Server: bench\r\n"
        "Date: %s\r\n"
        "\r\n"
        "Hello, World!",
        date);
    if (reply_len >= sizeof reply) net_fail("date", EOVERFLOW);
}

static inline const char *refusal_reason(int status)
{
    switch (status) {
    case REQUEST_METHOD:
        return "Method Not Allowed";
    case REQUEST_BODY:
        return "Not Implemented";
    default:
        return "Bad Request";
    }
}

static inline size_t refusal_write(char *out, int status)
{
    return (size_t)snprintf(out, REFUSAL_MAX,
                            "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                            -status, refusal_reason(status));
}

static inline struct answer answer_http(const char *input, size_t input_len)
{
    static char batch[BATCH_MAX * REPLY_MAX + REFUSAL_MAX];
    struct answer answer = {.reply = batch};

    reply_refresh();
    while (!answer.close) {
        struct request request = {0};
        ssize_t said =
            request_parse(input + answer.consumed, input_len - answer.consumed, &request);

        if (said == REQUEST_INCOMPLETE) break;
        if (said < 0) {
            answer.reply_len += refusal_write(batch + answer.reply_len, (int)said);
            answer.close = true;
            break;
        }
        memcpy(batch + answer.reply_len, reply, reply_len);
        answer.reply_len += reply_len;
        answer.consumed += (size_t)said;
        answer.close = request.close;
    }
    return answer;
}

#endif
