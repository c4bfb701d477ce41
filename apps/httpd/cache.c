// SPDX-License-Identifier: MIT
//
// A hash table of chains, and a ring through all entries for the clock that evicts: its hand goes
// from the oldest entry on, spares once whoever was used since it last came by, and removes the
// first that was not. A hit so costs one store, and moves nothing.
//
// 1. An entry is in a chain and in the ring, or (is_cached false) in neither.
// 2. The cache has one share of each entry in it.
// 3. bytes, entry_count and fd_count are sums over the ring and never exceed the options.
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

struct httpd_cache {
    const struct httpd_root *root;
    const struct httpd_cache_options *options;
    struct httpd_entry *hand;  // where the clock looks next; NULL when empty
    struct httpd_cache_stats stats;
    size_t bucket_mask;
    struct httpd_entry *buckets[];
};

static uint64_t path_hash(struct http_slice path)
{
    uint64_t hash = path.size * 0x9e3779b97f4a7c15u;
    uint64_t word;
    size_t at = 0;

    for (; path.size - at >= 8; at += 8) {
        memcpy(&word, path.data + at, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    word = 0;
    for (size_t i = at; i < path.size; i++) {
        word = word << 8 | (unsigned char)path.data[i];
    }
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    return hash ^ hash >> 32;
}

static bool entry_is_for(const struct httpd_entry *entry, uint64_t hash, struct http_slice path)
{
    return entry->hash == hash && strncmp(entry->path, path.data, path.size) == 0 &&
           entry->path[path.size] == '\0';
}

static struct httpd_entry *lookup(struct httpd_cache *cache, uint64_t hash, struct http_slice path)
{
    struct httpd_entry *entry = cache->buckets[hash & cache->bucket_mask];

    while (entry != NULL && !entry_is_for(entry, hash, path)) {
        entry = entry->chain;
    }
    return entry;
}

int httpd_cache_new(struct httpd_cache **out, const struct httpd_root *root,
                    const struct httpd_cache_options *options)
{
    size_t bucket_count = 16;

    while (bucket_count < options->entry_count_max) {
        bucket_count *= 2;
    }

    struct httpd_cache *cache = calloc(1, sizeof *cache + bucket_count * sizeof cache->buckets[0]);

    if (cache == NULL) return -ENOMEM;
    cache->root = root;
    cache->options = options;
    cache->bucket_mask = bucket_count - 1;
    *out = cache;
    return 0;
}

static void chain_remove(struct httpd_cache *cache, struct httpd_entry *entry)
{
    struct httpd_entry **link = &cache->buckets[entry->hash & cache->bucket_mask];

    while (*link != entry) {
        link = &(*link)->chain;
    }
    *link = entry->chain;
}

// Behind the hand: the clock comes to it last.
static void ring_add(struct httpd_cache *cache, struct httpd_entry *entry)
{
    struct httpd_entry *hand = cache->hand;

    if (hand == NULL) {
        entry->newer = entry->older = entry;
        cache->hand = entry;
        return;
    }
    entry->newer = hand;
    entry->older = hand->older;
    hand->older->newer = entry;
    hand->older = entry;
}

static void ring_remove(struct httpd_cache *cache, struct httpd_entry *entry)
{
    entry->newer->older = entry->older;
    entry->older->newer = entry->newer;
    if (cache->hand == entry) cache->hand = entry->newer == entry ? NULL : entry->newer;
}

static void entry_remove(struct httpd_cache *cache, struct httpd_entry *entry)
{
    chain_remove(cache, entry);
    ring_remove(cache, entry);
    entry->is_cached = false;
    cache->stats.bytes -= entry->cost;
    cache->stats.entry_count--;
    cache->stats.fd_count -= entry->fd >= 0;
    httpd_entry_unref(entry);
}

void httpd_cache_free(struct httpd_cache *cache)
{
    if (cache == NULL) return;
    while (cache->hand != NULL) {
        entry_remove(cache, cache->hand);
    }
    free(cache);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

// Only compares: whatever the path leads to now, nothing is read through it, so a symbolic link
// that left the root would at most keep alive what was loaded from inside.
static bool entry_is_current(struct httpd_cache *cache, const struct httpd_entry *entry,
                             int64_t now_s)
{
    struct stat st;

    // A young version has a weak tag; it gets its strong one by being loaded again.
    if (entry->validators.is_weak && now_s - entry->modified.tv_sec >= HTTP_YOUNG_SECONDS) {
        return false;
    }
    cache->stats.check_count++;
    if (fstatat(cache->root->fd, entry->path, &st, 0) < 0) return false;
    return st.st_ino == entry->inode && st.st_dev == entry->device &&
           (uint64_t)st.st_size == entry->size && same_time(&st.st_mtim, &entry->modified) &&
           same_time(&st.st_ctim, &entry->changed);
}

struct httpd_entry *httpd_cache_find(struct httpd_cache *cache, struct http_slice path,
                                     int64_t now_s)
{
    struct httpd_entry *entry = lookup(cache, path_hash(path), path);

    if (entry != NULL && entry->checked_s != now_s) {
        if (entry_is_current(cache, entry, now_s)) {
            entry->checked_s = now_s;
        } else {
            entry_remove(cache, entry);
            entry = NULL;
        }
    }
    if (entry == NULL) {
        cache->stats.miss_count++;
        return NULL;
    }
    cache->stats.hit_count++;
    entry->was_used = true;
    return httpd_entry_ref(entry);
}

// Removes the first entry that was not used since the hand came by; of those that hold a descriptor
// if `is_fd_wanted`, and then there is one.
static void evict_one(struct httpd_cache *cache, bool is_fd_wanted)
{
    for (;;) {
        struct httpd_entry *entry = cache->hand;
        bool is_candidate = entry->fd >= 0 || !is_fd_wanted;

        if (is_candidate && !entry->was_used) break;
        if (is_candidate) entry->was_used = false;
        cache->hand = entry->newer;
    }
    cache->stats.evicted_count++;
    entry_remove(cache, cache->hand);
}

// Evicts until the entry fits. False if it never would.
static bool room_make(struct httpd_cache *cache, const struct httpd_entry *entry)
{
    const struct httpd_cache_options *options = cache->options;
    const struct httpd_cache_stats *stats = &cache->stats;

    if (entry->cost > options->bytes_max || options->entry_count_max == 0) return false;
    if (entry->fd >= 0 && options->fd_count_max == 0) return false;
    if (entry->fd >= 0 && stats->fd_count >= options->fd_count_max) evict_one(cache, true);
    while (stats->entry_count >= options->entry_count_max ||
           stats->bytes > options->bytes_max - entry->cost) {
        evict_one(cache, false);
    }
    return true;
}

void httpd_cache_insert(struct httpd_cache *cache, struct httpd_entry *entry)
{
    struct http_slice path = http_slice_of(entry->path);

    entry->hash = path_hash(path);

    struct httpd_entry *old = lookup(cache, entry->hash, path);

    if (old == entry) return;
    if (old != NULL) entry_remove(cache, old);
    if (!room_make(cache, entry)) return;
    entry->chain = cache->buckets[entry->hash & cache->bucket_mask];
    cache->buckets[entry->hash & cache->bucket_mask] = entry;
    entry->was_used = false;
    entry->is_cached = true;
    ring_add(cache, entry);
    cache->stats.bytes += entry->cost;
    cache->stats.entry_count++;
    cache->stats.fd_count += entry->fd >= 0;
    httpd_entry_ref(entry);
}

int httpd_cache_get(struct httpd_cache *cache, struct http_slice path, int64_t now_s,
                    struct httpd_entry **out)
{
    *out = httpd_cache_find(cache, path, now_s);
    if (*out != NULL) return 0;

    int err = httpd_entry_load(out, cache->root, path, cache->options, now_s);

    if (err == 0) httpd_cache_insert(cache, *out);
    return err;
}

struct httpd_cache_stats httpd_cache_stats(const struct httpd_cache *cache)
{
    return cache->stats;
}
