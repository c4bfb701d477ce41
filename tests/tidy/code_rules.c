// SPDX-License-Identifier: MIT
//
// Rules about code. They see it with comments and literals blanked out, and lean on its being
// formatted: a function's body stands between a "{" and a "}" in the first column.

#include <ctype.h>
#include <string.h>

#include "tidy.h"

enum { FUNCTION_LINES_MAX = 70, FUNCTION_LINES_USUAL = 40 };

static char byte_after(const struct source *source, size_t offset)
{
    size_t next = source_skip_blank(source, offset);

    return next < source->size ? source->code[next] : '\0';
}

// The last byte of code before `offset` that is not blank.
static char byte_before(const struct source *source, size_t offset)
{
    while (offset > 0 && isspace((unsigned char)source->code[offset - 1])) {
        --offset;
    }
    return offset > 0 ? source->code[offset - 1] : '\0';
}

// The offset behind the bracket that closes the one at `offset`.
static size_t skip_brackets(const struct source *source, size_t offset)
{
    int depth = 0;

    for (; offset < source->size; ++offset) {
        char byte = source->code[offset];

        if (byte == '(' || byte == '{' || byte == '[') ++depth;
        if ((byte == ')' || byte == '}' || byte == ']') && --depth == 0) return offset + 1;
    }
    return source->size;
}

static bool is_one_of(struct span word, const char *const *list)
{
    for (; *list != NULL; ++list) {
        struct span entry = {*list, strlen(*list)};

        if (span_ends(entry, "*")) {
            if (entry.length - 1 <= word.length &&
                memcmp(word.at, entry.at, entry.length - 1) == 0) {
                return true;
            }
        } else if (span_is(word, *list)) {
            return true;
        }
    }
    return false;
}

static void report_word(const struct source *source, size_t end, struct span word,
                        const char *message)
{
    tidy_report(source, source_line_at(source, end - 1), "%.*s %s", (int)word.length, word.at,
                message);
}

// The generic functions of <stdatomic.h> that take no order.
static const char *const orderless[] = {"atomic_init", "atomic_is_lock_free", NULL};

void check_atomics(const struct source *source)
{
    struct span word;

    for (size_t end = 0; source_next_word(source, &end, &word);) {
        if (!span_starts(word, "atomic_") || byte_after(source, end) != '(') continue;
        if (span_ends(word, "_fence")) {
            report_word(source, end, word,
                        "is unknown to ThreadSanitizer: put the order on the "
                        "operation");
        } else if (!span_ends(word, "_explicit") && !is_one_of(word, orderless)) {
            report_word(source, end, word, "has the default order: name one");
        }
    }
}

// Names with a leading underscore that are the language's, the compiler's or the kernel's. A
// trailing * stands for any end.
static const char *const reserved[] = {
    "_Alignas", "_Alignof", "_Atomic", "_Bool", "_Exit", "_Generic", "_Noreturn", "_Pragma",
    "_Static_assert", "_Thread_local",
    // Feature macros and names of libc.
    "_GNU_SOURCE", "_DEFAULT_SOURCE", "_POSIX_*", "_SC_*", "_exit", "_IO*", "__USE_*", "__GLIBC*",
    "__errno_location", "__libc_*", "__environ",
    // The compiler's macros, keywords and functions.
    "__ATOMIC_*", "__BYTE_ORDER__", "__COUNTER__", "__FILE__", "__GNUC*", "__LINE__", "__ORDER_*",
    "__SANITIZE_*", "__SIZEOF_*", "__STDC_*", "__VA_ARGS__", "__VA_OPT__", "__aarch64__", "__asm__",
    "__atomic_*", "__attribute__", "__builtin_*", "__clang*", "__cplusplus", "__extension__",
    "__func__", "__has_*", "__i386__", "__linux__", "__riscv", "__thread", "__typeof__",
    "__volatile__", "__x86_64__", "__AVX512F__", "__CET__", "__ARM_*", "__SHSTK__",
    // Interfaces of the sanitizers, of the C++ run time and of the kernel.
    "__asan_*", "__lsan_*", "__msan_*", "__sanitizer_*", "__tsan_*", "__ubsan_*", "__cxa_*",
    "__gcov_*", "__llvm_*", "__kernel_*", "__NR_*", "__u8", "__u16", "__u32", "__u64", "__s32",
    "__s64", "_Unwind_*", "_URC_*", "__wrap_*", "__real_*", NULL};

void check_reserved(const struct source *source)
{
    struct span word;

    for (size_t end = 0; source_next_word(source, &end, &word);) {
        if (word.length < 2 || word.at[0] != '_') continue;
        if (word.at[1] != '_' && !isupper((unsigned char)word.at[1])) continue;
        if (!is_one_of(word, reserved)) report_word(source, end, word, "is a reserved name");
    }
}

// The name that the typedef whose keyword ends at `*end` defines: the word before its semicolon, or
// for a pointer to a function the one in its first brackets. `*end` moves behind that word.
static struct span typedef_name(const struct source *source, size_t *end)
{
    struct span word = {"", 0};
    struct span name = word;

