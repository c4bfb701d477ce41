// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/path.c: normalising by a table and by trying every short path, then opening
// below a root in a temporary folder that is full of symbolic links, with openat2 and without.
//
// Built from this file and apps/httpd/{path,chars,slice}.c.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../apps/httpd/path.h"
#include "../http/tap.h"

static const struct {
    const char *target;
    const char *path;  // NULL: refused with `status`
    int status;
} rows[] = {
    {"/", "", 0},
    {"/a", "a", 0},
    {"/a/b.html", "a/b.html", 0},
    {"/a/", "a/", 0},
    {"//a", "a", 0},
    {"//", "", 0},
    {"/a//b///c", "a/b/c", 0},
    {"/a//", "a/", 0},
    {"/.", "", 0},
    {"/./", "", 0},
    {"/./a/./b/.", "a/b/", 0},
    {"/a/..", "", 0},
    {"/a/../", "", 0},
    {"/a/../b", "b", 0},
    {"/a/b/..", "a/", 0},
    {"/a/b/../", "a/", 0},
    {"/a/b/../../c", "c", 0},
    {"/a/b/./../c", "a/c", 0},
    {"/a//../b", "b", 0},
    {"/...", "...", 0},
    {"/..a", "..a", 0},
    {"/a..", "a..", 0},
    {"/.a/..b/c..", ".a/..b/c..", 0},
    {"/%61", "a", 0},
    {"/%41%2Db", "A-b", 0},
    {"/a%20b", "a b", 0},
    {"/%C3%a9", "\xc3\xa9", 0},
    {"/%80%ff", "\x80\xff", 0},
    {"/a%2e%2e", "a..", 0},
    {"/a/%2e%2E/b", "b", 0},
    {"/a/.%2e/b", "b", 0},
    {"/a/%2e./b", "b", 0},
    {"/a/%2e/b", "a/b", 0},
    {"/%252e%252e/a", "%2e%2e/a", 0},
    {"/%252fa", "%2fa", 0},
    {"/a%3fb", "a?b", 0},
    {"/a%23b", "a#b", 0},
    {"/a%5cb", "a\\b", 0},
    {"/%5c..%5c", "\\..\\", 0},
    {"/a+b", "a+b", 0},
    {"/~user", "~user", 0},
    {"/a?b", "a", 0},
    {"/a/?../..", "a/", 0},
    {"/?", "", 0},
    {"/a?%zz%00", "a", 0},

    {"", NULL, 400},
    {"a", NULL, 400},
    {"*", NULL, 400},
    {"?", NULL, 400},
    {"/..", NULL, 400},
    {"/../", NULL, 400},
    {"/../a", NULL, 400},
    {"/./..", NULL, 400},
    {"//..", NULL, 400},
    {"/a/../..", NULL, 400},
    {"/a/../../a", NULL, 400},
    {"/a/b/../../../c", NULL, 400},
    {"/%2e%2e", NULL, 400},
    {"/%2e%2e/etc/passwd", NULL, 400},
    {"/.%2e/a", NULL, 400},
    {"/%2E./a", NULL, 400},
    {"/a/%2e%2e/%2e%2e/b", NULL, 400},
    {"/..?", NULL, 400},
    {"/%", NULL, 400},
    {"/%4", NULL, 400},
    {"/%4?1", NULL, 400},
    {"/%g1", NULL, 400},
    {"/%1g", NULL, 400},
    {"/%%41", NULL, 400},
    {"/%u0041", NULL, 400},
    {"/%-1", NULL, 400},
    {"/a%", NULL, 400},
    {"/%00", NULL, 400},
    {"/a%00.html", NULL, 400},
    {"/a%0a", NULL, 400},
    {"/a%0d", NULL, 400},
    {"/a%1f", NULL, 400},
    {"/a%7f", NULL, 400},
    {"/%2f", NULL, 404},
    {"/a%2fb", NULL, 404},
    {"/a%2Fb", NULL, 404},
    {"/..%2fetc", NULL, 404},
    {"/%2e%2e%2fetc", NULL, 404},
};

// Normalises from memory of the path's very size into memory of `size`.
static int normalize(char *out, size_t size, const char *target)
{
    size_t length = strlen(target);
    char *copy = malloc(length + 1);
    char *space = malloc(size);

    if (copy == NULL || space == NULL) abort();
    memcpy(copy, target, length);

    int result = http_path_normalize(space, size, (struct http_slice){copy, length});

    if (result >= 0) memcpy(out, space, (size_t)result + 1);
    free(copy);
    free(space);
    return result;
}

static void run_table(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[HTTP_PATH_SIZE];
        int result = normalize(out, sizeof out, rows[i].target);
        bool held = result == -rows[i].status;

        if (rows[i].path != NULL) {
            held = result == (int)strlen(rows[i].path) && strcmp(out, rows[i].path) == 0;
        }
        tap_claim_of(held, "normalize", rows[i].target);
    }
}

