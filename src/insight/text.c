// SPDX-License-Identifier: MIT
//
// Growing a text by doubling, and writing it. There is always room for one more line: the note.

#include "insight/text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"

enum { PAGES_FIRST = 64 << 10, PAGE = 4096 };

void rs_text_init(struct rs_text *text)
{
    text->buf = text->first;
    text->used = 0;
    text->size = sizeof text->first;
    text->truncated = false;
}

static void release(struct rs_text *text)
{
    if (text->buf != text->first) {
        rs_pages_unreserve(rouse_allocator_default(), text->buf, text->size);
    }
}

void rs_text_deinit(struct rs_text *text)
{
    release(text);
    rs_text_init(text);
}

static bool grow(struct rs_text *text)
{
    size_t size = text->size < PAGES_FIRST ? PAGES_FIRST : 2 * text->size;
    char *buf;

    if (size > RS_TEXT_MAX) return false;
    buf = rs_pages_reserve(rouse_allocator_default(), size, PAGE);
    if (buf == NULL) return false;
    memcpy(buf, text->buf, text->used);
    release(text);
    text->buf = buf;
    text->size = size;
    return true;
}

void rs_text_print(struct rs_text *text, const char *format, ...)
{
    va_list args;

    if (text->size - text->used < 2 * RS_TEXT_LINE && !text->truncated) {
        text->truncated = !grow(text);
    }
    if (text->truncated) return;
    va_start(args, format);
    int length = vsnprintf(text->buf + text->used, RS_TEXT_LINE, format, args);
    va_end(args);
    if (length >= RS_TEXT_LINE) length = RS_TEXT_LINE - 1;
    if (length > 0) text->used += (size_t)length;
}

void rs_text_put(struct rs_text *text, const char *bytes, size_t size)
{
    while (!text->truncated && text->size - text->used < size + 2 * RS_TEXT_LINE) {
        text->truncated = !grow(text);
    }
    if (text->truncated) return;
    memcpy(text->buf + text->used, bytes, size);
    text->used += size;
}

void rs_text_clear(struct rs_text *text)
{
    text->used = 0;
    text->truncated = false;
}

void rs_text_append(struct rs_text *text, const struct rs_text *from, size_t begin, size_t end)
{
    rs_text_put(text, from->buf + begin, end - begin);
}

static int wait_writable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    int count = rs_sys.ppoll(&entry, 1, NULL);

    return count < 0 && count != -EINTR ? count : 0;
}

int rs_text_write(struct rs_text *text, int fd)
{
    size_t done = 0;
    int err = 0;

    if (text->truncated) {
        static const char note[] = "\nrouse dump: truncated, there was no memory for the rest\n";

        memcpy(text->buf + text->used, note, sizeof note - 1);
        text->used += sizeof note - 1;
        text->truncated = false;
    }
    while (done < text->used && err == 0) {
        ssize_t n = rs_sys.write(fd, text->buf + done, text->used - done);

        if (n > 0) done += (size_t)n;
        if (n == -EAGAIN) {
            err = wait_writable(fd);
        } else if (n < 0 && n != -EINTR) {
            err = (int)n;
        }
    }
    return err;
}
