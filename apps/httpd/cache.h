// SPDX-License-Identifier: MIT
//
// A cache of files for one worker: normalised path to everything an answer needs. A hot small file
// then costs no system call but the send.
//
// One thread uses a cache and its entries; there are no locks, each worker has its own. Loading an
// entry touches no cache and may be done on another thread (of a pool, say) and handed over.
//
// An entry never changes once it is made: a file that changed gets a new one, while those who are
// still sending the old one keep it through their share. It is checked against the file system at
// most once per second, by the clock the caller passes in.
#ifndef HTTPD_CACHE_H
#define HTTPD_CACHE_H

#include <sys/types.h>

#include "conditional.h"
#include "path.h"
#include "response.h"

struct httpd_cache_options {
    size_t bytes_max;  // over all entries, their heads and paths included
    uint32_t entry_count_max;
    uint32_t fd_count_max;      // entries that hold an open descriptor; each worker has its own
    uint32_t content_size_max;  // larger files are kept as an open descriptor, not in memory
    struct http_slice extra;    // field lines to add to each head, each with its CRLF; not copied
};

#define HTTPD_CACHE_OPTIONS_DEFAULT                                          \
    {                                                                        \
        .bytes_max = 64u << 20, .entry_count_max = 1024, .fd_count_max = 64, \
        .content_size_max = 64u << 10                                        \
    }

// A file as it was when it was loaded. Read only, for whoever has a share.
struct httpd_entry {
    struct http_prebuilt ok;            // 200
    struct http_prebuilt not_modified;  // 304
    const char *content;                // NULL if the file is too large: then use `fd`
    int fd;                             // -1 if the content is in memory
    uint64_t size;
    struct http_validators validators;
    struct http_slice type;
    struct http_slice extra;  // the options' field lines
    const char *path;

    // Private to cache.c.
    struct timespec modified;
    struct timespec changed;
    ino_t inode;
    dev_t device;
    int64_t checked_s;  // when the file system was last asked
    size_t cost;        // what it counts against bytes_max
    uint64_t hash;
    struct httpd_entry *chain;  // next in its bucket
    struct httpd_entry *newer;  // the ring of all entries, by age
    struct httpd_entry *older;
    uint32_t share_count;
    bool is_cached;
    bool was_used;  // since the hand of the clock came by
};

// Opens and reads a file. Returns 0 and one share, or a negative errno: those of
// httpd_root_open(), -EISDIR for a folder, -EACCES for what is neither file nor folder, -ENOMEM.
int httpd_entry_load(struct httpd_entry **out, const struct httpd_root *root,
                     struct http_slice path, const struct httpd_cache_options *options,
                     int64_t now_s);
void httpd_entry_free(
    struct httpd_entry *entry);  // for httpd_entry_unref(): the last share has gone

static inline struct httpd_entry *httpd_entry_ref(struct httpd_entry *entry)
{
    entry->share_count++;
    return entry;
}

static inline void httpd_entry_unref(struct httpd_entry *entry)
{
    if (entry != NULL && --entry->share_count == 0) httpd_entry_free(entry);
}

struct httpd_cache;

// Root and options must outlive the cache. Returns 0 or -ENOMEM.
int httpd_cache_new(struct httpd_cache **out, const struct httpd_root *root,
                    const struct httpd_cache_options *options);
// Entries live on while someone has a share.
void httpd_cache_free(struct httpd_cache *cache);

// The entry for a normalised path with a share for the caller, or NULL if there is none or the
// file has changed. Asks the file system once per entry and second, and never reads content.
struct httpd_entry *httpd_cache_find(struct httpd_cache *cache, struct http_slice path,
                                     int64_t now_s);

// Adds an entry the caller has a share in, in place of any other for the same path, and removes
// what has to go for it. An entry too large for the cache is not added.
void httpd_cache_insert(struct httpd_cache *cache, struct httpd_entry *entry);

// Find, or else load and insert: the simple way, which may read from the disk. Returns 0 and one
// share, or the negative errno of httpd_entry_load().
int httpd_cache_get(struct httpd_cache *cache, struct http_slice path, int64_t now_s,
                    struct httpd_entry **out);

struct httpd_cache_stats {
    uint64_t hit_count;
    uint64_t miss_count;
    uint64_t check_count;  // times the file system was asked
    uint64_t evicted_count;
    size_t bytes;
    uint32_t entry_count;
    uint32_t fd_count;
};

struct httpd_cache_stats httpd_cache_stats(const struct httpd_cache *cache);

#endif
