// SPDX-License-Identifier: MIT
//
// See json.h. A failure moves the cursor to the end, so that whoever goes on asking finds nothing.
#include "json.h"

#include <string.h>

#include "utf8.h"

// ---- The cursor ----

void json_init(struct json *json, const char *text, size_t size)
{
    *json = (struct json){.at = text, .end = text + size, .is_first = true};
}

static void fail(struct json *json)
{
    json->has_failed = true;
    json->at = json->end;
}

static void skip_blanks(struct json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r')) {
        json->at++;
    }
}

// The next byte, which is left there; 0 at the end.
static char peek(const struct json *json)
{
    return json->at < json->end ? *json->at : '\0';
}

static bool take(struct json *json, char byte)
{
    if (json->at == json->end || *json->at != byte) return false;
    json->at++;
    return true;
}

static bool take_word(struct json *json, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size) != 0) return false;
    json->at += size;
    return true;
}

// A value has been read, or was none.
static void value_end(struct json *json, bool is_good)
{
    if (!is_good) fail(json);
    json->is_first = false;
}

// ---- Objects and arrays ----

static void enter(struct json *json, char bracket)
{
    skip_blanks(json);
    if (json->depth == JSON_DEPTH_MAX || !take(json, bracket)) {
        value_end(json, false);
    } else {
        json->depth++;
        json->is_first = true;
    }
}

void json_enter_object(struct json *json)
{
    enter(json, '{');
}

void json_enter_array(struct json *json)
{
    enter(json, '[');
}

// Goes on to the next of several values; false if there is none.
static bool next(struct json *json, char bracket)
{
    skip_blanks(json);
    if (json->has_failed) return false;
    if (take(json, bracket)) {
        json->depth--;
        value_end(json, true);
        return false;
    }
    if (!json->is_first && !take(json, ',')) fail(json);
    skip_blanks(json);
    return !json->has_failed;
}

bool json_member(struct json *json, char key[JSON_KEY_SIZE])
{
    key[0] = '\0';
    if (!next(json, '}')) return false;
    json_string(json, key, JSON_KEY_SIZE);
    skip_blanks(json);
    if (!take(json, ':')) fail(json);
    return !json->has_failed;
}

bool json_element(struct json *json)
{
    return next(json, ']');
}

// ---- Strings ----

// Where a string is decoded to. What comes after a character that had no room is left out too.
struct decoded {
    char *at;
    size_t left;  // without the 0
};

static void decoded_put(struct decoded *out, const char *character, size_t size)
{
    if (size > out->left) {
        out->left = 0;
        return;
    }
    memcpy(out->at, character, size);
    out->at += size;
    out->left -= size;
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

// The four digits behind "\u"; fails if there are none.
static uint32_t read_unit(struct json *json)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        int digit = digit_of(peek(json));

        if (digit < 0) {
            fail(json);
            return 0;
        }
        unit = unit << 4 | (uint32_t)digit;
        json->at++;
    }
    return unit;
}

static void read_numbered(struct json *json, struct decoded *out)
{
    uint32_t code = read_unit(json);
    char character[UTF8_SIZE_MAX];

    if (code >= 0xd800 && code < 0xdc00) {
        struct json behind = *json;
        uint32_t low = take_word(&behind, "\\u") ? read_unit(&behind) : 0;

        // Half a pair leaves what follows it to be read by itself.
        if (!behind.has_failed && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            json->at = behind.at;
        }
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
        decoded_put(out, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
    } else {
        decoded_put(out, character, utf8_put(character, code));
    }
}

static void read_escape(struct json *json, struct decoded *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char byte = peek(json);
    const char *found = byte == '\0' ? NULL : strchr(from, byte);

    if (byte == 'u') {
        json->at++;
        read_numbered(json, out);
    } else if (found != NULL) {
        json->at++;
        decoded_put(out, &to[found - from], 1);
    } else {
        fail(json);
    }
}

static void read_string(struct json *json, struct decoded *out)
{
    bool is_good = take(json, '"');

    while (is_good && !take(json, '"')) {
        size_t size = json->at == json->end ? 0 : utf8_size(json->at, json->end);

        if (size == 0 || (unsigned char)*json->at < 0x20) {
            is_good = false;
        } else if (*json->at == '\\') {
            json->at++;
            read_escape(json, out);
        } else {
            decoded_put(out, json->at, size);
            json->at += size;
        }
    }
    value_end(json, is_good);
}

void json_string(struct json *json, char *out, size_t size)
{
    struct decoded decoded = {.at = out, .left = size - 1};

    skip_blanks(json);
    read_string(json, &decoded);
    *decoded.at = '\0';
}

// ---- Other values ----

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take_digits(struct json *json)
{
    const char *begin = json->at;

    while (is_digit(peek(json))) json->at++;
    return json->at > begin;
}

static bool take_whole(struct json *json)
{
    return take(json, '0') || take_digits(json);
}

static bool take_number(struct json *json)
{
    (void)take(json, '-');
    if (!take_whole(json)) return false;
    if (take(json, '.') && !take_digits(json)) return false;
    if (!take(json, 'e') && !take(json, 'E')) return true;
    if (!take(json, '+')) (void)take(json, '-');
    return take_digits(json);
}

// Whether a number may end where the cursor is: "01" and "1x" are none.
static bool is_number_end(const struct json *json)
{
    char byte = peek(json);

    return !is_digit(byte) && byte != '.' && byte != 'e' && byte != 'E';
}

uint64_t json_unsigned(struct json *json)
{
    uint64_t number = 0;
    bool fits = true;

    skip_blanks(json);
    const char *begin = json->at;
    bool is_good = take_whole(json) && is_number_end(json);

    for (const char *at = begin; is_good && at < json->at; at++) {
        fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
               !__builtin_add_overflow(number, (uint64_t)(*at - '0'), &number);
    }
    value_end(json, is_good && fits);
    return json->has_failed ? 0 : number;
}

bool json_bool(struct json *json)
{
    skip_blanks(json);
    bool is_true = take_word(json, "true");

    value_end(json, is_true || take_word(json, "false"));
    return is_true;
}

bool json_null(struct json *json)
{
    skip_blanks(json);
    if (!take_word(json, "null")) return false;
    value_end(json, true);
    return true;
}

// Recursive, and not deeper than JSON_DEPTH_MAX.
void json_skip(struct json *json)
{
    char key[JSON_KEY_SIZE];

    skip_blanks(json);
    switch (peek(json)) {
    case '{':
        json_enter_object(json);
        while (json_member(json, key)) json_skip(json);
        break;
    case '[':
        json_enter_array(json);
        while (json_element(json)) json_skip(json);
        break;
    case '"':
        json_string(json, key, sizeof key);
        break;
    case 't':
    case 'f':
        (void)json_bool(json);
        break;
    case 'n':
        if (!json_null(json)) value_end(json, false);
        break;
    default:
        value_end(json, take_number(json) && is_number_end(json));
    }
}

bool json_end(struct json *json)
{
    skip_blanks(json);
    return !json->has_failed && json->depth == 0 && !json->is_first && json->at == json->end;
}
