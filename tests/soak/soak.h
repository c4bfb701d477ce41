// SPDX-License-Identifier: MIT
//
// What the parts of the soak share. A load is a kind of work, done by actors: tasks of either
// style, or plain threads, that go round until the time is over. An actor announces each operation,
// so that the main thread sees one that never ends: a lost wake-up. An operation is announced by
// its actor; all else here is for any thread.

#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include "harness/body.h"
#include "stress/stress.h"

// How long any operation may take before it counts as lost. Not a measure of speed: the longest
// operation of a busy machine is far below.
#define SOAK_BOUND_NS (90 * ROUSE_NS_PER_S)

struct soak_actor {
    const char *load;
    uint64_t random;            // the actor's own
    _Atomic uint64_t since_ns;  // when the operation in progress began; 0: there is none
    _Atomic uint64_t longest_ns;
    _Atomic int64_t operations;  // that have ended
};

struct soak_load {
    const char *name;
    unsigned actors;
    // Before and after the actors, on the main thread; may be NULL.
    void (*open)(struct rouse_runtime *runtime);
    void (*close)(struct rouse_runtime *runtime);
    // One of the two: an actor that is a task, or a thread.
    int (*spawn)(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor);
    void *(*thread)(void *actor);
};

// The loads, each once as fibers and once as frames.
#ifdef ROUSE_TEST_STYLE_FIBER
#define SOAK_LOAD(name) soak_##name##_fibers
#else
#define SOAK_LOAD(name) soak_##name##_frames
#endif

extern const struct soak_load soak_blocking_fibers, soak_blocking_frames;
extern const struct soak_load soak_churn_fibers, soak_churn_frames;
extern const struct soak_load soak_echo_fibers, soak_echo_frames;
extern const struct soak_load soak_foreign_fibers, soak_foreign_frames;
extern const struct soak_load soak_http_fibers, soak_http_frames;
extern const struct soak_load soak_timers_fibers, soak_timers_frames;

// The time is over: an actor ends after its operation.
bool soak_is_over(void);

void soak_operation_begin(struct soak_actor *actor);
void soak_operation_end(struct soak_actor *actor);

// Something that must not be: counted, and the first of them printed.
void soak_wrong(const char *what, int64_t result);
int64_t soak_wrongs(void);

// Bytes that went out and came back as they were.
void soak_bytes_add(int64_t count);

// A deadline that is not met only if a wake-up is lost.
static inline uint64_t soak_bound(void)
{
    return rouse_deadline_after(SOAK_BOUND_NS);
}

static inline uint64_t soak_below(struct soak_actor *actor, uint64_t limit)
{
    return stress_below(&actor->random, limit);
}

// A 64-bit checksum (Fowler, Noll and Vo's FNV-1a).
static inline uint64_t soak_checksum(const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

#endif
