// SPDX-License-Identifier: MIT
//
// The rows about files; README.md says what each of them does. Each run makes its files in the
// working directory first, and removes them at the end; so they are in the page cache.

#include <fcntl.h>
#include <rouse/await.h>
#include <rouse/file_memory.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/file.h"
#include "parts.h"

enum { BLOCK = 4096, CATS = 64, CAT_SIZE = 1024, DIRECT_BLOCKS = 256 };

static char folder[32];
static struct rouse_file *file;
static uint64_t blocks = 1;  // of the file

static const char *path_of(char *buf, size_t size, uint64_t number)
{
    snprintf(buf, size, "%s/%llu", folder, (unsigned long long)number);
    return buf;
}

static void files_make(uint64_t count, size_t size)
{
    static char bytes[BLOCK];
    char path[64];

    memset(bytes, 'f', sizeof bytes);
    snprintf(folder, sizeof folder, "bench_files_XXXXXX");
    check(mkdtemp(folder) != NULL);
    for (uint64_t i = 0; i < count; i++) {
        int fd = open(path_of(path, sizeof path, i), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && close(fd) == 0);
    }
}

static void files_remove(uint64_t count)
{
    char path[64];

    for (uint64_t i = 0; i < count; i++) check(unlink(path_of(path, sizeof path, i)) == 0);
    check(rmdir(folder) == 0);
}

// ---- One block, again and again ----

// The frames' buffers and futures are larger than those of other rows: one task, so they are here.
static _Alignas(BLOCK) char block[BLOCK];
static struct rouse_file_io io;

// All blocks, in an order that no read-ahead guesses.
static int64_t place(uint64_t i)
{
    return (int64_t)(i * 7919 % blocks * BLOCK);
}

static int read_often(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        check(rouse_file_read(file, block, BLOCK, place(i)) == BLOCK);
    }
    return 0;
}

static rouse_poll read_often_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_file_read_init(&io, file, block, BLOCK, place(f->i));
        ROUSE_AWAIT(&io.base);
        check(io.output == BLOCK);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable read_often_vtable = {.poll = read_often_poll,
                                                             .name = "read_often"};

static int write_often(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        check(rouse_file_write(file, block, BLOCK, 0) == BLOCK);
    }
    return 0;
}

static rouse_poll write_often_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_file_write_init(&io, file, block, BLOCK, 0);
        ROUSE_AWAIT(&io.base);
        check(io.output == BLOCK);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable write_often_vtable = {.poll = write_often_poll,
                                                              .name = "write_often"};

static void keep(void *arg)
{
    (void)arg;
}

// The memory is lent: direct I/O then works on it, and not on memory of its own.
static int read_lent(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        rouse_file_read_init(&io, file, block, BLOCK, place(i));
        rouse_file_io_lend(&io, keep, NULL);
        check(rouse_await(&io.base) == 0 && io.output == BLOCK);
    }
    return 0;
}

static rouse_poll read_lent_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_file_read_init(&io, file, block, BLOCK, place(f->i));
        rouse_file_io_lend(&io, keep, NULL);
        ROUSE_AWAIT(&io.base);
        check(io.output == BLOCK);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable read_lent_vtable = {.poll = read_lent_poll,
                                                            .name = "read_lent"};

static void run_block(struct bench *bench, struct part part, bool is_tried)
{
    char path[64];

    files_make(1, BLOCK);
    must(rouse_file_open(&file, path_of(path, sizeof path, 0),
                         &(struct rouse_file_open_options){.flags = O_RDWR}),
         "open");
    // As if the file could not say what is at hand: then it is the ring, or the pool, that reads.
    if (!is_tried) rs_file_learn(file, RS_FILE_NO_TRY_READ);
    part.count = bench->n;
    bench_start(bench);
    start(bench, &part);
    join(&part);
    bench_stop(bench);
    rouse_file_unref(file);
    files_remove(1);
}

static int file_read(struct bench *bench)
{
    run_block(bench, (struct part){.fiber = read_often, .frame = &read_often_vtable}, true);
    return 0;
}

static int file_read_elsewhere(struct bench *bench)
{
    run_block(bench, (struct part){.fiber = read_often, .frame = &read_often_vtable}, false);
    return 0;
}

