// SPDX-License-Identifier: MIT
//
// The JSON reader of apps/rouse: what it takes and what it refuses, text by text; and that the
// begin of a text is never taken for the whole. Each text lies in memory of its own size, so that
// the sanitizers see a look beyond its end.

#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "claim.h"

static bool is_taken(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    struct json json;

    if (copy == NULL) abort();
    memcpy(copy + 1, text, size);
    json_init(&json, copy + 1, size);
    json_skip(&json);
    bool is_good = json_end(&json);

    free(copy);
    return is_good;
}

static const char *const good[] = {
    "0",
    "-0",
    "12",
    "-1.5",
    "1e9",
    "1E+9",
    "0.25e-3",
    "true",
    "false",
    " null ",
    "\"\"",
    "\"a b\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "\"\x7f\"",
    "[]",
    "[ ]",
    "[1]",
    "[1 , 2]",
    "[[],[[]]]",
    "{}",
    "{ }",
    "{\"a\":1}",
    "{\"a\" : {\"b\" : [true,null]} , \"a\":2}",
    "\t\r\n[\n1\r,\t2 ]\n",
    "{\"a name that is longer than any that there is room for\":\"\"}",
};

static const char *const bad[] = {
    "",
    " ",
    "01",
    "-",
    "+1",
    ".5",
    "1.",
    "1e",
    "1e+",
    "0x1",
    "1 2",
    "NaN",
    "tru",
    "truex",
    "nul",
    "True",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\x1f\"",
    "\"\x80\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xc3\"",
    "'a'",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,\"a\":1}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "[] []",
    "{}x",
    "\xef\xbb\xbf[]",
    "/**/1",
    "[1]\x0b",
};

static void texts(void)
{
    bool all_good = true, all_bad = true;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (is_taken(good[i], strlen(good[i]))) continue;
        printf("# refused: %s\n", good[i]);
        all_good = false;
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!is_taken(bad[i], strlen(bad[i]))) continue;
        printf("# taken: %s\n", bad[i]);
        all_bad = false;
    }
    claim(all_good, "what is JSON is taken");
    claim(all_bad, "what is not is refused");
    claim(!is_taken("\"a\0b\"", 5) && !is_taken("1\0", 2), "a byte 0 is no part of it");
}

static void prefixes(void)
{
    static const char text[] =
        "{\"a\":[1,-2.5e3,\"\\u00e4\xc3\xa4\\ud83d\\ude00\"],\"b\":{\"c\":null},\"d\":true}";
    bool none = true;

    for (size_t i = 0; i + 1 < sizeof text; i++) none = none && !is_taken(text, i);
    claim(none && is_taken(text, sizeof text - 1), "the begin of a text is not the whole");
}

static bool is_deep_taken(size_t depth)
{
    char text[2 * (JSON_DEPTH_MAX + 2)];

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return is_taken(text, 2 * depth);
}

static bool is_number(const char *text, uint64_t expected)
{
    struct json json;

    json_init(&json, text, strlen(text));
    uint64_t number = json_unsigned(&json);

    return json_end(&json) && number == expected;
}

static bool is_no_number(const char *text)
{
    struct json json;

    json_init(&json, text, strlen(text));
    return json_unsigned(&json) == 0 && !json_end(&json);
}

static void numbers(void)
{
    claim(is_number("0", 0) && is_number(" 18446744073709551615 ", UINT64_MAX),
          "numbers are read up to the largest");
    claim(is_no_number("18446744073709551616") && is_no_number("99999999999999999999999"),
          "beyond it they are refused");
    claim(is_no_number("-1") && is_no_number("1.0") && is_no_number("1e3") && is_no_number("007") &&
              is_no_number("\"1\"") && is_no_number("null") && is_no_number(""),
          "as is what is no whole number");
}

// Into as much room as there is for `size` bytes with the 0.
static bool decodes(const char *text, size_t size, const char *expected)
{
    struct json json;
    char out[64];

    memset(out, '!', sizeof out);
    json_init(&json, text, strlen(text));
    json_string(&json, out, size);
    if (json_end(&json) && strcmp(out, expected) == 0 && out[size] == '!') return true;
    printf("# %s\n", out);
    return false;
}

static void strings(void)
{
    claim(decodes("\"a\\n\\u0041\\/\\\"\"", 32, "a\nA/\""), "escapes are decoded");
    claim(decodes("\"\\u00e4\\u20ac\\ud83d\\ude00\"", 32, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
          "numbered characters become UTF-8");
    claim(decodes("\"\\u0000\"", 32, "\xef\xbf\xbd"), "a character 0 is replaced");
    claim(decodes("\"\\ud83dx\\ude00\\ud800\\u0041\"", 32,
                  "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd"
                  "A"),
          "half a pair is replaced, and what follows it is read");
    claim(decodes("\"abcdef\"", 4, "abc") && decodes("\"ab\xc3\xa4z\"", 4, "ab") &&
              decodes("\"\xf0\x9f\x98\x80\"", 1, ""),
          "what has no room is cut off between characters");
}

// Members in any order, unknown ones between them; whoever asks for another kind gets nothing more.
static void members(void)
{
    static const char text[] = "{\"x\":[{}],\"is\":true,\"n\":7,\"none\":null,\"list\":[1,2]}";
    char key[JSON_KEY_SIZE];
    struct json json;
    uint64_t sum = 0;
    bool is = false;

    json_init(&json, text, strlen(text));
    json_enter_object(&json);
    while (json_member(&json, key)) {
        if (strcmp(key, "n") == 0) {
            sum += json_unsigned(&json);
        } else if (strcmp(key, "is") == 0) {
            is = json_bool(&json);
        } else if (strcmp(key, "list") == 0) {
            json_enter_array(&json);
            while (json_element(&json)) sum += json_unsigned(&json);
        } else if (strcmp(key, "none") != 0 || !json_null(&json)) {
            json_skip(&json);
        }
    }
    claim(json_end(&json) && is && sum == 10, "members and elements are walked through");

    json_init(&json, text, strlen(text));
    json_enter_array(&json);
    claim(!json_element(&json) && json_unsigned(&json) == 0 && !json_end(&json),
          "after a failure nothing is read");
    json_init(&json, "{\"a\":1", 6);
    json_enter_object(&json);
    (void)json_member(&json, key);
    (void)json_unsigned(&json);
    claim(!json_member(&json, key) && !json_end(&json), "an object without its end is a failure");
}

int main(void)
{
    texts();
    prefixes();
    claim(is_deep_taken(JSON_DEPTH_MAX) && !is_deep_taken(JSON_DEPTH_MAX + 1), "depth has a limit");
    numbers();
    strings();
    members();
    return claims_end();
}
