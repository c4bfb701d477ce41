// SPDX-License-Identifier: MIT
//
// What a terminal sends, as keys.
#ifndef TOP_KEYS_H
#define TOP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "utf8.h"

typedef enum key_kind {
    KEY_TEXT,     // a character
    KEY_CONTROL,  // with the control key: `text` has the letter, as "c"
    KEY_ENTER,
    KEY_ESCAPE,
    KEY_BACKSPACE,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_OTHER,  // a sequence that we do not know
} key_kind;

struct key {
    key_kind kind;
    char text[UTF8_SIZE_MAX + 1];
};

// Reads the first key of what has come. Returns how many bytes it is; 0: it has not come whole,
// which cannot be if `is_all`: then a lone escape is the key of that name.
size_t key_read(struct key *out, const char *bytes, size_t size, bool is_all);

#endif
