// SPDX-License-Identifier: MIT
//
// A reader of JSON text (RFC 8259) in memory. It makes no tree: the caller asks for what it expects
// next, and what it has asked for in vain stays an error, after which nothing more is read:
//
//     json_init(&json, text, size);
//     json_enter_object(&json);
//     while (json_member(&json, key)) {
//         if (strcmp(key, "pid") == 0) pid = json_unsigned(&json);
//         else json_skip(&json);
//     }
//     if (!json_end(&json)) ...
//
// It is strict: UTF-8 without a mark, no comma too many, nothing behind the value, and not deeper
// than JSON_DEPTH_MAX. It allocates nothing, and reads each byte a bounded number of times.
#ifndef TOP_JSON_H
#define TOP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_DEPTH_MAX = 32,
    JSON_KEY_SIZE = 40,  // of a member's name with its 0; a longer one is cut off
};

struct json {
    const char *at;
    const char *end;
    unsigned depth;  // of arrays and objects that were entered
    bool is_first;   // nothing has been read yet of the innermost one
    bool has_failed;
};

void json_init(struct json *json, const char *text, size_t size);

// The value is an object, or an array, and what follows is in it.
void json_enter_object(struct json *json);
void json_enter_array(struct json *json);

// The next member, whose name goes to `key`, or the next element; its value is to be read then.
// False at the end of the object or array, which is left.
bool json_member(struct json *json, char key[JSON_KEY_SIZE]);
bool json_element(struct json *json);

// A whole number from 0 to 2^64 - 1, without a fraction or an exponent.
uint64_t json_unsigned(struct json *json);
bool json_bool(struct json *json);
// Reads a null if the value is one.
bool json_null(struct json *json);
// Decodes a string and ends it by a 0; what `size` has no room for is cut off between characters.
// A character 0 and half a surrogate pair become the replacement character.
void json_string(struct json *json, char *out, size_t size);
// Reads a value of any kind.
void json_skip(struct json *json);

// Whether all was as it should, and nothing is left. Called when the outermost value has been read.
bool json_end(struct json *json);

#endif
