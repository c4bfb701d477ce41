// SPDX-License-Identifier: MIT
//
// The ring of a bounded channel, what is not done for each element: see ring.h.

#include "chan/ring.h"

#include "chan/spin.h"

// ---- Made ----

static size_t slot_size(size_t element_size)
{
    return (sizeof(struct rs_slot) + element_size + 7) & ~(size_t)7;
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
    ring->tail = (struct rs_tail){.listener = NULL};
    // Relaxed, all: not shared yet.
    atomic_store_explicit(&ring->seen, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->next, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        atomic_store_explicit(&rs_ring_slot_at(ring, i)->number, i, memory_order_relaxed);
    }
}

// ---- Places ----

int rs_ring_reserve(struct rs_ring *ring)
{
    uint64_t before;

    return rs_ring_claim(ring, RS_RING_RESERVED, false, &before);
}

bool rs_ring_reserve_for_waiter(struct rs_ring *ring)
{
    uint64_t before;

    return rs_ring_claim(ring, RS_RING_RESERVED, true, &before) == 0;
}

// The tail before the last reserved place of a closed ring was used, or given back.
static bool is_last_place(uint64_t before)
{
    return (before & RS_TAIL_CLOSED) != 0 && rs_ring_reserved_of(before) == 1;
}

int rs_ring_push_reserved(struct rs_ring *ring, const void *element, bool *ended)
{
    uint64_t before = rs_tail_look(&ring->tail);

    while (!rs_ring_advance(ring, &before, RS_RING_POSITION - RS_RING_RESERVED)) {
    }
    rs_ring_put(ring, rs_ring_position_of(before), element);
    *ended = is_last_place(before);
    return rs_tail_waiting(before);
}

bool rs_ring_unreserve(struct rs_ring *ring, bool *ended)
{
    // Seq_cst, both, with rs_ring_wait_for_place(): see the head of this file.
    uint64_t before = rs_fetch_sub_64(&ring->tail.word, RS_RING_RESERVED, memory_order_seq_cst);

    *ended = is_last_place(before);
    return (atomic_load_explicit(&ring->head, memory_order_seq_cst) & RS_RING_SENDER_WAITS) != 0;
}

// ---- Elements ----

void rs_ring_await_slot(struct rs_slot *slot, uint32_t position)
{
    int rounds = 0;

    // Acquire, with the release in rs_ring_take().
    while (atomic_load_explicit(&slot->number, memory_order_acquire) != position) rs_spin(&rounds);
}

static int pop_one(struct rs_ring *ring, void *element, bool *waited)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    int rounds = 0;

    for (;;) {
        uint32_t position = rs_ring_position_of(head);
        struct rs_slot *slot = rs_ring_slot_at(ring, position);

        // Acquire, with the release in rs_ring_put().
        if (atomic_load_explicit(&slot->number, memory_order_acquire) == position + 1) {
            // Release, with the acquire in rs_ring_length() and rs_ring_wait_for_place().
            if (!rs_compare_exchange_weak_64(&ring->head, &head, head + RS_RING_POSITION,
                                             memory_order_release, memory_order_relaxed)) {
                continue;
            }
            // Relaxed: for one that is the only one later.
            atomic_store_explicit(&ring->next, position + 1, memory_order_relaxed);
            rs_ring_take(ring, slot, position, element);
            *waited = *waited || (head & RS_RING_SENDER_WAITS) != 0;
            return 0;
        }
        uint64_t tail = rs_tail_look(&ring->tail);

        if (rs_ring_position_of(tail) == position) return rs_ring_is_ended(tail) ? -EPIPE : -EAGAIN;
        // Another receiver was faster, or the sender is about to fill the slot.
        uint64_t again = atomic_load_explicit(&ring->head, memory_order_relaxed);

        if (again == head) rs_spin(&rounds);
        head = again;
    }
}

ssize_t rs_ring_pop(struct rs_ring *ring, char *elements, size_t count_max, bool *waited)
{
    size_t count = 0;
    int err;

    *waited = false;
    do {
        err = pop_one(ring, elements + count * ring->element_size, waited);
    } while (err == 0 && ++count < count_max);
    return count > 0 ? (ssize_t)count : err;
}

// ---- Looked at ----

size_t rs_ring_length(const struct rs_ring *ring)
{
    uint64_t head;
    uint64_t tail;
    uint64_t again;

    // The two are of one moment if no receiver went on in between.
    do {
        // Acquire, with the release in rs_ring_pop() and rs_ring_pop_alone(): the tail is not
        // behind it.
        head = atomic_load_explicit(&ring->head, memory_order_acquire);
        // Acquire, with the release in rs_ring_claim(): a head that the sender moved himself, or
        // saw moved, is not read as it was before.
        tail = atomic_load_explicit(&ring->tail.word, memory_order_acquire);
        // Relaxed: only compared.
        again = atomic_load_explicit(&ring->head, memory_order_relaxed);
    } while (rs_ring_position_of(again) != rs_ring_position_of(head));
    uint32_t length = rs_ring_position_of(tail) - rs_ring_position_of(head);

    // A processor that shows new positions late may show a tail for which there was no room yet.
    return length < ring->capacity ? length : ring->capacity;
}

// ---- Waited for ----

bool rs_ring_wait_for_place(struct rs_ring *ring)
{
    // Seq_cst, both, with rs_ring_unreserve(): see the head of this file.
    uint64_t head = rs_fetch_or_64(&ring->head, RS_RING_SENDER_WAITS, memory_order_seq_cst);
    uint64_t tail = atomic_load_explicit(&ring->tail.word, memory_order_seq_cst);

    return (tail & RS_TAIL_CLOSED) == 0 && rs_ring_is_full(ring, tail, head);
}

void rs_ring_nobody_waits_for_place(struct rs_ring *ring)
{
    rs_fetch_and_64(&ring->head, ~(uint64_t)RS_RING_SENDER_WAITS, memory_order_relaxed);
}
