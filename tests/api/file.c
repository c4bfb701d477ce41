// SPDX-License-Identifier: MIT
//
// Files: what is written is read, by each form, at offsets and at the position; what is done to a
// file as a whole; and what a dropped operation leaves behind.

#include <poll.h>
#include <rouse/error.h>
#include <rouse/file.h>
#include <rouse/file_memory.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/task.h>

#include "api/folder.h"
#include "harness/api.h"

static const struct rouse_file_open_options to_write = {
    .size = sizeof to_write, .flags = O_RDWR | O_CREAT | O_TRUNC, .mode = 0600};

struct bytes_written_are_read {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    struct iovec iov[3];
    char a[4];
    char b[8];
};

static rouse_poll bytes_written_are_read(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(bytes_written_are_read, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, in_folder("a"), &to_write);
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    f->file = rouse_file_open_take(&f->open);
    CHECK(rouse_file_open_take(&f->open) == NULL);
    CHECK((fcntl(rouse_file_number(f->file), F_GETFD) & FD_CLOEXEC) != 0);

    rouse_file_write_init(&f->io, f->file, "hello", 5, 0);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 5);
    f->iov[0] = (struct iovec){"wo", 2};
    f->iov[1] = (struct iovec){NULL, 0};
    f->iov[2] = (struct iovec){"rld", 3};
    rouse_file_writev_init(&f->io, f->file, f->iov, 3, 5);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 5);

    rouse_file_read_init(&f->io, f->file, f->b, 8, 3);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 7);
    CHECK_EQ(memcmp(f->b, "loworld", 7), 0);
    f->iov[0] = (struct iovec){f->a, 4};
    f->iov[1] = (struct iovec){f->b, 8};
    rouse_file_readv_init(&f->io, f->file, f->iov, 2, 0);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 10);
    CHECK_EQ(memcmp(f->a, "hell", 4), 0);
    CHECK_EQ(memcmp(f->b, "oworld", 6), 0);
    rouse_file_read_init(&f->io, f->file, f->b, 8, 10);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 0);
    rouse_file_readv_init(&f->io, f->file, f->iov, 1025, 0);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, -EINVAL);
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

struct position_moves_with_each_transfer {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    struct rouse_file_io_all all;
    char buf[8];
};

static rouse_poll position_moves_with_each_transfer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(position_moves_with_each_transfer, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, file_make("a", "abcdefgh", 8),
                         &(struct rouse_file_open_options){.flags = O_RDWR});
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    f->file = rouse_file_open_take(&f->open);
    rouse_file_read_init(&f->io, f->file, f->buf, 2, ROUSE_FILE_POSITION);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 2);
    rouse_file_read_init(&f->io, f->file, f->buf, 2, ROUSE_FILE_POSITION);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 2);
    CHECK_EQ(memcmp(f->buf, "cd", 2), 0);
    rouse_file_write_init(&f->io, f->file, "EF", 2, ROUSE_FILE_POSITION);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 2);
    rouse_file_read_exact_init(&f->all, f->file, f->buf, 8, ROUSE_FILE_POSITION);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, 2);
    CHECK_EQ(memcmp(f->buf, "gh", 2), 0);
    CHECK(strcmp(file_text("a"), "abcdEFgh") == 0);
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

enum { BIG = 3 * ROUSE_FILE_IO_MAX + 1234 };

struct whole_buffers_are_moved {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    struct rouse_file_io_all all;
    struct stat about;
    struct rouse_file_call call;
    char *from;
    char *to;
};

