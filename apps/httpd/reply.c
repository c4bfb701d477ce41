// SPDX-License-Identifier: MIT
//
// Decisions in the order of RFC 9110: method, target, preconditions, range. The usual request has
// neither precondition nor range and takes the first branch of httpd_reply_file().
#include "reply.h"

#include <errno.h>

static const char ALLOW[] = "GET, HEAD, OPTIONS";

static int method_check(const struct http_request *req)
{
    switch ((enum http_method)req->method) {
    case HTTP_GET:
    case HTTP_HEAD:
        return 0;
    case HTTP_OPTIONS:
        return -204;
    default:
        return -405;
    }
}

int httpd_reply_path(char *out, size_t size, const struct httpd_site *site,
                     const struct http_request *req)
{
    int length = method_check(req);

    if (length < 0) return length;
    length = http_path_normalize(out, size, http_request_path(req));
    if (length < 0) return length;
    if (!site->shows_hidden && http_path_is_hidden(out)) return -404;
    if (length > 0 && out[length - 1] != '/') return length;

    size_t index_size = strlen(site->index);

    if (size - (size_t)length <= index_size) return -414;
    memcpy(out + length, site->index, index_size + 1);
    return length + (int)index_size;
}

// The part common to all replies; `size` is what a writer returned.
static void reply_begin(struct httpd_reply *reply, const struct http_request *req, int status)
{
    *reply = (struct httpd_reply){
        .status = status,
        .is_last = req == NULL || req->connection == HTTP_CONNECTION_CLOSE,
        .fd = -1,
    };
}

static void text_set(struct httpd_reply *reply, const char *out, int size)
{
    reply->text = (struct http_slice){out, size > 0 ? (size_t)size : 0};
    if (size < 0) reply->is_last = true;  // cannot happen: HTTPD_REPLY_SIZE_MAX holds them all
}

static void error_write(struct httpd_reply *reply, const struct http_request *req,
                        struct http_response *response, const struct http_clock *clock, char *out)
{
    bool is_head = req != NULL && req->method == HTTP_HEAD;

    reply_begin(reply, req, response->status);
    response->connection = req == NULL ? HTTP_CONNECTION_CLOSE : req->connection;
    text_set(reply, out, http_error_write(out, HTTPD_REPLY_SIZE_MAX, response, is_head, clock));
}

void httpd_reply_error(struct httpd_reply *reply, const struct http_request *req, int status,
                       const struct http_clock *clock, char *out)
{
    struct http_response response = {.status = status};

    if (status == 405 || status == 204) {
        response.allow = (struct http_slice){ALLOW, sizeof ALLOW - 1};
    }
    error_write(reply, req, &response, clock, out);
}

void httpd_reply_redirect(struct httpd_reply *reply, const struct http_request *req,
                          struct http_slice location, const struct http_clock *clock, char *out)
{
    struct http_response response = {.status = 307, .location = location};

    error_write(reply, req, &response, clock, out);
}

void httpd_reply_failure(struct httpd_reply *reply, const struct http_request *req,
                         struct http_slice path, int err, const struct http_clock *clock, char *out)
{
    char location[HTTPD_REPLY_SIZE_MAX - 1024];

    if (err != -EISDIR) {
        httpd_reply_error(reply, req, httpd_status_of_error(err), clock, out);
        return;
    }
    int size = http_path_encode(location, sizeof location - 1, path);

    if (size < 0) {
        httpd_reply_error(reply, req, 414, clock, out);
        return;
    }
    location[size] = '/';

    struct http_response response = {.status = 301, .location = {location, (size_t)size + 1}};

    error_write(reply, req, &response, clock, out);
}

// Points the body of the reply at a piece of the file.
static void body_set(struct httpd_reply *reply, const struct httpd_entry *entry,
                     struct http_range range)
{
    reply->offset = range.first;
    reply->size = range.size;
    if (entry->content == NULL) {
        reply->fd = entry->fd;
    } else {
        reply->content = (struct http_slice){entry->content + range.first, (size_t)range.size};
    }
}

