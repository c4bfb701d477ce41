// SPDX-License-Identifier: MIT
//
// Stacks for coroutines, from slabs of address space that cost memory only where touched.
//
//     slab:  | slab and slot records | guard | stack 0 | guard | stack 1 | guard | stack 2 | ...
//
// A stack is free, warm or cold, or in use. Warm: touched before, and handed out first, last in
// first out. Cold: no page of it is in memory. The number of warm ones is bounded; beyond it a
// stack's pages go back to the kernel and its slot stays, its guard in place. No record of a free
// stack lies in the stack itself. Of slabs without a stack in use or warm, one per size is kept.
//
// The guard below each stack is never readable: by MADV_GUARD_INSTALL, which costs no mapping
// (Linux 6.13), else by mprotect(), which costs two; of those, all pools of the process may use
// half of vm.max_map_count.
//
// A pool is used by one thread at a time; each worker has its own.

#ifndef RS_FIBER_STACK_H
#define RS_FIBER_STACK_H

#include <rouse/allocator.h>
#include <rouse/assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/sanitizer.h"

ROUSE_EXTERN_C_BEGIN

// Sanitizers pad frames and call deep helpers: under ASan and TSan every stack is four times as
// large as asked for.
#define RS_STACK_SANITIZER_FACTOR ((size_t)(RS_ASAN || RS_TSAN ? 4 : 1))

#define RS_STACK_SIZE_MIN ((size_t)16 << 10)
#define RS_STACK_SIZE_MAX ((size_t)8 << 20)
#define RS_STACK_SIZE_DEFAULT ((size_t)64 << 10)
#define RS_STACK_CACHED_MAX_DEFAULT 1024
#define RS_STACK_GUARD_SIZE ((size_t)64 << 10)

enum { RS_STACK_CLASS_COUNT = 10 };  // the powers of two from RS_STACK_SIZE_MIN to _MAX

struct rs_stack_slot;

// A stack in use. Plain data: it may be copied, also to the top of the stack itself.
struct rs_stack {
    void *base;  // the lowest usable address; the guard ends here
    size_t size;
    void *top;  // the first frame goes below; above it is what was carved
    struct rs_stack_slot *slot;
};

// The stacks of one size.
struct rs_stack_class {
    struct rs_stack_slot *warm;
    size_t warm_count;
    struct rs_list open;  // slabs with a cold slot; one without any other kind goes last
    struct rs_list full;  // the other slabs
    size_t empty_count;   // slabs with cold slots only: 0 or 1
};

// Stays in place from init to deinit.
struct rs_stack_pool {
    const struct rouse_allocator *allocator;
    size_t default_size;
    size_t default_index;  // of its class
    size_t page_size;
    size_t in_use;
    size_t cached;  // warm ones, of all sizes
    size_t cached_max;
    // Once MADV_GUARD_INSTALL was tried and does not work: how many mappings the guards of all
    // pools may take. 0 before.
    int64_t guard_mappings_max;
    bool guard_is_proved;    // MADV_GUARD_INSTALL was seen to work
    bool gives_back_singly;  // the kernel does not take several stacks at once
    bool on_valgrind;
    bool reserve_in_use;
    struct rs_stack_slot *reserve;
    struct rs_stack_class classes[RS_STACK_CLASS_COUNT];
};

// `default_size` as for rs_stack_get(). -EINVAL, -ENOMEM.
ROUSE_NODISCARD int rs_stack_pool_init(struct rs_stack_pool *pool,
                                       const struct rouse_allocator *allocator, size_t default_size,
                                       size_t cached_max);

// Unmaps everything. No stack may be in use.
void rs_stack_pool_deinit(struct rs_stack_pool *pool);

// The same for the child of a fork, where the stacks of the parent's fibers count as in use and
// nobody will run on them again.
void rs_stack_pool_discard(struct rs_stack_pool *pool);

// At least `size` bytes, rounded up to a power of two and to RS_STACK_SIZE_MIN; 0 is the pool's
// default. -EINVAL above RS_STACK_SIZE_MAX, else -ENOMEM. What the stack holds is undefined.
ROUSE_NODISCARD int rs_stack_get(struct rs_stack_pool *pool, size_t size, struct rs_stack *out);

// The one stack of default size that is kept back, so that without memory one fiber still runs.
// -EAGAIN while it is in use.
ROUSE_NODISCARD int rs_stack_get_reserve(struct rs_stack_pool *pool, struct rs_stack *out);

// The stack in use whose `slot` that is, with nothing carved from it. Async-signal-safe.
struct rs_stack rs_stack_of(struct rs_stack_slot *slot);

// Takes back a stack of either kind, of which that is the `slot`.
void rs_stack_put_slot(struct rs_stack_pool *pool, struct rs_stack_slot *slot);

// The same; `stack` itself may lie in it.
static inline void rs_stack_put(struct rs_stack_pool *pool, const struct rs_stack *stack)
{
    rouse_assert_slow(stack->base == rs_stack_of(stack->slot).base,
                      "put back what rs_stack_get() gave");
    rs_stack_put_slot(pool, stack->slot);
}

// Takes `size` bytes from the top, aligned to a cache line, for the caller's own records.
static inline void *rs_stack_carve(struct rs_stack *stack, size_t size)
{
    stack->top = (void *)(((uintptr_t)stack->top - size) & ~(uintptr_t)63);
    return stack->top;
}

// How many bytes, from the upper end, were in use at the deepest, in pages: the high-water mark of
// this and the earlier users of the slot since its pages were last given back. Pages that are
// swapped out count as unused.
size_t rs_stack_used(const struct rs_stack *stack);

// Whether a fault at `address` means that `stack` overflowed. Async-signal-safe.
static inline bool rs_stack_guard_contains(const struct rs_stack *stack, const void *address)
{
    return (uintptr_t)stack->base - (uintptr_t)address - 1 < RS_STACK_GUARD_SIZE;
}

ROUSE_EXTERN_C_END

#endif
