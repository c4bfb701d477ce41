// SPDX-License-Identifier: MIT
//
// Compares our request parser with http_parser (Debian's libhttp-parser-dev) on requests that are
// put together at random from good and bad pieces and then damaged at random. The seed is fixed;
// another can be given as the first argument, and the number of requests as the second.
//
// Where we accept, http_parser must accept and agree on the size of the head, method, target,
// version, every field, content length, chunked and keep-alive. Where we refuse and http_parser
// accepts, one of the rules in stricter_rule() must say why, judged by what http_parser decoded.
//
// Debian builds that library without its strict mode: control bytes in values, spaces in names and
// damaged letters of "HTTP" pass it, so they are among the rules.
//
// Built from this file, apps/httpd/{request,fields,chars,slice}.c and -lhttp_parser.
// Both of us name methods HTTP_GET and so on; in this file theirs step aside.
#define http_method their_method
#define HTTP_GET THEIR_GET
#define HTTP_HEAD THEIR_HEAD
#define HTTP_POST THEIR_POST
#define HTTP_PUT THEIR_PUT
#define HTTP_DELETE THEIR_DELETE
#define HTTP_OPTIONS THEIR_OPTIONS
#define HTTP_TRACE THEIR_TRACE
#define HTTP_PATCH THEIR_PATCH
#include <http_parser.h>
#undef http_method
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_DELETE
#undef HTTP_OPTIONS
#undef HTTP_TRACE
#undef HTTP_PATCH

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../apps/httpd/request.h"
#include "../http/requests.h"
#include "../http/tap.h"

enum { TEXT_SIZE = 2048, HEADER_MAX = 64 };

static const struct http_limits limits = HTTP_LIMITS_DEFAULT;

// A text that is collected piece by piece.
struct piece {
    char text[TEXT_SIZE];
    size_t size;
};

static void piece_add(struct piece *piece, const char *text, size_t size)
{
    if (size > sizeof piece->text - piece->size) abort();
    memcpy(piece->text + piece->size, text, size);
    piece->size += size;
}

static struct http_slice piece_slice(const struct piece *piece)
{
    return http_slice_trim((struct http_slice){piece->text, piece->size});
}

// What http_parser makes of a request.
struct theirs {
    bool is_accepted;
    bool is_keep_alive;
    size_t head_size;
    struct http_parser parser;
    uint64_t content_length;  // UINT64_MAX: none
    struct piece url;
    struct piece names[HEADER_MAX];
    struct piece values[HEADER_MAX];
    unsigned header_count;
    bool is_in_value;
};

static int on_url(http_parser *parser, const char *at, size_t size)
{
    struct theirs *t = parser->data;

    piece_add(&t->url, at, size);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t size)
{
    struct theirs *t = parser->data;

    if (t->header_count == 0 || t->is_in_value) {
        if (t->header_count == HEADER_MAX) abort();
        t->header_count++;
        t->names[t->header_count - 1].size = 0;
        t->values[t->header_count - 1].size = 0;
    }
    t->is_in_value = false;
    piece_add(&t->names[t->header_count - 1], at, size);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t size)
{
    struct theirs *t = parser->data;

    t->is_in_value = true;
    piece_add(&t->values[t->header_count - 1], at, size);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct theirs *t = parser->data;

    t->is_accepted = true;
    t->is_keep_alive = http_should_keep_alive(parser) != 0;
    t->content_length = parser->content_length;
    return 2;  // stop behind the head
}

// http_parser takes a name that only begins like Transfer-Encoding for it, in part.
static bool has_misread_name(const struct theirs *t)
{
    for (unsigned i = 0; i < t->header_count; i++) {
        if (t->names[i].size <= 17) continue;
        if (strncasecmp(t->names[i].text, "Transfer-Encoding", 17) == 0) return true;
    }
    return false;
}

static void their_parse(struct theirs *t, const char *text, size_t size)
{
    const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
    };

    t->is_accepted = false;
    t->url.size = 0;
    t->header_count = 0;
    t->is_in_value = false;
    http_parser_init(&t->parser, HTTP_REQUEST);
    t->parser.data = t;
    t->head_size = http_parser_execute(&t->parser, &settings, text, size);
}

