// SPDX-License-Identifier: MIT
//
// The media type of a file, told by the extension of its name.
#ifndef HTTPD_MIME_H
#define HTTPD_MIME_H

#include "slice.h"

// The value for Content-Type: text types name UTF-8 as their charset. A name without an extension,
// or with one we do not know, is application/octet-stream. The text lives forever.
struct http_slice http_mime_type(struct http_slice path);

#endif
