// SPDX-License-Identifier: MIT
//
// Comparing validators. A field that cannot be parsed never matches: a malformed If-None-Match gets
// the whole file, a malformed If-Match 412, a malformed date is as if the field were absent.
#include "conditional.h"

#include "date.h"

static size_t put_hex(char *out, uint64_t value)
{
    char digits[16];
    size_t count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

void http_validators_make(struct http_validators *out, int64_t modified_s, uint32_t modified_ns,
                          uint64_t size, uint64_t inode, int64_t now_s)
{
    char *at = out->etag;

    out->is_weak = now_s - modified_s < HTTP_YOUNG_SECONDS;
    // Nothing was changed in the future, and no Last-Modified may say so (RFC 9110, 8.8.2.1).
    out->modified_s = modified_s < now_s ? modified_s : now_s;
    if (out->is_weak) {
        *at++ = 'W';
        *at++ = '/';
    }
    *at++ = '"';
    at += put_hex(at, (uint64_t)modified_s * 1000000000 + modified_ns);
    *at++ = '-';
    at += put_hex(at, size);
    *at++ = '-';
    at += put_hex(at, inode);
    *at++ = '"';
    out->etag_size = (uint8_t)(at - out->etag);
}

struct etag {
    struct http_slice opaque;  // with its quotes
    bool is_weak;
};

// Reads one entity tag off the front of `text`.
static bool etag_read(struct http_slice *text, struct etag *tag)
{
    const char *at = text->data;
    const char *end = at + text->size;

    tag->is_weak = end - at >= 2 && at[0] == 'W' && at[1] == '/';
    if (tag->is_weak) at += 2;
    if (at == end || *at != '"') return false;

    const char *quote = at + 1;

    while (quote < end && *quote != '"' && (unsigned char)*quote > 0x20) {
        quote++;
    }
    if (quote == end || *quote != '"') return false;
    tag->opaque = (struct http_slice){at, (size_t)(quote + 1 - at)};
    *text = (struct http_slice){quote + 1, (size_t)(end - quote - 1)};
    return true;
}

static struct etag etag_current(const struct http_validators *v)
{
    size_t skip = v->is_weak ? 2 : 0;

    return (struct etag){{v->etag + skip, v->etag_size - skip}, v->is_weak};
}

static bool etag_equal(struct etag a, struct etag b, bool is_strong)
{
    if (is_strong && (a.is_weak || b.is_weak)) return false;
    return a.opaque.size == b.opaque.size &&
           memcmp(a.opaque.data, b.opaque.data, a.opaque.size) == 0;
}

// True if a list of tags holds the current one. Commas may stand inside of tags, so the list is
// read tag by tag.
static bool list_holds(struct http_slice list, const struct http_validators *current,
                       bool is_strong)
{
    struct etag tag;

    for (;;) {
        list = http_slice_trim(list);
        if (list.size > 0 && list.data[0] == ',') {
            list = (struct http_slice){list.data + 1, list.size - 1};
            continue;
        }
        if (list.size == 0 || !etag_read(&list, &tag)) return false;
        if (etag_equal(tag, etag_current(current), is_strong)) return true;
        list = http_slice_trim(list);
        if (list.size > 0 && list.data[0] != ',') return false;
    }
}

// True if a field, on one line or several, is "*" or holds the current tag.
static bool field_matches(const struct http_request *req, enum http_field field,
                          const struct http_validators *current, bool is_strong)
{
    struct http_slice value = http_request_field(req, field);
    size_t cursor = 0;

    if ((req->repeated >> field & 1) == 0) {
        return http_slice_is(value, "*") || list_holds(value, current, is_strong);
    }
    while (http_request_next_field(req, field, &cursor, &value)) {
        if (list_holds(value, current, is_strong)) return true;
    }
    return false;
}

// True if the field holds a date, and the file was changed after it.
static bool date_field(const struct http_request *req, enum http_field field, int64_t now_s,
                       int64_t *date)
{
    struct http_slice value = http_request_field(req, field);

    return value.data != NULL && http_date_parse(value, now_s, date);
}

static bool precondition_fails(const struct http_request *req,
                               const struct http_validators *current, int64_t now_s)
{
    int64_t date;

    if (http_request_has(req, HTTP_FIELD_IF_MATCH)) {
        return !field_matches(req, HTTP_FIELD_IF_MATCH, current, true);
    }
    return date_field(req, HTTP_FIELD_IF_UNMODIFIED_SINCE, now_s, &date) &&
           current->modified_s > date;
}

int http_conditional_evaluate(const struct http_request *req, const struct http_validators *current,
                              int64_t now_s)
{
    int64_t date;

    if (precondition_fails(req, current, now_s)) return 412;
    if (http_request_has(req, HTTP_FIELD_IF_NONE_MATCH)) {
        return field_matches(req, HTTP_FIELD_IF_NONE_MATCH, current, false) ? 304 : 200;
    }
    if (date_field(req, HTTP_FIELD_IF_MODIFIED_SINCE, now_s, &date) &&
        current->modified_s <= date) {
        return 304;
    }
    return 200;
}

bool http_conditional_allows_range(const struct http_request *req,
                                   const struct http_validators *current, int64_t now_s)
{
    struct http_slice value = http_request_field(req, HTTP_FIELD_IF_RANGE);
    struct etag tag;
    int64_t date;

    if (value.data == NULL) return true;
    if (current->is_weak) return false;
    if (etag_read(&value, &tag)) {
        return value.size == 0 && etag_equal(tag, etag_current(current), true);
    }
    return http_date_parse(value, now_s, &date) && date == current->modified_s;
}
