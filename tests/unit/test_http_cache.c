// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/cache.c and entry.c on a temporary folder. Time is whatever the test says; files
// are given an old date, for a young file has a weak tag and is loaded again. That a hit asks the
// file system for nothing is seen by the cache's own counters and by removing the file.
//
// Built from this file and apps/httpd/{cache,entry,path,mime,conditional,response,date,request,
// fields,chars,slice}.c.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../apps/httpd/cache.h"
#include "../http/tap.h"

enum { NOW = 1700000000, OLD = 1600000000 };

static char base[] = "/tmp/test_http_cache.XXXXXX";
static struct httpd_root root;

static void file_date(const char *name, time_t modified)
{
    const struct timespec times[2] = {{modified, 0}, {modified, 0}};

    if (utimensat(AT_FDCWD, name, times, 0) < 0) abort();
}

static void file_make(const char *name, const char *text, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size) abort();
    close(fd);
    file_date(name, OLD);
}

static struct httpd_cache *cache_make(struct httpd_cache_options *options)
{
    struct httpd_cache *cache;

    if (httpd_cache_new(&cache, &root, options) < 0) abort();
    return cache;
}

static struct httpd_entry *get(struct httpd_cache *cache, const char *path, int64_t now_s)
{
    struct httpd_entry *entry;

    if (httpd_cache_get(cache, http_slice_of(path), now_s, &entry) < 0) return NULL;
    return entry;
}

static bool content_is(const struct httpd_entry *entry, const char *text)
{
    return entry != NULL && entry->size == strlen(text) && entry->content != NULL &&
           memcmp(entry->content, text, entry->size) == 0;
}

// Asks for a file and gives it back at once; says whether it was a hit.
static bool is_hit(struct httpd_cache *cache, const char *path, int64_t now_s)
{
    uint64_t before = httpd_cache_stats(cache).hit_count;
    struct httpd_entry *entry = get(cache, path, now_s);

    httpd_entry_unref(entry);
    return httpd_cache_stats(cache).hit_count == before + 1;
}

static void entry_describes_its_file(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_entry *entry;
    struct http_clock clock = {0};
    char out[1024];

    options.extra = http_slice_of("Cache-Control: max-age=60\r\n");
    file_make("a.txt", "hello", 5);
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("a.txt"), &options, NOW) == 0 &&
                  content_is(entry, "hello") && strcmp(entry->path, "a.txt") == 0 &&
                  entry->fd == -1 && entry->validators.modified_s == OLD &&
                  http_slice_is(entry->type, "text/plain; charset=utf-8"),
              "entry_describes_its_file");
    http_clock_set(&clock, 0);

    int size = http_prebuilt_write(out, sizeof out, &entry->ok, HTTP_CONNECTION_DEFAULT, &clock);
    char wanted[1024];

    snprintf(wanted, sizeof wanted,
             "HTTP/1.1 200 OK\r\nServer: rouse\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
             "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n"
             "Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT\r\nETag: %.*s\r\n"
             "Accept-Ranges: bytes\r\nCache-Control: max-age=60\r\n\r\n",
             entry->validators.etag_size, entry->validators.etag);
    tap_claim(size > 0 && http_slice_is((struct http_slice){out, (size_t)size}, wanted),
              "the_prebuilt_head_is_complete");
    size =
        http_prebuilt_write(out, sizeof out, &entry->not_modified, HTTP_CONNECTION_CLOSE, &clock);
    snprintf(wanted, sizeof wanted,
             "HTTP/1.1 304 Not Modified\r\nServer: rouse\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
             "Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT\r\nETag: %.*s\r\n"
             "Cache-Control: max-age=60\r\nConnection: close\r\n\r\n",
             entry->validators.etag_size, entry->validators.etag);
    tap_claim(size > 0 && http_slice_is((struct http_slice){out, (size_t)size}, wanted),
              "and_so_is_the_one_for_304");
    httpd_entry_unref(entry);
}

static void what_is_no_file_is_an_error(void)
{
    const struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_cache_options long_extra = options;
    struct httpd_entry *entry;
    static char many[4000];

    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("none"), &options, NOW) == -ENOENT,
              "a missing file is -ENOENT");
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of(""), &options, NOW) == -EISDIR,
              "a folder is -EISDIR");
    if (mkfifo("fifo", 0644) < 0) abort();
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("fifo"), &options, NOW) == -EACCES,
              "a FIFO is -EACCES");
    memset(many, 'x', sizeof many - 1);
    long_extra.extra = http_slice_of(many);
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("a.txt"), &long_extra, NOW) == -ENOSPC,
              "more fields than a head can hold are -ENOSPC");
}

