// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/reply.c: requests as text in, status, fields and body out, on a small site in a
// temporary folder. Every reply is also checked for what must hold of all.
//
// Built from this file and all of apps/httpd but its main program and its connection loop.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../apps/httpd/reply.h"
#include "../http/tap.h"

enum { NOW = 1700000000, OLD = 1600000000 };

#define DATE_SAME "Sun, 13 Sep 2020 12:26:40 GMT"

static char base[] = "/tmp/test_http_reply.XXXXXX";
static struct httpd_root root;
static struct http_clock now;
static char large[100];

static const struct {
    int status;
    const char *fields;   // must be in the head; "!x" must not be
    const char *body;     // NULL: not looked at
    const char *request;  // the request line and fields
} rows[] = {
    {200, "Content-Length: 5\r\n", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\n"},
    {200, "text/plain; charset=utf-8\r\n", "hello", "GET /a.txt?x HTTP/1.1\r\nHost: a\r\n"},
    {200, "!Connection:", "hello", "GET http://b/./a.txt HTTP/1.1\r\nHost: a\r\n"},
    {200, "Content-Length: 5\r\n", "", "HEAD /a.txt HTTP/1.1\r\nHost: a\r\n"},
    {200, "Connection: close\r\n", "hello", "GET /a.txt HTTP/1.0\r\n"},
    {200, "Connection: close\r\n", "hello",
     "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"},
    {200, "Connection: keep-alive\r\n", "hello",
     "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n"},
    {200, "Content-Length: 0\r\n", "", "GET /empty HTTP/1.1\r\nHost: a\r\n"},
    {200, "Content-Length: 100\r\n", NULL, "GET /large HTTP/1.1\r\nHost: a\r\n"},
    {200, "text/html", "index", "GET / HTTP/1.1\r\nHost: a\r\n"},
    {200, "text/html", "sub", "GET /sub/ HTTP/1.1\r\nHost: a\r\n"},
    {200, "text/html", "sub", "GET /sub/../sub/. HTTP/1.1\r\nHost: a\r\n"},
    {200, "application/octet-stream", "odd", "GET /o%20d%23d HTTP/1.1\r\nHost: a\r\n"},

    {301, "Location: /sub/\r\n", NULL, "GET /sub HTTP/1.1\r\nHost: a\r\n"},
    {301, "Location: /sub/\r\n", NULL, "GET //sub HTTP/1.1\r\nHost: a\r\n"},
    {301, "Location: /no%20index/\r\n", NULL, "GET /no%20index?x HTTP/1.1\r\nHost: a\r\n"},
    {404, "", NULL, "GET /no%20index/ HTTP/1.1\r\nHost: a\r\n"},
    {404, "Content-Type: text/html", NULL, "GET /none HTTP/1.1\r\nHost: a\r\n"},
    {404, "Content-Type: text/html", "", "HEAD /none HTTP/1.1\r\nHost: a\r\n"},
    {404, "", NULL, "GET /a.txt/ HTTP/1.1\r\nHost: a\r\n"},
    {404, "", NULL, "GET /.hidden HTTP/1.1\r\nHost: a\r\n"},
    {404, "", NULL, "GET /sub%2findex.html HTTP/1.1\r\nHost: a\r\n"},
    {404, "", NULL, "GET /out HTTP/1.1\r\nHost: a\r\n"},
    {400, "", NULL, "GET /../a.txt HTTP/1.1\r\nHost: a\r\n"},
    {400, "", NULL, "GET /%zz HTTP/1.1\r\nHost: a\r\n"},
    {400, "", NULL, "GET /%00 HTTP/1.1\r\nHost: a\r\n"},
    {403, "", NULL, "GET /fifo HTTP/1.1\r\nHost: a\r\n"},

    {204, "Allow: GET, HEAD, OPTIONS\r\n", "", "OPTIONS * HTTP/1.1\r\nHost: a\r\n"},
    {204, "Allow: GET, HEAD, OPTIONS\r\n", "", "OPTIONS /a.txt HTTP/1.1\r\nHost: a\r\n"},
    {204, "!Content-Length", "", "OPTIONS / HTTP/1.1\r\nHost: a\r\n"},
    {405, "Allow: GET, HEAD, OPTIONS\r\n", NULL, "POST /a.txt HTTP/1.1\r\nHost: a\r\n"},
    {405, "Allow: GET, HEAD, OPTIONS\r\n", NULL, "DELETE /none HTTP/1.1\r\nHost: a\r\n"},
    {405, "Allow: GET, HEAD, OPTIONS\r\n", NULL, "TRACE / HTTP/1.1\r\nHost: a\r\n"},

    {206, "Content-Range: bytes 1-3/5\r\n", "ell",
     "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=1-3\r\n"},
    {206, "Content-Length: 2\r\n", "lo", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=-2\r\n"},
    {206, "Content-Range: bytes 90-99/100\r\n", NULL,
     "GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=90-\r\n"},
    {206, "ETag: ", "h", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\n"},
    {200, "Content-Length: 5\r\n", "", "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=1-3\r\n"},
    {200, "!Content-Range", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,3-4\r\n"},
    {200, "!Content-Range", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: lines=0-1\r\n"},
    {416, "Content-Range: bytes */5\r\n", NULL,
     "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=5-\r\n"},
    {206, "", "h",
     "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\nIf-Range: " DATE_SAME "\r\n"},
    {200, "", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\nIf-Range: \"x\"\r\n"},
    {200, "", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=9-\r\nIf-Range: \"x\"\r\n"},

    {304, "!Content-Length", "", "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n"},
    {304, "ETag: ", "", "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: " DATE_SAME "\r\n"},
    {304, "Last-Modified: ", "",
     "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nRange: bytes=0-0\r\n"},
    {200, "", "hello", "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n"},
    {412, "!ETag", NULL, "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n"},
    {412, "", NULL, "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\nRange: bytes=0-0\r\n"},
    {404, "", NULL, "GET /none HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\n"},
};

static void file_make(const char *name, const char *text, size_t size)
{
    const struct timespec times[2] = {{OLD, 0}, {OLD, 0}};
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size || futimens(fd, times) < 0) abort();
    close(fd);
}

static void site_make(void)
{
    if (mkdtemp(base) == NULL || chdir(base) < 0) abort();
    if (mkdir("sub", 0755) < 0 || mkdir("no index", 0755) < 0) abort();
    file_make("a.txt", "hello", 5);
    file_make("empty", "", 0);
    file_make("index.html", "index", 5);
    file_make("sub/index.html", "sub", 3);
    file_make("o d#d", "odd", 3);
    file_make(".hidden", "secret", 6);
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (char)('0' + i % 10);
    }
    file_make("large", large, sizeof large);
    if (mkfifo("fifo", 0644) < 0 || symlink("/etc/passwd", "out") < 0) abort();
}

static void site_remove(void)
{
    static const char *const names[] = {"a.txt",          "empty", "index.html",
                                        "sub/index.html", "o d#d", ".hidden",
                                        "large",          "fifo",  "out"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(names[i]);
    }
    rmdir("sub");
    rmdir("no index");
    rmdir(base);
}

struct exchange {
    struct http_request req;
    struct httpd_reply reply;
    char request[512];
    char out[HTTPD_REPLY_SIZE_MAX];
    char head[HTTPD_REPLY_SIZE_MAX + 1];  // as a string, with the empty line
    char body[1024];
    size_t body_size;
};

static void body_collect(struct exchange *x)
{
    const struct httpd_reply *reply = &x->reply;
    const char *end = memmem(reply->text.data, reply->text.size, "\r\n\r\n", 4);
    size_t head_size = end == NULL ? 0 : (size_t)(end + 4 - reply->text.data);

    memcpy(x->head, reply->text.data, head_size);
    x->head[head_size] = '\0';
    x->body_size = reply->text.size - head_size;
    memcpy(x->body, reply->text.data + head_size, x->body_size);
    memcpy(x->body + x->body_size, reply->content.data != NULL ? reply->content.data : "",
           reply->content.size);
    x->body_size += reply->content.size;
    if (reply->fd < 0) return;
    if (pread(reply->fd, x->body + x->body_size, reply->size, (off_t)reply->offset) !=
        (ssize_t)reply->size) {
        abort();
    }
    x->body_size += reply->size;
}

static void exchange(struct exchange *x, const struct httpd_site *site, const char *request)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    int size = snprintf(x->request, sizeof x->request, "%s\r\n", request);

    x->req = (struct http_request){0};
    if (http_request_parse(&x->req, x->request, (size_t)size, &limits) != size) abort();
    httpd_reply_make(&x->reply, site, &x->req, &now, x->out);
    body_collect(x);
}

// What holds of every reply: its status line, its date, its length, its end.
static bool reply_is_sound(const struct exchange *x)
{
    char start[64];
    unsigned length = 0;
    const char *field = strstr(x->head, "\r\nContent-Length: ");
    bool has_body = x->req.method != HTTP_HEAD && x->reply.status != 304 && x->reply.status != 204;

    snprintf(start, sizeof start, "HTTP/1.1 %d ", x->reply.status);
    if (strncmp(x->head, start, strlen(start)) != 0) return false;
    if (strstr(x->head, "\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n") == NULL) return false;
    if (strstr(x->head, "\r\nServer: rouse\r\n") == NULL) return false;
    if (x->reply.is_last != (strstr(x->head, "\r\nConnection: close\r\n") != NULL)) return false;
    if (field != NULL && sscanf(field + 2, "Content-Length: %u", &length) != 1) return false;
    if (!has_body) return x->body_size == 0;
    return field != NULL && length == x->body_size;
}

static bool head_matches(const char *head, const char *fields)
{
    if (fields[0] == '!') return strstr(head, fields + 1) == NULL;
    return strstr(head, fields) != NULL;
}

static void run_table(const struct httpd_site *site, const char *claim)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct exchange x;
        char row[128];

        exchange(&x, site, rows[i].request);
        snprintf(row, sizeof row, "%.*s #%zu %d", (int)strcspn(rows[i].request, "\r"),
                 rows[i].request, i, rows[i].status);

        bool held = x.reply.status == rows[i].status && reply_is_sound(&x) &&
                    head_matches(x.head, rows[i].fields);

        if (rows[i].body != NULL) {
            held = held && x.body_size == strlen(rows[i].body) &&
                   memcmp(x.body, rows[i].body, x.body_size) == 0;
        }
        tap_claim_of(held, claim, row);
        httpd_reply_deinit(&x.reply);
        httpd_reply_deinit(&x.reply);
    }
}

