// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/response.c: heads are compared byte by byte, and every writer is tried with each
// size of buffer that is too small.
//
// Built from this file and apps/httpd/{response,date,chars,slice}.c.
#include <errno.h>
#include <stdlib.h>

#include "../../apps/httpd/response.h"
#include "../http/tap.h"

static struct http_clock now;

static bool text_is(const char *text, int size, const char *wanted)
{
    bool held = size >= 0 && http_slice_is((struct http_slice){text, (size_t)size}, wanted);

    if (!held) printf("# got:\n# %.*s\n", size < 0 ? 0 : size, text);
    return held;
}

static void heads_are_written_field_by_field(void)
{
    char out[1024];
    struct http_response r = {
        .status = 200,
        .has_content = true,
        .has_ranges = true,
        .has_modified = true,
        .content_size = 12345678901234567890u,
        .modified_s = 784111777,
        .type = http_slice_of("text/plain"),
        .etag = http_slice_of("\"t\""),
        .extra = http_slice_of("X-A: b\r\nX-C: d\r\n"),
    };

    tap_claim(text_is(out, http_response_write(out, sizeof out, &r, &now),
                      "HTTP/1.1 200 OK\r\n"
                      "Server: rouse\r\n"
                      "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"
                      "Content-Type: text/plain\r\n"
                      "Content-Length: 12345678901234567890\r\n"
                      "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                      "ETag: \"t\"\r\n"
                      "Accept-Ranges: bytes\r\n"
                      "X-A: b\r\nX-C: d\r\n"
                      "\r\n"),
              "a_full_head");
    r = (struct http_response){.status = 204,
                               .connection = HTTP_CONNECTION_CLOSE,
                               .allow = http_slice_of("GET, HEAD")};
    tap_claim(text_is(out, http_response_write(out, sizeof out, &r, &now),
                      "HTTP/1.1 204 No Content\r\n"
                      "Server: rouse\r\n"
                      "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"
                      "Allow: GET, HEAD\r\n"
                      "Connection: close\r\n"
                      "\r\n"),
              "a_small_head");
}

static void ranges_are_told(void)
{
    char out[1024];
    struct http_response r = {.status = 206,
                              .has_content = true,
                              .connection = HTTP_CONNECTION_KEEP_ALIVE,
                              .content_size = 10,
                              .whole_size = 100,
                              .range = {5, 10}};

    tap_claim(text_is(out, http_response_write(out, sizeof out, &r, &now),
                      "HTTP/1.1 206 Partial Content\r\n"
                      "Server: rouse\r\n"
                      "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"
                      "Content-Length: 10\r\n"
                      "Content-Range: bytes 5-14/100\r\n"
                      "Connection: keep-alive\r\n"
                      "\r\n"),
              "content_range_of_a_part");
    r = (struct http_response){.status = 416, .whole_size = 100};
    tap_claim(text_is(out, http_response_write(out, sizeof out, &r, &now),
                      "HTTP/1.1 416 Range Not Satisfiable\r\n"
                      "Server: rouse\r\n"
                      "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"
                      "Content-Range: bytes */100\r\n"
                      "\r\n"),
              "content_range_of_none");
}

// The number in Content-Length, and how many bytes follow the empty line.
static bool length_is_right(const char *text, int size, bool is_head)
{
    char copy[2048];
    unsigned length;

    if (size < 0 || (size_t)size >= sizeof copy) return false;
    memcpy(copy, text, (size_t)size);
    copy[size] = '\0';

    const char *field = strstr(copy, "Content-Length: ");
    const char *end = strstr(copy, "\r\n\r\n");

    if (field == NULL || end == NULL || sscanf(field, "Content-Length: %u", &length) != 1) {
        return false;
    }
    return length > 0 && strlen(end + 4) == (is_head ? 0 : length);
}

static void errors_have_pages(void)
{
    static const int codes[] = {301, 400, 403, 404, 405, 408, 412, 413, 414,
                                416, 417, 431, 500, 501, 503, 505, 599};
    char out[2048];

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct http_response r = {.status = codes[i]};
        char row[64];
        int size = http_error_write(out, sizeof out, &r, false, &now);
        bool held = length_is_right(out, size, false);

        snprintf(row, sizeof row, "%d %s", codes[i], http_status_phrase(codes[i]));
        held = held && size >= 0 && memcmp(out + 9, row, strlen(row)) == 0;
        size = http_error_write(out, sizeof out, &r, true, &now);
        tap_claim_of(held && length_is_right(out, size, true), "page", row);
        tap_claim_of((strcmp(http_status_phrase(codes[i]), "Unknown") == 0) == (codes[i] == 599),
                     "phrase", row);
    }
    struct http_response r = {.status = 204};

    tap_claim(text_is(out, http_error_write(out, sizeof out, &r, false, &now),
                      "HTTP/1.1 204 No Content\r\n"
                      "Server: rouse\r\n"
                      "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n"),
              "204_has_no_page");
}

static const struct http_response file = {
    .status = 200,
    .has_content = true,
    .has_modified = true,
    .content_size = 5,
    .modified_s = 784111777,
    .type = {"text/plain", 10},
    .etag = {"\"t\"", 3},
};

// A prebuilt head gives, for each connection, the very bytes of the slow way.
static void prebuilt_heads_equal_written_ones(void)
{
    static const char *const names[] = {"default", "keep-alive", "close"};

    for (int c = HTTP_CONNECTION_DEFAULT; c <= HTTP_CONNECTION_CLOSE; c++) {
        char text[512], fast[512], slow[512];
        struct http_prebuilt prebuilt;
        struct http_response r = file;

        r.connection = (uint8_t)c;

        int made = http_prebuilt_make(&prebuilt, text, sizeof text, &file);
        int size = http_prebuilt_write(fast, sizeof fast, &prebuilt, (enum http_connection)c, &now);
        int wanted = http_response_write(slow, sizeof slow, &r, &now);

        tap_claim_of(made > 0 && size == wanted && memcmp(fast, slow, (size_t)size) == 0,
                     "prebuilt_heads_equal_written_ones", names[c]);
    }
}

static int write_with(int writer, char *out, size_t size)
{
    struct http_prebuilt prebuilt;
    char text[512];

    switch (writer) {
    case 0:
        return http_response_write(out, size, &file, &now);
    case 1:
        return http_error_write(out, size, &file, false, &now);
    case 2:
        return http_error_page(out, size, 404);
    case 3:
        return http_prebuilt_make(&prebuilt, out, size, &file);
    default:
        if (http_prebuilt_make(&prebuilt, text, sizeof text, &file) < 0) abort();
        return http_prebuilt_write(out, size, &prebuilt, HTTP_CONNECTION_CLOSE, &now);
    }
}

static void small_buffers_are_refused(void)
{
    static const char *const names[] = {"response", "error", "page", "make", "prebuilt"};

    for (int writer = 0; writer < 5; writer++) {
        char big[2048];
        int needed = write_with(writer, big, sizeof big);
        bool held = needed > 0;

        for (int size = 1; held && size <= needed; size++) {
            char *out = malloc((size_t)size);

            if (out == NULL) abort();
            held = write_with(writer, out, (size_t)size) == (size < needed ? -ENOSPC : needed);
            free(out);
        }
        tap_claim_of(held, "small_buffers_are_refused", names[writer]);
    }
}

int main(void)
{
    http_clock_set(&now, 784111777 + 86400);
    heads_are_written_field_by_field();
    ranges_are_told();
    errors_have_pages();
    prebuilt_heads_equal_written_ones();
    small_buffers_are_refused();
    return tap_end();
}
