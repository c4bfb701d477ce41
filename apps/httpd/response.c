// SPDX-License-Identifier: MIT
//
// Text is put behind text through a writer that remembers when it ran out of room, so only the end
// has to check. The date stands right behind the status line.
#include "response.h"

#include <errno.h>

struct writer {
    char *at;
    char *end;
    bool is_full;
};

static void put(struct writer *w, const char *text, size_t size)
{
    if ((size_t)(w->end - w->at) < size) {
        w->is_full = true;
        return;
    }
    memcpy(w->at, text, size);
    w->at += size;
}

static void put_slice(struct writer *w, struct http_slice slice)
{
    if (slice.size > 0) put(w, slice.data, slice.size);
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_number(struct writer *w, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(w, digits + at, sizeof digits - at);
}

static void put_field(struct writer *w, const char *prefix, struct http_slice value)
{
    if (value.data == NULL) return;
    put_text(w, prefix);
    put_slice(w, value);
    put_text(w, "\r\n");
}

struct status {
    int code;
    const char *phrase;
    const char *sentence;
};

static const struct status statuses[] = {
    {100, "Continue", ""},
    {200, "OK", ""},
    {204, "No Content", ""},
    {206, "Partial Content", ""},
    {301, "Moved Permanently", "This folder has its address with a slash at the end."},
    {304, "Not Modified", ""},
    {307, "Temporary Redirect", "This page has an address of its own."},
    {400, "Bad Request", "The request does not follow the rules of HTTP."},
    {403, "Forbidden", "This file may not be read."},
    {404, "Not Found", "There is no such file here."},
    {405, "Method Not Allowed", "Files can be read here, and nothing else."},
    {408, "Request Timeout", "The request took too long to arrive."},
    {412, "Precondition Failed", "The file is not the version that was asked for."},
    {413, "Content Too Large", "The request carries more than this server accepts."},
    {414, "URI Too Long", "The address is longer than this server accepts."},
    {416, "Range Not Satisfiable", "The file does not reach that far."},
    {417, "Expectation Failed", "This server cannot do what the request expects of it."},
    {431, "Request Header Fields Too Large", "The head of the request is too large."},
    {500, "Internal Server Error", "Something went wrong on this side."},
    {501, "Not Implemented", "This server does not know how to do that."},
    {503, "Service Unavailable", "The server is too busy; trying again later may help."},
    {505, "HTTP Version Not Supported", "This server speaks HTTP/1.1 and HTTP/1.0."},
};

static const struct status *status_find(int code)
{
    static const struct status unknown = {0, "Unknown", "No more is known about this."};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].code == code) return &statuses[i];
    }
    return &unknown;
}

const char *http_status_phrase(int status)
{
    return status_find(status)->phrase;
}

// The status line, and all before the date.
static void put_start(struct writer *w, int status)
{
    put_text(w, "HTTP/1.1 ");
    put_number(w, (uint64_t)status);
    put_text(w, " ");
    put_text(w, http_status_phrase(status));
    put_text(w, "\r\nServer: rouse\r\nDate: ");
}

static void put_range(struct writer *w, const struct http_response *r)
{
    if (r->status != 206 && r->status != 416) return;
    put_text(w, "Content-Range: bytes ");
    if (r->status == 206) {
        put_number(w, r->range.first);
        put_text(w, "-");
        put_number(w, r->range.first + r->range.size - 1);
    } else {
        put_text(w, "*");
    }
    put_text(w, "/");
    put_number(w, r->whole_size);
    put_text(w, "\r\n");
}

static void put_modified(struct writer *w, const struct http_response *r)
{
    char text[HTTP_DATE_SIZE];

    if (!r->has_modified) return;
    http_date_format(text, r->modified_s);
    put_field(w, "Last-Modified: ", (struct http_slice){text, sizeof text});
}

// All behind the date, but for Connection and the empty line.
static void put_fields(struct writer *w, const struct http_response *r)
{
    put_text(w, "\r\n");
    if (r->has_content) {
        put_field(w, "Content-Type: ", r->type);
        put_text(w, "Content-Length: ");
        put_number(w, r->content_size);
        put_text(w, "\r\n");
    }
    put_range(w, r);
    put_modified(w, r);
    put_field(w, "ETag: ", r->etag);
    if (r->has_ranges) put_text(w, "Accept-Ranges: bytes\r\n");
    put_field(w, "Location: ", r->location);
    put_field(w, "Allow: ", r->allow);
    put_slice(w, r->extra);
}