// As many blocks as reads, none of which is in the page cache.
static int file_read_cold(struct bench *bench)
{
    struct part part = {.fiber = read_often, .frame = &read_often_vtable, .count = bench->n};
    char path[64];

    files_make(1, BLOCK);
    blocks = bench->n;
    int fd = open(path_of(path, sizeof path, 0), O_RDWR | O_CLOEXEC);

    for (uint64_t i = 0; i < blocks; i++) {
        check(pwrite(fd, block, BLOCK, (off_t)(i * BLOCK)) == BLOCK);
    }
    check(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    check(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
    must(rouse_file_adopt(&file, fd), "adopt");
    bench_start(bench);
    start(bench, &part);
    join(&part);
    bench_stop(bench);
    rouse_file_unref(file);
    files_remove(1);
    return 0;
}

// From the disk, by direct I/O.
static int file_read_direct(struct bench *bench)
{
    struct part part = {.fiber = read_lent, .frame = &read_lent_vtable, .count = bench->n};
    bool is_fixed = strcmp(bench->name, "file_read_fixed") == 0;
    static char bytes[DIRECT_BLOCKS * BLOCK];
    char path[64];

    files_make(1, BLOCK);
    blocks = DIRECT_BLOCKS;
    int fd = open(path_of(path, sizeof path, 0), O_RDWR | O_CLOEXEC);

    check(fd >= 0 && pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    check(fsync(fd) == 0 && close(fd) == 0);
    must(rouse_file_open(&file, path,
                         &(struct rouse_file_open_options){.flags = O_RDONLY | O_DIRECT}),
         "open for direct I/O");
    if (is_fixed) must(rouse_file_memory_register(block, sizeof block), "register");
    bench_start(bench);
    start(bench, &part);
    join(&part);
    bench_stop(bench);
    if (is_fixed) must(rouse_file_memory_unregister(block), "unregister");
    rouse_file_unref(file);
    files_remove(1);
    return 0;
}

static int file_write(struct bench *bench)
{
    run_block(bench, (struct part){.fiber = write_often, .frame = &write_often_vtable}, true);
    return 0;
}

// ---- Many files, each as a whole ----

static int cat(void *arg)
{
    const struct part *p = arg;
    struct rouse_file_data *data;
    char path[64];

    for (uint64_t i = p->index; i < p->count; i += CATS) {
        must(rouse_path_read(path_of(path, sizeof path, i), SIZE_MAX, &data), "read");
        check(data->size == CAT_SIZE);
        rouse_file_data_free(data);
    }
    return 0;
}

static struct rouse_path_read reads[CATS];
static char paths[CATS][64];

static rouse_poll cat_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct rouse_path_read *read = &reads[f->part->index];
    char *path = paths[f->part->index];
    struct rouse_file_data *data;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (f->i = f->part->index; f->i < f->part->count; f->i += CATS) {
        rouse_path_read_init(read, path_of(path, sizeof paths[0], f->i), SIZE_MAX);
        ROUSE_AWAIT(&read->base);
        must(read->output, "read");
        data = rouse_path_read_take(read);
        check(data->size == CAT_SIZE);
        rouse_file_data_free(data);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable cat_vtable = {.poll = cat_poll, .name = "cat"};

static int cat_many(struct bench *bench)
{
    static struct part parts[CATS];

    files_make(bench->n, CAT_SIZE);
    bench_start(bench);
    for (uint64_t i = 0; i < CATS; i++) {
        parts[i] = (struct part){.fiber = cat, .frame = &cat_vtable, .count = bench->n, .index = i};
        start(bench, &parts[i]);
    }
    for (uint64_t i = 0; i < CATS; i++) join(&parts[i]);
    bench_stop(bench);
    files_remove(bench->n);
    return 0;
}

static const struct row rows[] = {
    {"file_read", file_read},
    {"file_read_ring", file_read_elsewhere},
    {"file_read_pool", file_read_elsewhere},
    {"file_read_cold", file_read_cold},
    {"file_read_cold_pool", file_read_cold},
    {"file_read_direct", file_read_direct},
    {"file_read_fixed", file_read_direct},
    {"file_write", file_write},
    {"cat_many", cat_many},
    {NULL, NULL}};

// The rows of the pool are those of a machine without io_uring.
static int run(struct bench *bench)
{
    if (strstr(bench->name, "_pool") != NULL) setenv("ROUSE_REACTOR", "epoll", 1);
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {
    {"file_read", 1000000, run},
    {"file_read_ring", 500000, run},
    {"file_read_pool", 20000, run},
    {"file_read_cold", 4001, run},
    {"file_read_cold_pool", 4001, run},
    {"file_read_direct", 5000, run},
    {"file_read_fixed", 5000, run},
    {"file_write", 20000, run},
    {"cat_many", 10000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Rows about files.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
