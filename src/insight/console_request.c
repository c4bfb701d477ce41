// SPDX-License-Identifier: MIT
//
// Reading a request's head: see console_request.h. Pure functions: any thread.

#include "insight/console_request.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

size_t rs_request_end(const char *buf, size_t size)
{
    const char *end = memmem(buf, size, "\r\n\r\n", 4);

    return end != NULL ? (size_t)(end - buf) + 4 : 0;
}

// Whether all of it can be seen, or is a blank or a tab; and of ASCII.
static bool is_visible(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
        if ((*s < 0x20 && *s != '\t') || *s >= 0x7f) return false;
    }
    return true;
}

// Ends the line that `*rest` begins with, and moves that behind it. NULL: it has no CR LF of its
// own, or something in it that cannot be seen.
static char *take_line(char **rest)
{
    char *line = *rest;
    char *end = strstr(line, "\r\n");

    if (end == NULL) return NULL;
    *end = '\0';
    *rest = end + 2;
    return is_visible(line) ? line : NULL;
}

static int parse_method(struct rs_request *out, const char *text)
{
    static const char *const names[] = {
        [RS_REQUEST_GET] = "GET", [RS_REQUEST_HEAD] = "HEAD", [RS_REQUEST_POST] = "POST"};

    for (int i = 0; i <= RS_REQUEST_POST; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        out->method = (enum rs_request_method)i;
        return 0;
    }
    return 501;
}

// Method, target and version, one blank between each.
static int parse_first_line(struct rs_request *out, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;

    if (version == NULL) return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/", 5) != 0) return 400;
    if (strcmp(version, "HTTP/1.1") != 0) return 505;
    if (target[0] != '/' || strchr(target, '\t') != NULL) return 400;
    char *query = strchr(target, '?');

    out->path = target;
    out->query = query != NULL ? query + 1 : "";
    if (query != NULL) *query = '\0';
    return parse_method(out, line);
}

// Ends the name of a field and returns its value, without blanks around it; NULL: it is none. A
// name has no blanks, so a line that goes on with the one before is none either.
static char *split_field(char *line)
{
    char *colon = strchr(line, ':');

    if (colon == NULL || colon == line) return NULL;
    if (strcspn(line, " \t") < (size_t)(colon - line)) return NULL;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);

    while (length > 0 && strchr(" \t", value[length - 1]) != NULL) length--;
    value[length] = '\0';
    return value;
}

// Twice is once too often: two proxies might take each another one.
static int take_once(const char **to, const char *value)
{
    if (*to != NULL) return 400;
    *to = value;
    return 0;
}

static int parse_field(struct rs_request *out, const char *name, const char *value)
{
    if (strcasecmp(name, "Host") == 0) return take_once(&out->host, value);
    if (strcasecmp(name, "Origin") == 0) return take_once(&out->origin, value);
    if (strcasecmp(name, "Sec-Fetch-Site") == 0) return take_once(&out->fetch_site, value);
    if (strcasecmp(name, "X-Rouse-Console") == 0) return take_once(&out->token, value);
    if (strcasecmp(name, "Accept") == 0) out->accept = value;
    if (strcasecmp(name, "Transfer-Encoding") == 0) return 413;
    if (strcasecmp(name, "Content-Length") == 0 && strcmp(value, "0") != 0) return 413;
    return 0;
}

int rs_request_parse(struct rs_request *out, char *head, size_t size)
{
    char *rest = head;

    *out = (struct rs_request){.path = NULL};
    if (memchr(head, '\0', size) != NULL) return 400;
    head[size - 2] = '\0';  // of the empty line at its end
    char *line = take_line(&rest);
    int status = line != NULL ? parse_first_line(out, line) : 400;

    while (status == 0 && *rest != '\0') {
        line = take_line(&rest);
        char *value = line != NULL ? split_field(line) : NULL;

        status = value != NULL ? parse_field(out, line, value) : 400;
    }
    return status == 0 && out->host == NULL ? 400 : status;
}
