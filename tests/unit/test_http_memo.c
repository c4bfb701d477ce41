// SPDX-License-Identifier: MIT
//
// The memo of the last request head: what it gives back is what parsing gives, for every request of
// the corpus, and nothing for a head that differs in one byte or is not there whole.
#include <stdlib.h>
#include <string.h>

#include "http/tap.h"
#include "memo.h"

static const struct http_limits limits = HTTP_LIMITS_DEFAULT;

static const char *const heads[] = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /a/b%20c?d=e HTTP/1.1\r\nHost: example.com:8080\r\nConnection: close\r\n\r\n",
    "GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /r HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\nIf-None-Match: \"a\"\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
};
enum { HEADS = sizeof heads / sizeof heads[0] };

static bool same_fields(const struct http_request *a, const struct http_request *b)
{
    return memcmp(a->fields, b->fields, sizeof a->fields) == 0 && a->present == b->present &&
           a->method == b->method && a->connection == b->connection &&
           a->content_length == b->content_length && a->path.at == b->path.at &&
           a->path.size == b->path.size && a->has_expect_continue == b->has_expect_continue;
}

static bool repeats(struct httpd_memo *memo, const char *head)
{
    struct http_request parsed = {0};
    struct http_request found = {0};
    size_t size = strlen(head);
    char *copy = strdup(head);
    int result = http_request_parse(&parsed, head, size, &limits);

    httpd_memo_keep(memo, &parsed, (size_t)result);
    bool same = httpd_memo_find(memo, &found, copy, size) == size && found.head == copy &&
                same_fields(&parsed, &found);

    for (size_t i = 0; i < size; i++) {
        same = same && httpd_memo_find(memo, &found, copy, i) == 0;  // not there whole
        copy[i] ^= 1;
        same = same && httpd_memo_find(memo, &found, copy, size) == 0;  // not the same
        copy[i] ^= 1;
    }
    free(copy);
    return same;
}

int main(void)
{
    static struct httpd_memo memo;
    struct http_request request = {0};
    char big[HTTPD_MEMO_HEAD_MAX + 64];

    tap_claim(httpd_memo_find(&memo, &request, heads[0], strlen(heads[0])) == 0,
              "an empty memo knows nothing");
    for (int i = 0; i < HEADS; i++) {
        tap_claim(repeats(&memo, heads[i]), "a head is known to the letter");
    }

    memset(big, 'a', sizeof big);
    request.head = big;
    httpd_memo_keep(&memo, &request, sizeof big);
    tap_claim(httpd_memo_find(&memo, &request, big, sizeof big) == 0, "a long head is not kept");
    return tap_end();
}
