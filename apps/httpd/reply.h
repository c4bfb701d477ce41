// SPDX-License-Identifier: MIT
//
// From a parsed request to what has to be sent: the last step that knows HTTP. A reply is a head in
// the caller's buffer and a body, which lies behind that head, in a cached file, or on the disk.
//
// The connection loop either calls httpd_reply_make(), which may read from the disk, or does its
// three steps itself and gives the slow one to another thread:
//
//     n = httpd_reply_path(path, sizeof path, site, req);           // n < 0: httpd_reply_error(-n)
//     entry = httpd_cache_find(cache, (struct http_slice){path, n}, clock->now_s);
//     if (entry == NULL) ... httpd_entry_load() elsewhere, httpd_cache_insert() here ...
//     httpd_reply_file(&reply, req, entry, ...) or, when that failed, httpd_reply_failure()
#ifndef HTTPD_REPLY_H
#define HTTPD_REPLY_H

#include "cache.h"

enum { HTTPD_REPLY_SIZE_MAX = 4096 };  // room a reply may need in the caller's buffer

// What is served. Read only; may be shared by workers, but for the cache.
struct httpd_site {
    struct httpd_cache *cache;
    const char *index;  // the file that stands for its folder: "index.html"
    bool shows_hidden;  // serve names that begin with a dot
};

struct httpd_reply {
    int status;
    bool is_last;               // close the connection after it
    struct http_slice text;     // head, and the page of an error, in the caller's buffer
    struct http_slice content;  // then this, if it is not empty: in `entry`'s memory
    int fd;                     // or this: if not -1, bytes of `entry`'s descriptor
    uint64_t offset;
    uint64_t size;              // of the body, wherever it is
    struct httpd_entry *entry;  // a share, held until deinit, or NULL
};

// The normalised path of the file a request names. Returns its length, or the negative of the
// status to answer with: those of http_path_normalize(), 404 for hidden names, 405 for a method
// other than GET and HEAD, 204 for OPTIONS.
int httpd_reply_path(char *out, size_t size, const struct httpd_site *site,
                     const struct http_request *req);

// Each of these fills in `reply` and writes at most HTTPD_REPLY_SIZE_MAX bytes to `out`, which must
// have that room. The clock must be set.

// The file, a part of it, or 304, 412, 416. Takes the caller's share of `entry`.
void httpd_reply_file(struct httpd_reply *reply, const struct http_request *req,
                      struct httpd_entry *entry, const struct http_clock *clock, char *out);

// What to say when httpd_entry_load(path) returned `err`: for -EISDIR where the folder is.
void httpd_reply_failure(struct httpd_reply *reply, const struct http_request *req,
                         struct http_slice path, int err, const struct http_clock *clock,
                         char *out);

// A status with its page. Without a request (it could not be parsed, or took too long) the
// connection is closed.
void httpd_reply_error(struct httpd_reply *reply, const struct http_request *req, int status,
                       const struct http_clock *clock, char *out);

// What is asked for is at another address for now (307).
void httpd_reply_redirect(struct httpd_reply *reply, const struct http_request *req,
                          struct http_slice location, const struct http_clock *clock, char *out);

// All of it, with httpd_cache_get() for the file.
void httpd_reply_make(struct httpd_reply *reply, const struct httpd_site *site,
                      const struct http_request *req, const struct http_clock *clock, char *out);

// Gives up the reply's share of the file. May be repeated; accepts an all-zero reply.
static inline void httpd_reply_deinit(struct httpd_reply *reply)
{
    httpd_entry_unref(reply->entry);
    reply->entry = NULL;
}

#endif
