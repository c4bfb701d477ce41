// SPDX-License-Identifier: MIT
//
// Loading a file into an entry. An entry is one allocation: the struct, its path, its two heads and
// the content, in this order. Runs on any thread; touches no cache.
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "mime.h"

enum {
    HEAD_SIZE_MAX = 2048,  // of one prebuilt head
    READ_TRIES = 3,
};

static int kind_check(const struct stat *st)
{
    if (S_ISREG(st->st_mode)) return 0;
    return S_ISDIR(st->st_mode) ? -EISDIR : -EACCES;
}

// Reads exactly `size` bytes: 0, a negative errno, or -ESTALE if the file has become shorter.
static int content_read(int fd, char *out, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, out + done, size - done, (off_t)done);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) return -ESTALE;
        done += (size_t)n;
    }
    return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
           same_time(&a->st_ctim, &b->st_ctim);
}

// Both heads of an entry under construction, in a buffer of their own.
struct heads {
    char text[2][HEAD_SIZE_MAX];
    struct http_prebuilt ok;
    struct http_prebuilt not_modified;
};

static int heads_make(struct heads *heads, const struct httpd_entry *entry)
{
    struct http_response r = {
        .status = 200,
        .has_content = true,
        .has_ranges = true,
        .has_modified = true,
        .content_size = entry->size,
        .modified_s = entry->validators.modified_s,
        .type = entry->type,
        .etag = {entry->validators.etag, entry->validators.etag_size},
        .extra = entry->extra,
    };
    int err = http_prebuilt_make(&heads->ok, heads->text[0], HEAD_SIZE_MAX, &r);

    if (err < 0) return err;
    r.status = 304;
    r.has_content = false;
    r.has_ranges = false;
    err = http_prebuilt_make(&heads->not_modified, heads->text[1], HEAD_SIZE_MAX, &r);
    return err < 0 ? err : 0;
}

static void entry_describe(struct httpd_entry *entry, const struct stat *st, struct http_slice path,
                           int64_t now_s)
{
    entry->size = (uint64_t)st->st_size;
    entry->modified = st->st_mtim;
    entry->changed = st->st_ctim;
    entry->inode = st->st_ino;
    entry->device = st->st_dev;
    entry->checked_s = now_s;
    entry->type = http_mime_type(path);
    http_validators_make(&entry->validators, st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec,
                         entry->size, st->st_ino, now_s);
}

static char *append(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

static struct httpd_entry *entry_assemble(const struct httpd_entry *model,
                                          const struct heads *heads, struct http_slice path,
                                          size_t content_size)
{
    size_t text_size = path.size + 1 + heads->ok.size + heads->not_modified.size;
    size_t cost = sizeof *model + text_size + content_size;
    struct httpd_entry *entry = malloc(cost);

    if (entry == NULL) return NULL;
    *entry = *model;
    entry->cost = cost;
    entry->ok = heads->ok;
    entry->not_modified = heads->not_modified;

    char *at = (char *)(entry + 1);

    entry->path = at;
    at = append(at, path.data, path.size);
    *at++ = '\0';
    entry->ok.text = at;
    at = append(at, heads->ok.text, heads->ok.size);
    entry->not_modified.text = at;
    at = append(at, heads->not_modified.text, heads->not_modified.size);
    entry->content = content_size > 0 || model->size == 0 ? at : NULL;
    return entry;
}

// Makes the entry for the open file as it is now. The descriptor stays the caller's on failure, and
// when the content was read.
static int entry_make(struct httpd_entry **out, int fd, const struct stat *st,
                      struct http_slice path, const struct httpd_cache_options *options,
                      int64_t now_s)
{
    struct httpd_entry model = {.fd = -1, .share_count = 1};
    struct heads heads;
    bool is_small = (uint64_t)st->st_size <= options->content_size_max;
    size_t content_size = is_small ? (size_t)st->st_size : 0;

    entry_describe(&model, st, path, now_s);
    model.extra = options->extra;

    int err = heads_make(&heads, &model);

    if (err < 0) return err;

    struct httpd_entry *entry = entry_assemble(&model, &heads, path, content_size);

    if (entry == NULL) return -ENOMEM;
    if (is_small) {
        err = content_read(fd, (char *)entry + entry->cost - content_size, content_size);
    } else {
        entry->fd = fd;
    }
    if (err < 0) {
        free(entry);
        return err;
    }
    *out = entry;
    return 0;
}

// Reads until the file stood still meanwhile, so that content and validators belong together. A
// file that never does is served as it was read, and looked at again on the next request.
static int entry_make_stable(struct httpd_entry **out, int fd, struct http_slice path,
                             const struct httpd_cache_options *options, int64_t now_s)
{
    struct httpd_entry *entry = NULL;
    struct stat before, after;
    int err = -ESTALE;

    for (int tries = 0; tries < READ_TRIES; tries++) {
        if (fstat(fd, &before) < 0) return -errno;
        err = kind_check(&before);
        if (err < 0) return err;
        err = entry_make(&entry, fd, &before, path, options, now_s);
        if (err == -ESTALE) continue;
        if (err < 0) return err;

        bool is_last = tries == READ_TRIES - 1;

        if (entry->fd >= 0 || (fstat(fd, &after) == 0 && same_stat(&before, &after))) break;
        entry->checked_s = INT64_MIN;
        if (is_last) break;
        free(entry);
    }
    *out = entry;
    return err;
}

int httpd_entry_load(struct httpd_entry **out, const struct httpd_root *root,
                     struct http_slice path, const struct httpd_cache_options *options,
                     int64_t now_s)
{
    char name[HTTP_PATH_SIZE];

    if (path.size >= sizeof name) return -ENAMETOOLONG;
    memcpy(name, path.data, path.size);
    name[path.size] = '\0';

    int fd = httpd_root_open(root, name);

    if (fd < 0) return fd;

    int err = entry_make_stable(out, fd, path, options, now_s);

    if (err < 0 || (*out)->fd < 0) close(fd);
    return err;
}

void httpd_entry_free(struct httpd_entry *entry)
{
    if (entry->fd >= 0) close(entry->fd);
    free(entry);
}