static rouse_poll whole_buffers_are_moved(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(whole_buffers_are_moved, frame, cx);
    folder_make();
    f->from = malloc(BIG);
    f->to = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) f->from[i] = (char)(i * 7 + i / 4093);
    rouse_file_open_init(&f->open, in_folder("a"), &to_write);
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    f->file = rouse_file_open_take(&f->open);
    rouse_file_write_all_init(&f->all, f->file, f->from, BIG, 0);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, BIG);
    rouse_file_stat_init(&f->call, f->file, &f->about);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    CHECK_EQ(f->about.st_size, BIG);
    rouse_file_read_exact_init(&f->all, f->file, f->to, BIG, 0);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, BIG);
    CHECK_EQ(memcmp(f->from, f->to, BIG), 0);
    rouse_file_read_exact_init(&f->all, f->file, f->to, BIG, 1000);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, BIG - 1000);
    CHECK_EQ(memcmp(f->from + 1000, f->to, BIG - 1000), 0);
    rouse_file_read_exact_init(&f->all, f->file, f->to, 0, 0);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, 0);
    rouse_file_unref(f->file);
    free(f->from);
    free(f->to);
    file_remove("a");
    folder_remove();
    BODY_END();
}

struct files_are_synced_cut_and_grown {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_call call;
    struct stat about;
};

static rouse_poll files_are_synced_cut_and_grown(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(files_are_synced_cut_and_grown, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, file_make("a", "abcdefgh", 8),
                         &(struct rouse_file_open_options){.flags = O_RDWR});
    AWAIT(&f->open.base);
    f->file = rouse_file_open_take(&f->open);
    rouse_file_sync_init(&f->call, f->file);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_file_datasync_init(&f->call, f->file);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_file_truncate_init(&f->call, f->file, 3);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    CHECK(strcmp(file_text("a"), "abc") == 0);
    rouse_file_truncate_init(&f->call, f->file, -1);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -EINVAL);
    rouse_file_allocate_init(&f->call, f->file, 0, 10000);
    AWAIT(&f->call.base);
    // Not every file system can.
    if (f->call.output != -EOPNOTSUPP) {
        CHECK_EQ(f->call.output, 0);
        rouse_file_stat_init(&f->call, f->file, &f->about);
        AWAIT(&f->call.base);
        CHECK_EQ(f->call.output, 0);
        CHECK_EQ(f->about.st_size, 10000);
    }
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

struct paths_start_where_they_are_told {
    struct body body;
    struct rouse_file *directory;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    char absolute[4096];
    char buf[8];
};

static rouse_poll paths_start_where_they_are_told(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(paths_start_where_they_are_told, frame, cx);
    folder_make();
    CHECK(realpath(file_make("a", "abc", 3), f->absolute) != NULL);
    rouse_file_open_init(&f->open, folder, &(struct rouse_file_open_options){.flags = O_DIRECTORY});
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    f->directory = rouse_file_open_take(&f->open);
    // Once by the cache of names, once without it.
    for (f->buf[7] = 0; f->buf[7] < 2; f->buf[7]++) {
        rouse_file_open_init(
            &f->open, "a",
            &(struct rouse_file_open_options){.flags = O_RDWR | (f->buf[7] == 0 ? O_CREAT : 0),
                                              .directory = f->directory});
        AWAIT(&f->open.base);
        CHECK_EQ(f->open.output, 0);
        f->file = rouse_file_open_take(&f->open);
        CHECK((fcntl(rouse_file_number(f->file), F_GETFL) & O_NONBLOCK) == 0);
        rouse_file_read_init(&f->io, f->file, f->buf, 3, 0);
        AWAIT(&f->io.base);
        CHECK_EQ(f->io.output, 3);
        rouse_file_unref(f->file);
    }
    rouse_file_open_init(&f->open, f->absolute, NULL);
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    rouse_future_drop(&f->open.base);  // what nobody took is closed
    rouse_file_open_init(&f->open, in_folder("none"), NULL);
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, -ENOENT);
    rouse_file_unref(f->directory);
    rouse_file_unref(NULL);
    file_remove("a");
    folder_remove();
    BODY_END();
}