static void empty_and_large_files_are_served(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_entry *entry;
    char letter = 0;

    options.content_size_max = 5;
    file_make("empty", "", 0);
    file_make("five", "12345", 5);
    file_make("six", "123456", 6);
    entry = NULL;
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("empty"), &options, NOW) == 0 &&
                  content_is(entry, "") && entry->fd == -1,
              "an empty file has empty content");
    httpd_entry_unref(entry);
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("five"), &options, NOW) == 0 &&
                  content_is(entry, "12345") && entry->fd == -1,
              "a file at the limit is in memory");
    httpd_entry_unref(entry);
    tap_claim(httpd_entry_load(&entry, &root, http_slice_of("six"), &options, NOW) == 0 &&
                  entry->content == NULL && entry->fd >= 0 && entry->size == 6 &&
                  pread(entry->fd, &letter, 1, 5) == 1 && letter == '6',
              "a larger file is a descriptor");
    httpd_entry_unref(entry);
}

static void hot_file_needs_no_file_system(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_cache *cache = cache_make(&options);

    file_make("hot", "1", 1);
    tap_claim(!is_hit(cache, "hot", NOW) && is_hit(cache, "hot", NOW), "the second time is a hit");
    unlink("hot");
    tap_claim(is_hit(cache, "hot", NOW) && httpd_cache_stats(cache).check_count == 0,
              "within a second nothing is asked");

    struct httpd_entry *entry = get(cache, "hot", NOW + 1);

    tap_claim(entry == NULL && httpd_cache_stats(cache).check_count == 1 &&
                  httpd_cache_stats(cache).entry_count == 0,
              "after that the removed file is gone");
    file_make("hot", "1", 1);
    is_hit(cache, "hot", NOW);

    bool held = is_hit(cache, "hot", NOW + 5) && is_hit(cache, "hot", NOW + 5);

    tap_claim(held && httpd_cache_stats(cache).check_count == 2, "once per second it is asked");
    httpd_cache_free(cache);
}

static void changed_file_is_loaded_again(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_cache *cache = cache_make(&options);

    file_make("change", "old", 3);

    struct httpd_entry *old = get(cache, "change", NOW);

    file_make("change", "new", 3);

    struct httpd_entry *new = get(cache, "change", NOW + 1);

    tap_claim(old != new &&content_is(old, "old") && content_is(new, "new"),
              "changed_file_is_loaded_again_and_the_old_one_stays_for_who_has_it");
    httpd_entry_unref(old);
    httpd_entry_unref(new);
    file_make("other", "rename", 6);
    if (rename("other", "change") < 0) abort();
    new = get(cache, "change", NOW + 2);
    tap_claim(content_is(new, "rename"), "renamed_file_is_loaded_again");
    httpd_cache_free(cache);
    tap_claim(content_is(new, "rename"), "an_entry_outlives_its_cache");
    httpd_entry_unref(new);
}

static void young_file_gets_its_strong_tag_later(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_cache *cache = cache_make(&options);
    bool held = true;

    file_make("young", "x", 1);
    file_date("young", NOW);
    for (int64_t now_s = NOW; now_s < NOW + 5; now_s++) {
        struct httpd_entry *entry = get(cache, "young", now_s);

        held = held && entry != NULL &&
               entry->validators.is_weak == (now_s - NOW < HTTP_YOUNG_SECONDS);
        httpd_entry_unref(entry);
    }
    tap_claim(held && httpd_cache_stats(cache).miss_count == 2,
              "young_file_gets_its_strong_tag_later");
    httpd_cache_free(cache);
}

static void name_number(char *out, size_t size, int number)
{
    snprintf(out, size, "n%03d", number);
}

static void entries_are_bounded_and_used_ones_stay(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    char name[16];
    bool held = true;

    options.entry_count_max = 8;

    struct httpd_cache *cache = cache_make(&options);

    for (int i = 0; i < 64; i++) {
        name_number(name, sizeof name, i);
        file_make(name, name, 4);
    }
    is_hit(cache, "n000", NOW);
    for (int i = 1; i < 64; i++) {
        held = held && is_hit(cache, "n000", NOW);
        name_number(name, sizeof name, i);
        held = held && !is_hit(cache, name, NOW);
        held = held && httpd_cache_stats(cache).entry_count <= 8;
    }
    tap_claim(held && is_hit(cache, "n000", NOW), "what_is_used_all_the_time_is_never_evicted");
    tap_claim(httpd_cache_stats(cache).entry_count == 8 &&
                  httpd_cache_stats(cache).evicted_count == 56,
              "entries_are_bounded");
    tap_claim(is_hit(cache, "n063", NOW) && !is_hit(cache, "n001", NOW), "the_oldest_go_first");
    httpd_cache_free(cache);
}

static void bytes_are_bounded(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    char name[16];
    static char big[20000];
    bool held = true;

    options.bytes_max = 10000;

    struct httpd_cache *cache = cache_make(&options);

    for (int i = 0; i < 64; i++) {
        name_number(name, sizeof name, i);
        is_hit(cache, name, NOW);
        held = held && httpd_cache_stats(cache).bytes <= options.bytes_max;
    }
    tap_claim(held && httpd_cache_stats(cache).entry_count > 4 &&
                  httpd_cache_stats(cache).entry_count < 64,
              "bytes_are_bounded");
    file_make("big", big, sizeof big);

    uint32_t before = httpd_cache_stats(cache).entry_count;
    struct httpd_entry *entry = get(cache, "big", NOW);

    tap_claim(entry != NULL && entry->size == sizeof big &&
                  httpd_cache_stats(cache).entry_count == before,
              "a_file_too_large_for_the_cache_is_served_without_it");
    httpd_entry_unref(entry);
    httpd_cache_free(cache);
}

