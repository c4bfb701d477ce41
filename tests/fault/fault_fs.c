// SPDX-License-Identifier: MIT
//
// Faults in the use of files: one is made, written, synced, read, cut, renamed, copied, found in
// its directory and removed, and changes are told. On the reactor that rouse chooses, so that a
// ring takes part; without one it is the pool.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "waits.h"

enum { SIZE = 300, STEPS = 6 };

static char folder[64];

static bool folder_make(void)
{
    (void)snprintf(folder, sizeof folder, "fault_folder_XXXXXX");
    return mkdtemp(folder) != NULL;
}

static const char *in_folder(char (*buf)[96], const char *name)
{
    (void)snprintf(*buf, sizeof *buf, "%s/%s", folder, name);
    return *buf;
}

// What a run that failed has left.
static void folder_clear(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    char path[96];

    for (int i = 0; i < 4; i++) {
        if (unlink(in_folder(&path, names[i])) < 0) (void)rmdir(path);
    }
}

static void folder_remove(void)
{
    folder_clear();
    (void)rmdir(folder);
}

static struct rouse_file *file_open(const char *name, int flags)
{
    const struct rouse_file_open_options options = {.flags = flags, .mode = 0600};
    struct rouse_file *file = NULL;
    char path[96];

    return fault_note(rouse_file_open(&file, in_folder(&path, name), &options)) == 0 ? file : NULL;
}

static void bytes_are_kept(void)
{
    struct rouse_file *file = file_open("a", O_RDWR | O_CREAT | O_TRUNC);
    char out[SIZE];
    char in[SIZE];

    if (file == NULL) return;
    for (int i = 0; i < SIZE; i++) out[i] = (char)(i * 7);
    ssize_t wrote = rouse_file_write_all(file, out, SIZE, 0);
    int64_t synced = fault_note(rouse_file_sync(file)) | fault_note(rouse_file_datasync(file));
    ssize_t got = rouse_file_read_exact(file, in, SIZE, 0);

    if (fault_note(wrote) == SIZE && fault_note(got) == SIZE) {
        if (memcmp(in, out, SIZE) != 0) fault_broken("bytes have changed");
        if (synced == 0) step_done();
    }
    struct stat about;

    if (fault_note(rouse_file_allocate(file, 0, SIZE)) == 0 &&
        fault_note(rouse_file_truncate(file, 10)) == 0 &&
        fault_note(rouse_file_stat(file, &about)) == 0) {
        if (about.st_size != 10) fault_broken("a file has the wrong size");
        step_done();
    }
    rouse_file_unref(file);
}

static void file_is_opened_again(void)
{
    struct rouse_file *file = file_open("a", O_RDWR);
    char in[16];

    if (file == NULL) return;
    if (fault_note(rouse_file_read_exact(file, in, sizeof in, ROUSE_FILE_POSITION)) == 10 &&
        fault_note(rouse_file_write_all(file, "more", 4, ROUSE_FILE_POSITION)) == 4) {
        step_done();
    }
    rouse_file_unref(file);
}

static void names_are_changed(void)
{
    struct rouse_file_data *data;
    struct stat about;
    char a[96];
    char b[96];

    if (fault_note(rouse_path_copy(in_folder(&a, "a"), in_folder(&b, "b"))) < 0) return;
    if (fault_note(rouse_path_rename(b, in_folder(&a, "c"))) < 0) return;
    if (fault_note(rouse_path_stat(a, &about)) < 0) return;
    if (fault_note(rouse_path_read(a, SIZE_MAX, &data)) < 0) return;
    if (data->size != 14 || about.st_size != 14 || memcmp(data->bytes + 10, "more", 4) != 0) {
        fault_broken("a copy is not like the file");
    }
    rouse_file_data_free(data);
    if (fault_note(rouse_path_unlink(a)) == 0) step_done();
}

static void entries_are_found(void)
{
    struct rouse_dir_entry entry;
    struct rouse_dir *dir;
    char path[96];
    int found = 0;
    int more;

    if (fault_note(rouse_path_mkdir(in_folder(&path, "d"), 0700)) < 0) return;
    if (fault_note(rouse_dir_open(&dir, folder)) < 0) return;
    while ((more = rouse_dir_next(dir, &entry)) == 1) found++;
    rouse_dir_free(dir);
    if (fault_note(more) < 0) return;
    if (found != 2) fault_broken("a directory has the wrong number of entries");
    if (fault_note(rouse_path_rmdir(path)) == 0) step_done();
}

static void changes_are_told(void)
{
    struct rouse_file_watch_next next;
    struct rouse_file_watch *watch;
    char path[96];

    if (fault_note(rouse_file_watch_new(&watch)) < 0) return;
    if (fault_note(rouse_file_watch_add(watch, folder, ROUSE_CHANGE_DELETED)) >= 0 &&
        fault_note(rouse_path_unlink(in_folder(&path, "a"))) == 0) {
        rouse_file_watch_next_init(&next, watch);
        if (wait_for(&next.base) == 0 && fault_note(next.output) == 0) step_done();
    }
    rouse_file_watch_free(watch);
}

static int files_root(void *arg)
{
    (void)arg;
    bytes_are_kept();
    if (!steps_are(2)) return 0;
    file_is_opened_again();
    if (!steps_are(3)) return 0;
    names_are_changed();
    if (!steps_are(4)) return 0;
    entries_are_found();
    if (!steps_are(5)) return 0;
    changes_are_told();
    return 0;
}

static bool files_run(void)
{
    folder_clear();
    with_runtime(1, files_root, NULL);
    return steps_are(STEPS);
}

const struct scenario fault_scenarios[] = {
    {.name = "files",
     .prepare = folder_make,
     .clean_up = folder_remove,
     .run = files_run,
     .reactor = "auto"},
    {.name = NULL},
};
