// SPDX-License-Identifier: MIT
//
// Validators (entity tag and date of change) and the conditional requests that compare them.
#ifndef HTTPD_CONDITIONAL_H
#define HTTPD_CONDITIONAL_H

#include "request.h"

enum {
    HTTP_ETAG_SIZE_MAX = 56,
    HTTP_YOUNG_SECONDS = 2,  // the coarsest timestamps in use (FAT) change that often
};

// What identifies a version of a file. A version is `is_weak` while the file is so young that a
// second change could leave time and size as they are; bytes of it must not be combined.
struct http_validators {
    int64_t modified_s;
    uint8_t etag_size;
    bool is_weak;
    char etag[HTTP_ETAG_SIZE_MAX];  // with its quotes, and W/ if weak
};

// Makes the tag from what changes when a file does: time, size, and inode for a file put in place
// by a rename. `now_s` tells whether it is young.
void http_validators_make(struct http_validators *out, int64_t modified_s, uint32_t modified_ns,
                          uint64_t size, uint64_t inode, int64_t now_s);

// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of
// RFC 9110 (13.2.2), for GET and HEAD. Returns 200 (go on), 304 or 412.
int http_conditional_evaluate(const struct http_request *req, const struct http_validators *current,
                              int64_t now_s);

// False if an If-Range says that a range would belong to another version than the client has: then
// Range must be ignored.
bool http_conditional_allows_range(const struct http_request *req,
                                   const struct http_validators *current, int64_t now_s);

#endif
