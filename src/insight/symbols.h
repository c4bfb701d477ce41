// SPDX-License-Identifier: MIT
//
// What code an address belongs to, by the names in the program's and the libraries' files. It asks
// the kernel for the mappings and reads the files itself: dladdr() knows no static functions, and
// takes a lock of the loader, in which a task may hang. One thread at a time; no allocator of the
// user's is called.

#ifndef RS_INSIGHT_SYMBOLS_H
#define RS_INSIGHT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rs_symbols;

// As of now: what is mapped later has no names. NULL without memory, which all functions take.
struct rs_symbols *rs_symbols_new(void);
void rs_symbols_free(struct rs_symbols *symbols);

// Whether code lies there. False if the mappings cannot be told.
bool rs_symbols_is_code(const struct rs_symbols *symbols, uintptr_t pc);

// Writes "function+0x12 (file)", or as much of it as can be told, as snprintf() does.
int rs_symbols_describe(struct rs_symbols *symbols, uintptr_t pc, char *buf, size_t size);

#endif
