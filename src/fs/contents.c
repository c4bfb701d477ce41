// SPDX-License-Identifier: MIT
//
// The bytes of a whole file. One thread at a time.

#include "fs/contents.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"

// What a file of unknown size is read by, as those of /proc are.
enum { ROOM_MIN = 4096 };

struct contents {
    struct rouse_file_data data;
    struct rouse_allocator allocator;  // a copy: the runtime may be gone before the data
    size_t room;
    char bytes[];
};

static struct contents *contents_new(const struct rouse_allocator *allocator, size_t room)
{
    struct contents *contents = rs_alloc(allocator, sizeof *contents + room + 1);

    if (contents == NULL) return NULL;
    contents->allocator = *allocator;
    contents->room = room;
    contents->data.bytes = contents->bytes;
    return contents;
}

void rouse_file_data_free(struct rouse_file_data *data)
{
    if (data == NULL) return;
    struct contents *contents = ROUSE_CONTAINER_OF(data, struct contents, data);
    struct rouse_allocator allocator = contents->allocator;

    rs_free(&allocator, contents, sizeof *contents + contents->room + 1);
}

// Makes room for more. 0, or -ENOMEM, -EFBIG.
static int contents_grow(struct contents **contents, size_t size_max)
{
    struct contents *old = *contents;
    size_t room = old->room < size_max / 2 ? old->room * 2 : size_max;

    if (old->room >= size_max) return -EFBIG;
    if (room < ROOM_MIN) room = ROOM_MIN < size_max ? ROOM_MIN : size_max;
    struct contents *grown = contents_new(&old->allocator, room);

    if (grown == NULL) return -ENOMEM;
    grown->data.size = old->data.size;
    memcpy(grown->bytes, old->bytes, old->data.size);
    rouse_file_data_free(&old->data);
    *contents = grown;
    return 0;
}

static ssize_t read_more(struct contents *contents, int fd, int flags)
{
    // The byte behind the last is asked for too: whether there is one says whether this was all.
    struct iovec iov = {contents->bytes + contents->data.size,
                        contents->room + 1 - contents->data.size};
    int64_t offset = (int64_t)contents->data.size;
    ssize_t count;

    do {
        count = flags != 0 ? rs_sys.preadv2(fd, &iov, 1, offset, flags)
                           : rs_sys.preadv(fd, &iov, 1, offset);
    } while (count == -EINTR);
    return count;
}

int rs_contents_read(struct rouse_file_data **out, const struct rouse_allocator *allocator, int fd,
                     size_t size, size_t size_max, int flags)
{
    if (size > size_max) return -EFBIG;
    struct contents *contents = contents_new(allocator, size);
    int err = contents != NULL ? 0 : -ENOMEM;

    while (err == 0) {
        ssize_t count = read_more(contents, fd, flags);

        if (count <= 0) {
            err = (int)count;
            break;
        }
        bool is_short = (size_t)count < contents->room + 1 - contents->data.size;

        contents->data.size += (size_t)count;
        // Less than was asked for, and as much as the file said: that is its end.
        if (is_short && contents->data.size == size) break;
        if (contents->data.size > contents->room) {
            contents->data.size = contents->room;  // the one behind is read again
            err = contents_grow(&contents, size_max);
        }
    }
    if (err < 0) {
        if (contents != NULL) rouse_file_data_free(&contents->data);
        return err;
    }
    contents->bytes[contents->data.size] = '\0';
    *out = &contents->data;
    return 0;
}
