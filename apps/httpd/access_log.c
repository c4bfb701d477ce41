// SPDX-License-Identifier: MIT
//
// See access_log.h.
#include "access_log.h"

#include <time.h>

enum {
    FIELD_SIZE_MAX = 1024,  // of each text from outside; the rest is left out
    LINE_SIZE_MAX = 3 * 4 * FIELD_SIZE_MAX + 256,
};

void httpd_access_log_init(struct httpd_access_log *log, int fd)
{
    *log = (struct httpd_access_log){.time_s = INT64_MIN};
    app_line_log_init(&log->lines, "access log", fd);
}

void httpd_access_log_deinit(struct httpd_access_log *log)
{
    app_line_log_deinit(&log->lines);
}

// ---- A line ----

// A text from outside: what could end its field, its line, or confuse a terminal is escaped.
static char *put_foreign(char *at, struct http_slice text)
{
    static const char hex[] = "0123456789abcdef";
    size_t size = text.size < FIELD_SIZE_MAX ? text.size : FIELD_SIZE_MAX;

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\') {
            *at++ = (char)byte;
            continue;
        }
        *at++ = '\\';
        *at++ = 'x';
        *at++ = hex[byte >> 4];
        *at++ = hex[byte & 15];
    }
    return at;
}

static char *put_quoted(char *at, struct http_slice text)
{
    *at++ = '"';
    at = text.size > 0 ? put_foreign(at, text) : app_put(at, "-");
    *at++ = '"';
    return at;
}

// The request line as it came, which begins the head and ends where the fields begin.
static struct http_slice request_line(const struct http_request *request)
{
    struct http_slice line = {NULL, 0};

    if (request == NULL) return line;
    line = (struct http_slice){request->head, request->headers_at - 2};
    while (line.size > 0 && (line.data[0] == '\r' || line.data[0] == '\n')) {
        line.data++;
        line.size--;
    }
    return line;
}

static struct http_slice field_find(const struct http_request *request, const char *name)
{
    struct http_header header;
    size_t cursor = 0;

    while (request != NULL && http_request_next_header(request, &cursor, &header)) {
        if (http_slice_is_nocase(header.name, name)) return header.value;
    }
    return (struct http_slice){NULL, 0};
}

static const char *time_text(struct httpd_access_log *log, int64_t now_s)
{
    time_t seconds = (time_t)now_s;
    struct tm utc;

    if (log->time_s == now_s) return log->time;
    log->time_s = now_s;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(log->time, sizeof log->time, "%d/%b/%Y:%H:%M:%S +0000", &utc) == 0) {
        log->time[0] = '\0';
    }
    return log->time;
}

void httpd_access_log_add(struct httpd_access_log *log, const struct httpd_access *access)
{
    char *start = app_line_log_room(&log->lines, LINE_SIZE_MAX);
    char *at = start;

    if (start == NULL) return;
    at = app_put(at, access->peer);
    at = app_put(at, " - - [");
    at = app_put(at, time_text(log, access->now_s));
    at = app_put(at, "] ");
    at = put_quoted(at, request_line(access->request));
    *at++ = ' ';
    at = app_put_number(at, (uint64_t)access->status);
    *at++ = ' ';
    at = app_put_number(at, access->size);
    *at++ = ' ';
    at = put_quoted(at, field_find(access->request, "referer"));
    *at++ = ' ';
    at = put_quoted(at, field_find(access->request, "user-agent"));
    *at++ = '\n';
    app_line_log_add(&log->lines, (size_t)(at - start));
}
