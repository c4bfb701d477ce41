// SPDX-License-Identifier: MIT
//
// A text that is formatted into memory now and written later. Its memory is whole pages from the
// system: it grows under locks of ours, where no allocator of a user's may be called, and beside
// threads that may have stopped inside malloc. Without memory, or above its bound, it ends early
// and says so.

#ifndef RS_INSIGHT_TEXT_H
#define RS_INSIGHT_TEXT_H

#include <rouse/compiler.h>
#include <stdbool.h>
#include <stddef.h>

// What one print may add, and the bound of the whole.
enum { RS_TEXT_LINE = 512, RS_TEXT_MAX = 64 << 20 };

// On the caller's stack, which may be a fiber's.
struct rs_text {
    char *buf;  // `first`, or pages
    size_t used;
    size_t size;
    bool truncated;
    char first[2 * RS_TEXT_LINE];
};

void rs_text_init(struct rs_text *text);
void rs_text_deinit(struct rs_text *text);

// As printf(); what does not fit in RS_TEXT_LINE is cut off.
ROUSE_PRINTF(2, 3) void rs_text_print(struct rs_text *text, const char *format, ...);

// Adds bytes as they are; all of them, or, without memory, none.
void rs_text_put(struct rs_text *text, const char *bytes, size_t size);

// Makes it empty again, and keeps its memory.
void rs_text_clear(struct rs_text *text);

// Adds what stands in `from` between two places.
void rs_text_append(struct rs_text *text, const struct rs_text *from, size_t begin, size_t end);

// Writes all of it, with a note if it ended early; waits if `fd` is non-blocking. 0, or write's
// error.
int rs_text_write(struct rs_text *text, int fd);

#endif