// The tag of one answer makes the next one 304, and a range strong enough to be combined.
static void etag_goes_round(const struct httpd_site *site)
{
    struct exchange x;
    char request[256];
    const char *tag;

    exchange(&x, site, "GET /a.txt HTTP/1.1\r\nHost: a\r\n");
    tag = strstr(x.head, "ETag: ") + 6;
    snprintf(request, sizeof request, "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: %.*s\r\n",
             (int)strcspn(tag, "\r"), tag);

    char ranged[256];

    snprintf(ranged, sizeof ranged,
             "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=1-1\r\nIf-Range: %.*s\r\n",
             (int)strcspn(tag, "\r"), tag);
    httpd_reply_deinit(&x.reply);
    exchange(&x, site, request);
    tap_claim(x.reply.status == 304, "etag_makes_304");
    httpd_reply_deinit(&x.reply);
    exchange(&x, site, ranged);
    tap_claim(x.reply.status == 206 && x.body_size == 1 && x.body[0] == 'e', "etag_allows_range");
    httpd_reply_deinit(&x.reply);
}

static void large_file_is_a_descriptor(const struct httpd_site *site)
{
    struct exchange x;

    exchange(&x, site, "GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=10-19\r\n");
    tap_claim(x.reply.fd >= 0 && x.reply.offset == 10 && x.reply.size == 10 &&
                  x.reply.content.size == 0 && memcmp(x.body, large + 10, 10) == 0,
              "large_file_is_a_descriptor");
    httpd_reply_deinit(&x.reply);
}

