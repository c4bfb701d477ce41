// SPDX-License-Identifier: MIT
//
// Character classes of HTTP and of the URIs in it, as one table of 256 bytes of flags. A class is
// tested with one load and one mask. No class holds a control byte or a byte above 0x7e, so a loop
// over a class always stops at the CR that ends a line.
#ifndef HTTPD_CHARS_H
#define HTTPD_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_CHAR_TOKEN = 1 << 0,  // method and field names (RFC 9110, 5.6.2)
    HTTP_CHAR_PATH = 1 << 1,   // path of a target: visible ASCII without " # < > ? and backslash
    HTTP_CHAR_QUERY = 1 << 2,  // the same and the question mark
    HTTP_CHAR_HOST = 1 << 3,   // host names and IPv4 addresses: letters, digits, - . _
    HTTP_CHAR_HEX = 1 << 4,    // hexadecimal digits
};

extern const uint8_t http_char_flags[256];

static inline bool http_char_is(char c, unsigned flags)
{
    return (http_char_flags[(unsigned char)c] & flags) != 0;
}

// The value of a hexadecimal digit; the caller knows that it is one.
static inline unsigned http_hex_value(char c)
{
    unsigned byte = (unsigned char)c;

    return byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

static inline bool http_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
