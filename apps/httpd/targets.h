// SPDX-License-Identifier: MIT
//
// Which file a target named a moment ago. A path that is asked for again within the second need not
// be decoded, normalised and looked up again. One worker's, like its cache; no locks.
#ifndef HTTPD_TARGETS_H
#define HTTPD_TARGETS_H

#include "cache.h"

enum { HTTPD_TARGET_SLOTS = 64, HTTPD_TARGET_SIZE_MAX = 104 };

// All zero is empty.
struct httpd_targets {
    struct httpd_target {
        struct httpd_entry *entry;  // a share, or NULL
        int64_t second;             // in which it was found
        uint32_t size;
        char path[HTTPD_TARGET_SIZE_MAX];  // as it came, still escaped
    } slots[HTTPD_TARGET_SLOTS];
};

void httpd_targets_deinit(struct httpd_targets *targets);

// The entry with a share for the caller, or NULL.
struct httpd_entry *httpd_targets_find(struct httpd_targets *targets, struct http_slice path,
                                       int64_t now_s);

// Remembers an entry that the cache has vouched for in this second. Takes a share of its own, or
// does nothing: long paths are left out, and files that are held open, for descriptors are scarce.
void httpd_targets_remember(struct httpd_targets *targets, struct http_slice path,
                            struct httpd_entry *entry, int64_t now_s);

#endif