static void hidden_files_may_be_shown(const struct httpd_site *site)
{
    struct httpd_site open_site = *site;
    struct exchange x;

    open_site.shows_hidden = true;
    exchange(&x, &open_site, "GET /.hidden HTTP/1.1\r\nHost: a\r\n");
    tap_claim(x.reply.status == 200 && x.body_size == 6, "hidden_files_may_be_shown");
    httpd_reply_deinit(&x.reply);
}

static void errors_without_a_request_close(void)
{
    struct exchange x = {.req = {.method = HTTP_METHOD_NONE}};

    httpd_reply_error(&x.reply, NULL, 431, &now, x.out);
    body_collect(&x);
    tap_claim(x.reply.status == 431 && x.reply.is_last && reply_is_sound(&x),
              "errors_without_a_request_close");
}

// The longest names still get an answer that fits.
static void long_paths_have_an_answer(const struct httpd_site *site)
{
    static const int depths[] = {1, 4, 5, 8, 15};
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    static char text[8192];
    static char out[HTTPD_REPLY_SIZE_MAX];
    bool held = true;

    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        size_t at = (size_t)sprintf(text, "GET ");

        for (int n = 0; n < depths[i]; n++) {
            text[at++] = '/';
            for (int k = 0; k < 255; k++) {
                text[at++] = '^';
            }
        }
        at += (size_t)sprintf(text + at, " HTTP/1.1\r\nHost: a\r\n\r\n");

        struct http_request req = {0};
        struct httpd_reply reply;

        if (http_request_parse(&req, text, at, &limits) <= 0) abort();
        httpd_reply_make(&reply, site, &req, &now, out);
        held = held && reply.status == 404;
        httpd_reply_failure(&reply, &req, http_slice_of("x"), -EISDIR, &now, out);
        held = held && reply.status == 301;
        text[4 + depths[i] * 256] = '\0';
        httpd_reply_failure(&reply, &req, http_slice_of(text + 5), -EISDIR, &now, out);
        held = held && reply.status == (depths[i] < 5 ? 301 : 414) && reply.text.size > 0;
    }
    tap_claim(held, "long_paths_have_an_answer");
}

int main(void)
{
    struct httpd_cache_options options = HTTPD_CACHE_OPTIONS_DEFAULT;
    struct httpd_site site = {.index = "index.html"};

    site_make();
    options.content_size_max = 50;
    http_clock_set(&now, NOW);
    if (httpd_root_init(&root, ".") < 0) abort();
    if (httpd_cache_new(&site.cache, &root, &options) < 0) abort();
    run_table(&site, "cold");
    run_table(&site, "hot");
    etag_goes_round(&site);
    large_file_is_a_descriptor(&site);
    hidden_files_may_be_shown(&site);
    errors_without_a_request_close();
    long_paths_have_an_answer(&site);
    httpd_cache_free(site.cache);
    httpd_root_deinit(&root);
    site_remove();
    return tap_end();
}
