// SPDX-License-Identifier: MIT
//
// The head of a request to the console. Small and strict: HTTP/1.1, lines end by CR LF, one Host,
// and no body. What is not as it should be is refused with the status that says why.

#ifndef RS_INSIGHT_CONSOLE_REQUEST_H
#define RS_INSIGHT_CONSOLE_REQUEST_H

#include <stddef.h>

enum { RS_REQUEST_MAX = 8 << 10 };

enum rs_request_method { RS_REQUEST_GET, RS_REQUEST_HEAD, RS_REQUEST_POST };

// Texts lie in the head itself. A header that is not there is NULL.
struct rs_request {
    enum rs_request_method method;
    const char *path;   // up to the '?'
    const char *query;  // behind it; may be empty
    const char *host;
    const char *origin;
    const char *accept;
    const char *fetch_site;  // Sec-Fetch-Site
    const char *token;       // X-Rouse-Console
};

// How many bytes the head at the start of `buf` takes; 0: its end has not come yet.
size_t rs_request_end(const char *buf, size_t size);

// Reads a whole head, and writes zeros into it. 0, or the status of the refusal.
int rs_request_parse(struct rs_request *out, char *head, size_t size);

#endif
