// SPDX-License-Identifier: MIT
//
// The functions that code compiled with -fsanitize=thread calls: for each plain access, and in
// place of each atomic one. Outside an execution they do the access and nothing else.

#include <string.h>

#include "engine.h"

// The names belong to the compiler's run-time library, of which this is one.
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#ifdef __clang__
#pragma clang diagnostic ignored "-Wreserved-identifier"
#endif

#define CALLER ((uintptr_t)__builtin_return_address(0))

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

// ---- Plain accesses ----

static void plain(const volatile void *addr, size_t size, bool write, uintptr_t pc)
{
    if (run.live) shadow_plain((uintptr_t)addr, size, write, pc);
}

#define PLAIN(size)                                    \
    void __tsan_read##size(void *addr)                 \
    {                                                  \
        plain(addr, size, false, CALLER);              \
    }                                                  \
    void __tsan_write##size(void *addr)                \
    {                                                  \
        plain(addr, size, true, CALLER);               \
    }                                                  \
    void __tsan_unaligned_read##size(void *addr)       \
    {                                                  \
        plain(addr, size, false, CALLER);              \
    }                                                  \
    void __tsan_unaligned_write##size(void *addr)      \
    {                                                  \
        plain(addr, size, true, CALLER);               \
    }                                                  \
    void __tsan_volatile_read##size(void *addr)        \
    {                                                  \
        plain(addr, size, false, CALLER);              \
    }                                                  \
    void __tsan_volatile_write##size(void *addr)       \
    {                                                  \
        plain(addr, size, true, CALLER);               \
    }                                                  \
    void __tsan_read_write##size(void *addr)           \
    {                                                  \
        plain(addr, size, true, CALLER);               \
    }                                                  \
    void __tsan_unaligned_read_write##size(void *addr) \
    {                                                  \
        plain(addr, size, true, CALLER);               \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *addr, size_t size)
{
    plain(addr, size, false, CALLER);
}

void __tsan_write_range(void *addr, size_t size)
{
    plain(addr, size, true, CALLER);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    plain(from, size, false, CALLER);
    plain(to, size, true, CALLER);
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    plain(from, size, false, CALLER);
    plain(to, size, true, CALLER);
    return memmove(to, from, size);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
    plain(to, size, true, CALLER);
    return memset(to, byte, size);
}

// ---- Fibers: the explorer's threads are not the library's ----

void *__tsan_get_current_fiber(void)
{
    return NULL;
}

void *__tsan_create_fiber(unsigned flags)
{
    (void)flags;
    return NULL;
}

void __tsan_destroy_fiber(void *fiber)
{
    (void)fiber;
}

void __tsan_switch_to_fiber(void *fiber, unsigned flags)
{
    (void)fiber;
    (void)flags;
}

// ---- Atomics ----

static bool is_shared(const volatile void *addr)
{
    return run.live && shadow_covers((uintptr_t)addr);
}

#define RMW(bits, type, name, op, expression)                                       \
    type __tsan_atomic##bits##_##name(volatile type *addr, type operand, int order) \
    {                                                                               \
        if (is_shared(addr)) {                                                      \
            site_hit(CALLER, #name, order, -1);                                     \
            return (type)memory_rmw((uintptr_t)addr, bits / 8, op, operand,         \
                                    site_order(CALLER, 0, order), CALLER);          \
        }                                                                           \
        type old = *addr;                                                           \
        *addr = (type)(expression);                                                 \
        return old;                                                                 \
    }

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *addr, int order)                          \
    {                                                                                              \
        if (!is_shared(addr)) return *addr;                                                        \
        site_hit(CALLER, "load", order, -1);                                                       \
        return (type)memory_load((uintptr_t)addr, bits / 8, site_order(CALLER, 0, order), CALLER); \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *addr, type value, int order)                   \
    {                                                                                              \
        if (!is_shared(addr)) {                                                                    \
            *addr = value;                                                                         \
            return;                                                                                \
        }                                                                                          \
        site_hit(CALLER, "store", order, -1);                                                      \
        memory_store((uintptr_t)addr, bits / 8, value, site_order(CALLER, 0, order), CALLER);      \
    }                                                                                              \
    RMW(bits, type, exchange, RMW_EXCHANGE, operand)                                               \
    RMW(bits, type, fetch_add, RMW_ADD, old + operand)                                             \
    RMW(bits, type, fetch_sub, RMW_SUB, old - operand)                                             \
    RMW(bits, type, fetch_and, RMW_AND, old &operand)                                              \
    RMW(bits, type, fetch_or, RMW_OR, old | operand)                                               \
    RMW(bits, type, fetch_xor, RMW_XOR, old ^ operand)                                             \
    static bool cas##bits(volatile type *addr, type *expected, type desired, bool weak, int order, \
                          int failure_order, uintptr_t pc)                                         \
    {                                                                                              \
        if (!is_shared(addr)) {                                                                    \
            type old = *addr;                                                                      \
            bool equal = old == *expected;                                                         \
            if (equal) *addr = desired;                                                            \
            *expected = old;                                                                       \
            return equal;                                                                          \
        }                                                                                          \
        site_hit(pc, "compare_exchange", order, failure_order);                                    \
        int orders[2] = {site_order(pc, 0, order), site_order(pc, 1, failure_order)};              \
        uint64_t wide = *expected;                                                                 \
        bool done = memory_cas((uintptr_t)addr, bits / 8, &wide, desired, weak, orders, pc);       \
        *expected = (type)wide;                                                                    \
        return done;                                                                               \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *addr, type *expected,         \
                                                      type desired, int order, int failure_order)  \
    {                                                                                              \
        return cas##bits(addr, expected, desired, false, order, failure_order, CALLER);            \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type *addr, type *expected,           \
                                                    type desired, int order, int failure_order)    \
    {                                                                                              \
        return cas##bits(addr, expected, desired, true, order, failure_order, CALLER);             \
    }                                                                                              \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *addr, type expected,            \
                                                    type desired, int order, int failure_order)    \
    {                                                                                              \
        (void)cas##bits(addr, &expected, desired, false, order, failure_order, CALLER);            \
        return expected;                                                                           \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    if (run.live) model_fail("the explorer does not know fences");
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}
