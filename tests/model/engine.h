// SPDX-License-Identifier: MIT
//
// The inside of the explorer.
//
// One execution: a path of choices, from the first to the last. The path decides at each point
// which thread goes on, and what a load returns. `path.c` owns it, `explore.c` walks through all of
// them, `thread.c` switches, `memory.c` has the atomics, `shadow.c` the plain accesses and the life
// of blocks, `seam.c` the kernel, `tsan.c` the entry points that the compiler calls.
//
// Nothing here is compiled with -fsanitize=thread, and there is one real thread.

#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include "model.h"

enum {
    STEPS_MAX = 20000,
    LOCATIONS_MAX = 768,
    CLOCKS = MODEL_THREADS_MAX,
};

// ---- The path of choices: path.c ----

enum path_mode { PATH_SEARCH, PATH_RANDOM, PATH_REPLAY };

struct bounds {
    int preemptions;  // < 0: no bound, and what commutes is pruned by sleep sets
    int stale;        // loads of an old value, failures for no reason, and the like
};

void path_reset(void);
void path_begin(enum path_mode mode, uint64_t seed);
bool path_next(void);                  // to the next unexplored one; false: that was the last
unsigned path_choose(unsigned count);  // count > 0
bool path_read(const char *text);      // "1.0.2": to be replayed
void path_print(char *buf, size_t size);
unsigned path_length(void);
uint64_t path_random(void);  // in the random mode, outside the path

// ---- Threads: thread.c ----

#define EVERYTHING UINTPTR_MAX

// What a thread will do when it goes on.
struct op {
    uintptr_t addr;  // 0: nothing that another thread can notice; or EVERYTHING
    uint8_t size;
    bool writes;
};

struct clock {
    uint32_t at[CLOCKS];
};

// What a thread has seen, by location: the position of a store in the order of its location.
struct view {
    uint16_t at[LOCATIONS_MAX];
};

// What somebody who was not there is told of it.
struct knowledge {
    struct clock clock;
    struct view view;
};

void threads_reset(void);
unsigned thread_count(void);
unsigned thread_now(void);
struct clock *thread_clock(unsigned thread);
struct view *thread_view(unsigned thread);

// Another thread may go first.
void thread_point(struct op op);
// A spin: somebody else has to do something first.
void thread_relax(void);
// Sleeps on `addr` until thread_wake(); `timed`: or until nobody else can go on (then false).
bool thread_sleep(uintptr_t addr, bool timed);
int thread_wake(uintptr_t addr, int count);
unsigned thread_start(void (*fn)(void *arg), void *arg);
// Waits for the end of one thread; thread 0 for that of all others.
void thread_join(unsigned thread);
void threads_join(void);
// What a membarrier does to them.
void threads_fence(void);
// All that was done is ordered before what the calling thread does, and nobody else does anything.
bool thread_is_alone(void);
// The calling thread adds what it knows, and what it has done; another one learns of it.
void thread_teach(struct knowledge *knowledge);
void thread_learn(const struct knowledge *knowledge);

// ---- One execution: execution.c ----

enum outcome { RUN_COMPLETE, RUN_PRUNED, RUN_FAILED };

struct run {
    const struct model_scenario *scenario;
    struct bounds bounds;
    enum path_mode mode;
    int preemptions_left;
    int stale_left;
    uint32_t steps;
    bool live;        // a model thread runs
    bool contention;  // found a location that two threads use, of which the search did not know
    bool tracing;
    char message[400];
};
extern struct run run;

enum outcome run_once(void);
_Noreturn void run_end(enum outcome outcome);  // from a model thread
// A choice that costs one of the few that are granted; 0 when none is left.
unsigned run_choose_rare(unsigned count);

// ---- Atomics: memory.c ----

enum rmw { RMW_EXCHANGE, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR };

void memory_init(void);
void memory_reset(void);
uint64_t memory_load(uintptr_t addr, unsigned size, int order, uintptr_t pc);
void memory_store(uintptr_t addr, unsigned size, uint64_t value, int order, uintptr_t pc);
uint64_t memory_rmw(uintptr_t addr, unsigned size, enum rmw op, uint64_t operand, int order,
                    uintptr_t pc);
bool memory_cas(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t desired, bool weak,
                const int orders[2], uintptr_t pc);
// A plain write covers these bytes: an atomic there begins anew.
void memory_plain_write(uintptr_t addr, size_t size);
// The kernel's, in the middle of a call: that began with a point. It reads the newest value, with
// acquire, and writes with release.
uint64_t memory_kernel_load(uintptr_t addr, unsigned size);
void memory_kernel_store(uintptr_t addr, unsigned size, uint64_t value);
// The value that every thread will see in the end, as a futex has it.
uint64_t memory_latest(uintptr_t addr, unsigned size);
// Whether more than one thread uses these bytes; remembered from one execution to the next.
bool memory_is_contended(uintptr_t addr);
void memory_contend(uintptr_t addr);
// What the last execution has found counts from now on. Not before it has been run again, if it is
// to be: it would take another course.
void memory_contention_learn(void);
void memory_contention_visit(void (*visit)(uintptr_t addr, void *arg), void *arg);
void memory_contention_forget(void);

// ---- Plain accesses and blocks: shadow.c ----

void shadow_init(void);
void *shadow_reserve(size_t size);  // zeroed pages for the explorer itself
void shadow_reset(void);
void shadow_plain(uintptr_t addr, size_t size, bool write, uintptr_t pc);
void shadow_atomic(uintptr_t addr, unsigned size, bool write, uintptr_t pc);
bool shadow_covers(uintptr_t addr);
void *shadow_alloc(size_t size, size_t align);
void shadow_free(void *memory, uintptr_t pc);
void *shadow_stack(unsigned thread, size_t *size);
void shadow_check_leaks(void);

// ---- Where in the source: site.c ----

// A site is the return address of a call that the compiler put in the place of an atomic access.
// The order to use instead, if this is the one that is weakened; slot 1 is that of a failure.
int site_order(uintptr_t pc, int slot, int order);
void site_hit(uintptr_t pc, const char *op, int order, int failure_order);
void site_hits_forget(void);
// "PC OP ORDER FAILURE-ORDER" for each that was reached, to a file.
bool site_hits_write(const char *file, const char *scenario);
// "PC,PC,...:SLOT:ORDER"
bool site_weaken(const char *text);
const char *order_name(int order);

// ---- Traces: trace.c ----

void trace_reset(void);
void trace_add(const char *what, uintptr_t addr, unsigned size, uint64_t value, int order,
               uintptr_t pc);
void trace_print(void);

// ---- The kernel: seam.c ----

void seam_install(void);
void seam_reset(void);
uint64_t seam_now(void);
// Time goes on to `time_ns`, unless it has already.
void seam_pass_until(uint64_t time_ns);

// ---- Its descriptors: kernel.c ----

void kernel_install(void);
void kernel_reset(void);

#endif
