// SPDX-License-Identifier: MIT
//
// Chains of received buffers, and those that have lost their driver.

#include "io/inflow.h"

#include <errno.h>
#include <string.h>

#include "base/global_lock.h"
#include "io/buffer.h"

struct note {
    uint32_t begin;  // of what is unread
    uint32_t end;
    char *next;  // buffer
    char *last;  // of the chain; the first one's is right

    int error;  // for the read that comes to this buffer, which holds nothing
    // Of the first buffer of an orphan.
    char *next_orphan;  // its first buffer
    const void *owner;
};
_Static_assert(sizeof(struct note) <= RS_INFLOW_NOTE_SIZE, "it fits behind what is received");

// First buffers. Short: a driver has gone away under streams that had something to read.
static char *orphans;  // under RS_GLOBAL_ORPHANS

static struct note *note_of(char *buffer)
{
    return (struct note *)(void *)(buffer + RS_INFLOW_SIZE);
}

void rs_inflow_append(struct rs_inflow *inflow, void *buffer, size_t size)
{
    *note_of(buffer) = (struct note){.end = (uint32_t)size, .last = buffer};
    if (inflow->first == NULL) {
        inflow->first = buffer;
        return;
    }
    struct note *first = note_of(inflow->first);

    note_of(first->last)->next = buffer;
    first->last = buffer;
}

static char *pop(struct rs_inflow *inflow)
{
    char *buffer = inflow->first;
    const struct note *note = note_of(buffer);

    inflow->first = note->next;
    if (note->next != NULL) note_of(note->next)->last = note->last;
    return buffer;
}

// The caller wants the buffer itself: its bytes go to its beginning, where they are but for those
// that another read has taken.
static ssize_t read_buffer(struct rs_inflow *inflow, struct rs_inflow_read *read)
{
    char *buffer = pop(inflow);
    const struct note *note = note_of(buffer);
    size_t size = note->end - note->begin;

    if (note->begin > 0) memmove(buffer, buffer + note->begin, size);
    read->lent = buffer;
    return (ssize_t)size;
}

ssize_t rs_inflow_read(struct rs_inflow *inflow, struct rs_inflow_read *read, unsigned *emptied)
{
    size_t done = 0;

    *emptied = 0;
    if (read->buf == NULL) {
        *emptied = 1;
        return read_buffer(inflow, read);
    }
    while (done < read->size && inflow->first != NULL) {
        struct note *note = note_of(inflow->first);
        size_t left = note->end - note->begin;
        size_t part = left < read->size - done ? left : read->size - done;

        if (left == 0) break;  // an error, for the next read
        memcpy((char *)read->buf + done, inflow->first + note->begin, part);
        done += part;
        note->begin += (uint32_t)part;
        if (part < left) break;
        rs_inflow_append(&read->spent, pop(inflow), 0);
        ++*emptied;
    }
    return (ssize_t)done;
}

void rs_inflow_free(struct rs_inflow *inflow)
{
    while (inflow->first != NULL) rouse_buffer_free(pop(inflow));
}

// The error stands in a buffer of its own, which holds nothing, behind all others.
static void append_error(struct rs_inflow *inflow, int error)
{
    void *buffer = rs_buffer_take();

    // Without memory the next read asks the kernel, which says that the stream has ended.
    if (buffer == NULL) return;
    rs_inflow_append(inflow, buffer, 0);
    note_of(buffer)->error = error;
}

bool rs_inflow_orphan(struct rs_inflow *inflow, int error, const void *owner)
{
    if (error != 0) append_error(inflow, error);
    if (rs_inflow_is_empty(inflow)) return false;
    struct note *note = note_of(inflow->first);

    note->owner = owner;
    rs_lock(rs_global_lock(RS_GLOBAL_ORPHANS));
    note->next_orphan = orphans;
    orphans = inflow->first;
    rs_unlock(rs_global_lock(RS_GLOBAL_ORPHANS));
    inflow->first = NULL;
    return true;
}

// Where the orphan of `owner` hangs; the end of the list if there is none. Under the lock.
static char **orphan_find(const void *owner)
{
    char **place = &orphans;

    while (*place != NULL && note_of(*place)->owner != owner) {
        place = &note_of(*place)->next_orphan;
    }
    return place;
}

// What is left hangs where the whole did. Under the lock.
static ssize_t orphan_read(char **place, struct rs_inflow_read *read)
{
    struct rs_inflow inflow = {*place};
    struct note note = *note_of(*place);
    unsigned emptied;
    ssize_t result = note.error;

    if (result != 0 && read->bytes_only) return -EAGAIN;
    if (result == 0) {
        result = rs_inflow_read(&inflow, read, &emptied);
    } else {
        rs_inflow_append(&read->spent, pop(&inflow), 0);
    }
    *place = inflow.first != NULL ? inflow.first : note.next_orphan;
    if (inflow.first != NULL) {
        note_of(inflow.first)->owner = note.owner;
        note_of(inflow.first)->next_orphan = note.next_orphan;
    }
    return result;
}

ssize_t rs_inflow_read_orphan(const void *owner, struct rs_inflow_read *read)
{
    rs_lock(rs_global_lock(RS_GLOBAL_ORPHANS));
    char **place = orphan_find(owner);
    ssize_t result = *place != NULL ? 1 : -ENODATA;

    if (result > 0 && read != NULL) result = orphan_read(place, read);
    rs_unlock(rs_global_lock(RS_GLOBAL_ORPHANS));
    return result;
}
