// SPDX-License-Identifier: MIT
//
// A table sorted by extension, searched by halving. Extensions are compared in lower case. That the
// table is in order is checked by test_http_mime.c, which looks up every extension.
#include "mime.h"

enum { EXTENSION_SIZE_MAX = 11 };

struct entry {
    char extension[EXTENSION_SIZE_MAX + 1];
    const char *type;
};

#define TEXT(subtype) "text/" subtype "; charset=utf-8"

static const struct entry entries[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"br", "application/x-brotli"},
    {"bz2", "application/x-bzip2"},
    {"c", TEXT("x-c")},
    {"cc", TEXT("x-c")},
    {"cjs", TEXT("javascript")},
    {"conf", TEXT("plain")},
    {"cpp", TEXT("x-c")},
    {"css", TEXT("css")},
    {"csv", TEXT("csv")},
    {"deb", "application/vnd.debian.binary-package"},
    {"diff", TEXT("x-diff")},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"eot", "application/vnd.ms-fontobject"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", TEXT("x-c")},
    {"htm", TEXT("html")},
    {"html", TEXT("html")},
    {"ico", "image/x-icon"},
    {"ics", TEXT("calendar")},
    {"iso", "application/x-iso9660-image"},
    {"jar", "application/java-archive"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", TEXT("javascript")},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"log", TEXT("plain")},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", TEXT("markdown")},
    {"mid", "audio/midi"},
    {"mjs", TEXT("javascript")},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", TEXT("x-diff")},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"rar", "application/vnd.rar"},
    {"rpm", "application/x-rpm"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"sh", "application/x-sh"},
    {"svg", "image/svg+xml"},
    {"svgz", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", TEXT("plain")},
    {"vtt", TEXT("vtt")},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", TEXT("xml")},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

// The extension of the last segment, in lower case. False if it has none, or one too long for the
// table.
static bool extension_find(struct http_slice path, char out[EXTENSION_SIZE_MAX + 1])
{
    size_t size = 0;

    while (size < path.size && path.data[path.size - 1 - size] != '.') {
        if (size == EXTENSION_SIZE_MAX || path.data[path.size - 1 - size] == '/') return false;
        size++;
    }
    if (size == 0 || size == path.size) return false;

    const char *from = path.data + path.size - size;

    for (size_t i = 0; i < size; i++) {
        bool is_upper = from[i] >= 'A' && from[i] <= 'Z';

        out[i] = is_upper ? (char)(from[i] | 0x20) : from[i];
    }
    out[size] = '\0';
    return true;
}

struct http_slice http_mime_type(struct http_slice path)
{
    char extension[EXTENSION_SIZE_MAX + 1];
    size_t low = 0;
    size_t high = sizeof entries / sizeof *entries;

    if (!extension_find(path, extension)) high = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(extension, entries[middle].extension);

        if (order == 0) return http_slice_of(entries[middle].type);
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return http_slice_of("application/octet-stream");
}
