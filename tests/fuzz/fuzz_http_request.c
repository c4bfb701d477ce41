// SPDX-License-Identifier: MIT
//
// A libFuzzer target for all that reads bytes of a client: the request parser, and behind it the
// decoders of path, range, conditions, dates and body. The input is a request as it comes over the
// wire, so the corpus can be read. What must hold of every input, under wide and tight limits:
//
// - a head has at most the bytes there are, and ends with an empty line;
// - every prefix gives 0 or the result of the whole, and pieces of any size give the same;
// - every slice lies inside the head, and a normalised path has no `..`, NUL or double slash;
// - a body ends at the same byte with the same result whatever the pieces.
//
// Built from this file and apps/httpd/{request,fields,chunked,path,range,conditional,date,chars,
// slice}.c by clang -fsanitize=fuzzer,address,undefined.
#include <stdint.h>
#include <stdlib.h>

#include "../../apps/httpd/chunked.h"
#include "../../apps/httpd/conditional.h"
#include "../../apps/httpd/date.h"
#include "../../apps/httpd/path.h"
#include "../../apps/httpd/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held) abort();
}

// Parses the first `size` bytes in memory of that size, so that none beyond can be read.
static int parse_exact(struct http_request *req, const char *text, size_t size,
                       const struct http_limits *limits)
{
    char *copy = malloc(size + 1);

    if (copy == NULL) abort();
    memcpy(copy + 1, text, size);

    int result = http_request_parse(req, copy + 1, size, limits);

    free(copy);
    return result;
}

static void prefixes_must_agree(const char *text, size_t size, int whole,
                                const struct http_limits *limits)
{
    size_t step = size < 100 ? 1 : size / 50;

    for (size_t i = 0; i < size; i += step) {
        struct http_request req = {0};
        int result = parse_exact(&req, text, i, limits);

        must(result == 0 || result == whole);
        must(whole <= 0 || (result != 0) == (i >= (size_t)whole));
    }
}

static void pieces_must_agree(const char *text, size_t size, size_t step, int whole,
                              const struct http_limits *limits)
{
    struct http_request req = {0};
    int result = 0;

    for (size_t i = 0; result == 0 && i < size;) {
        i = size - i < step ? size : i + step;
        result = parse_exact(&req, text, i, limits);
    }
    must(result == whole);
}

static void slice_must_lie_in(struct http_slice slice, const char *text, size_t size)
{
    must(slice.data == NULL ||
         (slice.data >= text && slice.size <= size && slice.data + slice.size <= text + size));
}

static void fields_must_be_sound(const struct http_request *req, const char *text, size_t size)
{
    struct http_header header;
    size_t cursor = 0;
    uint32_t count = 0;

    must(memcmp(text + size - 4, "\r\n\r\n", 4) == 0);
    slice_must_lie_in(http_request_host(req), text, size);
    slice_must_lie_in(http_request_slice(req, req->path), text, size);
    slice_must_lie_in(http_request_slice(req, req->query), text, size);
    for (int field = 0; field < HTTP_FIELD_COUNT; field++) {
        slice_must_lie_in(http_request_field(req, (enum http_field)field), text, size);
    }
    while (http_request_next_header(req, &cursor, &header)) {
        slice_must_lie_in(header.name, text, size);
        slice_must_lie_in(header.value, text, size);
        must(header.name.size > 0);
        count++;
    }
    must(count == req->header_count);
    must(req->version_minor == 0 || http_request_host(req).size > 0);
    must(!req->is_chunked || req->content_length == 0);
}

static void path_must_be_normal(const struct http_request *req)
{
    char path[HTTP_PATH_SIZE];
    char escaped[3 * HTTP_PATH_SIZE];
    char again[HTTP_PATH_SIZE];
    int size = http_path_normalize(path, sizeof path, http_request_path(req));

    if (size < 0) {
        must(size == -400 || size == -404 || size == -414);
        return;
    }
    must(path[0] != '/' && strlen(path) == (size_t)size && strstr(path, "//") == NULL);
    must(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && strstr(path, "/../") == NULL);
    must(size < 3 || strcmp(path + size - 3, "/..") != 0);
    http_path_is_hidden(path);

    int escaped_size = http_path_encode(escaped, sizeof escaped, http_slice_of(path));

    must(escaped_size > 0);
    must(http_path_normalize(again, sizeof again,
                             (struct http_slice){escaped, (size_t)escaped_size}) == size);
    must(strcmp(path, again) == 0);
}

static void conditions_must_be_sound(const struct http_request *req)
{
    struct http_validators validators;
    struct http_range range = {0, 0};
    const uint64_t file_size = 1000;

    http_validators_make(&validators, 784111777, 5, file_size, 7, 1700000000);

    int status = http_conditional_evaluate(req, &validators, 1700000000);

    must(status == 200 || status == 304 || status == 412);
    http_conditional_allows_range(req, &validators, 1700000000);
    if (!http_request_has(req, HTTP_FIELD_RANGE)) return;
    if (http_range_parse(http_request_field(req, HTTP_FIELD_RANGE), file_size, &range) ==
        HTTP_RANGE_PART) {
        must(range.size > 0 && range.first < file_size && range.size <= file_size - range.first);
    }
}

static int body_feed(const struct http_request *req, const char *text, size_t size, size_t step,
                     const struct http_limits *limits, size_t *total)
{
    struct http_body body;
    int result = 0;

    *total = 0;
    http_body_init(&body, req, limits);
    while (result == 0 && *total < size) {
        size_t piece = size - *total < step ? size - *total : step;
        size_t used = 0;

        result = http_body_skip(&body, text + *total, piece, &used);
        must(used <= piece && (result != 0 || used == piece));
        *total += used;
    }
    must(body.total <= limits->body_max);
    return result;
}

static void body_must_agree(const struct http_request *req, const char *text, size_t size,
                            const struct http_limits *limits)
{
    size_t whole_total, piece_total;
    int whole = body_feed(req, text, size, size + 1, limits, &whole_total);

    for (size_t step = 1; step < 4; step++) {
        must(body_feed(req, text, size, step, limits, &piece_total) == whole);
        must(piece_total == whole_total);
    }
}

static void request_must_be_sound(const char *text, size_t size, const struct http_limits *limits)
{
    struct http_request req = {0};
    int whole = http_request_parse(&req, text, size, limits);

    must(whole <= (int)size);
    must(whole >= 0 || whole == -400 || whole == -413 || whole == -414 || whole == -417 ||
         whole == -431 || whole == -501 || whole == -505);
    prefixes_must_agree(text, size, whole, limits);
    pieces_must_agree(text, size, 1, whole, limits);
    pieces_must_agree(text, size, 7, whole, limits);
    if (whole <= 0) return;

    size_t head_size = (size_t)whole;

    fields_must_be_sound(&req, text, head_size);
    path_must_be_normal(&req);
    conditions_must_be_sound(&req);
    body_must_agree(&req, text + head_size, size - head_size, limits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits wide = HTTP_LIMITS_DEFAULT;
    static const struct http_limits tight = {
        .request_line_max = 30, .head_max = 120, .header_count_max = 4, .body_max = 10};
    const char *text = (const char *)data;
    int64_t seconds;

    request_must_be_sound(text, size, &wide);
    request_must_be_sound(text, size, &tight);
    http_date_parse((struct http_slice){text, size}, 1700000000, &seconds);
    return 0;
}
