// SPDX-License-Identifier: MIT
//
// One range: "bytes=" and then "first-last", "first-" or "-count". Numbers too large for 64 bits
// count as the largest there is, which no file reaches.
#include "range.h"

#include "chars.h"

// Reads digits off the front of `text`; returns how many.
static size_t number_read(struct http_slice *text, uint64_t *value)
{
    size_t count = 0;

    *value = 0;
    while (count < text->size && http_is_digit(text->data[count])) {
        uint64_t digit = (uint64_t)(text->data[count++] - '0');
        bool overflows = *value > (UINT64_MAX - digit) / 10;

        *value = overflows ? UINT64_MAX : *value * 10 + digit;
    }
    text->data += count;
    text->size -= count;
    return count;
}

static enum http_range_kind suffix_choose(uint64_t count, uint64_t size, struct http_range *range)
{
    if (count == 0) return HTTP_RANGE_UNSATISFIABLE;
    if (size == 0) return HTTP_RANGE_WHOLE;  // no Content-Range can name nothing
    if (count > size) count = size;
    *range = (struct http_range){size - count, count};
    return HTTP_RANGE_PART;
}

static enum http_range_kind span_choose(uint64_t first, uint64_t last, uint64_t size,
                                        struct http_range *range)
{
    if (last < first) return HTTP_RANGE_WHOLE;  // nonsense: ignored
    if (first >= size) return HTTP_RANGE_UNSATISFIABLE;
    if (last > size - 1) last = size - 1;
    *range = (struct http_range){first, last - first + 1};
    return HTTP_RANGE_PART;
}

enum http_range_kind http_range_parse(struct http_slice value, uint64_t size,
                                      struct http_range *range)
{
    static const char unit[] = "bytes=";
    uint64_t first, last;

    if (value.size < sizeof unit - 1) return HTTP_RANGE_WHOLE;
    if (!http_slice_is_nocase((struct http_slice){value.data, sizeof unit - 1}, unit)) {
        return HTTP_RANGE_WHOLE;
    }
    value.data += sizeof unit - 1;
    value.size -= sizeof unit - 1;
    value = http_slice_trim(value);

    bool has_first = number_read(&value, &first) > 0;

    if (value.size == 0 || value.data[0] != '-') return HTTP_RANGE_WHOLE;
    value.data++;
    value.size--;

    bool has_last = number_read(&value, &last) > 0;

    if (value.size > 0 || (!has_first && !has_last)) return HTTP_RANGE_WHOLE;
    if (!has_first) return suffix_choose(last, size, range);
    return span_choose(first, has_last ? last : UINT64_MAX, size, range);
}
