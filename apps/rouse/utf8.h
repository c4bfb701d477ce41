// SPDX-License-Identifier: MIT
//
// Characters in UTF-8, one at a time.
#ifndef TOP_UTF8_H
#define TOP_UTF8_H

#include <stddef.h>
#include <stdint.h>

// What stands for a character that cannot be shown.
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

enum { UTF8_SIZE_MAX = 4 };

// The size of the character at `at`, 1 to 4; 0 if there is none: cut off, too long a form, a
// surrogate, or beyond the last one. `at` is below `end`.
size_t utf8_size(const char *at, const char *end);

// Writes a character, and returns its size. `code` is no surrogate.
size_t utf8_put(char out[UTF8_SIZE_MAX], uint32_t code);

#endif
