// SPDX-License-Identifier: MIT
//
// Escaping for JSON: quotes, control characters, and bytes that are no UTF-8.

#include "insight/json.h"

#include <string.h>

#include "claim.h"

static bool becomes(const char *from, const char *expected)
{
    char to[RS_JSON_FACTOR * 64];

    rs_json_escape(to, sizeof to, from);
    if (strcmp(to, expected) == 0) return true;
    printf("# %s\n", to);
    return false;
}

// A string of so many characters, each of two bytes, as a member of a text.
static bool prints_cut(size_t characters, size_t expected_size)
{
    static char string[1024];
    struct rs_text text;

    for (size_t i = 0; i < characters; i++) memcpy(string + 2 * i, "\xc3\xa4", 2);
    string[2 * characters] = '\0';
    rs_text_init(&text);
    rs_json_print(&text, string);
    bool is_it = text.used == expected_size && text.buf[0] == '"' &&
                 text.buf[text.used - 1] == '"' && !text.truncated;

    rs_text_deinit(&text);
    return is_it;
}

int main(void)
{
    claim(becomes("", "") && becomes("serve 1", "serve 1"), "most text stays as it is");
    claim(becomes("a \"b\" c\\d", "a \\\"b\\\" c\\\\d"), "quotes and backslashes are escaped");
    claim(becomes("a\nb\x01", "a\\u000ab\\u0001"), "control characters are numbers");
    claim(becomes("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
          "UTF-8 stays as it is");
    claim(becomes("caf\xc3", "caf\\ufffd"), "a character that is cut off is replaced");
    claim(becomes("\x80\xff", "\\ufffd\\ufffd"), "bytes that begin no character are replaced");
    claim(becomes("\xc0\xaf", "\\ufffd\\ufffd"), "a form that is too long is replaced");
    claim(becomes("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"), "a surrogate is replaced");
    claim(becomes("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"),
          "what lies behind the last character is replaced");
    claim(prints_cut(0, 2) && prints_cut(100, 202), "a string with its quotes");
    // Of the 128th character there is room for one byte.
    claim(prints_cut(400, 2 + 254 + 6), "a long one is cut off, and no character in two");
    return claims_end();
}
