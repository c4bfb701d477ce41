// SPDX-License-Identifier: MIT
//
// What is done to files by their names, by each form.

#include <rouse/error.h>
#include <rouse/path.h>

#include "api/folder.h"
#include "harness/api.h"

struct names_come_and_go {
    struct body body;
    struct rouse_path_call call;
    struct stat about;
};

static rouse_poll names_come_and_go(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(names_come_and_go, frame, cx);
    folder_make();
    rouse_path_mkdir_init(&f->call, in_folder("d"), 0700);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_path_mkdir_init(&f->call, in_folder("d"), 0700);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -EEXIST);
    rouse_path_rename_init(&f->call, file_make("a", "abc", 3), in_folder("d/b"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_path_stat_init(&f->call, in_folder("d/b"), &f->about);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    CHECK(S_ISREG(f->about.st_mode));
    CHECK_EQ(f->about.st_size, 3);
    rouse_path_stat_init(&f->call, in_folder("a"), &f->about);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -ENOENT);
    rouse_path_rmdir_init(&f->call, in_folder("d"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -ENOTEMPTY);
    rouse_path_unlink_init(&f->call, in_folder("d/b"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    rouse_path_unlink_init(&f->call, in_folder("d/b"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -ENOENT);
    rouse_path_rmdir_init(&f->call, in_folder("d"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    folder_remove();
    BODY_END();
}

struct lstat_sees_the_link_itself {
    struct body body;
    struct rouse_path_call call;
    struct stat about;
};

static rouse_poll lstat_sees_the_link_itself(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(lstat_sees_the_link_itself, frame, cx);
    folder_make();
    (void)file_make("a", "abc", 3);
    CHECK_EQ(symlink("a", in_folder("link")), 0);
    rouse_path_stat_init(&f->call, in_folder("link"), &f->about);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    CHECK(S_ISREG(f->about.st_mode));
    rouse_path_lstat_init(&f->call, in_folder("link"), &f->about);
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 0);
    CHECK(S_ISLNK(f->about.st_mode));
    file_remove("link");
    file_remove("a");
    folder_remove();
    BODY_END();
}

struct copies_have_the_same_bytes {
    struct body body;
    struct rouse_path_call call;
    struct stat about;
};

static rouse_poll copies_have_the_same_bytes(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(copies_have_the_same_bytes, frame, cx);
    folder_make();
    (void)file_make("b", "longer than before", 18);
    rouse_path_copy_init(&f->call, file_make("a", "abcdef", 6), in_folder("b"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, 6);
    CHECK(strcmp(file_text("b"), "abcdef") == 0);
    rouse_path_copy_init(&f->call, in_folder("a"), in_folder("a"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -EINVAL);
    CHECK(strcmp(file_text("a"), "abcdef") == 0);
    rouse_path_copy_init(&f->call, folder, in_folder("c"));
    AWAIT(&f->call.base);
    CHECK_EQ(f->call.output, -EISDIR);
    // A file that says it has no bytes, on another file system.
    rouse_path_copy_init(&f->call, "/proc/self/comm", in_folder("b"));
    AWAIT(&f->call.base);
    CHECK(f->call.output > 1);
    CHECK_EQ(strlen(file_text("b")), f->call.output);
    file_remove("a");
    file_remove("b");
    folder_remove();
    BODY_END();
}

enum { LARGE = 2500000 };

struct whole_files_are_read {
    struct body body;
    struct rouse_path_read read;
    struct rouse_file_data *data;
    char *bytes;
};

static rouse_poll whole_files_are_read(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(whole_files_are_read, frame, cx);
    folder_make();
    rouse_path_read_init(&f->read, file_make("a", "abcdef", 6), 6);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    f->data = rouse_path_read_take(&f->read);
    CHECK(rouse_path_read_take(&f->read) == NULL);
    CHECK_EQ(f->data->size, 6);
    CHECK(strcmp(f->data->bytes, "abcdef") == 0);
    rouse_file_data_free(f->data);
    rouse_path_read_init(&f->read, in_folder("a"), 5);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -EFBIG);

    rouse_path_read_init(&f->read, file_make("a", "", 0), 0);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    rouse_future_drop(&f->read.base);  // with the data, which nobody took

    // Larger than what is read at once, and one whose size is not known.
    f->bytes = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) f->bytes[i] = (char)(i * 3 + i / 1021);
    rouse_path_read_init(&f->read, file_make("a", f->bytes, LARGE), SIZE_MAX);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    f->data = rouse_path_read_take(&f->read);
    CHECK_EQ(f->data->size, LARGE);
    CHECK_EQ(memcmp(f->data->bytes, f->bytes, LARGE), 0);
    rouse_file_data_free(f->data);
    rouse_path_read_init(&f->read, "/proc/self/status", SIZE_MAX);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    f->data = rouse_path_read_take(&f->read);
    CHECK(strstr(f->data->bytes, "ctxt_switches") != NULL);
    CHECK_EQ(strlen(f->data->bytes), f->data->size);
    rouse_file_data_free(f->data);
    rouse_file_data_free(NULL);

    rouse_path_read_init(&f->read, folder, SIZE_MAX);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -EISDIR);
    rouse_path_read_init(&f->read, in_folder("none"), SIZE_MAX);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -ENOENT);
    rouse_path_read_init(&f->read, "/dev/zero", SIZE_MAX);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -EINVAL);
    free(f->bytes);
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
    struct rouse_file_data *data;
    struct stat about;

    folder_make();
    CHECK_EQ(rouse_path_mkdir(in_folder("d"), 0700), 0);
    CHECK_EQ(rouse_path_copy(file_make("a", "abc", 3), in_folder("b")), 3);
    CHECK_EQ(rouse_path_copy(in_folder("none"), in_folder("b")), -ENOENT);
    CHECK_EQ(rouse_path_rename(in_folder("b"), in_folder("d/c")), 0);
    CHECK_EQ(rouse_path_stat(in_folder("d/c"), &about), 0);
    CHECK_EQ(about.st_size, 3);
    CHECK_EQ(rouse_path_lstat(in_folder("d"), &about), 0);
    CHECK(S_ISDIR(about.st_mode));
    CHECK_EQ(rouse_path_read(in_folder("d/c"), 100, &data), 0);
    CHECK(strcmp(data->bytes, "abc") == 0);
    rouse_file_data_free(data);
    CHECK_EQ(rouse_path_read(in_folder("d/c"), 2, &data), -EFBIG);
    CHECK_EQ(rouse_path_unlink(in_folder("d/c")), 0);
    CHECK_EQ(rouse_path_stat(in_folder("d/c"), &about), -ENOENT);
    CHECK_EQ(rouse_path_rmdir(in_folder("d")), 0);
    CHECK_EQ(rouse_path_rmdir(in_folder("a")), -ENOTDIR);
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
static void plain_threads_use_paths(void)
{
    direct_forms();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(names_come_and_go), .any_reactor = true},
    {TEST(lstat_sees_the_link_itself), .any_reactor = true},
    {TEST(copies_have_the_same_bytes), .any_reactor = true},
    {TEST(whole_files_are_read), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_do_the_same), .any_reactor = true},
    {PLAIN(plain_threads_use_paths), .any_reactor = true, .any_style = true},
#endif
    {0}};
