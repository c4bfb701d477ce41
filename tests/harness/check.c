// SPDX-License-Identifier: MIT
//
// Ends a test that failed. Writes with one system call, so that lines of several threads stay
// whole, and needs little stack: it also runs on those of fibers.

#include "harness/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void check_failed(const char *site, const char *format, ...)
{
    char line[512];
    int used = snprintf(line, sizeof line, "%s: ", site);
    va_list arguments;

    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
    va_end(arguments);
    if ((size_t)used > sizeof line - 2) used = (int)sizeof line - 2;
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)used) < 0) _exit(CHECK_EXIT + 1);
    _exit(CHECK_EXIT);
}

void check_equal(const char *site, const char *text, int64_t is, int64_t wanted)
{
    if (is != wanted) check_failed(site, "%s is %" PRId64 ", not %" PRId64, text, is, wanted);
}

void check_within(const char *site, const char *text, int64_t is, int64_t low, int64_t high)
{
    if (is < low || is > high) {
        check_failed(site, "%s is %" PRId64 ", not within %" PRId64 " and %" PRId64, text, is, low,
                     high);
    }
}