// True if a job was opening the pipe for reading: then it gets its writer, and has closed the pipe
// when this returns. False if there is no job: it was taken back before it began.
static bool open_has_ended(const char *path)
{
    struct rouse_stats stats;
    int fd;

    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        rouse_stats_get(&stats);
        if (stats.blocking_jobs == 0) return false;
        nap_ns(MS / 10);
    }
    struct pollfd entry = {.fd = fd};

    CHECK_EQ(poll(&entry, 1, -1), 1);
    CHECK((entry.revents & POLLERR) != 0);  // there is no reader any more
    CHECK_EQ(close(fd), 0);
    return true;
}

// An open waits for the other end of a pipe on a thread of the pool. Dropped, it closes what it has
// opened in the end.
struct dropped_open_closes_what_it_opens {
    struct body body;
    uint64_t patience_ns;
    struct rouse_file_open open;
    struct rouse_timeout timeout;
};

static rouse_poll dropped_open_closes_what_it_opens(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_open_closes_what_it_opens, frame, cx);
    folder_make();
    CHECK_EQ(mkfifo(in_folder("pipe"), 0600), 0);
    f->patience_ns = MS;
    do {
        f->patience_ns *= 2;
        rouse_file_open_init(&f->open, in_folder("pipe"), NULL);
        rouse_timeout_init(&f->timeout, &f->open.base, rouse_now_ns() + f->patience_ns);
        AWAIT(&f->timeout.base);
        CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    } while (!open_has_ended(in_folder("pipe")));
    file_remove("pipe");
    folder_remove();
    BODY_END();
}

static char pages[2 * 4096 + 1];

// Direct I/O: memory of any alignment will do, an offset will not.
struct direct_io_aligns_memory {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
};

static rouse_poll direct_io_aligns_memory(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_io_aligns_memory, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, in_folder("a"),
                         &(struct rouse_file_open_options){.flags = O_RDWR | O_CREAT | O_DIRECT,
                                                           .mode = 0600});
    AWAIT(&f->open.base);
    // Not every file system has it.
    if (f->open.output != -EINVAL) {
        CHECK_EQ(f->open.output, 0);
        f->file = rouse_file_open_take(&f->open);
        memset(pages, 'd', sizeof pages);
        rouse_file_write_init(&f->io, f->file, pages + 1, 4096, 4096);
        AWAIT(&f->io.base);
        CHECK_EQ(f->io.output, 4096);
        rouse_file_read_init(&f->io, f->file, pages + 1, 2 * 4096, 0);
        AWAIT(&f->io.base);
        CHECK_EQ(f->io.output, 2 * 4096);
        CHECK(pages[1] == 0 && pages[4096] == 0 && pages[4097] == 'd' && pages[8192] == 'd');
        rouse_file_read_init(&f->io, f->file, pages, 100, 1);
        AWAIT(&f->io.base);
        CHECK(f->io.output == -EINVAL || f->io.output == 100);
        rouse_file_unref(f->file);
    }
    (void)unlink(in_folder("a"));
    folder_remove();
    BODY_END();
}

static _Atomic int releases;

static void memory_release(void *arg)
{
    free(arg);
    count_add(&releases, 1);
}

static _Alignas(4096) char registered[2 * 4096];
static _Atomic int returns;

static void memory_return(void *arg)
{
    (void)arg;
    count_add(&returns, 1);
}

// With direct I/O, which goes to a ring or to the pool; on some file systems without.
struct registered_memory_is_lent {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
};

