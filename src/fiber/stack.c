// SPDX-License-Identifier: MIT
//
// Slabs, slots and guards. Run by the pool's one thread; only the count of mappings that guards
// made is shared by all pools.
//
// 1. slab->used is the number of its slots that are in use or warm; the others are cold: on
//    slab->cold, or never carved (index >= slab->carved).
// 2. A slot was carved once its guard is in place, and its guard stays until the slab is unmapped.
// 3. A slab is in class->open if it has a cold slot, else in class->full.

#include "fiber/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/assert.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"

#if RS_ASAN
#include <sanitizer/asan_interface.h>
#endif

// Younger than the C library's headers.
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SLAB_SIZE ((size_t)64 << 20)
#define SLAB_SLOTS_MIN 16
#define GUARD_MAPPINGS 2  // mprotect() in the middle of a mapping adds two
#define MAX_MAP_COUNT_DEFAULT 65530

// How many stacks a full cache gives back at once: of a large one as many as a call is worth, of a
// small one a few.
enum { GIVE_BACK_MAX = 64, GIVE_BACK_FRACTION = 16 };

// Stacks lie at multiples of a power of two, so equal tops would share a few cache sets: resuming
// 1,000 coroutines in turn took 90 ns each, and takes 22 ns with tops spread over 1 KiB. More would
// not help, and would cost the shallow stack its second page.
#define COLOUR_COUNT 16
#define COLOUR_SIZE 64

_Static_assert(RS_STACK_SIZE_MIN << (RS_STACK_CLASS_COUNT - 1) == RS_STACK_SIZE_MAX,
               "one class for each power of two");
_Static_assert(RS_STACK_GUARD_SIZE % ((size_t)64 << 10) == 0, "no page size of Linux is larger");
_Static_assert(COLOUR_COUNT *COLOUR_SIZE <= RS_STACK_SIZE_MIN / 4, "colours leave room");

struct rs_stack_slot {
    union {
        struct rs_stack_slot *next;  // of a free one
        uintptr_t valgrind_id;       // of one in use
    };
    struct rs_stack_slab *slab;
};

// Stands at the low end of what it describes.
struct rs_stack_slab {
    struct rs_list node;  // in its class's open or full
    struct rs_stack_class *class;
    char *slots_begin;  // address space of slot 0: its guard, then its stack
    size_t stack_size;
    size_t size;            // of the whole mapping
    size_t guard_mappings;  // that mprotect() made
    struct rs_stack_slot *cold;
    uint32_t used;
    uint32_t carved;
    uint32_t slot_count;
    struct rs_stack_slot slots[];
};

// How many mappings the guards of all pools hold.
static _Atomic int64_t guard_mappings;

