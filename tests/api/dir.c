// SPDX-License-Identifier: MIT
//
// Reading directories: every entry once, with its type, over several batches and drops.

#include <rouse/dir.h>
#include <rouse/ready.h>
#include <rouse/select.h>

#include "api/folder.h"
#include "harness/api.h"

enum { ENTRIES = 1500 };  // some batches

// Counts an entry made by entries_make().
static void entry_count(const struct rouse_dir_entry *entry, unsigned char seen[ENTRIES])
{
    int number = atoi(entry->name);

    CHECK_WITHIN(number, 0, ENTRIES - 1);
    CHECK_EQ(seen[number]++, 0);
    CHECK(entry->inode != 0);
    // Not every file system says.
    if (entry->type == ROUSE_ENTRY_UNKNOWN) return;
    CHECK_EQ(entry->type, number == 0   ? ROUSE_ENTRY_DIRECTORY
                          : number == 1 ? ROUSE_ENTRY_LINK
                          : number == 2 ? ROUSE_ENTRY_OTHER
                                        : ROUSE_ENTRY_FILE);
}

static void entries_make(void)
{
    char name[80];

    folder_make();
    CHECK_EQ(mkdir(in_folder("0"), 0700), 0);
    CHECK_EQ(symlink("3", in_folder("1")), 0);
    CHECK_EQ(mkfifo(in_folder("2"), 0600), 0);
    (void)file_make("3", "", 0);
    for (int i = 4; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "%d_with_a_name_that_is_long_enough_for_several_batches", i);
        CHECK_EQ(link(in_folder("3"), in_folder(name)), 0);
    }
}

static void entries_remove(void)
{
    char name[80];

    CHECK_EQ(rmdir(in_folder("0")), 0);
    for (int i = 1; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "%d_with_a_name_that_is_long_enough_for_several_batches", i);
        file_remove(i < 4 ? (char[]){(char)('0' + i), 0} : name);
    }
    folder_remove();
}

struct each_entry_comes_once {
    struct body body;
    int i;
    struct rouse_dir *dir;
    struct rouse_file_open open;
    struct rouse_dir_next next;
    struct rouse_select select;
    struct rouse_ready ready;
    unsigned char seen[ENTRIES];
};

static rouse_poll each_entry_comes_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(each_entry_comes_once, frame, cx);
    entries_make();
    rouse_file_open_init(&f->open, folder, &(struct rouse_file_open_options){.flags = O_DIRECTORY});
    AWAIT(&f->open.base);
    CHECK_EQ(f->open.output, 0);
    CHECK_EQ(rouse_dir_new(&f->dir, rouse_file_open_take(&f->open)), 0);
    for (f->i = 0;; f->i++) {
        // Every third time it is dropped after its first poll, and asked again.
        if (f->i % 3 == 0) {
            rouse_dir_next_init(&f->next, f->dir);
            rouse_ready_init(&f->ready);
            rouse_select_init(&f->select, &f->next.base, &f->ready.base, ROUSE_SELECT_BIASED);
            AWAIT(&f->select.base);
            if (f->select.output == 1) rouse_future_drop(&f->select.base);
        }
        if (f->i % 3 != 0 || f->select.output == 1) {
            rouse_dir_next_init(&f->next, f->dir);
            AWAIT(&f->next.base);
        }
        CHECK(f->next.output >= 0);
        if (f->next.output == 0) break;
        entry_count(&f->next.entry, f->seen);
    }
    for (f->i = 0; f->i < ENTRIES; f->i++) CHECK_EQ(f->seen[f->i], 1);
    rouse_dir_free(f->dir);
    rouse_dir_free(NULL);
    entries_remove();
    BODY_END();
}

struct freed_directory_leaves_its_batch {
    struct body body;
    struct rouse_dir *dir;
    struct rouse_file_open open;
    struct rouse_dir_next next;
    struct rouse_select select;
    struct rouse_ready ready;
};

static rouse_poll freed_directory_leaves_its_batch(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(freed_directory_leaves_its_batch, frame, cx);
    rouse_file_open_init(&f->open, ".", &(struct rouse_file_open_options){.flags = O_DIRECTORY});
    AWAIT(&f->open.base);
    CHECK_EQ(rouse_dir_new(&f->dir, rouse_file_open_take(&f->open)), 0);
    rouse_dir_next_init(&f->next, f->dir);
    rouse_ready_init(&f->ready);
    rouse_select_init(&f->select, &f->next.base, &f->ready.base, ROUSE_SELECT_BIASED);
    AWAIT(&f->select.base);
    rouse_future_drop(&f->select.base);
    rouse_dir_free(f->dir);  // while the pool may be reading it: the harness looks for leaks
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
static void direct_forms(void)
{
    unsigned char seen[ENTRIES] = {0};
    struct rouse_dir_entry entry;
    struct rouse_dir *dir;
    int more;
    int count = 0;

    entries_make();
    CHECK_EQ(rouse_dir_open(&dir, in_folder("none")), -ENOENT);
    CHECK_EQ(rouse_dir_open(&dir, in_folder("3")), -ENOTDIR);
    CHECK_EQ(rouse_dir_open(&dir, folder), 0);
    for (; (more = rouse_dir_next(dir, &entry)) == 1; count++) entry_count(&entry, seen);
    CHECK_EQ(more, 0);
    CHECK_EQ(count, ENTRIES);
    rouse_dir_free(dir);
    entries_remove();
}

struct direct_form_does_the_same {
    struct body body;
};

static rouse_poll direct_form_does_the_same(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_form_does_the_same, frame, cx);
    direct_forms();
    BODY_END();
}

static void plain_threads_read_directories(void)
{
    direct_forms();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(each_entry_comes_once), .any_reactor = true, .hosts = HOST_EXECUTOR | HOST_RUNTIME_2},
    {TEST(freed_directory_leaves_its_batch), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_form_does_the_same), .any_reactor = true, .hosts = HOST_RUNTIME_2},
    {PLAIN(plain_threads_read_directories), .any_reactor = true, .any_style = true},
#endif
    {0}};
