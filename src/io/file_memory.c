// SPDX-License-Identifier: MIT
//
// Registered memory: the process's table, and the rings' copies of it. See file_memory.h.

#include "io/file_memory.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <rouse/error.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "base/sys.h"

enum { COUNT = ROUSE_FILE_MEMORY_COUNT };

static struct rs_file_memory_piece table[COUNT];  // under RS_GLOBAL_FILE_MEMORY
static _Atomic uint64_t changes;                  // of the table; written under the lock

static atomic_bool refusal_logged;

// ---- The table ----

static bool overlaps(const struct rs_file_memory_piece *piece, uintptr_t begin, size_t size)
{
    return piece->number != 0 && begin < piece->begin + piece->size && piece->begin < begin + size;
}

// Under the lock. A free place, or a negative errno.
static int place_for(uintptr_t begin, size_t size)
{
    int place = -ENOSPC;

    for (int i = 0; i < COUNT; i++) {
        if (overlaps(&table[i], begin, size)) return -EEXIST;
        if (place < 0 && table[i].number == 0) place = i;
    }
    return place;
}

// Under the lock. Its value is a number that no piece has had.
static uint64_t change(void)
{
    // Relaxed: nobody else writes it.
    uint64_t number = atomic_load_explicit(&changes, memory_order_relaxed) + 1;

    // Relaxed: it says that there is something to be looked at, under the lock. Who lends memory to
    // an operation has been told that it is registered, and so sees the change.
    atomic_store_explicit(&changes, number, memory_order_relaxed);
    return number;
}

int rouse_file_memory_register(void *memory, size_t size)
{
    uintptr_t begin = (uintptr_t)memory;

    if (memory == NULL || size == 0 || size > ROUSE_FILE_MEMORY_MAX) return -EINVAL;
    rs_lock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    int place = place_for(begin, size);

    if (place >= 0) {
        table[place] =
            (struct rs_file_memory_piece){.begin = begin, .size = size, .number = change()};
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    return place < 0 ? place : 0;
}

int rouse_file_memory_unregister(void *memory)
{
    int err = -ENOENT;

    rs_lock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    for (int i = 0; i < COUNT && err < 0; i++) {
        if (table[i].number == 0 || table[i].begin != (uintptr_t)memory) continue;
        table[i].number = 0;
        (void)change();
        err = 0;
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    return err;
}

// ---- A ring's copy ----

void rs_file_memory_log_refusal(int err)
{
    // Relaxed: at worst a line comes twice.
    if (atomic_exchange_explicit(&refusal_logged, true, memory_order_relaxed)) return;
    rs_log(ROUSE_LOG_INFO,
           "files: registered memory is read and written as any other (io_uring refused it: %s)",
           rouse_strerror(err));
}

// Makes the kernel's table, with nothing in it.
static int open_table(struct rs_file_memory *known, int fd)
{
    struct io_uring_rsrc_register places = {.nr = COUNT, .flags = IORING_RSRC_REGISTER_SPARSE};
    int err =
        rs_sys.io_uring_register(fd, IORING_REGISTER_BUFFERS2, &places, (unsigned)sizeof places);

    known->has_table = err >= 0;
    return err;
}

// Puts a piece, or none, into the kernel's table.
static int tell(int fd, int place, const struct rs_file_memory_piece *piece)
{
    struct iovec memory = {0};
    struct io_uring_rsrc_update2 update = {
        .offset = (uint32_t)place, .data = (uintptr_t)&memory, .nr = 1};

    if (piece->number != 0) memory = (struct iovec){(void *)piece->begin, piece->size};
    int err = rs_sys.io_uring_register(fd, IORING_REGISTER_BUFFERS_UPDATE, &update,
                                       (unsigned)sizeof update);

    return err < 0 ? err : 0;
}

// What the table holds now. Returns which change made it so.
static uint64_t copy_table(struct rs_file_memory_piece *to)
{
    rs_lock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    memcpy(to, table, sizeof table);
    // Relaxed: under the lock.
    uint64_t number = atomic_load_explicit(&changes, memory_order_relaxed);

    rs_unlock(rs_global_lock(RS_GLOBAL_FILE_MEMORY));
    return number;
}

// A piece that is refused, for want of memory or of a limit, is not asked for again; others may be
// had.
static void bring_up_to_date(struct rs_file_memory *known, int fd)
{
    static const struct rs_file_memory_piece none;
    struct rs_file_memory_piece now[COUNT];
    int err = known->has_table ? 0 : open_table(known, fd);

    if (err < 0) {
        known->is_refused = true;
        rs_file_memory_log_refusal(err);
        return;
    }
    known->seen = copy_table(now);
    for (int i = 0; i < COUNT; i++) {
        if (now[i].number == known->pieces[i].number) continue;
        known->pieces[i] = now[i];
        err = tell(fd, i, &now[i]);
        if (err == 0) continue;
        known->pieces[i].size = 0;
        // What was there before is to go all the same.
        (void)tell(fd, i, &none);
        rs_file_memory_log_refusal(err);
    }
}

int rs_file_memory_find(struct rs_file_memory *known, int fd, const void *memory, size_t size)
{
    uintptr_t begin = (uintptr_t)memory;

    if (known->is_refused || size == 0) return -1;
    // Relaxed: see change().
    if (atomic_load_explicit(&changes, memory_order_relaxed) != known->seen) {
        bring_up_to_date(known, fd);
    }
    for (int i = 0; i < COUNT; i++) {
        const struct rs_file_memory_piece *piece = &known->pieces[i];

        if (piece->number == 0 || begin < piece->begin) continue;
        if (size <= piece->size && begin - piece->begin <= piece->size - size) return i;
    }
    return -1;
}
