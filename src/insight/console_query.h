// SPDX-License-Identifier: MIT
//
// The query of a request: "tasks=100&sort=-busy".

#ifndef RS_INSIGHT_CONSOLE_QUERY_H
#define RS_INSIGHT_CONSOLE_QUERY_H

#include <stddef.h>
#include <stdint.h>

// The value of `key`, decoded; what does not fit is cut off. Empty if it is not there, or badly
// encoded.
void rs_query_text(const char *query, const char *key, char *out, size_t size);

// The value of `key` as a number, at least `low` and at most `high`; `otherwise` if there is none.
uint64_t rs_query_number(const char *query, const char *key, uint64_t low, uint64_t high,
                         uint64_t otherwise);

// The decimal number that is all of `text`. -EINVAL.
int rs_query_decimal(const char *text, uint64_t *out);

#endif
