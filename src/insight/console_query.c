// SPDX-License-Identifier: MIT
//
// Reading queries: see console_query.h. Pure functions: any thread.

#include "insight/console_query.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char *find(const char *query, const char *key)
{
    size_t length = strlen(key);

    for (const char *at = query; *at != '\0';) {
        if (strncmp(at, key, length) == 0 && at[length] == '=') return at + length + 1;
        at += strcspn(at, "&");
        if (*at == '&') at++;
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// One character, and moves `*at` behind it; -1 if it is badly encoded: then it stays.
static int decode(const char **at)
{
    const char *s = *at;

    if (*s != '%') {
        *at = s + 1;
        return *s == '+' ? ' ' : (unsigned char)*s;
    }
    int high = hex_digit(s[1]);
    int low = high >= 0 ? hex_digit(s[2]) : -1;

    if (low < 0) return -1;
    *at = s + 3;
    return high * 16 + low;
}

void rs_query_text(const char *query, const char *key, char *out, size_t size)
{
    const char *at = find(query, key);
    size_t used = 0;
    int c = 1;

    while (at != NULL && *at != '\0' && *at != '&' && used + 1 < size && c > 0) {
        c = decode(&at);
        if (c > 0) out[used++] = (char)c;
    }
    out[c > 0 ? used : 0] = '\0';
}

int rs_query_decimal(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0') return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return -EINVAL;
        uint64_t digit = (uint64_t)(*text - '0');

        if (value > (UINT64_MAX - digit) / 10) return -EINVAL;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

uint64_t rs_query_number(const char *query, const char *key, uint64_t low, uint64_t high,
                         uint64_t otherwise)
{
    char text[24];
    uint64_t value;

    rs_query_text(query, key, text, sizeof text);
    if (rs_query_decimal(text, &value) < 0) return otherwise;
    if (value < low) return low;
    return value < high ? value : high;
}
