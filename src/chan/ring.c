// SPDX-License-Identifier: MIT
//
// The ring of a bounded channel: see ring.h.
//
// The words count and the slots publish: a sender's element is seen through the number of its slot.
// So the accesses to the words are relaxed, but for two cases. Release when `head` moves, with
// acquire when it is looked at for a place: a tail that is read afterwards is not behind it. And a
// place that was reserved is given back in `tail`, while who waits for one says so in `head`: each
// side reads the other's word after it has changed its own, all seq_cst, and one sees the other.

#include "chan/ring.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define RESERVED (UINT64_C(1) << 4)
#define POSITION (UINT64_C(1) << 32)
enum { RECEIVER_WAITS = 1 << 0, CLOSED = 1 << 1, SENDER_WAITS = 1 << 0 };

struct slot {
    _Atomic uint32_t number;
    uint32_t unused;
    char element[];
};

static uint32_t position_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t reserved_of(uint64_t tail)
{
    return (uint32_t)tail >> 4;
}

static struct slot *slot_at(const struct rs_ring *ring, uint32_t position)
{
    return (struct slot *)(void *)(ring->slots + (position & ring->mask) * ring->slot_size);
}

// ---- Made ----

static size_t slot_size(size_t element_size)
{
    return (sizeof(struct slot) + element_size + 7) & ~(size_t)7;
}

// A power of two, and at least 2: otherwise a free slot and a full one have the same number.
static size_t slot_count(size_t capacity)
{
    size_t count = 2;

    while (count < capacity) count *= 2;
    return count;
}

size_t rs_ring_slots_size(size_t element_size, size_t capacity)
{
    if (capacity > RS_RING_CAPACITY_MAX || element_size > SIZE_MAX / 4) return 0;
    size_t count = slot_count(capacity);
    size_t each = slot_size(element_size);

    return each <= SIZE_MAX / count ? each * count : 0;
}

void rs_ring_init(struct rs_ring *ring, char *slots, size_t element_size, size_t capacity)
{
    size_t count = slot_count(capacity);

    ring->slots = slots;
    ring->mask = (uint32_t)(count - 1);
    ring->capacity = (uint32_t)capacity;
    ring->element_size = element_size;
    ring->slot_size = slot_size(element_size);
    // Relaxed, all: not shared yet.
    atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        atomic_store_explicit(&slot_at(ring, i)->number, i, memory_order_relaxed);
    }
}

// ---- Elements ----

// Somebody is between two steps, some nanoseconds apart, unless he was preempted there.
static void relax(int *rounds)
{
    enum { ROUNDS_MAX = 128 };

    rs_cpu_relax();
    if (++*rounds < ROUNDS_MAX) return;
    *rounds = 0;
    (void)sched_yield();
}

static void copy(void *to, const void *from, size_t size)
{
    if (size == 8) {
        memcpy(to, from, 8);  // a move, where a call would cost as much as the rest
    } else {
        memcpy(to, from, size);
    }
}

// Fills the slot of a position that is ours.
static void put(struct rs_ring *ring, uint32_t position, const void *element)
{
    struct slot *slot = slot_at(ring, position);
    int rounds = 0;

    // Acquire, with the release in take(): the element before has been copied.
    while (atomic_load_explicit(&slot->number, memory_order_acquire) != position) relax(&rounds);
    copy(slot->element, element, ring->element_size);
    // Release, with the acquire in rs_ring_pop(): who sees the number sees the element.
    atomic_store_explicit(&slot->number, position + 1, memory_order_release);
}

static void take(struct rs_ring *ring, uint32_t position, void *element)
{
    struct slot *slot = slot_at(ring, position);

    copy(element, slot->element, ring->element_size);
    // Release, with the acquire in put(): we have copied it.
    atomic_store_explicit(&slot->number, position + ring->mask + 1, memory_order_release);
}

// ---- Places ----

static bool is_full(const struct rs_ring *ring, uint64_t tail, uint64_t head)
{
    // As 64 bits: a head that is newer than the tail looks like a full ring.
    uint64_t used = (uint64_t)(position_of(tail) - position_of(head)) + reserved_of(tail);

    return used >= ring->capacity;
}

// Adds `step` to the tail, if there is a place and nobody who waits for one, or `waiter` is he.
// 0, with the tail as it was before; -EAGAIN; -EPIPE.
static int claim(struct rs_ring *ring, uint64_t step, bool waiter, uint64_t *before)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (;;) {
        // Acquire, with the release in rs_ring_pop().
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

        if ((tail & CLOSED) != 0) return -EPIPE;
        if ((!waiter && (head & SENDER_WAITS) != 0) || is_full(ring, tail, head)) {
            uint64_t again = atomic_load_explicit(&ring->tail, memory_order_relaxed);

            if (again == tail) return -EAGAIN;
            tail = again;
        } else if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + step,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            *before = tail;
            return 0;
        }
    }
}

