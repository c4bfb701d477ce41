// SPDX-License-Identifier: MIT
//
// See utf8.h. Any thread.
#include "utf8.h"

// The size that a first byte announces, and what the second one may be.
struct lead {
    unsigned char first, last;          // of the first byte
    unsigned char second, second_last;  // the range that keeps out long forms and surrogates
    unsigned char size;
};

static const struct lead leads[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct lead *lead_of(unsigned char byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (byte >= leads[i].first && byte <= leads[i].last) return &leads[i];
    }
    return NULL;
}

size_t utf8_size(const char *at, const char *end)
{
    const unsigned char *bytes = (const unsigned char *)at;
    const struct lead *lead = lead_of(bytes[0]);

    if (lead == NULL || (size_t)(end - at) < lead->size) return 0;
    for (size_t i = 1; i < lead->size; i++) {
        unsigned char low = i == 1 ? lead->second : 0x80;
        unsigned char high = i == 1 ? lead->second_last : 0xbf;

        if (bytes[i] < low || bytes[i] > high) return 0;
    }
    return lead->size;
}

size_t utf8_put(char out[UTF8_SIZE_MAX], uint32_t code)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(marks[size] | code);
    return size;
}
