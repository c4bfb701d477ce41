// SPDX-License-Identifier: MIT
//
// What is known of each byte that model threads may share: who wrote it last and who read it since,
// as times of their clocks, and whether it has been freed. Two accesses, one of which writes and
// one of which is plain, are a race unless the later one's clock knows of the earlier one.
// (Flanagan and Freund, "FastTrack", 2009, with all reads kept.)
//
// The bytes are those of an arena, which starts anew with each execution and never gives out an
// address twice, of the threads' stacks, and of the program's own variables, whose old values are
// logged before they are written, and restored before the next execution.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/tls.h"
#include "engine.h"

enum {
    OBJECTS_SIZE = 8 << 20,
    PAGES_SIZE = 64 << 20,
    STACK_SIZE = 128 << 10,
    ARENA_SIZE = OBJECTS_SIZE + PAGES_SIZE + STACK_SIZE * MODEL_THREADS_MAX,
    BLOCKS_MAX = 4096,
    UNDO_MAX = 1 << 16,
    REDZONE = 16,
    PAGE = 4096,
    FREED_MAX = 256,
};

struct cell {
    uint32_t execution;
    uint16_t write_at;
    uint8_t writer;
    bool freed : 1;
    bool used : 1;  // in this execution
    uint16_t read_at[CLOCKS];
    uint16_t atomic_read_at[CLOCKS];
    uint16_t atomic_write_at[CLOCKS];
};

struct block {
    uintptr_t addr;
    size_t size;
    bool live;
};

struct undo {
    uintptr_t addr;
    uint64_t value;
    uint8_t size;
};

struct region {
    uintptr_t start;
    uintptr_t end;
    struct cell *cells;
};

// Of the program: from the linker.
extern char data_start;
extern char end;

// Of what is given out as pages, most is never touched: only what was has to be looked at when it
// is freed, and cleared when it is given out again.
struct page {
    uint32_t touched_in;  // the last execution
    uint32_t freed_in;
    uint16_t first;  // of the bytes that it touched
    uint16_t last;
    bool dirty;
};

static struct page pages[PAGES_SIZE / PAGE];
static struct region arena;
static struct region globals;
static uint32_t execution;
static size_t objects_used;
static size_t pages_used;
static struct block blocks[BLOCKS_MAX];
static int block_count;
static const struct block *freed_alone[FREED_MAX];  // whose bytes are not marked
static int freed_count;
static struct undo undo_log[UNDO_MAX];
static int undo_count;

// At a place of its own, so that addresses are the same in each run of the program.
#define ARENA_START ((void *)UINT64_C(0x100000000000))

static void *reserve(void *place, size_t size)
{
    void *memory = mmap(place, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("model: mmap");
        exit(2);
    }
    return memory;
}

void *shadow_reserve(size_t size)
{
    return reserve(NULL, size);
}

static struct region region_of(uintptr_t start, size_t size)
{
    return (struct region){.start = start,
                           .end = start + size,
                           .cells = reserve(NULL, size * sizeof(struct cell))};
}

void shadow_init(void)
{
    arena = region_of((uintptr_t)reserve(ARENA_START, ARENA_SIZE), ARENA_SIZE);
    globals = region_of((uintptr_t)&data_start, (size_t)(&end - &data_start));
}

void shadow_reset(void)
{
    while (undo_count > 0) {
        const struct undo *undo = &undo_log[--undo_count];

        memcpy((void *)undo->addr, &undo->value, undo->size);
    }
    execution++;
    objects_used = 0;
    pages_used = 0;
    block_count = 0;
    freed_count = 0;
}

void *shadow_stack(unsigned thread, size_t *size)
{
    *size = STACK_SIZE;
    return (void *)(arena.end - (thread + 1) * (uintptr_t)STACK_SIZE);
}

// ---- Accesses ----

static struct page *page_of(uintptr_t addr)
{
    uintptr_t start = arena.start + OBJECTS_SIZE;

    if (addr < start || addr >= start + PAGES_SIZE) return NULL;
    return &pages[(addr - start) / PAGE];
}

static void page_touch(struct page *page, uintptr_t offset)
{
    if (page->touched_in != execution) {
        page->touched_in = execution;
        page->first = (uint16_t)offset;
        page->last = (uint16_t)offset;
        page->dirty = true;
    }
    if (offset < page->first) page->first = (uint16_t)offset;
    if (offset > page->last) page->last = (uint16_t)offset;
}

