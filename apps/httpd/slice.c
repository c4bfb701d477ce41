// SPDX-License-Identifier: MIT
//
// Comparing, trimming and splitting slices. Nothing here copies text or keeps state.
#include "slice.h"

bool http_slice_is_nocase(struct http_slice slice, const char *lower)
{
    size_t i = 0;

    for (; i < slice.size && lower[i] != '\0'; i++) {
        unsigned char c = (unsigned char)slice.data[i];

        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c | 0x20);
        if (c != (unsigned char)lower[i]) return false;
    }
    return i == slice.size && lower[i] == '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct http_slice http_slice_trim(struct http_slice slice)
{
    while (slice.size > 0 && is_blank(slice.data[0])) {
        slice.data++;
        slice.size--;
    }
    while (slice.size > 0 && is_blank(slice.data[slice.size - 1])) slice.size--;
    return slice;
}

bool http_list_next(struct http_slice *rest, struct http_slice *element)
{
    if (rest->data == NULL) return false;

    const char *comma = memchr(rest->data, ',', rest->size);

    if (comma == NULL) {
        *element = http_slice_trim(*rest);
        *rest = (struct http_slice){NULL, 0};
        return true;
    }
    size_t size = (size_t)(comma - rest->data);

    *element = http_slice_trim((struct http_slice){rest->data, size});
    *rest = (struct http_slice){comma + 1, rest->size - size - 1};
    return true;
}