// The last value of a field, and on how many lines it stands.
static const struct piece *value_of(const struct theirs *t, const char *name, unsigned *count)
{
    const struct piece *value = NULL;

    *count = 0;
    for (unsigned i = 0; i < t->header_count; i++) {
        if (t->names[i].size != strlen(name)) continue;
        if (strncasecmp(t->names[i].text, name, strlen(name)) != 0) continue;
        value = &t->values[i];
        ++*count;
    }
    return value;
}

// ---- Both accept: do they agree?

static bool headers_agree(const struct http_request *req, const struct theirs *t)
{
    struct http_header header;
    size_t cursor = 0;
    unsigned i = 0;

    for (; http_request_next_header(req, &cursor, &header); i++) {
        if (i == t->header_count) return false;

        struct http_slice name = piece_slice(&t->names[i]);
        struct http_slice value = piece_slice(&t->values[i]);

        if (name.size != header.name.size || value.size != header.value.size) return false;
        if (memcmp(name.data, header.name.data, name.size) != 0) return false;
        if (memcmp(value.data, header.value.data, value.size) != 0) return false;
    }
    return i == t->header_count;
}

// http_parser gives the target as it stands: that is our pieces put together again.
static bool target_agrees(const struct http_request *req, const struct theirs *t)
{
    const char *url = t->url.text;
    size_t at = 0;

    if (req->form == HTTP_TARGET_ABSOLUTE) {
        struct http_slice host = http_request_host(req);
        const char *slashes = memmem(url, t->url.size, "//", 2);

        if (slashes == NULL) return false;
        at = (size_t)(slashes - url) + 2;
        if (host.size > t->url.size - at || memcmp(url + at, host.data, host.size) != 0) {
            return false;
        }
        at += host.size;
    }
    struct http_slice path = http_request_slice(req, req->path);
    struct http_slice query = http_request_slice(req, req->query);
    bool has_query = memchr(url, '?', t->url.size) != NULL;

    if (t->url.size - at != path.size + has_query + query.size) return false;
    if (memcmp(url + at, path.data, path.size) != 0) return false;
    return !has_query || (url[at + path.size] == '?' &&
                          memcmp(url + at + path.size + 1, query.data, query.size) == 0);
}

// http_parser loses track of a Connection with empty elements, tabs, or words that begin like one
// of its own; keep-alive is compared where there are none of those.
static bool connection_is_plain(const struct theirs *t)
{
    for (unsigned i = 0; i < t->header_count; i++) {
        struct http_slice rest = piece_slice(&t->values[i]);
        struct http_slice word;

        if (!http_slice_is_nocase(piece_slice(&t->names[i]), "connection")) continue;
        if (memchr(t->values[i].text, '\t', t->values[i].size) != NULL) return false;
        while (rest.size > 0 && http_list_next(&rest, &word)) {
            if (!http_slice_is_nocase(word, "close") && !http_slice_is_nocase(word, "keep-alive") &&
                !http_slice_is_nocase(word, "upgrade") && !http_slice_is(word, "x")) {
                return false;
            }
        }
    }
    return true;
}

static bool keep_alive_agrees(const struct http_request *req, const struct theirs *t)
{
    bool ours = req->connection != HTTP_CONNECTION_CLOSE;
    unsigned count;

    // HTTP/1.0 with both tokens: we close, http_parser does not. Proxy-Connection: it obeys that.
    if (req->version_minor == 0 && !ours) return true;
    value_of(t, "Proxy-Connection", &count);
    if (count > 0 || !connection_is_plain(t)) return true;
    return ours == t->is_keep_alive;
}

