// SPDX-License-Identifier: MIT
//
// See target.h. Used before any thread is started.
#include "target.h"

#include <stdio.h>
#include <string.h>

#include "common/command_line.h"

static bool is_any_address(const char *host)
{
    static const char *const names[] = {"", "*", "0.0.0.0", "::"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(host, names[i]) == 0) return true;
    }
    return false;
}

// What a name or an address has; it goes into the head of a request as it is.
static bool has_only_name_characters(const char *host)
{
    return host[strspn(host, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                             "-._:*%")] == '\0';
}

// Copies `size` bytes, if there is room.
static bool copy(char *out, size_t out_size, const char *from, size_t size)
{
    if (size >= out_size) return false;
    memcpy(out, from, size);
    out[size] = '\0';
    return true;
}

// "host:port", where the host may be in brackets; a port alone is behind no colon.
static bool take_apart(struct target *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *port = colon == NULL ? text : colon + 1;
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    uint64_t number;

    if (!app_number_parse(port, 1, 65535, &number)) return false;
    if (size > 0 && text[0] == '[') {
        if (text[size - 1] != ']') return false;
        text++;
        size -= 2;
    }
    return copy(out->service, sizeof out->service, port, strlen(port)) &&
           copy(out->host, sizeof out->host, text, size);
}

bool target_parse(struct target *out, const char *text)
{
    static const char scheme[] = "http://";
    char address[sizeof out->name];
    size_t size;

    if (strncmp(text, scheme, sizeof scheme - 1) == 0) text += sizeof scheme - 1;
    size = strlen(text);
    if (size > 0 && text[size - 1] == '/') size--;
    if (!copy(address, sizeof address, text, size) || !take_apart(out, address)) return false;
    if (!has_only_name_characters(out->host)) return false;
    if (is_any_address(out->host)) (void)copy(out->host, sizeof out->host, "127.0.0.1", 9);
    (void)snprintf(out->name, sizeof out->name,
                   strchr(out->host, ':') == NULL ? "%s:%s" : "[%s]:%s", out->host, out->service);
    return true;
}
