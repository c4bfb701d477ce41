// SPDX-License-Identifier: MIT
//
// A slot: a numbered message that is read without a lock, while it may be overwritten by the next.
// It is a mark and the words of the message.
//
// 1. The mark is 2n + 1 while message n is written, and 2n + 2 from then on. It only grows; 0 is
//    no message.
// 2. One writes at a time, under a lock of the slot's owner.
// 3. A reader looks at the mark, reads the words, and looks at the mark again. If one of the words
//    is of a later message, the store of that word was a release, after the store of the odd mark;
//    so the second look sees that one, or a later one. What was read is thrown away then.

#ifndef RS_CHAN_SLOT_H
#define RS_CHAN_SLOT_H

#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef _Atomic uint64_t rs_slot_word;

enum { RS_SLOT_WORD = sizeof(rs_slot_word) };

// How many words a slot for messages of `size` bytes has.
static inline size_t rs_slot_words(size_t size)
{
    return 1 + size / RS_SLOT_WORD + (size % RS_SLOT_WORD != 0);
}

// The mark of message `n` when it is there.
static inline uint64_t rs_slot_written(uint64_t n)
{
    return 2 * n + 2;
}

static inline uint64_t rs_slot_mark(const rs_slot_word *slot)
{
    // Acquire, with the release of the second mark in rs_slot_write(): the words are there.
    return atomic_load_explicit(slot, memory_order_acquire);
}

// Copies a word of the message, or what is left of it. The usual way, a whole word, is a move.
static inline void rs_slot_copy(void *to, const void *from, size_t left)
{
    if (ROUSE_LIKELY(left >= RS_SLOT_WORD)) {
        memcpy(to, from, RS_SLOT_WORD);
    } else {
        memcpy(to, from, left);
    }
}

static inline void rs_slot_write(rs_slot_word *slot, uint64_t n, const void *from, size_t size)
{
    // Relaxed: the words that follow are releases.
    atomic_store_explicit(slot, rs_slot_written(n) - 1, memory_order_relaxed);
    for (size_t at = 0; at < size; at += RS_SLOT_WORD) {
        uint64_t word = 0;

        rs_slot_copy(&word, (const char *)from + at, size - at);
        // Release, with the acquire in rs_slot_read(): who sees it sees that the mark has changed.
        atomic_store_explicit(&slot[1 + at / RS_SLOT_WORD], word, memory_order_release);
    }
    // Release, with the acquire in rs_slot_mark(): the words are there.
    atomic_store_explicit(slot, rs_slot_written(n), memory_order_release);
}

// Copies the message whose mark the caller has seen. Returns the mark afterwards: if it is another
// one, the copy is worth nothing.
static inline uint64_t rs_slot_read(const rs_slot_word *slot, void *to, size_t size)
{
    for (size_t at = 0; at < size; at += RS_SLOT_WORD) {
        // Acquire, with the release in rs_slot_write(): if it is of a later message, we see that
        // the mark has changed.
        uint64_t word = atomic_load_explicit(&slot[1 + at / RS_SLOT_WORD], memory_order_acquire);

        rs_slot_copy((char *)to + at, &word, size - at);
    }
    return rs_slot_mark(slot);
}

#endif
