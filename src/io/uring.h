// SPDX-License-Identifier: MIT
//
// The inside of the back end over io_uring, for its two files: uring.c, which watches and waits,
// and uring_receive.c, which has the kernel receive ahead of who reads. Invariants: uring.c.

#ifndef RS_IO_URING_H
#define RS_IO_URING_H

#include "base/lock.h"
#include "io/alarm.h"
#include "io/backend.h"
#include "io/buffer_ring.h"
#include "io/notifier.h"
#include "io/ring.h"

// What `user_data` says: these, or {generation, descriptor}, whose upper half is never 0. Of a
// receive the highest bit of the lower half is set, which no descriptor has.
enum { RS_URING_TAG_CANCEL = 0, RS_URING_TAG_NOTIFIER = 1 };

#define RS_URING_TAG_RECEIVE (UINT32_C(1) << 31)

// A receive's life; it is drawn in docs/io_uring.md. Two of them have an operation in the kernel.
enum rs_uring_receive {
    RS_URING_RECEIVE_NONE,
    RS_URING_RECEIVE_WANTED,  // to be armed by the next wait
    RS_URING_RECEIVE_ARMED,
    RS_URING_RECEIVE_ENDING,  // cancelled, and its last completion has not come
    RS_URING_RECEIVE_OVER,    // the kernel is asked again, once what has come is read
};

struct rs_uring_watch {
    uint64_t key;
    uint32_t interest;    // RS_WATCH_NONE: not watched
    uint32_t generation;  // of this interest; 0: never watched
    uint32_t armed;       // the generation of the poll in the kernel; 0: none
    uint32_t next;  // on the list: 1 + descriptor; RS_URING_LIST_END; 0: it is not on the list

    struct rs_inflow inflow;      // what has come and is not read
    uint32_t receive_generation;  // of the receive whose completions count; 0: never received
    uint32_t receive_armed;       // of that in the kernel which nobody has cancelled; 0: none
    int32_t receive_error;        // for the read after the last byte
    uint16_t held;                // buffers in `inflow`
    uint8_t receive;              // enum rs_uring_receive
};
_Static_assert(sizeof(struct rs_uring_watch) <= 48, "each descriptor has one");

#define RS_URING_LIST_END UINT32_MAX

struct rs_uring_table {
    struct rs_uring_watch *watches;  // by descriptor
    size_t count;
};

struct rs_uring {
    struct rs_backend base;
    const struct rouse_allocator *allocator;
    struct rs_notifier notifier;
    struct rs_alarm alarm;

    struct rs_lock lock;
    struct rs_io_ring ring;
    struct rs_uring_table table;
    uint32_t list;        // of watches to be handed over: 1 + descriptor; RS_URING_LIST_END
    bool notifier_armed;  // its poll operation is in the kernel
    bool sleeping;        // somebody sleeps who has handed over everything
    bool retired;         // nothing more is asked of the kernel
    bool ring_open;       // until the last one has left it
    bool lingers;         // it was retired, and receives go on
    int failed;           // what the kernel refused for good; 0: nothing
    unsigned entered;     // threads in io_uring_enter()
    int outer_fd;         // an epoll set of the ring and the alarm, for a foreign loop; -1: none
    uint64_t alarm_ns;    // when the alarm goes off; ROUSE_NEVER
    struct rs_backend *successor;  // once retired

    struct rs_buffer_ring buffers;
    bool receives;       // new receives may begin
    bool has_received;   // one has begun: so buffers are wanted
    unsigned receiving;  // receives in the kernel, the cancelled ones too
};

static inline struct rs_uring *rs_uring_of(struct rs_backend *backend)
{
    return ROUSE_CONTAINER_OF(backend, struct rs_uring, base);
}

// ---- uring.c, for the other file; all of it under the lock ----

static inline uint64_t rs_uring_tag(uint32_t fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | fd;
}

static inline uint32_t rs_uring_generation_after(uint32_t generation)
{
    // Comes round after 2^32 changes, and leaves 0 out.
    return generation == UINT32_MAX ? 1 : generation + 1;
}

// Puts a watch on the list of those to be handed over.
static inline void rs_uring_list_add(struct rs_uring *b, uint32_t fd)
{
    if (b->table.watches[fd].next != 0) return;
    b->table.watches[fd].next = b->list;
    b->list = fd + 1;
}

// False if the queue is full.
bool rs_uring_prepare_cancel(struct rs_uring *b, uint64_t tag, uint32_t flags);

// The lock is given up meanwhile. Returns what rs_io_ring_submit() does.
int rs_uring_enter(struct rs_uring *b, unsigned wait_for, uint64_t timeout_ns);

// Takes all completions there are and reports none: what polls have to tell they tell again once
// they are armed anew.
void rs_uring_take_back(struct rs_uring *b);

// Makes who sleeps look at what was written down.
void rs_uring_settle(struct rs_uring *b);

// ---- uring_receive.c ----

extern const struct rs_receive_ops rs_uring_receive_ops;

// When the back end opens and closes: where ROUSE_URING_RECV asks for it, and the kernel does it.
void rs_uring_receive_open(struct rs_uring *b);
void rs_uring_receive_close(struct rs_uring *b);

// Without the lock: gives the kernel as many buffers as it has filled.
void rs_uring_receive_refill(struct rs_uring *b);

// The rest under the lock. True if receives go on, or may, for this watch: then nothing polls
// whether it is readable.
static inline bool rs_uring_is_receiving(const struct rs_uring_watch *watch)
{
    return watch->receive != RS_URING_RECEIVE_NONE && watch->receive != RS_URING_RECEIVE_OVER;
}

static inline bool rs_uring_is_receive(uint64_t tag)
{
    return ((uint32_t)tag & RS_URING_TAG_RECEIVE) != 0;
}

// True if completions of this generation are those of the watch's receive.
static inline bool rs_uring_receive_counts(const struct rs_uring_watch *watch, uint32_t generation)
{
    return (watch->receive == RS_URING_RECEIVE_ARMED ||
            watch->receive == RS_URING_RECEIVE_ENDING) &&
           watch->receive_generation == generation;
}

// A watch that is not received wants to be. False: it has to be polled.
bool rs_uring_receive_begin(struct rs_uring *b, uint32_t fd);

// Nobody will read what has come: it is moved to `*out`. A receive in the kernel is to be cancelled
// by handing over.
void rs_uring_receive_drop(struct rs_uring *b, uint32_t fd, struct rs_inflow *out);

// Writes the entries that the receive needs. False if the queue is full.
bool rs_uring_receive_hand_over(struct rs_uring *b, uint32_t fd);

// A receive has ended or gone on. Returns true if `*event` was filled.
bool rs_uring_receive_complete(struct rs_uring *b, const struct io_uring_cqe *cqe,
                               struct rs_event *event);

// Cancels all receives and waits until the kernel has let go of their buffers. Where it cannot be
// asked any more, they go on until they end by themselves.
void rs_uring_receive_halt(struct rs_uring *b);

#endif