// What holds for every normalised path, whatever it was made from.
static bool is_normal(const char *path)
{
    const char *at = path;

    while (*at != '\0') {
        size_t size = strcspn(at, "/");

        if (size == 0 || (size == 1 && at[0] == '.')) return false;
        if (size == 2 && at[0] == '.' && at[1] == '.') return false;
        at += size;
        if (*at == '/') at++;
    }
    return true;
}

// Normalising again, after escaping, changes nothing.
static bool is_stable(const char *path)
{
    char target[3 * 64];
    char again[HTTP_PATH_SIZE];
    int size = http_path_encode(target, sizeof target, http_slice_of(path));

    if (size < 0) return false;
    return http_path_normalize(again, sizeof again, (struct http_slice){target, (size_t)size}) >=
               0 &&
           strcmp(path, again) == 0;
}

// All paths of up to 8 pieces out of those that matter.
static void every_short_path_is_normalised(void)
{
    static const char *const pieces[] = {"/", ".", "a", "%2e", "?"};
    enum { COUNT = sizeof pieces / sizeof *pieces, DEPTH = 8 };
    bool held = true;
    unsigned long total = 1;

    for (int i = 0; i < DEPTH; i++) {
        total *= COUNT;
    }
    for (unsigned long n = 0; n < total; n++) {
        char target[64] = "/";
        char out[HTTP_PATH_SIZE];
        unsigned long rest = n;

        for (int i = 0; i < DEPTH; i++) {
            strcat(target, pieces[rest % COUNT]);
            rest /= COUNT;
        }
        int result = http_path_normalize(out, sizeof out, http_slice_of(target));

        if (result == -400) continue;
        held = held && result >= 0 && is_normal(out) && (n % 16 != 0 || is_stable(out));
    }
    tap_claim(held, "every_short_path_is_normalised");
}

static void lengths_are_limited(void)
{
    char out[HTTP_PATH_SIZE];
    char target[300] = "/";

    memset(target + 1, 'a', 255);
    tap_claim(normalize(out, sizeof out, target) == 255, "a_segment_of_255_is_a_name");
    target[256] = 'a';
    tap_claim(normalize(out, sizeof out, target) == -404, "a_segment_of_256_is_none");
    tap_claim(normalize(out, 5, "/abcd") == 4, "a_path_may_fill_its_buffer");
    tap_claim(normalize(out, 5, "/abcde") == -414, "a_longer_path_is_414");
    tap_claim(normalize(out, 5, "/abc/") == 4, "a_slash_may_fill_it");
    tap_claim(normalize(out, 5, "/abcd/") == -414, "a_slash_too_much_is_414");
    tap_claim(normalize(out, 1, "/") == 0, "the_root_needs_one_byte");
}

static void hidden_names_are_seen(void)
{
    tap_claim(http_path_is_hidden(".git/config"), "a hidden folder");
    tap_claim(http_path_is_hidden("a/.htaccess"), "a hidden file");
    tap_claim(!http_path_is_hidden("a.b/c.d"), "dots inside of names hide nothing");
    tap_claim(!http_path_is_hidden(".well-known/acme"), "well-known is no secret");
    tap_claim(http_path_is_hidden(".well-known/.x"), "hidden below well-known");
    tap_claim(http_path_is_hidden("a/.well-known/x"), "well-known elsewhere");
    tap_claim(http_path_is_hidden(".well-knownx/y"), "a name that begins like well-known");
    tap_claim(!http_path_is_hidden(""), "the root");
}

static void encode_escapes_what_it_must(void)
{
    char out[64];
    int size = http_path_encode(out, sizeof out, http_slice_of("a b/\xc3\xa9~%?#\"_-."));

    tap_claim(size > 0 && http_slice_is((struct http_slice){out, (size_t)size},
                                        "/a%20b/%C3%A9~%25%3F%23%22_-."),
              "encode_escapes_what_it_must");
    tap_claim(http_path_encode(out, 6, http_slice_of("abcdef")) == -ENOSPC,
              "encode_stays_in_its_buffer");
}

static char base[] = "/tmp/test_http_path.XXXXXX";

static void file_make(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort();
    close(fd);
}

static void link_make(const char *to, const char *name)
{
    if (symlink(to, name) < 0) abort();
}

// base/secret is outside; base/root is the root.
static void tree_make(void)
{
    if (mkdtemp(base) == NULL || chdir(base) < 0) abort();
    if (mkdir("root", 0755) < 0 || mkdir("root/sub", 0755) < 0 || mkdir("outer", 0755) < 0) abort();
    file_make("secret", "secret");
    file_make("outer/secret", "secret");
    file_make("root/file", "inside");
    file_make("root/sub/file", "inside");
    link_make("file", "root/good");
    link_make("sub", "root/goodsub");
    link_make("../file", "root/sub/goodup");
    link_make("../secret", "root/up");
    link_make("/etc/passwd", "root/absolute");
    link_make("../outer", "root/outer");
    link_make("../../secret", "root/sub/upup");
    link_make("/proc/self/cwd", "root/magic");
    link_make("loop", "root/loop");
    if (mkfifo("root/fifo", 0644) < 0) abort();
}