static inline void whole_write(struct httpd_reply *reply, const struct http_request *req,
                               const struct httpd_entry *entry, const struct http_clock *clock,
                               char *out)
{
    text_set(reply, out,
             http_prebuilt_write(out, HTTPD_REPLY_SIZE_MAX, &entry->ok,
                                 (enum http_connection)req->connection, clock));
    if (req->method == HTTP_GET) body_set(reply, entry, (struct http_range){0, entry->size});
}

static void part_write(struct httpd_reply *reply, const struct http_request *req,
                       const struct httpd_entry *entry, struct http_range range,
                       const struct http_clock *clock, char *out)
{
    struct http_response response = {
        .status = 206,
        .has_content = true,
        .has_ranges = true,
        .has_modified = true,
        .connection = req->connection,
        .content_size = range.size,
        .whole_size = entry->size,
        .range = range,
        .modified_s = entry->validators.modified_s,
        .type = entry->type,
        .etag = {entry->validators.etag, entry->validators.etag_size},
        .extra = entry->extra,
    };

    reply->status = 206;
    text_set(reply, out, http_response_write(out, HTTPD_REPLY_SIZE_MAX, &response, clock));
    body_set(reply, entry, range);
}

// Range matters for GET only (RFC 9110, 14.2).
static enum http_range_kind range_choose(const struct http_request *req,
                                         const struct httpd_entry *entry, int64_t now_s,
                                         struct http_range *range)
{
    if (req->method != HTTP_GET || !http_request_has(req, HTTP_FIELD_RANGE)) {
        return HTTP_RANGE_WHOLE;
    }
    if (!http_conditional_allows_range(req, &entry->validators, now_s)) return HTTP_RANGE_WHOLE;
    return http_range_parse(http_request_field(req, HTTP_FIELD_RANGE), entry->size, range);
}

static void range_write(struct httpd_reply *reply, const struct http_request *req,
                        const struct httpd_entry *entry, const struct http_clock *clock, char *out)
{
    struct http_response response = {.status = 416, .whole_size = entry->size};
    struct http_range range;

    switch (range_choose(req, entry, clock->now_s, &range)) {
    case HTTP_RANGE_PART:
        part_write(reply, req, entry, range, clock, out);
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        error_write(reply, req, &response, clock, out);
        break;
    default:
        whole_write(reply, req, entry, clock, out);
    }
}

void httpd_reply_file(struct httpd_reply *reply, const struct http_request *req,
                      struct httpd_entry *entry, const struct http_clock *clock, char *out)
{
    int status = 200;

    reply_begin(reply, req, 200);
    if (!http_request_is_conditional(req)) {
        whole_write(reply, req, entry, clock, out);
        reply->entry = entry;
        return;
    }
    status = http_conditional_evaluate(req, &entry->validators, clock->now_s);
    if (status == 304) {
        reply->status = 304;
        text_set(reply, out,
                 http_prebuilt_write(out, HTTPD_REPLY_SIZE_MAX, &entry->not_modified,
                                     (enum http_connection)req->connection, clock));
    } else if (status == 412) {
        httpd_reply_error(reply, req, 412, clock, out);
    } else {
        range_write(reply, req, entry, clock, out);
    }
    reply->entry = entry;
}

void httpd_reply_make(struct httpd_reply *reply, const struct httpd_site *site,
                      const struct http_request *req, const struct http_clock *clock, char *out)
{
    char path[HTTP_PATH_SIZE];
    struct httpd_entry *entry;
    int length = httpd_reply_path(path, sizeof path, site, req);

    if (length < 0) {
        httpd_reply_error(reply, req, -length, clock, out);
        return;
    }
    struct http_slice name = {path, (size_t)length};
    int err = httpd_cache_get(site->cache, name, clock->now_s, &entry);

    if (err < 0) {
        httpd_reply_failure(reply, req, name, err, clock, out);
    } else {
        httpd_reply_file(reply, req, entry, clock, out);
    }
}
