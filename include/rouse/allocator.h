// SPDX-License-Identifier: MIT
//
// Where a runtime gets its memory. Two pairs: bytes, for objects, and pages, for slabs and stacks.
// rouse allocates when something is made (a runtime, a task, a socket, a job, the first wait on a
// descriptor), never to wake, cancel, close or shut down.

#ifndef ROUSE_ALLOCATOR_H
#define ROUSE_ALLOCATOR_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_allocator {
    void *data;  // passed to each function
    // `size` bytes aligned as malloc aligns, or NULL. Called by any thread.
    void *(*alloc)(void *data, size_t size);
    // Takes back what alloc returned, with the size it was asked for.
    void (*free)(void *data, void *memory, size_t size);
    // `size` bytes of zeroed pages, both multiples of the page size, aligned to `align` (a power of
    // two), or NULL. Pages that are never touched should cost no memory.
    void *(*pages_alloc)(void *data, size_t size, size_t align);
    void (*pages_free)(void *data, void *pages, size_t size);
};

/// The allocator used where none is given: malloc and mmap.
///
/// Threads: any.
ROUSE_API const struct rouse_allocator *rouse_allocator_default(void);

ROUSE_EXTERN_C_END

#endif