static struct cell *cell_of(uintptr_t addr)
{
    struct region *region = addr >= arena.start && addr < arena.end       ? &arena
                            : addr >= globals.start && addr < globals.end ? &globals
                                                                          : NULL;

    if (region == NULL) return NULL;
    struct cell *cell = &region->cells[addr - region->start];
    struct page *page = page_of(addr);

    if (page != NULL) page_touch(page, addr % PAGE);
    if (cell->execution != execution) *cell = (struct cell){.execution = execution};
    return cell;
}

bool shadow_covers(uintptr_t addr)
{
    return (addr >= arena.start && addr < arena.end) ||
           (addr >= globals.start && addr < globals.end);
}

static void log_old_value(uintptr_t addr, size_t size)
{
    if (addr < globals.start || addr >= globals.end) return;
    while (size > 0) {
        size_t part = size < 8 ? size : 8;

        if (undo_count == UNDO_MAX) model_fail("too many writes to variables of the program");
        struct undo *undo = &undo_log[undo_count++];

        *undo = (struct undo){.addr = addr, .size = (uint8_t)part};
        memcpy(&undo->value, (const void *)addr, part);
        addr += part;
        size -= part;
    }
}

_Noreturn static void race(uintptr_t addr, const char *ours, const char *theirs, unsigned thread)
{
    model_fail("data race on %p: this %s is not ordered after %s of thread %u", (void *)addr, ours,
               theirs, thread);
}

static void check_life(uintptr_t addr, const struct cell *cell)
{
    const struct page *page = page_of(addr);

    bool freed = cell->freed || (page != NULL && page->freed_in == execution);

    for (int i = 0; i < freed_count; i++) {
        freed |= addr - freed_alone[i]->addr < freed_alone[i]->size;
    }
    if (freed) {
        model_fail("use of freed memory at %p", (void *)addr);
    }
}

static void check_reads(uintptr_t addr, const struct cell *cell, const struct clock *clock,
                        const char *what)
{
    for (unsigned i = 0; i < CLOCKS; i++) {
        if (cell->read_at[i] > clock->at[i]) race(addr, what, "a read", i);
    }
}

static void plain_byte(uintptr_t addr, struct cell *cell, bool write)
{
    unsigned self = thread_now();
    const struct clock *clock = thread_clock(self);
    const char *what = write ? "write" : "read";

    check_life(addr, cell);
    if (!cell->used) {
        cell->used = true;
        if (write) {
            cell->writer = (uint8_t)self;
            cell->write_at = (uint16_t)clock->at[self];
        } else {
            cell->read_at[self] = (uint16_t)clock->at[self];
        }
        return;
    }
    if (cell->write_at > clock->at[cell->writer]) race(addr, what, "the write", cell->writer);
    for (unsigned i = 0; i < CLOCKS; i++) {
        if (cell->atomic_write_at[i] > clock->at[i]) race(addr, what, "an atomic write", i);
    }
    if (!write) {
        cell->read_at[self] = (uint16_t)clock->at[self];
        return;
    }
    check_reads(addr, cell, clock, what);
    for (unsigned i = 0; i < CLOCKS; i++) {
        if (cell->atomic_read_at[i] > clock->at[i]) race(addr, what, "an atomic read", i);
    }
    cell->writer = (uint8_t)self;
    cell->write_at = (uint16_t)clock->at[self];
}

static bool is_thread_local(uintptr_t addr)
{
    return addr >= (uintptr_t)&rs_tls && addr < (uintptr_t)(&rs_tls + 1);
}

// There is nothing to race with, and never will be for what is done now.
static void touch_alone(uintptr_t addr, size_t size)
{
    if (size == 0) return;
    check_life(addr, cell_of(addr));
    for (uintptr_t at = addr; at < addr + size; at = (at / PAGE + 1) * PAGE) {
        struct page *page = page_of(at);
        uintptr_t last = (at / PAGE + 1) * PAGE - 1;

        if (page == NULL) break;
        page_touch(page, at % PAGE);
        page_touch(page, (last < addr + size ? last : addr + size - 1) % PAGE);
    }
}

