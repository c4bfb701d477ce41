// SPDX-License-Identifier: MIT
//
// Bytes of one stream that a ring has received ahead of who reads them: a chain of lent buffers, in
// order. The note about a buffer lies at its own end, which the kernel is not told of: so a chain
// costs no allocation, is one pointer when it is empty, and outlives the ring that filled it.
//
// A stream whose driver goes away takes what it has not read to the orphans, where the next read
// finds it.
//
// Threads: a chain is its holder's, and under the lock of that. The orphans have a lock of their
// own.

#ifndef RS_IO_INFLOW_H
#define RS_IO_INFLOW_H

#include <rouse/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RS_INFLOW_NOTE_SIZE = 64, RS_INFLOW_SIZE = ROUSE_BUFFER_SIZE - RS_INFLOW_NOTE_SIZE };

// All zero: empty.
struct rs_inflow {
    char *first;
};

// What a read wants: up to `size` bytes in `buf`, or, where that is NULL, a buffer as it is.
struct rs_inflow_read {
    void *buf;
    size_t size;
    bool bytes_only;         // an error stays for the next read: -EAGAIN
    void *lent;              // the buffer; rouse_buffer_free() takes it back
    struct rs_inflow spent;  // emptied: to be freed once no lock is held
};

static inline bool rs_inflow_is_empty(const struct rs_inflow *inflow)
{
    return inflow->first == NULL;
}

// Takes a lent buffer whose first `size` bytes came next.
void rs_inflow_append(struct rs_inflow *inflow, void *buffer, size_t size);

// Takes bytes out of a chain that is not empty. Returns how many; a buffer is never handed out with
// less than it holds. `*emptied` is how many buffers have left the chain.
ssize_t rs_inflow_read(struct rs_inflow *inflow, struct rs_inflow_read *read, unsigned *emptied);

// Gives all buffers back.
void rs_inflow_free(struct rs_inflow *inflow);

// Leaves what is in the chain, and then `error` if it is not 0, to the next reads of `owner`.
// Returns false if there was neither, or no memory for an error alone.
bool rs_inflow_orphan(struct rs_inflow *inflow, int error, const void *owner);

// A read of the orphans: > 0; the error that was left; -ENODATA: there is nothing more of `owner`.
// Without `read`: 1 instead of taking anything.
ssize_t rs_inflow_read_orphan(const void *owner, struct rs_inflow_read *read);

#endif
