// SPDX-License-Identifier: MIT
//
// The last request head, and what parsing it gave. Clients repeat themselves to the letter, and a
// request is a function of its head alone: so one that is the same as the last need not be parsed
// again. One for each worker; used by its thread only.
#ifndef HTTPD_MEMO_H
#define HTTPD_MEMO_H

#include "request.h"

enum { HTTPD_MEMO_HEAD_MAX = 1024 };  // longer heads are not kept

struct httpd_memo {
    uint32_t head_size;  // 0: none is kept
    struct http_request request;
    char head[HTTPD_MEMO_HEAD_MAX];
};

// The size of the head that is kept, if `buf` begins with it: then `req` is what parsing it would
// have given. Else 0.
uint32_t httpd_memo_find(const struct httpd_memo *memo, struct http_request *req, const char *buf,
                         size_t len);

// Keeps a head of `head_size` bytes that was parsed to `req` just now.
void httpd_memo_keep(struct httpd_memo *memo, const struct http_request *req, size_t head_size);

#endif