static void descriptors_are_bounded(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    char name[16];
    bool held = true;
    int before = dup(0);

    close(before);
    options.content_size_max = 3;
    options.fd_count_max = 4;

    struct httpd_cache *cache = cache_make(&options);

    file_make("tiny", "x", 1);
    is_hit(cache, "tiny", NOW);
    for (int i = 0; i < 64; i++) {
        name_number(name, sizeof name, i);
        is_hit(cache, name, NOW);
        held = held && httpd_cache_stats(cache).fd_count <= 4;
    }
    tap_claim(held && httpd_cache_stats(cache).fd_count == 4, "descriptors_are_bounded");
    tap_claim(is_hit(cache, "tiny", NOW), "making_room_for_them_spares_files_in_memory");
    httpd_cache_free(cache);

    int after = dup(0);

    close(after);
    tap_claim(before == after, "no_descriptor_is_leaked");
    options.fd_count_max = 0;
    cache = cache_make(&options);
    tap_claim(!is_hit(cache, "n000", NOW) && !is_hit(cache, "n000", NOW),
              "with_no_room_for_descriptors_none_is_kept");
    httpd_cache_free(cache);
}

static void insert_replaces(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_cache *cache = cache_make(&options);
    struct httpd_entry *a, *b;

    if (httpd_entry_load(&a, &root, http_slice_of("n000"), &options, NOW) < 0) abort();
    if (httpd_entry_load(&b, &root, http_slice_of("n000"), &options, NOW) < 0) abort();
    httpd_cache_insert(cache, a);
    httpd_cache_insert(cache, a);
    httpd_cache_insert(cache, b);

    struct httpd_entry *found = httpd_cache_find(cache, http_slice_of("n000"), NOW);

    tap_claim(found == b && httpd_cache_stats(cache).entry_count == 1 &&
                  httpd_cache_stats(cache).bytes == b->cost,
              "insert_replaces");
    httpd_entry_unref(found);
    httpd_entry_unref(a);
    httpd_entry_unref(b);
    httpd_cache_free(cache);
    httpd_cache_free(NULL);
    httpd_entry_unref(NULL);
}

// Random gets, changes and held shares against small limits; the sums must come out at the end.
static void random_use_keeps_the_sums(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_entry *held[16] = {NULL};
    uint64_t seed = 12345;
    bool ok = true;

    options.entry_count_max = 20;
    options.bytes_max = 16000;
    options.fd_count_max = 3;
    options.content_size_max = 100;

    struct httpd_cache *cache = cache_make(&options);

    for (int i = 0; i < 20000; i++) {
        char name[16];

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        name_number(name, sizeof name, (int)(seed >> 33) % 64);
        if (seed >> 60 == 0) file_make(name, base, (seed >> 50) % 8);
        if (seed >> 59 == 31) truncate(name, 200) < 0 ? abort() : file_date(name, OLD);

        struct httpd_entry **slot = &held[(seed >> 40) % 16];

        httpd_entry_unref(*slot);
        *slot = get(cache, name, NOW + i / 100);

        struct httpd_cache_stats stats = httpd_cache_stats(cache);

        ok = ok && *slot != NULL && strcmp((*slot)->path, name) == 0 && stats.entry_count <= 20 &&
             stats.bytes <= 16000 && stats.fd_count <= 3;
    }
    for (int i = 0; i < 16; i++) {
        httpd_entry_unref(held[i]);
    }
    tap_claim(ok, "random_use_keeps_the_sums");
    httpd_cache_free(cache);
}

static void files_remove(void)
{
    static const char *const names[] = {"a.txt", "fifo",   "empty", "five", "six",
                                        "hot",   "change", "young", "big",  "tiny"};
    char name[16];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(names[i]);
    }
    for (int i = 0; i < 64; i++) {
        name_number(name, sizeof name, i);
        unlink(name);
    }
    rmdir(base);
}

int main(void)
{
    if (mkdtemp(base) == NULL || chdir(base) < 0 || httpd_root_init(&root, ".") < 0) abort();
    entry_describes_its_file();
    what_is_no_file_is_an_error();
    empty_and_large_files_are_served();
    hot_file_needs_no_file_system();
    changed_file_is_loaded_again();
    young_file_gets_its_strong_tag_later();
    entries_are_bounded_and_used_ones_stay();
    bytes_are_bounded();
    descriptors_are_bounded();
    insert_replaces();
    random_use_keeps_the_sums();
    files_remove();
    httpd_root_deinit(&root);
    return tap_end();
}