// The point on which they do not agree, or NULL.
static const char *disagreement(const struct http_request *req, int size, const struct theirs *t)
{
    uint64_t length =
        http_request_has(req, HTTP_FIELD_CONTENT_LENGTH) ? req->content_length : UINT64_MAX;

    if ((size_t)size != t->head_size) return "size";
    if (strcmp(http_method_name((enum http_method)req->method),
               http_method_str((enum their_method)t->parser.method)) != 0) {
        return "method";
    }
    if (t->parser.http_major != 1 || t->parser.http_minor != req->version_minor) return "version";
    if (!target_agrees(req, t)) return "target";
    if (!headers_agree(req, t)) return "headers";
    if (length != t->content_length) return "content length";
    if (req->is_chunked != ((t->parser.flags & F_CHUNKED) != 0)) return "chunked";
    if (!keep_alive_agrees(req, t)) return "keep-alive";
    return NULL;
}

// ---- We refuse, they accept: which rule says why?

static bool made_of(struct http_slice text, const char *allowed)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\0' || strchr(allowed, text.data[i]) == NULL) return false;
    }
    return true;
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool has_bare_line_end(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
        if (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n')) return true;
    }
    return false;
}

static bool has_control_byte(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && strchr("\t\r\n", c) == NULL) || c == 0 || c == 0x7f) return true;
    }
    return false;
}

// Other than two spaces in the request line, or a version that is not there letter by letter.
static bool request_line_is_odd(const char *text, size_t size)
{
    const char *start = size >= 2 && text[0] == '\r' && text[1] == '\n' ? text + 2 : text;
    const char *end = memchr(start, '\r', size - (size_t)(start - text));
    unsigned spaces = 0;

    if (end == NULL || end - start < 9) return true;
    for (const char *at = start; at < end; at++) {
        spaces += *at == ' ' || *at == '\t';
    }
    return spaces != 2 || memcmp(end - 9, " HTTP/", 6) != 0 || end[-2] != '.';
}

// A tab in the line of a field that says how long the body is. Looked for in the text, for
// http_parser keeps only some of them.
static bool has_framing_tab(const char *text, size_t size)
{
    const char *end = text + size;
    const char *next;

    for (const char *line = text; line < end; line = next) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        size_t length;

        next = feed == NULL ? end : feed + 1;
        length = (size_t)(next - line);
        if (length < 17 || memchr(line, '\t', length) == NULL) continue;
        if (strncasecmp(line, "Content-Length:", 15) == 0) return true;
        if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) return true;
    }
    return false;
}

static bool name_is_odd(const struct theirs *t)
{
    for (unsigned i = 0; i < t->header_count; i++) {
        struct http_slice name = {t->names[i].text, t->names[i].size};

        if (!made_of(name, DIGITS LETTERS "!#$%&'*+-.^_`|~")) return true;
    }
    return false;
}

static bool has_folding(const char *text, size_t size)
{
    return memmem(text, size, "\n ", 2) != NULL || memmem(text, size, "\n\t", 2) != NULL;
}

static bool authority_is_odd(struct http_slice host)
{
    const char *colon = memrchr(host.data, ':', host.size);
    const char *bracket = memrchr(host.data, ']', host.size);
    struct http_slice name = host;

    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        struct http_slice port = {colon + 1, host.size - (size_t)(colon + 1 - host.data)};

        if (port.size > 5 || !made_of(port, DIGITS)) return true;
        if (port.size == 5 && memcmp(port.data, "65535", 5) > 0) return true;
        name.size = (size_t)(colon - host.data);
    }
    if (name.size > 0 && name.data[0] == '[') {
        return name.size < 4 || name.data[name.size - 1] != ']' ||
               !made_of((struct http_slice){name.data + 1, name.size - 2}, DIGITS ":.abcdefABCDEF");
    }
    return name.size == 0 || !made_of(name, DIGITS LETTERS "-._");
}

static bool host_is_odd(const struct theirs *t)
{
    unsigned count;
    const struct piece *host = value_of(t, "Host", &count);

    if (count == 0) return t->parser.http_minor == 1;
    return count > 1 || authority_is_odd(piece_slice(host));
}