static rouse_poll registered_memory_is_lent(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(registered_memory_is_lent, frame, cx);
    CHECK_EQ(rouse_file_memory_register(registered, sizeof registered), 0);
    folder_make();
    rouse_file_open_init(&f->open, in_folder("a"),
                         &(struct rouse_file_open_options){.flags = O_RDWR | O_CREAT | O_DIRECT,
                                                           .mode = 0600});
    AWAIT(&f->open.base);
    if (f->open.output == -EINVAL) {
        rouse_file_open_init(&f->open, in_folder("a"),
                             &(struct rouse_file_open_options){.flags = O_RDWR | O_CREAT,
                                                               .mode = 0600});
        AWAIT(&f->open.base);
    }
    CHECK_EQ(f->open.output, 0);
    f->file = rouse_file_open_take(&f->open);
    memset(registered, 'r', 4096);
    rouse_file_write_init(&f->io, f->file, registered, 4096, 4096);
    rouse_file_io_lend(&f->io, memory_return, NULL);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 4096);
    rouse_file_read_init(&f->io, f->file, registered, sizeof registered, 0);
    rouse_file_io_lend(&f->io, memory_return, NULL);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 2 * 4096);
    CHECK(registered[0] == 0 && registered[4095] == 0 && registered[4096] == 'r' &&
          registered[8191] == 'r');
    while (count_get(&returns) < 2) nap_ns(MS / 10);  // a thread of the pool may be the last
    CHECK_EQ(rouse_file_memory_unregister(registered), 0);
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

struct lent_memory_is_released_once {
    struct body body;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    char *memory;
};

static rouse_poll lent_memory_is_released_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(lent_memory_is_released_once, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, in_folder("a"), &to_write);
    AWAIT(&f->open.base);
    f->file = rouse_file_open_take(&f->open);

    // By the pool or a ring, or at once.
    f->memory = malloc(4);
    memcpy(f->memory, "lent", 4);
    rouse_file_write_init(&f->io, f->file, f->memory, 4, 0);
    rouse_file_io_lend(&f->io, memory_release, f->memory);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, 4);
    while (count_get(&releases) < 1) nap_ns(MS / 10);  // a thread of the pool may be the last
    CHECK(strcmp(file_text("a"), "lent") == 0);

    // Dropped before the first poll, and once again after its end.
    f->memory = malloc(4);
    rouse_file_read_init(&f->io, f->file, f->memory, 4, 0);
    rouse_file_io_lend(&f->io, memory_release, f->memory);
    rouse_future_drop(&f->io.base);
    CHECK_EQ(count_get(&releases), 2);
    rouse_future_drop(&f->io.base);
    CHECK_EQ(count_get(&releases), 2);
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

// The memory of a dropped write is gone before the write is made: of each either all is written or
// nothing, and never what stands in that memory later.
enum { DROPPED = 100 };

struct dropped_write_has_bytes_of_its_own {
    struct body body;
    int i;
    struct rouse_file *file;
    struct rouse_file_open open;
    struct rouse_file_io io;
    struct rouse_select select;
    struct rouse_ready ready;
    struct rouse_file_call call;
    struct rouse_file_io_all all;
    char *memory;
    char buf[4 * DROPPED];
};

static rouse_poll dropped_write_has_bytes_of_its_own(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_write_has_bytes_of_its_own, frame, cx);
    folder_make();
    rouse_file_open_init(&f->open, in_folder("a"), &to_write);
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    f->file = rouse_file_open_take(&f->open);
    for (f->i = 0; f->i < DROPPED; f->i++) {
        f->memory = malloc(4);
        memcpy(f->memory, "mine", 4);
        rouse_file_write_init(&f->io, f->file, f->memory, 4, 4 * f->i);
        rouse_ready_init(&f->ready);
        rouse_select_init(&f->select, &f->io.base, &f->ready.base, ROUSE_SELECT_BIASED);
        AWAIT(&f->select.base);
        rouse_future_drop(&f->select.base);
        memset(f->memory, 'X', 4);
        free(f->memory);
    }
    rouse_file_sync_init(&f->call, f->file);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_file_read_exact_init(&f->all, f->file, f->buf, sizeof f->buf, 0);
    AWAIT(&f->all.base);
    CHECK(f->all.output >= 0);
    for (f->i = 0; f->i < f->all.output / 4; f->i++) {
        CHECK(memcmp(f->buf + 4 * f->i, "mine", 4) == 0 ||
              memcmp(f->buf + 4 * f->i, "\0\0\0", 4) == 0);
    }
    rouse_file_unref(f->file);
    file_remove("a");
    folder_remove();
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_forms_do_the_same {
    struct body body;
};