static int64_t max_map_count_read(void)
{
    char text[32];
    int64_t value = 0;
    int fd = rs_sys.openat(AT_FDCWD, "/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return MAX_MAP_COUNT_DEFAULT;

    ssize_t length = rs_sys.read(fd, text, sizeof text);

    (void)rs_sys.close(fd);
    for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value > 0 ? value : MAX_MAP_COUNT_DEFAULT;
}

static int guard_protect(struct rs_stack_pool *pool, struct rs_stack_slab *slab, void *guard)
{
    // Relaxed, here and below: a count, which orders nothing.
    int64_t before =
        atomic_fetch_add_explicit(&guard_mappings, GUARD_MAPPINGS, memory_order_relaxed);

    if (before + GUARD_MAPPINGS > pool->guard_mappings_max) goto give_back;
    if (rs_sys.mprotect(guard, RS_STACK_GUARD_SIZE, PROT_NONE) < 0) goto give_back;
    slab->guard_mappings += GUARD_MAPPINGS;
    return 0;

give_back:
    atomic_fetch_sub_explicit(&guard_mappings, GUARD_MAPPINGS, memory_order_relaxed);
    return -ENOMEM;
}

// Emulators of the kernel may accept any advice and do nothing; so once per pool we ask for a byte
// to be written into a guard.
static bool guard_is_proved(struct rs_stack_pool *pool, void *guard)
{
    if (!pool->guard_is_proved) pool->guard_is_proved = rs_sys.getrandom(guard, 1) == -EFAULT;
    return pool->guard_is_proved;
}

static int guard_install(struct rs_stack_pool *pool, struct rs_stack_slab *slab, void *guard)
{
    if (pool->guard_mappings_max == 0) {
        int err = rs_sys.madvise(guard, RS_STACK_GUARD_SIZE, MADV_GUARD_INSTALL);

        if (err == 0 && guard_is_proved(pool, guard)) return 0;
        if (err == -ENOMEM || err == -EAGAIN) return -ENOMEM;
        // An older kernel, a filter of system calls, or pages that are locked in memory. Half of
        // what the process may have: the rest of the program needs mappings too.
        pool->guard_mappings_max = max_map_count_read() / 2;
    }
    return guard_protect(pool, slab, guard);
}

static size_t slab_size(size_t slot_count, size_t stack_size, size_t page_size)
{
    size_t records = sizeof(struct rs_stack_slab) + slot_count * sizeof(struct rs_stack_slot);

    records = (records + page_size - 1) & ~(page_size - 1);
    return records + slot_count * (RS_STACK_GUARD_SIZE + stack_size);
}

// Where address space is limited, a smaller slab may still fit.
static struct rs_stack_slab *slab_new(struct rs_stack_pool *pool, struct rs_stack_class *class,
                                      size_t stack_size)
{
    size_t stride = RS_STACK_GUARD_SIZE + stack_size;
    size_t slot_count = SLAB_SIZE / stride;

    if (slot_count < SLAB_SLOTS_MIN) slot_count = SLAB_SLOTS_MIN;

    size_t size = slab_size(slot_count, stack_size, pool->page_size);
    struct rs_stack_slab *slab = rs_pages_reserve(pool->allocator, size, pool->page_size);

    while (slab == NULL && slot_count > 1) {
        slot_count /= 2;
        size = slab_size(slot_count, stack_size, pool->page_size);
        slab = rs_pages_reserve(pool->allocator, size, pool->page_size);
    }
    if (slab == NULL) return NULL;
    rs_counter_add(RS_COUNTER_STACK_BYTES, (int64_t)size);

    // A huge page would commit a score of stacks at the first touch of one. Fails where there are
    // no huge pages, which is as good.
    (void)rs_sys.madvise(slab, size, MADV_NOHUGEPAGE);
    slab->class = class;
    slab->slots_begin = (char *)slab + (size - slot_count * stride);
    slab->stack_size = stack_size;
    slab->size = size;
    slab->slot_count = (uint32_t)slot_count;
    rs_list_push_back(&class->open, &slab->node);
    class->empty_count++;
    return slab;
}

static void slab_free(struct rs_stack_pool *pool, struct rs_stack_slab *slab)
{
    rs_list_remove(&slab->node);
    atomic_fetch_sub_explicit(&guard_mappings, (int64_t)slab->guard_mappings, memory_order_relaxed);
#if RS_ASAN
    __asan_unpoison_memory_region(slab, slab->size);
#endif
    rs_counter_add(RS_COUNTER_STACK_BYTES, -(int64_t)slab->size);
    rs_pages_unreserve(pool->allocator, slab, slab->size);
}

static char *slot_base(const struct rs_stack_slot *slot)
{
    const struct rs_stack_slab *slab = slot->slab;
    size_t index = (size_t)(slot - slab->slots);

    return slab->slots_begin + index * (RS_STACK_GUARD_SIZE + slab->stack_size) +
           RS_STACK_GUARD_SIZE;
}

// A slot nobody has used, with its guard; NULL without memory.
static struct rs_stack_slot *slab_carve(struct rs_stack_pool *pool, struct rs_stack_slab *slab)
{
    struct rs_stack_slot *slot = &slab->slots[slab->carved];

    slot->slab = slab;
    if (guard_install(pool, slab, slot_base(slot) - RS_STACK_GUARD_SIZE) < 0) return NULL;
    slab->carved++;
    return slot;
}

static struct rs_stack_slot *slab_take(struct rs_stack_pool *pool, struct rs_stack_slab *slab)
{
    struct rs_stack_slot *slot = slab->cold;

    if (slot != NULL) {
        slab->cold = slot->next;
    } else {
        slot = slab_carve(pool, slab);
        if (slot == NULL) return NULL;
    }
    if (slab->used++ == 0) slab->class->empty_count--;
    if (slab->cold == NULL && slab->carved == slab->slot_count) {
        rs_list_remove(&slab->node);
        rs_list_push_back(&slab->class->full, &slab->node);
    }
    return slot;
}

// Takes back a slot whose pages are gone, and the slab with it if that is one empty slab too many.
static void slab_put(struct rs_stack_pool *pool, struct rs_stack_slot *slot)
{
    struct rs_stack_slab *slab = slot->slab;
    struct rs_stack_class *class = slab->class;

    slot->next = slab->cold;
    slab->cold = slot;
    rs_list_remove(&slab->node);
    if (--slab->used > 0) {
        rs_list_push_front(&class->open, &slab->node);
    } else if (class->empty_count == 0) {
        class->empty_count++;
        rs_list_push_back(&class->open, &slab->node);
    } else {
        slab_free(pool, slab);
    }
}

// The index of the class for `size`, which is in (0, RS_STACK_SIZE_MAX].
static size_t class_index(size_t size)
{
    size_t index = 0;

    if (size > RS_STACK_SIZE_MIN) {
        unsigned long long blocks = (size - 1) / RS_STACK_SIZE_MIN;

        index = (size_t)(64 - __builtin_clzll(blocks));
    }
    return index;
}

__attribute__((noinline)) static struct rs_stack_slot *class_take_cold(struct rs_stack_pool *pool,
                                                                       size_t index)
{
    struct rs_stack_class *class = &pool->classes[index];
    struct rs_stack_slab *slab;

    if (!rs_list_is_empty(&class->open)) {
        slab = ROUSE_CONTAINER_OF(class->open.next, struct rs_stack_slab, node);
    } else {
        slab = slab_new(pool, class, (RS_STACK_SIZE_MIN << index) * RS_STACK_SANITIZER_FACTOR);
        if (slab == NULL) return NULL;
    }
    return slab_take(pool, slab);
}

static struct rs_stack_slot *class_pop_warm(struct rs_stack_pool *pool,
                                            struct rs_stack_class *class)
{
    struct rs_stack_slot *slot = class->warm;

    if (slot == NULL) return NULL;
    class->warm = slot->next;
    class->warm_count--;
    pool->cached--;
    rs_counter_add(RS_COUNTER_STACKS_CACHED, -1);
    return slot;
}

static void class_push_warm(struct rs_stack_pool *pool, struct rs_stack_slot *slot)
{
    struct rs_stack_class *class = slot->slab->class;

    slot->next = class->warm;
    class->warm = slot;
    class->warm_count++;
    pool->cached++;
    rs_counter_add(RS_COUNTER_STACKS_CACHED, 1);
}

// Each call has the kernel interrupt all processors that run a thread of ours: a stack by itself
// takes 10.9 us where one other does, and each of 64 at once 0.8 us.
static bool pages_give_back_at_once(struct rs_stack_pool *pool, struct rs_stack_slot *const *slots,
                                    size_t count)
{
    struct iovec ranges[GIVE_BACK_MAX];
    size_t size = 0;

    if (count < 2 || pool->gives_back_singly) return false;
    for (size_t i = 0; i < count; i++) {
        ranges[i] = (struct iovec){slot_base(slots[i]), slots[i]->slab->stack_size};
        size += ranges[i].iov_len;
    }
    if (rs_sys.madvise_many(ranges, count, MADV_DONTNEED) == (ssize_t)size) return true;
    // An older kernel, a filter of system calls, or pages that are locked in memory.
    pool->gives_back_singly = true;
    return false;
}

static void slots_give_back(struct rs_stack_pool *pool, struct rs_stack_slot *const *slots,
                            size_t count)
{
    bool is_done = pages_give_back_at_once(pool, slots, count);

    for (size_t i = 0; i < count; i++) {
        // May fail for pages locked in memory: then the slot is as good, only not as cheap.
        if (!is_done) {
            (void)rs_sys.madvise(slot_base(slots[i]), slots[i]->slab->stack_size, MADV_DONTNEED);
        }
        slab_put(pool, slots[i]);
    }
}

// Makes room in a full cache, at the cost of the size that has most of it. Else sizes that the
// program no longer uses could keep the one it does use out for ever.
static void pool_evict(struct rs_stack_pool *pool)
{
    struct rs_stack_class *largest = &pool->classes[0];
    struct rs_stack_slot *evicted[GIVE_BACK_MAX];
    size_t count = 1 + pool->cached_max / GIVE_BACK_FRACTION;

    for (size_t i = 1; i < RS_STACK_CLASS_COUNT; i++) {
        if (pool->classes[i].warm_count > largest->warm_count) largest = &pool->classes[i];
    }
    if (count > GIVE_BACK_MAX) count = GIVE_BACK_MAX;
    if (count > largest->warm_count) count = largest->warm_count;
    for (size_t i = 0; i < count; i++) evicted[i] = class_pop_warm(pool, largest);
    slots_give_back(pool, evicted, count);
}

static inline struct rs_stack stack_of(struct rs_stack_slot *slot)
{
    size_t size = slot->slab->stack_size;
    size_t colour = (size_t)(slot - slot->slab->slots) % COLOUR_COUNT;
    char *base = slot_base(slot);

    return (struct rs_stack){
        .base = base, .size = size, .top = base + size - colour * COLOUR_SIZE, .slot = slot};
}

struct rs_stack rs_stack_of(struct rs_stack_slot *slot)
{
    return stack_of(slot);
}

#if RS_VALGRIND
// Apart, since each request takes a handful of registers that would have to be saved first.
__attribute__((noinline, cold)) static void valgrind_open(const struct rs_stack *stack)
{
    char *base = stack->base;

    VALGRIND_MAKE_MEM_UNDEFINED(base, stack->size);
    stack->slot->valgrind_id = (uintptr_t)VALGRIND_STACK_REGISTER(base, base + stack->size);
}

__attribute__((noinline, cold)) static void valgrind_close(const struct rs_stack_slot *slot)
{
    VALGRIND_STACK_DEREGISTER(slot->valgrind_id);
    VALGRIND_MAKE_MEM_NOACCESS(slot_base(slot), slot->slab->stack_size);
}
#endif

// Tells the tools that the stack may be used from here on, and fills `out`.
static void slot_open(struct rs_stack_pool *pool, struct rs_stack_slot *slot, struct rs_stack *out)
{
    *out = stack_of(slot);
    pool->in_use++;
    rs_counter_add(RS_COUNTER_STACKS, 1);
#if RS_ASAN
    __asan_unpoison_memory_region(out->base, out->size);
#endif
#if RS_VALGRIND
    if (ROUSE_UNLIKELY(pool->on_valgrind)) valgrind_open(out);
#endif
}

// The opposite: whoever still uses the stack is caught.
static void slot_close(struct rs_stack_pool *pool, struct rs_stack_slot *slot)
{
#if RS_ASAN
    __asan_poison_memory_region(slot_base(slot), slot->slab->stack_size);
#endif
#if RS_VALGRIND
    if (ROUSE_UNLIKELY(pool->on_valgrind)) valgrind_close(slot);
#endif
    pool->in_use--;
    rs_counter_add(RS_COUNTER_STACKS, -1);
}

int rs_stack_get(struct rs_stack_pool *pool, size_t size, struct rs_stack *out)
{
    size_t index = pool->default_index;

    if (size > RS_STACK_SIZE_MAX) return -EINVAL;
    if (size != 0) index = class_index(size < pool->page_size ? pool->page_size : size);
    struct rs_stack_slot *slot = class_pop_warm(pool, &pool->classes[index]);

    if (ROUSE_UNLIKELY(slot == NULL)) slot = class_take_cold(pool, index);
    if (ROUSE_UNLIKELY(slot == NULL)) return -ENOMEM;
    slot_open(pool, slot, out);
    return 0;
}

int rs_stack_get_reserve(struct rs_stack_pool *pool, struct rs_stack *out)
{
    if (pool->reserve_in_use) return -EAGAIN;
    pool->reserve_in_use = true;
    slot_open(pool, pool->reserve, out);
    return 0;
}

// The reserve, or a stack that finds the cache full.
__attribute__((noinline)) static void put_seldom(struct rs_stack_pool *pool,
                                                 struct rs_stack_slot *slot)
{
    if (slot == pool->reserve) {
        pool->reserve_in_use = false;
    } else if (pool->cached_max == 0) {
        slots_give_back(pool, &slot, 1);
    } else {
        pool_evict(pool);
        class_push_warm(pool, slot);
    }
}

void rs_stack_put_slot(struct rs_stack_pool *pool, struct rs_stack_slot *slot)
{
    slot_close(pool, slot);
    if (ROUSE_LIKELY(slot != pool->reserve && pool->cached < pool->cached_max)) {
        class_push_warm(pool, slot);
    } else {
        put_seldom(pool, slot);
    }
}

int rs_stack_pool_init(struct rs_stack_pool *pool, const struct rouse_allocator *allocator,
                       size_t default_size, size_t cached_max)
{
    if (default_size == 0 || default_size > RS_STACK_SIZE_MAX) return -EINVAL;

    *pool = (struct rs_stack_pool){
        .allocator = allocator,
        .default_size = default_size,
        .page_size = (size_t)sysconf(_SC_PAGESIZE),
        .cached_max = cached_max,
    };
    for (size_t i = 0; i < RS_STACK_CLASS_COUNT; i++) {
        rs_list_init(&pool->classes[i].open);
        rs_list_init(&pool->classes[i].full);
    }
#if RS_VALGRIND
    pool->on_valgrind = RUNNING_ON_VALGRIND != 0;
    pool->gives_back_singly = pool->on_valgrind;  // which does not know the other call
#endif
    pool->default_index = class_index(
        default_size < pool->page_size ? pool->page_size : default_size);
    pool->reserve = class_take_cold(pool, pool->default_index);
    if (pool->reserve != NULL) return 0;
    rs_stack_pool_discard(pool);
    return -ENOMEM;
}

static void pool_free_slabs(struct rs_stack_pool *pool, struct rs_list *slabs)
{
    while (!rs_list_is_empty(slabs)) {
        slab_free(pool, ROUSE_CONTAINER_OF(slabs->next, struct rs_stack_slab, node));
    }
}

void rs_stack_pool_discard(struct rs_stack_pool *pool)
{
    if (pool->allocator == NULL) return;
    for (size_t i = 0; i < RS_STACK_CLASS_COUNT; i++) {
        pool_free_slabs(pool, &pool->classes[i].open);
        pool_free_slabs(pool, &pool->classes[i].full);
    }
    rs_counter_add(RS_COUNTER_STACKS, -(int64_t)pool->in_use);
    rs_counter_add(RS_COUNTER_STACKS_CACHED, -(int64_t)pool->cached);
    *pool = (struct rs_stack_pool){.allocator = NULL};
}

void rs_stack_pool_deinit(struct rs_stack_pool *pool)
{
    rouse_assert(pool->in_use == 0, "a pool of stacks is freed when no fiber runs on one");
    rs_stack_pool_discard(pool);
}

// By mincore(), which looks at page tables only. Reading the pages instead would map in the ones
// that were never touched.
size_t rs_stack_used(const struct rs_stack *stack)
{
    unsigned char resident[256];
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    size_t page_count = stack->size / page_size;

    for (size_t first = 0; first < page_count; first += sizeof resident) {
        size_t count = page_count - first;

        if (count > sizeof resident) count = sizeof resident;
        if (rs_sys.mincore((char *)stack->base + first * page_size, count * page_size, resident) <
            0) {
            return 0;
        }
        for (size_t i = 0; i < count; i++) {
            if ((resident[i] & 1) != 0) return stack->size - (first + i) * page_size;
        }
    }
    return 0;
}
