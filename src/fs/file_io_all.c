// SPDX-License-Identifier: MIT
//
// Transfers of whole buffers, one call after another. Any thread.

#include <rouse/file.h>
#include <stdio.h>

static void io_all_next(struct rouse_file_io_all *all, struct rouse_file *file, char *buf,
                        size_t size, int64_t offset)
{
    if (all->is_write) {
        rouse_file_write_init(&all->io, file, buf, size, offset);
    } else {
        rouse_file_read_init(&all->io, file, buf, size, offset);
    }
}

static rouse_poll io_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_io_all *all = ROUSE_CONTAINER_OF(self, struct rouse_file_io_all, base);
    struct rouse_file_io *io = &all->io;

    while (all->done < all->size) {
        if (rouse_future_poll(&io->base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (io->output <= 0) {
            all->output = io->output < 0 ? io->output : (ssize_t)all->done;
            return ROUSE_READY;
        }
        size_t count = (size_t)io->output;
        int64_t offset =
            io->offset == ROUSE_FILE_POSITION ? io->offset : io->offset + (int64_t)count;

        all->done += count;
        if (all->done < all->size) {
            io_all_next(all, io->file, (char *)io->single.iov_base + count, all->size - all->done,
                        offset);
        }
    }
    all->output = (ssize_t)all->size;
    return ROUSE_READY;
}

static void io_all_drop(struct rouse_future *self)
{
    struct rouse_file_io_all *all = ROUSE_CONTAINER_OF(self, struct rouse_file_io_all, base);

    rouse_future_drop(&all->io.base);
}

static int io_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_file_io_all *all = (const struct rouse_file_io_all *)self;

    return snprintf(buf, size, "%s file fd %d", all->is_write ? "write to" : "read of",
                    rouse_file_number(all->io.file));
}

static int64_t io_all_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_io_all *)self)->output;
}

static const struct rouse_future_vtable io_all_ended = {.name = "file_io_all",
                                                        .result = io_all_result};
static const struct rouse_future_vtable io_all_vtable = {
    .poll = io_all_poll,
    .drop = io_all_drop,
    .name = "file_io_all",
    .describe = io_all_describe,
    .ended = &io_all_ended,
    .cancel_kind = rouse_cancel_kind_partial};

static void io_all_init(struct rouse_file_io_all *all, struct rouse_file *file, void *buf,
                        size_t size, int64_t offset, bool is_write)
{
    all->base.vtable = &io_all_vtable;
    all->done = 0;
    all->size = size;
    all->is_write = is_write;
    all->output = 0;
    io_all_next(all, file, buf, size, offset);
}

void rouse_file_read_exact_init(struct rouse_file_io_all *read, struct rouse_file *file, void *buf,
                                size_t size, int64_t offset)
{
    io_all_init(read, file, buf, size, offset, false);
}

void rouse_file_write_all_init(struct rouse_file_io_all *write, struct rouse_file *file,
                               const void *buf, size_t size, int64_t offset)
{
    io_all_init(write, file, (void *)buf, size, offset, true);
}

// ---- Direct forms ----

ssize_t rouse_file_read_exact(struct rouse_file *file, void *buf, size_t size, int64_t offset)
{
    size_t done = 0;

    while (done < size) {
        int64_t from = offset == ROUSE_FILE_POSITION ? offset : offset + (int64_t)done;
        ssize_t count = rouse_file_read(file, (char *)buf + done, size - done, from);

        if (count < 0) return count;
        if (count == 0) break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

ssize_t rouse_file_write_all(struct rouse_file *file, const void *buf, size_t size, int64_t offset)
{
    size_t done = 0;

    while (done < size) {
        int64_t to = offset == ROUSE_FILE_POSITION ? offset : offset + (int64_t)done;
        ssize_t count = rouse_file_write(file, (const char *)buf + done, size - done, to);

        if (count < 0) return count;
        if (count == 0) break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}