int rs_ring_push(struct rs_ring *ring, const void *element, bool *waited)
{
    uint64_t before;
    int err = claim(ring, POSITION, false, &before);

    if (err < 0) return err;
    put(ring, position_of(before), element);
    *waited = (before & RECEIVER_WAITS) != 0;
    return 0;
}

int rs_ring_reserve(struct rs_ring *ring)
{
    uint64_t before;

    return claim(ring, RESERVED, false, &before);
}

bool rs_ring_reserve_for_waiter(struct rs_ring *ring)
{
    uint64_t before;

    return claim(ring, RESERVED, true, &before) == 0;
}

// The tail before the last reserved place of a closed ring was used, or given back.
static bool is_last_place(uint64_t before)
{
    return (before & CLOSED) != 0 && reserved_of(before) == 1;
}

void rs_ring_push_reserved(struct rs_ring *ring, const void *element, bool *waited, bool *ended)
{
    uint64_t before =
        atomic_fetch_add_explicit(&ring->tail, POSITION - RESERVED, memory_order_relaxed);

    put(ring, position_of(before), element);
    *waited = (before & RECEIVER_WAITS) != 0;
    *ended = is_last_place(before);
}

bool rs_ring_unreserve(struct rs_ring *ring, bool *ended)
{
    // Seq_cst, both, with rs_ring_wait_for_place(): see the head of this file.
    uint64_t before = atomic_fetch_sub_explicit(&ring->tail, RESERVED, memory_order_seq_cst);

    *ended = is_last_place(before);
    return (atomic_load_explicit(&ring->head, memory_order_seq_cst) & SENDER_WAITS) != 0;
}

// ---- Taken out ----

// Nothing can come any more, after what is there.
static bool is_ended(uint64_t tail)
{
    return (tail & CLOSED) != 0 && reserved_of(tail) == 0;
}

int rs_ring_pop(struct rs_ring *ring, void *element, bool *waited)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    int rounds = 0;

    for (;;) {
        uint32_t position = position_of(head);

        // Acquire, with the release in put().
        if (atomic_load_explicit(&slot_at(ring, position)->number, memory_order_acquire) ==
            position + 1) {
            // Release, with the acquire in claim() and rs_ring_wait_for_place().
            if (!atomic_compare_exchange_weak_explicit(&ring->head, &head, head + POSITION,
                                                       memory_order_release,
                                                       memory_order_relaxed)) {
                continue;
            }
            take(ring, position, element);
            *waited = (head & SENDER_WAITS) != 0;
            return 0;
        }
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

        if (position_of(tail) == position) return is_ended(tail) ? -EPIPE : -EAGAIN;
        // Another receiver was faster, or the sender is about to fill the slot.
        uint64_t again = atomic_load_explicit(&ring->head, memory_order_relaxed);

        if (again == head) relax(&rounds);
        head = again;
    }
}

// ---- Closed ----

bool rs_ring_close(struct rs_ring *ring)
{
    return (atomic_fetch_or_explicit(&ring->tail, CLOSED, memory_order_relaxed) & CLOSED) == 0;
}

bool rs_ring_is_closed(const struct rs_ring *ring)
{
    return (atomic_load_explicit(&ring->tail, memory_order_relaxed) & CLOSED) != 0;
}

size_t rs_ring_length(const struct rs_ring *ring)
{
    uint32_t head = position_of(atomic_load_explicit(&ring->head, memory_order_relaxed));
    uint32_t tail = position_of(atomic_load_explicit(&ring->tail, memory_order_relaxed));

    return tail - head;
}

// ---- Waited for ----

bool rs_ring_wait_for_element(struct rs_ring *ring)
{
    uint64_t tail = atomic_fetch_or_explicit(&ring->tail, RECEIVER_WAITS, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    return position_of(tail) == position_of(head) && !is_ended(tail);
}

void rs_ring_nobody_waits_for_element(struct rs_ring *ring)
{
    atomic_fetch_and_explicit(&ring->tail, ~(uint64_t)RECEIVER_WAITS, memory_order_relaxed);
}

bool rs_ring_wait_for_place(struct rs_ring *ring)
{
    // Seq_cst, both, with rs_ring_unreserve(): see the head of this file.
    uint64_t head = atomic_fetch_or_explicit(&ring->head, SENDER_WAITS, memory_order_seq_cst);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);

    return (tail & CLOSED) == 0 && is_full(ring, tail, head);
}

void rs_ring_nobody_waits_for_place(struct rs_ring *ring)
{
    atomic_fetch_and_explicit(&ring->head, ~(uint64_t)SENDER_WAITS, memory_order_relaxed);
}