static bool url_is_odd(const struct theirs *t)
{
    struct http_slice url = {t->url.text, t->url.size};
    struct http_slice rest = url;

    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] < 0x21 || url.data[i] > 0x7e) return true;
        if (strchr("\"#<>\\", url.data[i]) != NULL) return true;
    }
    if (url.data[0] == '/') return false;
    if (url.size == 1 && url.data[0] == '*') return t->parser.method != THEIR_OPTIONS;
    if (url.size > 7 && strncasecmp(url.data, "http://", 7) == 0) {
        rest = (struct http_slice){url.data + 7, url.size - 7};
    } else if (url.size > 8 && strncasecmp(url.data, "https://", 8) == 0) {
        rest = (struct http_slice){url.data + 8, url.size - 8};
    } else {
        return true;
    }
    size_t size = 0;

    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?') {
        size++;
    }
    return authority_is_odd((struct http_slice){rest.data, size});
}

static bool body_is_odd(const struct theirs *t)
{
    unsigned lengths, codings;
    const struct piece *length = value_of(t, "Content-Length", &lengths);
    const struct piece *coding = value_of(t, "Transfer-Encoding", &codings);

    if (lengths + codings > 1) return true;
    if (codings == 1) {
        return t->parser.http_minor == 0 || !http_slice_is_nocase(piece_slice(coding), "chunked");
    }
    if (lengths == 0) return false;
    return !made_of(piece_slice(length), DIGITS) || length->size == 0 ||
           t->content_length > limits.body_max;
}

static bool singleton_is_repeated(const struct theirs *t)
{
    static const char *const names[] = {"Range", "If-Range", "If-Modified-Since",
                                        "If-Unmodified-Since"};
    unsigned count;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        value_of(t, names[i], &count);
        if (count > 1) return true;
    }
    return false;
}

// Some line of this list field does not hold what we ask of it.
static bool lines_are_odd(const struct theirs *t, const char *name, const char *only)
{
    for (unsigned i = 0; i < t->header_count; i++) {
        if (t->names[i].size != strlen(name)) continue;
        if (strncasecmp(t->names[i].text, name, strlen(name)) != 0) continue;

        struct http_slice value = piece_slice(&t->values[i]);

        if (only != NULL && !http_slice_is_nocase(value, only)) return true;
        if (only == NULL && !made_of(value, DIGITS LETTERS "!#$%&'*+-.^_`|~, \t")) return true;
        // Two words without a comma between them.
        for (size_t k = 1; only == NULL && k + 1 < value.size; k++) {
            bool is_gap = value.data[k] == ' ' || value.data[k] == '\t';

            if (is_gap && value.data[k - 1] != ',' && value.data[k + 1] != ',') return true;
        }
    }
    return false;
}

static const char *stricter_rule(const char *text, size_t size, const struct theirs *t)
{
    static const char ours[] = " GET HEAD POST PUT DELETE OPTIONS TRACE PATCH ";
    char method[40];

    snprintf(method, sizeof method, " %s ", http_method_str((enum their_method)t->parser.method));
    if (strstr(ours, method) == NULL) return "a method we do not have";
    if (t->parser.http_major != 1 || t->parser.http_minor > 1) return "a version we do not speak";
    if (has_bare_line_end(text, t->head_size < size ? t->head_size : size)) {
        return "a bare CR or LF";
    }
    if (has_folding(text, size)) return "folding";
    if (has_control_byte(text, size)) return "a control byte";
    if (request_line_is_odd(text, size)) return "a request line of another form";
    if (has_framing_tab(text, size)) return "a tab beside the length of the body";
    if (name_is_odd(t)) return "a field name that is no token";
    if (size >= 4 && memcmp(text, "\r\n\r\n", 4) == 0) return "more than one leading empty line";
    if (url_is_odd(t)) return "a target of another form";
    if (host_is_odd(t)) return "Host";
    if (body_is_odd(t)) return "the length of the body";
    if (singleton_is_repeated(t)) return "a repeated field";
    if (lines_are_odd(t, "Expect", "100-continue")) return "Expect";
    if (lines_are_odd(t, "Connection", NULL)) return "Connection";
    return NULL;
}

