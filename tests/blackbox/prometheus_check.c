// SPDX-License-Identifier: MIT
//
// Checks metrics in the text format of Prometheus:
//
//     prometheus_check FILE [NAME...]
//
// Every line is a comment or a sample; each name has its help and its type, once, before its
// samples, which stand together; no sample is there twice; counters end with _total, and are not
// below 0; the buckets of a histogram do not fall, and the last is its count. Each NAME is there.
// Prints the number of samples.

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 1024, SAMPLES_MAX = 65536, FAMILIES_MAX = 256 };

struct family {
    char name[LINE_SIZE], type[32];
    bool has_help, has_samples;
};

static struct family families[FAMILIES_MAX];
static size_t family_count;
static char *samples[SAMPLES_MAX];
static size_t sample_count;
static unsigned line_number;
// Of the histogram that is read.
static double bucket_last, bound_last;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("line %u: ", line_number);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    exit(1);
}

static size_t name_length(const char *s)
{
    size_t length = 0;

    if (isdigit((unsigned char)*s)) return 0;
    while (isalnum((unsigned char)s[length]) || s[length] == '_' || s[length] == ':') length++;
    return length;
}

static bool ends_with(const char *s, const char *end)
{
    size_t length = strlen(s);

    return length >= strlen(end) && strcmp(s + length - strlen(end), end) == 0;
}

// The one whose samples come now, if that is its name.
static struct family *family_begun(const char *name, size_t length)
{
    struct family *last = family_count > 0 ? &families[family_count - 1] : NULL;

    return last != NULL && strlen(last->name) == length && memcmp(last->name, name, length) == 0
               ? last
               : NULL;
}

static struct family *family_new(const char *name, size_t length)
{
    for (size_t i = 0; i < family_count; i++) {
        if (strlen(families[i].name) == length && memcmp(families[i].name, name, length) == 0) {
            fail("%s is there twice", families[i].name);
        }
    }
    if (family_count == FAMILIES_MAX) fail("too many names");
    struct family *family = &families[family_count++];

    memcpy(family->name, name, length);
    bucket_last = 0;
    bound_last = -INFINITY;
    return family;
}

static void read_comment(const char *line)
{
    bool is_help = strncmp(line, "# HELP ", 7) == 0;

    if (!is_help && strncmp(line, "# TYPE ", 7) != 0) fail("neither help nor type");
    size_t length = name_length(line + 7);

    if (length == 0 || line[7 + length] != ' ') fail("no name");
    struct family *family = family_begun(line + 7, length);

    if (family == NULL) family = family_new(line + 7, length);
    const char *rest = line + 7 + length + 1;

    if (is_help) {
        if (family->has_help || *rest == '\0') fail("help is there twice, or is empty");
        family->has_help = true;
    } else {
        if (family->type[0] != '\0' || family->has_samples) fail("the type comes late");
        (void)snprintf(family->type, sizeof family->type, "%s", rest);
    }
}

// Returns what follows the labels; `bound` is the value of le.
static const char *read_labels(const char *s, double *bound)
{
    if (*s != '{') return s;
    do {
        s++;
        size_t length = name_length(s);

        if (length == 0 || s[length] != '=' || s[length + 1] != '"') fail("a bad label");
        const char *value = s + length + 2;

        if (length == 2 && memcmp(s, "le", 2) == 0) *bound = strtod(value, NULL);
        for (s = value; *s != '"'; s++) {
            if (*s == '\0' || *s == '\\') fail("a bad value of a label");
        }
        s++;
    } while (*s == ',');
    if (*s != '}') fail("labels do not end");
    return s + 1;
}

static void check_bucket(double bound, double value)
{
    if (isnan(bound)) fail("a bucket without its bound");
    if (bound_last == INFINITY) {
        bucket_last = 0;  // those of the next set of labels
    } else if (bound <= bound_last) {
        fail("buckets are not in order");
    }
    if (value < bucket_last) fail("buckets fall");
    bucket_last = value;
    bound_last = bound;
}

static void check_value(const struct family *family, const char *suffix, double bound, double value)
{
    bool is_counter = strcmp(family->type, "counter") == 0;

    if (is_counter != ends_with(family->name, "_total")) fail("counters end with _total");
    if (strcmp(family->type, "histogram") != 0) {
        if (!is_counter && strcmp(family->type, "gauge") != 0) fail("an unknown type");
        if (*suffix != '\0') fail("no sample of %s", family->name);
    } else if (strcmp(suffix, "_bucket") == 0) {
        check_bucket(bound, value);
    } else if (strcmp(suffix, "_count") == 0) {
        if (value != bucket_last || bound_last != INFINITY) fail("count and buckets differ");
    } else if (strcmp(suffix, "_sum") != 0) {
        fail("no sample of a histogram");
    }
    if (!(value >= 0)) fail("a value below 0");
}

static void read_sample(const char *line)
{
    struct family *family = family_count > 0 ? &families[family_count - 1] : NULL;
    size_t length = name_length(line);
    char suffix[LINE_SIZE];
    double bound = NAN;
    char *end;

    if (family == NULL || !family->has_help || family->type[0] == '\0') fail("no help or type");
    if (strncmp(line, family->name, strlen(family->name)) != 0 || length < strlen(family->name)) {
        fail("a sample stands among those of %s", family->name);
    }
    (void)snprintf(suffix, sizeof suffix, "%.*s", (int)(length - strlen(family->name)),
                   line + strlen(family->name));
    const char *rest = read_labels(line + length, &bound);

    if (*rest != ' ') fail("no value");
    double value = strtod(rest + 1, &end);

    if (end == rest + 1 || *end != '\0') fail("no number");
    check_value(family, suffix, bound, value);
    family->has_samples = true;
    if (sample_count == SAMPLES_MAX) fail("too many samples");
    samples[sample_count++] = strndup(line, (size_t)(rest - line));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_all(char **wanted, int count)
{
    qsort(samples, sample_count, sizeof samples[0], compare);
    for (size_t i = 1; i < sample_count; i++) {
        if (strcmp(samples[i], samples[i - 1]) == 0) fail("%s is there twice", samples[i]);
    }
    for (size_t i = 0; i < family_count; i++) {
        if (!families[i].has_samples) fail("%s has no samples", families[i].name);
    }
    for (int i = 0; i < count; i++) {
        bool found = false;

        for (size_t j = 0; j < family_count; j++) found |= !strcmp(families[j].name, wanted[i]);
        if (!found) fail("there is no %s", wanted[i]);
    }
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    char line[LINE_SIZE];

    if (file == NULL) {
        fputs("usage: prometheus_check FILE [NAME...]\n", stderr);
        return 2;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        size_t length = strlen(line);

        line_number++;
        if (length == 0 || line[length - 1] != '\n') fail("a line does not end");
        line[length - 1] = '\0';
        if (line[0] == '#') {
            read_comment(line);
        } else {
            read_sample(line);
        }
    }
    (void)fclose(file);
    check_all(argv + 2, argc - 2);
    printf("%zu samples of %zu names\n", sample_count, family_count);
    return sample_count > 0 ? 0 : 1;
}
