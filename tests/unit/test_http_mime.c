// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/mime.c by a table of paths. That its own table is in order is seen by finding
// each of its extensions, which are listed here once more.
//
// Built from this file and apps/httpd/mime.c.
#include <string.h>

#include "../../apps/httpd/mime.h"
#include "../http/tap.h"

static const struct {
    const char *path;
    const char *type;
} rows[] = {
    {"index.html", "text/html; charset=utf-8"},
    {"a/b/style.css", "text/css; charset=utf-8"},
    {"app.js", "text/javascript; charset=utf-8"},
    {"README.md", "text/markdown; charset=utf-8"},
    {"notes.txt", "text/plain; charset=utf-8"},
    {"data.json", "application/json"},
    {"site.webmanifest", "application/manifest+json"},
    {"image.PNG", "image/png"},
    {"photo.JpEg", "image/jpeg"},
    {"drawing.svg", "image/svg+xml"},
    {"favicon.ico", "image/x-icon"},
    {"font.woff2", "font/woff2"},
    {"module.wasm", "application/wasm"},
    {"film.mp4", "video/mp4"},
    {"archive.tar.gz", "application/gzip"},
    {"archive.7z", "application/x-7z-compressed"},
    {"archive.zst", "application/zstd"},
    {"page.xhtml", "application/xhtml+xml"},
    {"feed.atom", "application/atom+xml"},
    {"a.b/c.txt", "text/plain; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {"noextension", "application/octet-stream"},
    {"folder.html/file", "application/octet-stream"},
    {"ends.", "application/octet-stream"},
    {"html", "application/octet-stream"},
    {"x.htmlx", "application/octet-stream"},
    {"x.htm l", "application/octet-stream"},
    {"x.unknown", "application/octet-stream"},
    {"x.averyveryverylongextension", "application/octet-stream"},
    {"", "application/octet-stream"},
    {".", "application/octet-stream"},
    {"x.\xff\xfe", "application/octet-stream"},
};

static void run_table(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_slice type = http_mime_type(http_slice_of(rows[i].path));

        tap_claim_of(http_slice_is(type, rows[i].type), "type of", rows[i].path);
    }
}

// Every extension of the table, in the order they are searched for.
static const char extensions[] =
    "7z aac apng atom avi avif bin bmp br bz2 c cc cjs conf cpp css csv deb diff doc docx eot epub "
    "flac gif gz h htm html ico ics iso jar jpeg jpg js json jsonld jxl log m4a m4v map md mid mjs "
    "mkv mov mp3 mp4 mpeg odp ods odt oga ogg ogv opus otf patch pdf png ppt pptx ps rar rpm rss "
    "rtf sh svg svgz tar tgz tif tiff toml ts ttf txt vtt wasm wav weba webm webmanifest webp woff "
    "woff2 xhtml xls xlsx xml xz yaml yml zip zst";

static void every_extension_is_found(void)
{
    char copy[sizeof extensions];
    char *rest = NULL;
    bool held = true;
    unsigned count = 0;

    memcpy(copy, extensions, sizeof copy);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char path[32];
        bool is_plain = strcmp(word, "bin") == 0;

        snprintf(path, sizeof path, "x.%s", word);

        struct http_slice type = http_mime_type(http_slice_of(path));

        held = held && http_slice_is(type, "application/octet-stream") == is_plain;
        held = held && memchr(type.data, '/', type.size) != NULL;
        count++;
    }
    tap_claim(held && count == 98, "every_extension_is_found");
}

int main(void)
{
    run_table();
    every_extension_is_found();
    return tap_end();
}
