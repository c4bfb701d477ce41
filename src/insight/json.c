// SPDX-License-Identifier: MIT
//
// Escaping for JSON, and what needs it. Pure functions: any thread.

#include "insight/json.h"

#include <rouse/assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// How many bytes a character takes that begins with `first`; 0 if none does.
static size_t length_by(unsigned char first)
{
    if (first < 0x80) return 1;
    if (first < 0xc0) return 0;
    if (first < 0xe0) return 2;
    if (first < 0xf0) return 3;
    return first < 0xf8 ? 4 : 0;
}

// How many bytes the character at `s` takes; 0 if it is none of UTF-8: also a surrogate, or one in
// more bytes than it needs.
static size_t character_length(const unsigned char *s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = length_by(s[0]);

    if (length < 2) return length;
    uint32_t character = s[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++) {
        if (s[i] >> 6 != 2) return 0;
        character = character << 6 | (s[i] & 0x3f);
    }
    if (character < least[length] || character > 0x10ffff) return 0;
    return character >= 0xd800 && character < 0xe000 ? 0 : length;
}

void rs_json_escape(char *to, size_t size, const char *from)
{
    const unsigned char *s = (const unsigned char *)from;
    char *end = to + size;

    while (*s != '\0') {
        size_t length = character_length(s);

        rouse_assert(end - to > RS_JSON_FACTOR, "there is room for what each byte may become");
        if (length == 0) {
            to += snprintf(to, RS_JSON_FACTOR + 1, "\\ufffd");
            length = 1;
        } else if (*s < 0x20) {
            to += snprintf(to, RS_JSON_FACTOR + 1, "\\u%04x", *s);
        } else {
            if (*s == '"' || *s == '\\') *to++ = '\\';
            memcpy(to, s, length);
            to += length;
        }
        s += length;
    }
    *to = '\0';
}

void rs_json_print(struct rs_text *text, const char *string)
{
    char cut[RS_JSON_STRING_MAX + 1];
    char escaped[RS_JSON_FACTOR * sizeof cut];
    size_t length = strnlen(string, RS_JSON_STRING_MAX);

    memcpy(cut, string, length);
    cut[length] = '\0';
    rs_json_escape(escaped, sizeof escaped, cut);
    rs_text_put(text, "\"", 1);
    rs_text_put(text, escaped, strlen(escaped));
    rs_text_put(text, "\"", 1);
}

void rs_json_number(struct rs_text *text, const char *name, uint64_t value)
{
    rs_text_print(text, ",\"%s\":%llu", name, (unsigned long long)value);
}

void rs_json_string(struct rs_text *text, const char *name, const char *value)
{
    rs_text_print(text, ",\"%s\":", name);
    rs_json_print(text, value);
}
