// SPDX-License-Identifier: MIT
//
// The reactors that a test multiplies its cases by: those in ROUSE_TEST_REACTORS, separated by
// blanks, or else "epoll poll". Called before threads start.

#ifndef TESTS_HARNESS_REACTORS_H
#define TESTS_HARNESS_REACTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REACTORS_MAX = 3 };

struct reactors {
    const char *names[REACTORS_MAX + 1];  // with room for one more
    int count;
};

// The name as a string that stays; ends the program for one that there is not.
static inline const char *reactor_named(const char *text, size_t length)
{
    static const char *const known[] = {"epoll", "poll", "io_uring"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == length && memcmp(known[i], text, length) == 0) return known[i];
    }
    fprintf(stderr, "ROUSE_TEST_REACTORS: there is no reactor called \"%.*s\"\n", (int)length,
            text);
    exit(2);
}

static inline struct reactors reactors_to_test(void)
{
    const char *text = getenv("ROUSE_TEST_REACTORS");
    struct reactors reactors = {.count = 0};

    if (text == NULL || text[strspn(text, " ")] == '\0') text = "epoll poll";
    for (text += strspn(text, " "); *text != '\0' && reactors.count < REACTORS_MAX;
         text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");

        reactors.names[reactors.count++] = reactor_named(text, length);
        text += length;
    }
    return reactors;
}

#endif
