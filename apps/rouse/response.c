// SPDX-License-Identifier: MIT
//
// See response.h.
#include "response.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

// "HTTP/1.1 200 OK": the status, or 0.
static unsigned status_of(const char *line, size_t size)
{
    static const char version[] = "HTTP/1.";
    const char *digits = line + sizeof version + 1;

    if (size < sizeof version + 4 || memcmp(line, version, sizeof version - 1) != 0) return 0;
    if (!is_digit(digits[-2]) || digits[-1] != ' ') return 0;
    if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2])) return 0;
    return (unsigned)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
}

// Whether a line is the field `name`, with a value that begins so.
static bool is_field(const char *line, size_t size, const char *name, const char *value)
{
    size_t name_size = strlen(name);
    size_t at = name_size + 1;

    if (size < at || strncasecmp(line, name, name_size) != 0) return false;
    if (line[name_size] != ':') return false;
    while (at < size && (line[at] == ' ' || line[at] == '\t')) at++;
    return size - at >= strlen(value) && strncasecmp(line + at, value, strlen(value)) == 0;
}

int response_read(struct response *out, const char *text, size_t size)
{
    size_t begin = 0;

    *out = (struct response){0};
    for (bool is_first = true;; is_first = false) {
        const char *line = text + begin;
        const char *end = size > begin ? memchr(line, '\n', size - begin) : NULL;

        if (end == NULL) return size > RESPONSE_HEAD_MAX ? -EPROTO : 0;
        size_t length = (size_t)(end - line);

        if (length == 0 || line[length - 1] != '\r') return -EPROTO;
        length--;
        begin += length + 2;
        if (begin > RESPONSE_HEAD_MAX) return -EPROTO;
        if (is_first) {
            out->status = status_of(line, length);
            if (out->status == 0) return -EPROTO;
        } else if (length == 0) {
            return (int)begin;
        } else {
            out->has_events |= is_field(line, length, "content-type", "text/event-stream");
            out->is_encoded |= is_field(line, length, "transfer-encoding", "") ||
                               is_field(line, length, "content-encoding", "");
        }
    }
}
