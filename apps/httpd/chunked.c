// SPDX-License-Identifier: MIT
//
// The decoder is a state machine over single bytes, except that content is skipped in one step. It
// is as strict as the head: chunk sizes are 1 to 16 hexadecimal digits with nothing before or after
// them but an extension, each line ends in CRLF, trailer lines must have the form of field lines.
// Extensions and trailers are ignored, as RFC 9112 (7.1) asks, but they share one allowance.
//
//     SIZE --;--> EXTENSION           DATA --> DATA_CR --> DATA_LF --> SIZE
//       |             |                ^
//       +-----CR------+--> SIZE_LF ----+ (size > 0)
//                             |
//                             +------> TRAILER (size 0) --CR--> END_LF --> DONE
//                                         |   ^
//                                         v   | LF
//                                  NAME --:--> VALUE --CR--> VALUE_LF
#include "chunked.h"

#include "chars.h"

enum state {
    PLAIN,  // Content-Length: no framing
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,  // at the beginning of a trailer line
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    DONE,
};

enum { SIZE_DIGITS_MAX = 16 };

void http_body_init(struct http_body *body, const struct http_request *req,
                    const struct http_limits *limits)
{
    *body = (struct http_body){
        .left = req->content_length,
        .total = req->content_length,
        .total_max = limits->body_max,
        .overhead_max = limits->head_max,
        .state = req->is_chunked ? SIZE : PLAIN,
    };
    if (!req->is_chunked && req->content_length == 0) body->state = DONE;
}

static int size_digit(struct http_body *body, char c)
{
    if (body->digit_count == SIZE_DIGITS_MAX) return -400;
    body->digit_count++;
    body->left = body->left << 4 | http_hex_value(c);
    return SIZE;
}

static int size_step(struct http_body *body, char c)
{
    if (http_char_is(c, HTTP_CHAR_HEX)) return size_digit(body, c);
    if (body->digit_count == 0) return -400;
    if (c == '\r') return SIZE_LF;
    return c == ';' ? EXTENSION : -400;
}

// The line with a chunk's size is complete.
static int size_end(struct http_body *body)
{
    body->digit_count = 0;
    if (body->left == 0) return TRAILER;
    if (body->left > body->total_max - body->total) return -413;
    body->total += body->left;
    return DATA;
}

static int overhead_step(struct http_body *body, char c, enum state same, enum state after_cr)
{
    unsigned char byte = (unsigned char)c;

    if (++body->overhead > body->overhead_max) return -431;
    if (c == '\r') return (int)after_cr;
    return (byte < 0x20 && byte != '\t') || byte == 0x7f ? -400 : (int)same;
}

static int name_step(struct http_body *body, char c)
{
    if (++body->overhead > body->overhead_max) return -431;
    if (c == ':') return VALUE;
    return http_char_is(c, HTTP_CHAR_TOKEN) ? NAME : -400;
}

static int trailer_step(struct http_body *body, char c)
{
    if (c == '\r') return END_LF;
    return c == ':' ? -400 : name_step(body, c);
}

// The state after one byte of framing, or the negative of a status.
static int framing_step(struct http_body *body, char c)
{
    switch ((enum state)body->state) {
    case SIZE:
        return size_step(body, c);
    case EXTENSION:
        return overhead_step(body, c, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return c == '\n' ? size_end(body) : -400;
    case DATA_CR:
        return c == '\r' ? DATA_LF : -400;
    case DATA_LF:
        return c == '\n' ? SIZE : -400;
    case TRAILER:
        return trailer_step(body, c);
    case NAME:
        return name_step(body, c);
    case VALUE:
        return overhead_step(body, c, VALUE, VALUE_LF);
    case VALUE_LF:
        return c == '\n' ? TRAILER : -400;
    case END_LF:
        return c == '\n' ? DONE : -400;
    default:
        return -400;
    }
}

static size_t content_skip(struct http_body *body, size_t len)
{
    size_t step = len < body->left ? len : (size_t)body->left;

    body->left -= step;
    if (body->left == 0) body->state = body->state == PLAIN ? DONE : DATA_CR;
    return step;
}

int http_body_skip(struct http_body *body, const char *buf, size_t len, size_t *used)
{
    size_t at = 0;

    while (body->state != DONE && at < len) {
        if (body->state == PLAIN || body->state == DATA) {
            at += content_skip(body, len - at);
            continue;
        }
        int next = framing_step(body, buf[at]);

        if (next < 0) {
            *used = at;
            return next;
        }
        body->state = (uint8_t)next;
        at++;
    }
    *used = at;
    return body->state == DONE;
}
