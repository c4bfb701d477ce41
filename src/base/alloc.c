// SPDX-License-Identifier: MIT
//
// The default allocator, and the counting in front of every allocator.

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/counters.h"
#include "base/sanitizer.h"
#include "base/sys.h"
#include "base/tls.h"

static void *default_alloc(void *data, size_t size)
{
    (void)data;
    return rs_sys.malloc(size);
}

static void default_free(void *data, void *memory, size_t size)
{
    (void)data;
    (void)size;
    free(memory);
}

// Maps `align` more than asked for and gives the ends back.
static void *default_pages_alloc(void *data, size_t size, size_t align)
{
    void *memory;
    size_t slack = align > 4096 ? align : 0;

    (void)data;
    if (rs_sys.mmap(&memory, size + slack, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) < 0) {
        return NULL;
    }
    if (slack == 0) return memory;

    uintptr_t start = (uintptr_t)memory;
    uintptr_t first = (start + align - 1) & ~(uintptr_t)(align - 1);

    if (first > start) (void)rs_sys.munmap(memory, first - start);
    if (start + slack > first) (void)rs_sys.munmap((void *)(first + size), start + slack - first);
    return (void *)first;
}

static void default_pages_free(void *data, void *pages, size_t size)
{
    (void)data;
    (void)rs_sys.munmap(pages, size);
}

static const struct rouse_allocator default_allocator = {
    .alloc = default_alloc,
    .free = default_free,
    .pages_alloc = default_pages_alloc,
    .pages_free = default_pages_free,
};

const struct rouse_allocator *rouse_allocator_default(void)
{
    return &default_allocator;
}

const struct rouse_allocator *rs_allocator_current(void)
{
    return rs_tls.allocator != NULL ? rs_tls.allocator : &default_allocator;
}

void *rs_alloc_uncleared(const struct rouse_allocator *allocator, size_t size)
{
    void *memory = allocator->alloc(allocator->data, size);

    if (memory == NULL) return NULL;
    rs_counter_add(RS_COUNTER_ALLOCATIONS, 1);
    rs_counter_add(RS_COUNTER_ALLOCATED_BYTES, (int64_t)size);
    return memory;
}

void *rs_alloc(const struct rouse_allocator *allocator, size_t size)
{
    void *memory = rs_alloc_uncleared(allocator, size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void rs_free(const struct rouse_allocator *allocator, void *memory, size_t size)
{
    if (memory == NULL) return;
    rs_counter_add(RS_COUNTER_ALLOCATIONS, -1);
    rs_counter_add(RS_COUNTER_ALLOCATED_BYTES, -(int64_t)size);
    allocator->free(allocator->data, memory, size);
}

void *rs_pages_reserve(const struct rouse_allocator *allocator, size_t size, size_t align)
{
    void *pages = allocator->pages_alloc(allocator->data, size, align);

    if (pages != NULL) rs_counter_add(RS_COUNTER_PAGE_BYTES, (int64_t)size);
    return pages;
}

void rs_pages_unreserve(const struct rouse_allocator *allocator, void *pages, size_t size)
{
    if (pages == NULL) return;
    rs_counter_add(RS_COUNTER_PAGE_BYTES, -(int64_t)size);
    allocator->pages_free(allocator->data, pages, size);
}

void *rs_pages_alloc(const struct rouse_allocator *allocator, size_t size, size_t align)
{
    void *pages = rs_pages_reserve(allocator, size, align);

    if (pages != NULL) rs_leak_root_add(pages, size);
    return pages;
}

void rs_pages_free(const struct rouse_allocator *allocator, void *pages, size_t size)
{
    if (pages != NULL) rs_leak_root_remove(pages, size);
    rs_pages_unreserve(allocator, pages, size);
}
