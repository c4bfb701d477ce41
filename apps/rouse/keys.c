// SPDX-License-Identifier: MIT
//
// See keys.h. Any thread.
#include "keys.h"

#include <string.h>

enum { ESCAPE = 0x1b, DELETE = 0x7f };

struct sequence {
    const char *bytes;  // behind the introducer
    key_kind kind;
};

static const struct sequence sequences[] = {
    {"A", KEY_UP},    {"B", KEY_DOWN}, {"C", KEY_RIGHT},    {"D", KEY_LEFT},
    {"H", KEY_HOME},  {"F", KEY_END},  {"1~", KEY_HOME},    {"4~", KEY_END},
    {"7~", KEY_HOME}, {"8~", KEY_END}, {"5~", KEY_PAGE_UP}, {"6~", KEY_PAGE_DOWN},
};

static key_kind kind_of(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        if (strlen(sequences[i].bytes) == size && memcmp(sequences[i].bytes, bytes, size) == 0) {
            return sequences[i].kind;
        }
    }
    return KEY_OTHER;
}

// ESC [ or ESC O, perhaps numbers, and one byte that ends it.
static size_t read_sequence(struct key *out, const char *bytes, size_t size, bool is_all)
{
    size_t at = 2;

    while (at < size && bytes[at] >= 0x20 && bytes[at] < 0x40) at++;
    if (at == size) {
        out->kind = KEY_OTHER;
        return is_all ? size : 0;
    }
    out->kind = kind_of(bytes + 2, at - 1);
    return at + 1;
}

static size_t read_escape(struct key *out, const char *bytes, size_t size, bool is_all)
{
    out->kind = KEY_ESCAPE;
    if (size == 1) return is_all ? 1 : 0;
    if (bytes[1] != '[' && bytes[1] != 'O') return 1;
    return read_sequence(out, bytes, size, is_all);
}

static size_t read_text(struct key *out, const char *bytes, size_t size, bool is_all)
{
    size_t length = utf8_size(bytes, bytes + size);

    if (length == 0 && !is_all && size < UTF8_SIZE_MAX) return 0;
    out->kind = length > 0 ? KEY_TEXT : KEY_OTHER;
    memcpy(out->text, bytes, length);
    return length > 0 ? length : 1;
}

size_t key_read(struct key *out, const char *bytes, size_t size, bool is_all)
{
    unsigned char first;

    *out = (struct key){.kind = KEY_OTHER};
    if (size == 0) return 0;
    first = (unsigned char)bytes[0];
    if (first == ESCAPE) return read_escape(out, bytes, size, is_all);
    if (first >= 0x20 && first != DELETE) return read_text(out, bytes, size, is_all);
    if (first == '\r' || first == '\n') {
        out->kind = KEY_ENTER;
    } else if (first == DELETE || first == '\b') {
        out->kind = KEY_BACKSPACE;
    } else {
        out->kind = KEY_CONTROL;
        out->text[0] = (char)(first | 0x60);
    }
    return 1;
}