void shadow_plain(uintptr_t addr, size_t size, bool write, uintptr_t pc)
{
    if (is_thread_local(addr) || !shadow_covers(addr)) return;
    if (run.tracing) trace_add(write ? "write" : "read", addr, (unsigned)size, 0, -1, pc);
    if (write) {
        log_old_value(addr, size);
        memory_plain_write(addr, size);
    }
    if (thread_is_alone()) {
        touch_alone(addr, size);
        return;
    }
    for (uintptr_t at = addr; at < addr + size; at++) {
        struct cell *cell = cell_of(at);

        if (cell != NULL) plain_byte(at, cell, write);
    }
}

void shadow_atomic(uintptr_t addr, unsigned size, bool write, uintptr_t pc)
{
    unsigned self = thread_now();
    const struct clock *clock = thread_clock(self);

    (void)pc;
    if (!shadow_covers(addr)) return;
    if (write) log_old_value(addr, size);
    for (uintptr_t at = addr; at < addr + size; at++) {
        struct cell *cell = cell_of(at);
        const char *what = write ? "atomic write" : "atomic read";

        check_life(at, cell);
        cell->used = true;
        if (cell->write_at > clock->at[cell->writer]) race(at, what, "the write", cell->writer);
        if (write) {
            check_reads(at, cell, clock, what);
            cell->atomic_write_at[self] = (uint16_t)clock->at[self];
        } else {
            cell->atomic_read_at[self] = (uint16_t)clock->at[self];
        }
    }
}

// ---- Blocks ----

void *shadow_alloc(size_t size, size_t align)
{
    bool pages_wanted = align >= PAGE;
    size_t *used = pages_wanted ? &pages_used : &objects_used;
    size_t limit = pages_wanted ? (size_t)PAGES_SIZE : (size_t)OBJECTS_SIZE;
    size_t start = (*used + align - 1) & ~(align - 1);

    if (start + size + REDZONE > limit || block_count == BLOCKS_MAX) {
        model_fail("the scenario takes too much memory");
    }
    *used = start + size + REDZONE;
    uintptr_t addr = arena.start + start + (pages_wanted ? (size_t)OBJECTS_SIZE : 0);

    blocks[block_count++] = (struct block){.addr = addr, .size = size, .live = true};
    if (!pages_wanted) {
        memset((void *)addr, 0xaa, size);
        return (void *)addr;
    }
    for (uintptr_t at = addr; at < addr + size; at += PAGE) {
        struct page *page = page_of(at);

        if (page->dirty) memset((void *)at, 0, PAGE);
        page->dirty = false;
    }
    return (void *)addr;
}

// As a write to each byte.
static void free_bytes(uintptr_t addr, size_t size)
{
    for (uintptr_t at = addr; at < addr + size; at++) {
        struct cell *cell = cell_of(at);

        plain_byte(at, cell, true);
        cell->freed = true;
    }
}

static void free_pages(uintptr_t addr, size_t size)
{
    for (uintptr_t at = addr; at < addr + size; at += PAGE) {
        struct page *page = page_of(at);

        if (page->touched_in == execution && !thread_is_alone()) {
            free_bytes(at + page->first, (size_t)(page->last - page->first) + 1);
        }
        page->freed_in = execution;
    }
}

void shadow_free(void *memory, uintptr_t pc)
{
    uintptr_t addr = (uintptr_t)memory;

    if (memory == NULL) return;
    for (int i = block_count - 1; i >= 0; i--) {
        struct block *block = &blocks[i];

        if (block->addr != addr) continue;
        if (!block->live) model_fail("the block at %p is freed twice", memory);
        block->live = false;
        trace_add("free", addr, (unsigned)block->size, 0, -1, pc);
        if (page_of(addr) != NULL) {
            free_pages(addr, block->size);
        } else if (thread_is_alone() && freed_count < FREED_MAX) {
            freed_alone[freed_count++] = block;
        } else {
            free_bytes(addr, block->size);
        }
        return;
    }
    model_fail("%p is freed, but is no block", memory);
}

void model_keep(const void *memory)
{
    for (int i = 0; i < block_count; i++) {
        if (blocks[i].addr == (uintptr_t)memory) blocks[i].live = false;
    }
}

void shadow_check_leaks(void)
{
    for (int i = 0; i < block_count; i++) {
        if (blocks[i].live) {
            model_fail("a block of %zu bytes at %p was never freed", blocks[i].size,
                       (void *)blocks[i].addr);
        }
    }
}