static void direct_forms(void)
{
    struct rouse_file *file;
    struct stat about;
    char buf[8];

    folder_make();
    CHECK_EQ(rouse_file_open(&file, in_folder("none"), NULL), -ENOENT);
    CHECK_EQ(rouse_file_open(&file, in_folder("a"), &to_write), 0);
    CHECK_EQ(rouse_file_write(file, "abc", 3, 0), 3);
    CHECK_EQ(rouse_file_writev(file, &(struct iovec){"de", 2}, 1, 3), 2);
    CHECK_EQ(rouse_file_write_all(file, "fgh", 3, 5), 3);
    CHECK_EQ(rouse_file_read(file, buf, 8, 2), 6);
    CHECK_EQ(memcmp(buf, "cdefgh", 6), 0);
    CHECK_EQ(rouse_file_readv(file, &(struct iovec){buf, 2}, 1, 6), 2);
    CHECK_EQ(rouse_file_readv(file, &(struct iovec){buf, 2}, -1, 6), -EINVAL);
    CHECK_EQ(rouse_file_read_exact(file, buf, 8, 0), 8);
    CHECK_EQ(memcmp(buf, "abcdefgh", 8), 0);
    CHECK_EQ(rouse_file_sync(file), 0);
    CHECK_EQ(rouse_file_datasync(file), 0);
    CHECK_EQ(rouse_file_truncate(file, 2), 0);
    CHECK_EQ(rouse_file_stat(file, &about), 0);
    CHECK_EQ(about.st_size, 2);
    CHECK_EQ(rouse_file_allocate(file, 0, 0), -EINVAL);
    rouse_file_unref(file);
    CHECK_EQ(rouse_file_open(&file, in_folder("a"), NULL), 0);
    CHECK_EQ(rouse_file_read(file, buf, 8, ROUSE_FILE_POSITION), 2);
    CHECK_EQ(rouse_file_write(file, buf, 8, 0), -EBADF);
    rouse_file_unref(file);
    file_remove("a");
    folder_remove();
}

static rouse_poll direct_forms_do_the_same(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_do_the_same, frame, cx);
    direct_forms();
    BODY_END();
}

// A plain thread needs no runtime for them.
static void plain_threads_use_files(void)
{
    const struct rouse_file_open_options direct = {.flags = O_RDWR | O_CREAT | O_DIRECT,
                                                   .mode = 0600};
    struct rouse_file *file;

    direct_forms();
    folder_make();
    if (rouse_file_open(&file, in_folder("a"), &direct) == 0) {
        CHECK_EQ(rouse_file_write(file, pages + 1, 4096, 0), 4096);
        CHECK_EQ(rouse_file_read(file, pages + 1, 2 * 4096, 0), 4096);
        rouse_file_unref(file);
    }
    (void)unlink(in_folder("a"));
    folder_remove();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(bytes_written_are_read), .with_ring = true},
    {TEST(position_moves_with_each_transfer), .any_reactor = true, .with_ring = true},
    {TEST(whole_buffers_are_moved), .any_reactor = true, .with_ring = true},
    {TEST(files_are_synced_cut_and_grown), .any_reactor = true, .with_ring = true},
    {TEST(paths_start_where_they_are_told), .any_reactor = true},
    {TEST(dropped_open_closes_what_it_opens), .any_reactor = true},
    {TEST(direct_io_aligns_memory), .with_ring = true},
    {TEST(registered_memory_is_lent), .with_ring = true},
    {TEST(lent_memory_is_released_once), .with_ring = true},
    {TEST(dropped_write_has_bytes_of_its_own), .with_ring = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_do_the_same), .with_ring = true},
    {PLAIN(plain_threads_use_files), .any_reactor = true, .any_style = true},
#endif
    {0}};
