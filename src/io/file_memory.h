// SPDX-License-Identifier: MIT
//
// What rings know of registered memory. The process has one table of it, and each ring a copy of
// that, which it brings up to date when it is about to use it.
//
// 1. The table changes under RS_GLOBAL_FILE_MEMORY, and `changes` with it. A ring's copy is its
//    owner's alone.
// 2. A place that another piece has taken has another number: so a copy is told apart from what
//    the table holds now, also where memory was given back and registered anew.
// 3. A look-up that finds a place has seen every change that came before it. Who unregisters has
//    no operation on the memory, and begins none: so no look-up finds what is about to go.

#ifndef RS_IO_FILE_MEMORY_H
#define RS_IO_FILE_MEMORY_H

#include <rouse/file_memory.h>
#include <stdbool.h>
#include <stdint.h>

struct rs_file_memory_piece {
    uintptr_t begin;
    size_t size;
    uint64_t number;  // 0: none
};

// A ring's copy; all zero: it knows nothing yet.
struct rs_file_memory {
    uint64_t seen;   // of the table's changes
    bool has_table;  // in the kernel
    bool is_refused;
    struct rs_file_memory_piece pieces[ROUSE_FILE_MEMORY_COUNT];
};

// Where the ring `fd` has the memory, all of it: an index for IORING_OP_*_FIXED, or -1. The owner
// of the ring.
int rs_file_memory_find(struct rs_file_memory *known, int fd, const void *memory, size_t size);

// Says, once in a process, that it does without.
void rs_file_memory_log_refusal(int err);

#endif
