// SPDX-License-Identifier: MIT
//
// Whether a text is JSON, for tests: RFC 8259, and nothing else.

#ifndef TESTS_HARNESS_JSON_TEXT_H
#define TESTS_HARNESS_JSON_TEXT_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { JSON_DEPTH_MAX = 32 };

static inline const char *json_skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

// Each of these returns what follows, or NULL.
static inline const char *json_skip_string(const char *at)
{
    if (*at++ != '"') return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) return NULL;
        if (*at != '\\') continue;
        if (*++at == '\0' || strchr("\"\\/bfnrtu", *at) == NULL) return NULL;
        for (int i = 0; *at == 'u' && i < 4; i++) {
            if (!isxdigit((unsigned char)at[1 + i])) return NULL;
        }
    }
    return at + 1;
}

static inline const char *json_skip_number(const char *at)
{
    at += *at == '-';
    size_t digits = strspn(at, "0123456789");

    if (digits == 0 || (digits > 1 && *at == '0')) return NULL;
    at += digits;
    if (*at != '.') return at;
    digits = strspn(++at, "0123456789");
    return digits > 0 ? at + digits : NULL;
}

static inline const char *json_skip_value(const char *at, int depth);

// The elements of an array, or the members of an object, up to `end`.
static inline const char *json_skip_list(const char *at, char end, int depth)
{
    at = json_skip_space(at);
    if (*at == end) return at + 1;
    for (;;) {
        if (end == '}') {
            at = json_skip_string(json_skip_space(at));
            if (at == NULL || *(at = json_skip_space(at)) != ':') return NULL;
            at++;
        }
        at = json_skip_value(at, depth + 1);
        if (at == NULL) return NULL;
        at = json_skip_space(at);
        if (*at == end) return at + 1;
        if (*at++ != ',') return NULL;
    }
}

static inline const char *json_skip_value(const char *at, int depth)
{
    static const char *const words[] = {"true", "false", "null"};

    at = json_skip_space(at);
    if (depth > JSON_DEPTH_MAX) return NULL;
    if (*at == '{' || *at == '[') return json_skip_list(at + 1, *at == '{' ? '}' : ']', depth);
    if (*at == '"') return json_skip_string(at);
    for (int i = 0; i < 3; i++) {
        if (strncmp(at, words[i], strlen(words[i])) == 0) return at + strlen(words[i]);
    }
    return json_skip_number(at);
}

static inline bool json_is_valid(const char *text)
{
    const char *end = json_skip_value(text, 0);

    return end != NULL && *json_skip_space(end) == '\0';
}

#endif