    while (source_next_word(source, end, &word)) {
        char next = byte_after(source, *end);
        char before = byte_before(source, (size_t)(word.at - source->code));

        name = word;
        if (next == ';' || (before == '*' && next == ')')) break;
        if (next == '{') *end = skip_brackets(source, source_skip_blank(source, *end));
    }
    return name;
}

void check_typedefs(const struct source *source)
{
    static const char *const tagged[] = {"struct", "union", "enum", NULL};
    struct span word;

    for (size_t end = 0; source_next_word(source, &end, &word);) {
        struct span name = {"", 0};

        if (span_is(word, "typedef")) {
            name = typedef_name(source, &end);
        } else if (is_one_of(word, tagged) && source_next_word(source, &end, &word) &&
                   byte_after(source, end) == '{') {
            name = word;
        }
        if (span_ends(name, "_t")) report_word(source, end, name, "has an ending POSIX owns");
    }
}

// The line on which the declaration that ends before `line` begins.
static size_t declaration_start(const struct source *source, size_t line)
{
    while (line > 0) {
        struct span above = span_trim(source_code_line(source, line - 1));

        if (above.length == 0 || above.at[0] == '#' || span_ends(above, ";") ||
            span_ends(above, "}")) {
            break;
        }
        --line;
    }
    return line;
}

void check_lengths(const struct source *source)
{
    size_t start = 0;
    bool inside = false;

    for (size_t line = 0; line < source->line_count; ++line) {
        struct span code = source_code_line(source, line);

        if (span_is(code, "{")) {
            start = declaration_start(source, line);
            inside = true;
        } else if (inside && span_is(code, "}")) {
            size_t length = line - start + 1;

            inside = false;
            if (length > FUNCTION_LINES_MAX) {
                tidy_report(source, start, "a function of %zu lines", length);
            } else if (length > FUNCTION_LINES_USUAL) {
                tidy_inform(source, start, "a function of %zu lines", length);
            }
        }
    }
}

// Only one of `code`'s lines lies between the two offsets.
static bool is_one_line(const struct source *source, size_t from, size_t to)
{
    return memchr(source->code + from, '\n', to - from) == NULL;
}

void check_braces(const struct source *source)
{
    static const char *const loops[] = {"for", "while", NULL};
    struct span word;

    for (size_t end = 0; source_next_word(source, &end, &word);) {
        size_t start = (size_t)(word.at - source->code);
        bool is_else = span_is(word, "else");
        size_t body;

        if (!is_else && !span_is(word, "if") && !is_one_of(word, loops)) continue;
        if (byte_before(source, start) == '#') continue;
        if (!is_else && byte_after(source, end) != '(') continue;
        body = is_else ? end : skip_brackets(source, source_skip_blank(source, end));
        body = source_skip_blank(source, body);
        while (body + 1 < source->size && source->code[body] == '\\' &&
               source->code[body + 1] == '\n') {
            body = source_skip_blank(source, body + 1);
        }
        if (body >= source->size || source->code[body] == '{') continue;
        if (is_else && span_starts((struct span){source->code + body, source->size - body}, "if")) {
            continue;
        }
        // The end of a do loop, and loops over nothing but their head.
        if (span_is(word, "while") && byte_before(source, start) == '}') continue;
        if (!is_one_line(source, start, body)) {
            report_word(source, end, word, "has a body without braces on another line");
        }
    }
}

// Calls that a test must be able to make fail; src/base/sys.c holds the only ones.
static const char *const system_calls[] = {
    "accept",
    "accept4",
    "bind",
    "calloc",
    "clock_gettime",
    "close",
    "connect",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "fcntl",
    "fork",
    "fstat",
    "ftruncate",
    "getpeername",
    "getrandom",
    "getsockname",
    "getsockopt",
    "listen",
    "madvise",
    "malloc",
    "mmap",
    "mprotect",
    "munmap",
    "open",
    "openat",
    "pipe2",
    "poll",
    "posix_spawn",
    "ppoll",
    "prctl",
    "pread",
    "pthread_create",
    "pwrite",
    "read",
    "readv",
    "realloc",
    "recv",
    "recvmsg",
    "send",
    "sendfile",
    "sendmsg",
    "setsockopt",
    "shutdown",
    "sigaction",
    "signalfd",
    "socket",
    "socketpair",
    "splice",
    "syscall",
    "timerfd_create",
    "timerfd_settime",
    "waitid",
    "waitpid",
    "write",
    "writev",
    NULL};

void check_system_calls(const struct source *source)
{
    struct span word;

    if (strcmp(source->path, "src/base/sys.c") == 0) return;
    for (size_t end = 0; source_next_word(source, &end, &word);) {
        char before = byte_before(source, (size_t)(word.at - source->code));

        if (byte_after(source, end) != '(' || !is_one_of(word, system_calls)) continue;
        if (before != '.' && before != '>' && before != '*') {
            report_word(source, end, word, "is called past rs_sys");
        }
    }
}
