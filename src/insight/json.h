// SPDX-License-Identifier: MIT
//
// JSON: the text inside a string, and members of an object.

#ifndef RS_INSIGHT_JSON_H
#define RS_INSIGHT_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "insight/text.h"

// What a byte becomes at the most.
enum { RS_JSON_FACTOR = 6 };

// Writes `from` as it stands between quotes, and a 0; what is no UTF-8 is replaced. `size` is at
// least RS_JSON_FACTOR times that of the text with its 0.
void rs_json_escape(char *to, size_t size, const char *from);

// Adds a string with its quotes; what is longer than RS_JSON_STRING_MAX is cut off.
enum { RS_JSON_STRING_MAX = 255 };
void rs_json_print(struct rs_text *text, const char *string);

// A further member of an object, with the comma before it. A string is as in rs_json_print().
void rs_json_number(struct rs_text *text, const char *name, uint64_t value);
void rs_json_string(struct rs_text *text, const char *name, const char *value);

#endif