static const struct http_slice EMPTY_LINE = {"\r\n", 2};

static struct http_slice connection_tail(enum http_connection connection)
{
    static const char keep_alive[] = "Connection: keep-alive\r\n\r\n";
    static const char closing[] = "Connection: close\r\n\r\n";

    _Static_assert(sizeof keep_alive <= HTTP_HEAD_TAIL_SIZE_MAX, "the longest tail fits");
    if (connection == HTTP_CONNECTION_DEFAULT) return EMPTY_LINE;
    if (connection == HTTP_CONNECTION_CLOSE) {
        return (struct http_slice){closing, sizeof closing - 1};
    }
    return (struct http_slice){keep_alive, sizeof keep_alive - 1};
}

int http_response_write(char *out, size_t size, const struct http_response *response,
                        const struct http_clock *clock)
{
    struct writer w = {out, out + size, false};

    put_start(&w, response->status);
    put(&w, clock->text, HTTP_DATE_SIZE);
    put_fields(&w, response);
    put_slice(&w, connection_tail((enum http_connection)response->connection));
    return w.is_full ? -ENOSPC : (int)(w.at - out);
}

int http_error_page(char *out, size_t size, int status)
{
    struct writer w = {out, out + size, false};
    const struct status *s = status_find(status);

    put_text(&w, "<!doctype html>\n<html lang=\"en\">\n<title>");
    put_number(&w, (uint64_t)status);
    put_text(&w, " ");
    put_text(&w, s->phrase);
    put_text(&w, "</title>\n<h1>");
    put_text(&w, s->phrase);
    put_text(&w, "</h1>\n<p>");
    put_text(&w, s->sentence);
    put_text(&w, "</p>\n</html>\n");
    return w.is_full ? -ENOSPC : (int)(w.at - out);
}

int http_error_write(char *out, size_t size, const struct http_response *response, bool is_head,
                     const struct http_clock *clock)
{
    struct http_response r = *response;
    char page[512];
    int page_size = 0;

    r.has_content = r.status >= 200 && r.status != 204 && r.status != 304;
    if (r.has_content) {
        page_size = http_error_page(page, sizeof page, r.status);
        if (page_size < 0) return page_size;
        r.type = http_slice_of("text/html; charset=utf-8");
        r.content_size = (uint64_t)page_size;
    }
    int head_size = http_response_write(out, size, &r, clock);

    if (head_size < 0 || is_head) return head_size;
    if (size - (size_t)head_size < (size_t)page_size) return -ENOSPC;
    memcpy(out + head_size, page, (size_t)page_size);
    return head_size + page_size;
}

int http_prebuilt_make(struct http_prebuilt *prebuilt, char *out, size_t size,
                       const struct http_response *response)
{
    static const char no_date[HTTP_DATE_SIZE + 1] = "Thu, 01 Jan 1970 00:00:00 GMT";
    struct writer w = {out, out + size, false};

    put_start(&w, response->status);
    prebuilt->date_at = (uint32_t)(w.at - out);
    put(&w, no_date, HTTP_DATE_SIZE);
    put_fields(&w, response);
    put_slice(&w, EMPTY_LINE);
    if (w.is_full) return -ENOSPC;
    prebuilt->text = out;
    prebuilt->size = (uint32_t)(w.at - out);
    return (int)prebuilt->size;
}

int http_prebuilt_write(char *out, size_t size, const struct http_prebuilt *prebuilt,
                        enum http_connection connection, const struct http_clock *clock)
{
    if (size < prebuilt->size) return -ENOSPC;
    memcpy(out, prebuilt->text, prebuilt->size);
    memcpy(out + prebuilt->date_at, clock->text, HTTP_DATE_SIZE);
    if (connection == HTTP_CONNECTION_DEFAULT) return (int)prebuilt->size;

    size_t fields_end = prebuilt->size - EMPTY_LINE.size;
    struct http_slice tail = connection_tail(connection);

    if (size - fields_end < tail.size) return -ENOSPC;
    memcpy(out + fields_end, tail.data, tail.size);
    return (int)(fields_end + tail.size);
}
