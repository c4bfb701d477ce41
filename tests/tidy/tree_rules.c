// SPDX-License-Identifier: MIT
//
// Rules about the tree: which file may include which, and what a public header says about each
// function.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidy.h"

// A line of the table, as "3 time: sleep interval": the level, the folder of src/, and the public
// headers that belong to it.
struct layer {
    int level;
    char folder[32];
    char headers[256];  // with a blank before and after each
};

static struct layer layers[64];
static size_t layer_count;

void layers_open(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[320];

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        struct layer *layer = &layers[layer_count];
        char headers[sizeof layer->headers - 2] = "";

        line[strcspn(line, "#\n")] = '\0';
        if (sscanf(line, "%d %31[^: ]:%253[^\n]", &layer->level, layer->folder, headers) < 2) {
            continue;
        }
        snprintf(layer->headers, sizeof layer->headers, " %s ", headers);
        if (++layer_count == sizeof layers / sizeof layers[0]) break;
    }
    fclose(file);
}

// The layer that holds "rouse/NAME.h" or "FOLDER/…"; NULL if the table does not know it.
static const struct layer *find_layer(struct span path)
{
    const char *slash = memchr(path.at, '/', path.length);
    bool is_public = span_starts(path, "rouse/");
    char name[64];

    if (slash == NULL) return NULL;
    if (is_public && span_ends(path, ".h")) {
        snprintf(name, sizeof name, " %.*s ", (int)(path.length - 8), path.at + 6);
    } else {
        snprintf(name, sizeof name, "%.*s", (int)(slash - path.at), path.at);
    }
    for (size_t i = 0; i < layer_count; ++i) {
        if (is_public ? strstr(layers[i].headers, name) != NULL
                      : strcmp(layers[i].folder, name) == 0) {
            return &layers[i];
        }
    }
    return NULL;
}

// What stands between the quotes or angles of an #include of one of our headers.
static bool our_include(struct span text, struct span *path)
{
    const char *end;

    if (!span_starts(text, "#include ") || text.length < 12) return false;
    path->at = text.at + 10;
    end = memchr(path->at, text.at[9] == '<' ? '>' : '"', text.length - 10);
    if (end == NULL) return false;
    path->length = (size_t)(end - path->at);
    return text.at[9] == '"' || span_starts(*path, "rouse/") || span_is(*path, "rouse.h");
}

void check_layers(const struct source *source)
{
    size_t root = span_starts((struct span){source->path, strlen(source->path)}, "src/") ? 4 : 8;
    struct span own_path = {source->path + root, strlen(source->path) - root};
    const struct layer *own = find_layer(own_path);

    if (own == NULL) {
        tidy_report(source, 0, "layers.txt does not say to which layer this file belongs");
        return;
    }
    for (size_t line = 0; line < source->line_count; ++line) {
        const struct layer *other;
        struct span path;

        if (!our_include(source_text_line(source, line), &path)) continue;
        other = find_layer(path);
        if (other == NULL) {
            tidy_report(source, line, "layers.txt does not know %.*s", (int)path.length, path.at);
        } else if (other != own && other->level >= own->level) {
            tidy_report(source, line, "%s (level %d) may not include %.*s (%s, level %d)",
                        own->folder, own->level, (int)path.length, path.at, other->folder,
                        other->level);
        }
    }
}

// The lines that a function's comment may have, in their order.
static const char *const labels[] = {"Units:", "Errors:", "Owns:", "Threads:", "Cancel:"};
enum { LABEL_COUNT = 5, LABEL_ERRORS = 1, LABEL_THREADS = 3, LABEL_CANCEL = 4 };

struct doc {
    size_t first;  // line
    size_t end;    // line after the last; the same as `first` if there is no comment
    bool has[LABEL_COUNT];
    bool in_order;
};

static struct span doc_line(const struct source *source, size_t line)
{
    struct span text = source_text_line(source, line);

    return span_trim((struct span){text.at + 3, text.length - 3});
}

static struct doc read_doc(const struct source *source, size_t end)
{
    struct doc doc = {.first = end, .end = end, .in_order = true};
    size_t last = 0;

    while (doc.first > 0 && span_starts(source_text_line(source, doc.first - 1), "///")) {
        --doc.first;
    }
    for (size_t line = doc.first; line < end; ++line) {
        for (size_t i = 0; i < LABEL_COUNT; ++i) {
            if (!span_starts(doc_line(source, line), labels[i])) continue;
            if (i < last) doc.in_order = false;
            doc.has[i] = true;
            last = i;
        }
    }
    return doc;
}

// The comment begins with a sentence: a capital, and a full stop before its first empty line.
static bool has_sentence(const struct source *source, const struct doc *doc)
{
    struct span text = doc_line(source, doc->first);

    if (text.length == 0) return false;
    for (size_t line = doc->first; line < doc->end; ++line) {
        text = doc_line(source, line);
        if (text.length == 0) return false;
        if (span_has(text, ". ") || span_ends(text, ".")) return true;
    }
    return false;
}

static bool is_waiting(const struct source *source, const struct doc *doc)
{
    struct span text = doc_line(source, doc->first);

    return span_starts(text, "Waits") || span_starts(text, "Completes");
}

static void check_doc(const struct source *source, size_t line, bool is_function)
{
    struct doc doc = read_doc(source, line);

    if (doc.first == doc.end) {
        tidy_report(source, line, "no /// comment directly above");
        return;
    }
    if (!has_sentence(source, &doc)) tidy_report(source, line, "no sentence opens the comment");
    if (!doc.in_order) tidy_report(source, line, "Units, Errors, Owns, Threads, Cancel: in order");
    if (!is_function) return;
    if (!doc.has[LABEL_THREADS]) tidy_report(source, line, "no Threads: line");
    if (is_waiting(source, &doc) && !doc.has[LABEL_CANCEL]) {
        tidy_report(source, line, "it waits, and has no Cancel: line");
    }
    if (is_waiting(source, &doc) && !doc.has[LABEL_ERRORS]) {
        tidy_report(source, line, "it waits, and has no Errors: line");
    }
}

void check_docs(const struct source *source)
{
    for (size_t line = 0; line < source->line_count; ++line) {
        struct span code = source_code_line(source, line);
        bool is_inline = span_starts(code, "static inline ");

        if (!span_starts(code, "ROUSE_API ") && !is_inline) continue;
        // A name that ends in an underscore is a macro's, not the reader's.
        if (is_inline && span_has(code, "_(")) continue;
        check_doc(source, line, !span_has(code, " extern "));
    }
}