static void tree_remove(void)
{
    static const char *const names[] = {
        "root/good",  "root/goodsub",  "root/sub/goodup", "root/up",     "root/absolute",
        "root/outer", "root/magic",    "root/sub/upup",   "root/loop",   "root/fifo",
        "root/file",  "root/sub/file", "secret",          "outer/secret"};

    if (chdir(base) < 0) return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(names[i]);
    }
    rmdir("root/sub");
    rmdir("root");
    rmdir("outer");
    rmdir(base);
}

// What opening gives: the first letter of the file, 'd' for a folder, 'f' for a FIFO, '-' for an
// error.
static char open_kind(const struct httpd_root *root, const char *path)
{
    int fd = httpd_root_open(root, path);
    struct stat st;
    char letter = '?';

    if (fd < 0) return '-';
    if (fstat(fd, &st) < 0) abort();
    if (S_ISDIR(st.st_mode)) letter = 'd';
    if (S_ISFIFO(st.st_mode)) letter = 'f';
    if (S_ISREG(st.st_mode) && read(fd, &letter, 1) != 1) abort();
    close(fd);
    return letter;
}

static const struct {
    const char *path;
    char with, without;  // with openat2, and without
} opens[] = {
    {"", 'd', 'd'},
    {"file", 'i', 'i'},
    {"sub", 'd', 'd'},
    {"sub/", 'd', 'd'},
    {"sub/file", 'i', 'i'},
    {"fifo", 'f', 'f'},
    {"missing", '-', '-'},
    {"sub/missing", '-', '-'},
    {"file/", '-', '-'},
    {"file/x", '-', '-'},
    {"good", 'i', '-'},
    {"goodsub/file", 'i', '-'},
    {"sub/goodup", 'i', '-'},
    {"up", '-', '-'},
    {"absolute", '-', '-'},
    {"outer/secret", '-', '-'},
    {"outer", '-', '-'},
    {"sub/upup", '-', '-'},
    {"magic/secret", '-', '-'},
    {"magic", '-', '-'},
    {"loop", '-', '-'},
    {"..", '-', '-'},
    {"../secret", '-', '-'},
    {"sub/../../secret", '-', '-'},
    {"/etc/passwd", '-', '-'},
};

static void opens_stay_below_the_root(void)
{
    struct httpd_root root;
    struct httpd_root old;

    if (httpd_root_init(&root, "root") < 0) abort();
    old = root;
    old.has_openat2 = false;
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        char kind = open_kind(&root, opens[i].path);
        char wanted = root.has_openat2 ? opens[i].with : opens[i].without;

        tap_claim_of(kind == wanted, "open", opens[i].path);
        tap_claim_of(open_kind(&old, opens[i].path) == opens[i].without, "open without openat2",
                     opens[i].path);
    }
    httpd_root_deinit(&root);
    tap_claim(root.fd == -1, "deinit_forgets_the_descriptor");
}

static void open_leaks_no_descriptor(void)
{
    struct httpd_root root;
    int before = dup(0);

    close(before);
    if (httpd_root_init(&root, "root") < 0) abort();
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
            open_kind(&root, opens[i].path);
        }
        root.has_openat2 = false;
    }
    httpd_root_deinit(&root);

    int after = dup(0);

    close(after);
    tap_claim(before == after, "open_leaks_no_descriptor");
}

static void errors_have_statuses(void)
{
    struct httpd_root root;

    tap_claim(httpd_root_init(&root, "missing") == -ENOENT, "a missing root is an error");
    tap_claim(httpd_root_init(&root, "secret") == -ENOTDIR, "a file is no root");
    tap_claim(httpd_status_of_error(-ENOENT) == 404 && httpd_status_of_error(-ENOTDIR) == 404 &&
                  httpd_status_of_error(-ELOOP) == 404 && httpd_status_of_error(-EXDEV) == 404 &&
                  httpd_status_of_error(-ENAMETOOLONG) == 404,
              "what_is_not_there_is_404");
    tap_claim(httpd_status_of_error(-EACCES) == 403, "what may not be read is 403");
    tap_claim(httpd_status_of_error(-EMFILE) == 503 && httpd_status_of_error(-ENOMEM) == 503,
              "what_will_pass_is_503");
    tap_claim(httpd_status_of_error(-EIO) == 500, "what is broken is 500");
}

int main(void)
{
    run_table();
    every_short_path_is_normalised();
    lengths_are_limited();
    hidden_names_are_seen();
    encode_escapes_what_it_must();
    tree_make();
    opens_stay_below_the_root();
    open_leaks_no_descriptor();
    errors_have_statuses();
    tree_remove();
    return tap_end();
}