// ---- Requests

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

#define PICK(table) table[random_below(sizeof table / sizeof *table)]
#define PICK_MOSTLY(good, bad) (random_below(12) != 0 ? PICK(good) : PICK(bad))

static const char *const methods[] = {"GET",   "GET",    "HEAD",    "POST", "PUT",
                                      "PATCH", "DELETE", "OPTIONS", "TRACE"};
static const char *const bad_methods[] = {"CONNECT", "PROPFIND", "get", "GE", "GETX", "M-SEARCH"};
static const char *const targets[] = {"/",         "/a",        "/a/b.html",     "/a?b",
                                      "/?",        "/a%20b",    "/a?b?c/d",      "//",
                                      "/^`{|}[]",  "http://a/", "http://a:80?q", "https://[::1]/x",
                                      "HTTP://a/", "http://a"};
static const char *const bad_targets[] = {
    "*", "http://a@b/", "http:///", "ftp://a/", "a:80",        "/a#b",           "/\"", "/\xc3\xa9",
    "",  "a",           "/a b",     "?q",       "http://a:/x", "http://a:99999/"};
static const char *const versions[] = {"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"};
static const char *const bad_versions[] = {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/1.10",
                                           "http/1.1", "HTTP/1.",  "",         "HTTP/11"};
static const char *const hosts[] = {"Host: a\r\n", "host:a.b:80\r\n", "HOST: [::1]:8080 \r\n"};
static const char *const bad_hosts[] = {"Host: \r\n",    "Host: a b\r\n",          "Host: a,b\r\n",
                                        "Host: a:x\r\n", "Host: a\r\nHost: a\r\n", ""};
static const char *const fields[] = {
    "X: y\r\n",
    "X:\r\n",
    "X-Long-Name: some longer value, with (punctuation)\r\n",
    "Accept: */*\r\n",
    "X:\t y \t\r\n",
    "!#$%&'*+-.^_`|~: v\r\n",
    "X: \xff\xfe\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "connection: Keep-Alive, x\r\n",
    "Connection: close, keep-alive\r\n",
    "Connection:\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Proxy-Connection: close\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "content-length:  42 \r\n",
    "Content-Length: 005\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: Chunked\r\n",
    "TE: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Range: bytes=0-1\r\n",
    "If-None-Match: \"a\"\r\n",
    "If-Modified-Since: x\r\n",
};
static const char *const bad_fields[] = {
    "Connection: a b\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: \r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 99999\r\n",
    "Content-Length: 5 5\r\n",
    "Content-Length : 5\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: chunked,\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Expect: x\r\n",
    "X: a\r\n b\r\n",
    " X: a\r\n",
    "X : a\r\n",
    "X\r\n",
    ": a\r\n",
    "X: a\n",
    "X: a\rb\r\n",
    "X: a\x01\r\n",
    "X Y: a\r\n",
    "X\xe9: a\r\n",
};

static void text_add(struct piece *text, const char *more)
{
    piece_add(text, more, strlen(more));
}

static void request_compose(struct piece *text)
{
    text->size = 0;
    if (random_below(24) == 0) text_add(text, random_below(2) == 0 ? "\r\n" : "\n");
    text_add(text, PICK_MOSTLY(methods, bad_methods));
    text_add(text, random_below(32) == 0 ? "  " : " ");
    text_add(text, PICK_MOSTLY(targets, bad_targets));
    text_add(text, random_below(32) == 0 ? "\t" : " ");
    text_add(text, PICK_MOSTLY(versions, bad_versions));
    text_add(text, random_below(32) == 0 ? "\n" : "\r\n");
    text_add(text, PICK_MOSTLY(hosts, bad_hosts));
    for (uint32_t n = random_below(5); n > 0; n--) {
        text_add(text, PICK_MOSTLY(fields, bad_fields));
    }
    text_add(text, random_below(32) == 0 ? "\n" : "\r\n");
    if (random_below(8) == 0) text_add(text, "5\r\nhello\r\n0\r\n\r\n");
}

