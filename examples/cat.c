// SPDX-License-Identifier: MIT
//
// Writes files to the standard output one after another, as cat(1) does, but reads some of them
// ahead, in parallel: never more than WINDOW at a time, so that memory stays bounded. A file that
// is not there is a message and a status, and the others follow all the same.

#include <errno.h>
#include <rouse.h>
#include <stdio.h>

enum { WINDOW = 32 };

// A file that is being read, or has been.
struct item {
    const char *path;
    struct rouse_file_data *data;
    struct rouse_join_handle handle;
};

struct files {
    char **paths;
    int count;
};

// The task of one file. What it returns is what its join brings.
static int item_read(void *arg)
{
    struct item *item = arg;

    return rouse_path_read(item->path, SIZE_MAX, &item->data);
}

// Waits for a file and writes it. Returns false if it could not be read; a negative errno if
// nothing can be written any more.
static int item_write(struct item *item, struct rouse_file *out)
{
    int err = (int)rouse_join(&item->handle);

    if (err < 0) {
        fprintf(stderr, "cat: %s: %s\n", item->path, rouse_strerror(err));
        return false;
    }
    ssize_t written =
        rouse_file_write_all(out, item->data->bytes, item->data->size, ROUSE_FILE_POSITION);

    rouse_file_data_free(item->data);
    return written < 0 ? (int)written : true;
}

// The window moves on: item i is begun while those up to i - WINDOW have been written.
static int cat(const struct files *files, struct rouse_file *out)
{
    struct item window[WINDOW];
    int begun = 0;
    int written = 0;
    int result = 0;
    int failed = 0;

    while (written < begun || (begun < files->count && result >= 0)) {
        if (begun < files->count && begun - written < WINDOW && result >= 0) {
            struct item *next = &window[begun % WINDOW];

            *next = (struct item){.path = files->paths[begun]};
            result = rouse_spawn(&next->handle, item_read, next);
            begun += result >= 0;
        } else {
            int done = item_write(&window[written++ % WINDOW], out);

            if (done < 0) result = done;
            failed += done == 0;
        }
    }
    return result < 0 ? result : failed > 0;
}

static int run(void *arg)
{
    struct rouse_file *out;
    int result = rouse_file_standard(&out, 1);

    if (result == 0) {
        result = cat(arg, out);
        rouse_file_unref(out);
    }
    if (result < 0) fprintf(stderr, "cat: %s\n", rouse_strerror(result));
    return result == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct files files = {.paths = argv + 1, .count = argc - 1};

    return rouse_run(run, &files);
}
