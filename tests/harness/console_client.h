// SPDX-License-Identifier: MIT
//
// A client of the console, for tests: one request on a connection of its own, by plain calls of the
// system, which no fault is injected into. It waits for no answer for ever.

#ifndef TESTS_HARNESS_CONSOLE_CLIENT_H
#define TESTS_HARNESS_CONSOLE_CLIENT_H

#include <errno.h>
#include <rouse/addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// How long it waits for a byte. May be changed.
static long client_patience_ms = 30000;

// A connection, or -1.
static inline int client_connect(const struct rouse_addr *addr)
{
    const struct timeval patience = {.tv_sec = client_patience_ms / 1000,
                                     .tv_usec = client_patience_ms % 1000 * 1000};
    int fd = socket(addr->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&addr->storage, addr->length) == 0) return fd;
    (void)close(fd);
    return -1;
}

static inline void client_send(int fd, const char *text)
{
    // A server that closes early is seen by its answer.
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

// Reads until the server closes, or `until` has come; NULL: until it closes. Returns what came, for
// free(), and closes `fd`. An empty text: nothing came.
static inline char *client_receive(int fd, const char *until)
{
    size_t size = 0;
    size_t room = 1 << 16;
    char *text = malloc(room);
    ssize_t n;

    if (text == NULL) abort();
    text[0] = '\0';
    while ((n = recv(fd, text + size, room - size - 1, 0)) > 0 || (n < 0 && errno == EINTR)) {
        size += n > 0 ? (size_t)n : 0;
        text[size] = '\0';
        if (until != NULL && strstr(text, until) != NULL) break;
        if (room - size < 2) text = realloc(text, room *= 2);
        if (text == NULL) abort();
    }
    (void)close(fd);
    return text;
}

// The answer to a request with the given first words and further header lines.
static inline char *client_ask(const struct rouse_addr *addr, const char *what, const char *headers)
{
    char request[1024];
    int fd = client_connect(addr);

    if (fd < 0) return calloc(1, 1);
    (void)snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", what,
                   headers);
    client_send(fd, request);
    return client_receive(fd, NULL);
}

// The status of an answer; 0: it is none.
static inline int client_status(const char *answer)
{
    int status = 0;

    return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

// What follows the head of an answer; NULL: nothing, or less than it says.
static inline const char *client_body(const char *answer)
{
    const char *length = strstr(answer, "Content-Length: ");
    const char *end = strstr(answer, "\r\n\r\n");

    if (end == NULL) return NULL;
    if (length != NULL && length < end && strtoul(length + 16, NULL, 10) != strlen(end + 4)) {
        return NULL;
    }
    return end + 4;
}

#endif
