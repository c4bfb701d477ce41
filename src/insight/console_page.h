// SPDX-License-Identifier: MIT
//
// The console's page, which the build makes of console.html: cmake/RouseEmbed.cmake. Each "@NONCE@"
// in it becomes the number that the answer's Content-Security-Policy names.

#ifndef RS_INSIGHT_CONSOLE_PAGE_H
#define RS_INSIGHT_CONSOLE_PAGE_H

#include <stddef.h>

extern const unsigned char rs_console_page[];
extern const size_t rs_console_page_size;

#endif