// One of the table's requests instead, so that damage begins from every shape we know.
static void request_choose(struct piece *text)
{
    const struct request_case *c = &PICK(request_cases);

    text->size = 0;
    piece_add(text, c->text, c->size);
}

static void request_damage(struct piece *text)
{
    static const char bytes[] = "\0\r\n\t \x01\x7f\x80\xff:;,/?#%*[]@\"+-_09aZ";
    uint32_t size = (uint32_t)text->size;
    uint32_t at;

    if (size < 2) return;
    at = random_below(size);
    switch (random_below(5)) {
    case 0:
        text->text[at] = (char)random_below(256);
        break;
    case 1:
        text->text[at] = bytes[random_below(sizeof bytes - 1)];
        break;
    case 2:
        memmove(text->text + at, text->text + at + 1, size - at - 1);
        text->size--;
        break;
    case 3:
        memmove(text->text + at + 1, text->text + at, size - at);
        text->text[at] = bytes[random_below(sizeof bytes - 1)];
        text->size++;
        break;
    default: {
        uint32_t count = random_below(size - at) % 40;

        memmove(text->text + at + count, text->text + at, size - at);
        text->size += count;
    }
    }
}

static void request_make(struct piece *text)
{
    if (random_below(3) == 0) {
        request_choose(text);
    } else {
        request_compose(text);
    }
    for (uint32_t n = random_below(4); n > 0; n--) {
        request_damage(text);
    }
}

// ---- The comparison

struct tally {
    unsigned both_accept;
    unsigned both_refuse;
    unsigned stricter;
    unsigned failed;
};

static void report(struct tally *tally, const char *what, const struct piece *text)
{
    if (tally->failed++ >= 10) return;
    printf("# %s:\n# ", what);
    for (size_t i = 0; i < text->size; i++) {
        unsigned char c = (unsigned char)text->text[i];

        if (c == '\n') {
            printf("\\n\n# ");
        } else if (c >= 0x20 && c < 0x7f) {
            putchar(c);
        } else {
            printf("\\x%02x", c);
        }
    }
    putchar('\n');
}

static void compare(struct tally *tally, const struct piece *text, struct theirs *t)
{
    struct http_request req = {0};
    int size = http_request_parse(&req, text->text, text->size, &limits);
    const char *problem;

    their_parse(t, text->text, text->size);
    if (has_misread_name(t)) return;
    if (size > 0 && !t->is_accepted) {
        report(tally, "we accept, http_parser does not", text);
    } else if (size > 0) {
        tally->both_accept++;
        problem = disagreement(&req, size, t);
        if (problem != NULL) report(tally, problem, text);
    } else if (size < 0 && t->is_accepted) {
        tally->stricter++;
        if (stricter_rule(text->text, text->size, t) == NULL) {
            report(tally, "we refuse, and no rule says why", text);
        }
    } else if (size == 0 && t->is_accepted) {
        report(tally, "we want more, http_parser has enough", text);
    } else {
        tally->both_refuse++;
    }
}

int main(int argc, char **argv)
{
    static struct theirs t;
    static struct piece text;
    struct tally tally = {0, 0, 0, 0};
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 300000;
    char claim[160];

    random_state = argc > 1 ? strtoul(argv[1], NULL, 10) : 20240607;
    for (unsigned long i = 0; i < count; i++) {
        request_make(&text);
        compare(&tally, &text, &t);
    }
    printf("# both accept %u, both refuse %u, we are stricter %u\n", tally.both_accept,
           tally.both_refuse, tally.stricter);
    snprintf(claim, sizeof claim, "both parsers agree on %lu requests", count);
    tap_claim(tally.failed == 0, claim);
    tap_claim(tally.both_accept > count / 20, "enough requests are accepted by both");
    tap_claim(tally.both_refuse > count / 20, "enough requests are refused by both");
    tap_claim(tally.stricter > count / 50, "the stricter rules are exercised");
    return tap_end();
}
