// SPDX-License-Identifier: MIT
//
// Misuse stops the program: whether it does, and with the right words, shown in a child process.

#ifndef TESTS_UNIT_PANICS_H
#define TESTS_UNIT_PANICS_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

static inline void panics_child(int output, void (*fn)(void *), void *arg)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    dup2(output, STDERR_FILENO);
    child_expects_abort();
    fn(arg);
    _exit(0);
}

// True if fn(arg) ends the process by SIGABRT and writes `words` to standard error.
static inline bool panics(void (*fn)(void *), void *arg, const char *words)
{
    char said[4096];
    size_t length = 0;
    ssize_t count;
    int status = 0;
    int ends[2];
    pid_t child;

    fflush(stdout);
    if (pipe(ends) < 0) return false;
    child = fork();
    if (child == 0) panics_child(ends[1], fn, arg);
    close(ends[1]);
    while (length < sizeof said - 1 &&
           (count = read(ends[0], said + length, sizeof said - 1 - length)) > 0) {
        length += (size_t)count;
    }
    said[length] = '\0';
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, words) != NULL) {
        return true;
    }
    printf("# status %#x, and it said: %s\n", (unsigned)status, said);
    return false;
}

#endif
