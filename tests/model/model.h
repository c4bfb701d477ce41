// SPDX-License-Identifier: MIT
//
// What a scenario of the schedule explorer may use. A scenario is a few threads that run the real
// source of the library; the explorer runs it over and over, each time in another order, and with
// every value that the C11 memory model lets an atomic load return.
//
// Fails a scenario: a data race, a claim that is false, a panic, threads that all wait, a use of
// freed memory, a block that nobody freed. A scenario is compiled as the library is, so its own
// accesses are checked too.

#ifndef MODEL_H
#define MODEL_H

#include <rouse/allocator.h>
#include <rouse/waker.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// With the thread that sets up and checks.
enum { MODEL_THREADS_MAX = 7 };

struct model_scenario {
    const char *name;   // AREA_WHAT: areas are picked by their prefix
    const char *about;  // what must hold
    void (*setup)(void);
    void (*threads[MODEL_THREADS_MAX])(void);  // up to MODEL_THREADS_MAX - 1, then NULL
    void (*check)(void);                       // when all of them have ended; may be NULL
    uint32_t executions_max;                   // 0: the program's choice
    const char *must_fail;  // a planted bug: a part of the message with which it has to be found
};

// Each file of scenarios ends in an array of them, whose last name is NULL.
extern const struct model_scenario *const model_scenario_files[];

// A claim. The sentence says what should have held.
#define model_claim(condition, sentence)                                          \
    do {                                                                          \
        if (!(condition)) model_fail("%s (%s is false)", (sentence), #condition); \
    } while (0)

_Noreturn void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A number below `count`, each of which is tried: what the world may do.
unsigned model_choose(unsigned count);

// Memory that is checked for use after its end, and must be freed before the scenario's.
void *model_alloc(size_t size);
void model_free(void *memory);
// The library keeps this block for later; that is no leak.
void model_keep(const void *memory);
extern const struct rouse_allocator model_allocator;

// A stream between two descriptors, which hold up to `capacity` bytes for the other end. They are
// read and written through the library's table of system calls.
void model_stream(int fds[2], unsigned capacity);

// From now on each call of io_uring says `err`. What was handed over ends as it would have.
void model_ring_refuse(int err);

// The calling thread sleeps until somebody unparks it; at once if that happened since its last
// park. Orders nothing: what a wake publishes, it must publish by its own atomics.
void model_park(void);
void model_unpark(unsigned thread);
// Somebody else has to do something before the caller goes on: in loops that wait for that.
void model_relax(void);
unsigned model_self(void);  // 0 is the thread that sets up

// Another thread, from within a scenario.
void model_spawn(void (*fn)(void *arg), void *arg);

// What a word is now, whatever the caller might see of it. Orders nothing.
uint32_t model_newest(const _Atomic uint32_t *word);

// Names an object in traces.
void model_name(const volatile void *object, size_t size, const char *name);

// A waker that says so in `woken`, relaxed, and unparks `thread`. Its shares are counted and must
// come back to none.
struct model_waker {
    _Atomic uint32_t woken;  // 1 + the thread that woke it last
    _Atomic int32_t shares;
    unsigned thread;
    bool publishes;  // as an executor's does: who takes the wake sees what came before it
};
struct rouse_waker model_waker_of(struct model_waker *waker);  // borrowed
// Was it woken since the last call, and by which thread; -1: it was not.
bool model_waker_take(struct model_waker *waker);
int model_waker_taken_from(struct model_waker *waker);

#endif
