// SPDX-License-Identifier: MIT
//
// What differs between compilers and languages, named once: visibility, attributes, and the few
// helpers every header needs. Compiles as C11 and as C++17.

#ifndef ROUSE_COMPILER_H
#define ROUSE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ROUSE_EXTERN_C_BEGIN extern "C" {
#define ROUSE_EXTERN_C_END }
#else
#define ROUSE_EXTERN_C_BEGIN
#define ROUSE_EXTERN_C_END
#endif

// A function that librouse.so exports.
#define ROUSE_API __attribute__((visibility("default")))
// The result carries an error or an ownership that must not be dropped unseen.
#define ROUSE_NODISCARD __attribute__((warn_unused_result))
#define ROUSE_NORETURN __attribute__((noreturn))
#define ROUSE_PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#define ROUSE_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define ROUSE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#if defined(__clang__) && defined(__cplusplus)
#define ROUSE_FALLTHROUGH [[fallthrough]]
#else
#define ROUSE_FALLTHROUGH __attribute__((fallthrough))
#endif

// The object of type `type` whose member `member` is at `pointer`. It must exist: what is done to
// the head of a list through a pointer to an element need not be seen by who reads the head.
#define ROUSE_CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

// "file.c:12", a string that lives as long as the program.
#define ROUSE_STRINGIFY_(text) #text
#define ROUSE_STRINGIFY(text) ROUSE_STRINGIFY_(text)
#define ROUSE_SITE __FILE__ ":" ROUSE_STRINGIFY(__LINE__)

#endif
