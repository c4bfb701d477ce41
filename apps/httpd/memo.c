// SPDX-License-Identifier: MIT
//
// Comparing with the last head: its length is known, so one comparison of bytes decides.
#include "memo.h"

#include <string.h>

uint32_t httpd_memo_find(const struct httpd_memo *memo, struct http_request *req, const char *buf,
                         size_t len)
{
    if (memo->head_size == 0 || len < memo->head_size) return 0;
    if (memcmp(buf, memo->head, memo->head_size) != 0) return 0;
    *req = memo->request;
    req->head = buf;
    return memo->head_size;
}

void httpd_memo_keep(struct httpd_memo *memo, const struct http_request *req, size_t head_size)
{
    memo->head_size = 0;
    if (head_size > HTTPD_MEMO_HEAD_MAX) return;
    memo->request = *req;
    memcpy(memo->head, req->head, head_size);
    memo->head_size = (uint32_t)head_size;
}
