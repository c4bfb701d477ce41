// SPDX-License-Identifier: MIT
//
// Workers that are kept on one processor while another one is free.
//
// A kernel that wakes a thread looks for an idle processor near the one where it slept. In a
// virtual machine it may find none: a processor that sleeps has been given back to the host, and
// counts as taken away, as one does that the host lets others use (on Linux, vcpu_is_preempted()).
// Then the thread comes to the processor of who woke it. So a worker that calls another, because it
// has work for two, has it at its side, where they take turns; and there the other one stays, for
// it sleeps and wakes where it is. The kernel parts them when both have been busy for some
// milliseconds, which is longer than most bursts of work.
//
// A worker wants its processor from when it was called, or when its sleep ran out, or else when it
// woke, until it sleeps. At each look at its driver, and before each sleep, it leaves that time in
// the seat of the processor, and compares it with what is there. If another worker has wanted the
// same processor for SHARED_NS of the time, it goes to one where no worker is: by allowing itself
// that one alone, and then, already there, all that it was allowed before. What it is allowed is
// what it was, so that threads and programs that its tasks start inherit what they should; the
// kernel may move it again, and will.
//
// To part when both have waited is too late for bursts of work that are short: each call draws the
// other worker to the caller's side again. So for a while after two have parted, one that falls
// asleep allows itself the processor where it is and no other, until it wakes, and is woken there.
//
// A processor without a worker may have another program's thread, and then the two workers are best
// off where they are: to a server of two workers and the generator of its load, on two processors,
// it was worth a quarter of its requests. So it moves only where the threads that run, or want to,
// are fewer than would take all that is free.
//
// What is in a seat is a hint, torn at times: what is wrong costs one move. Nothing waits for it.

#include "sched/seat.h"

#include <rouse/clock.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/choice.h"
#include "base/counters.h"
#include "base/sys.h"
#include "sched/cpus.h"
#include "sched/sched.h"

// What a move costs, which is as much as waking two threads.
#define SHARED_NS (50 * ROUSE_NS_PER_US)
// A tenth of the time at most goes into moves.
#define MOVE_INTERVAL_NS (500 * ROUSE_NS_PER_US)
// Long beside the time that two workers take to find that they have to part, which they do again
// after it; short, for other programs may have begun to use what is kept.
#define KEEP_NS (20 * ROUSE_NS_PER_MS)

void rs_seats_init(struct rs_sched *sched)
{
    struct rs_seats *seats = &sched->seats;

    if (sched->worker_count == 1 || rs_cpus_is_switched_off("ROUSE_SEATS")) return;
    if (rs_cpus_allowed() == 1) return;
    seats->running_fd = rs_cpus_running_open();
    if (seats->running_fd < 0) return;
    seats->is_open = true;
    rs_counter_add(RS_COUNTER_FDS, 1);
    // Relaxed: published by the start of the threads.
    atomic_store_explicit(&seats->on, true, memory_order_relaxed);
}

void rs_seats_deinit(struct rs_sched *sched)
{
    if (!sched->seats.is_open) return;
    sched->seats.is_open = false;
    (void)rs_sys.close(sched->seats.running_fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}

static bool is_on(const struct rs_worker *w)
{
    // Relaxed: it only ever goes off.
    return atomic_load_explicit(&w->sched->seats.on, memory_order_relaxed);
}

void rs_seat_call(struct rs_worker *worker)
{
    // Relaxed: a time, for rs_seat_take().
    if (is_on(worker)) {
        atomic_store_explicit(&worker->called_ns, rouse_now_ns(), memory_order_relaxed);
    }
}

// Where the thread is. Negative if that is not known.
static int sit_down(struct rs_worker *w)
{
    int cpu = rs_sys.getcpu();

    // Relaxed: a hint, for who looks for a processor.
    atomic_store_explicit(&w->cpu, cpu, memory_order_relaxed);
    return cpu;
}

void rs_seat_take(struct rs_worker *w, uint64_t begin_ns, uint64_t now_ns)
{
    if (!is_on(w)) return;
    // Relaxed: who called us has notified the driver since, and we have seen that.
    uint64_t called = atomic_load_explicit(&w->called_ns, memory_order_relaxed);
    uint64_t due = rs_driver_slept_until(w->driver);

    w->wanted_ns = now_ns;
    if (called >= begin_ns && called < w->wanted_ns) w->wanted_ns = called;
    if (due >= begin_ns && due < w->wanted_ns) w->wanted_ns = due;
    (void)sit_down(w);
}

// ---- Compared ----

static uint64_t sitter_of(const struct rs_worker *w, int cpu)
{
    return (uint64_t)cpu << 8 | (w->index + 1);
}

// Another worker has wanted this processor for a while of the time that `w` has.
static bool is_shared(const struct rs_worker *w, const struct rs_seat *seat, int cpu)
{
    // Relaxed, all: hints.
    uint64_t sitter = atomic_load_explicit(&seat->sitter, memory_order_relaxed);
    uint64_t from = atomic_load_explicit(&seat->wanted_ns, memory_order_relaxed);
    uint64_t until = atomic_load_explicit(&seat->seen_ns, memory_order_relaxed);

    if (sitter >> 8 != (uint64_t)cpu || sitter == 0 || sitter == sitter_of(w, cpu)) return false;
    if (from < w->wanted_ns) from = w->wanted_ns;
    return until >= from + SHARED_NS;
}

static void leave_word(struct rs_worker *w, struct rs_seat *seat, int cpu, uint64_t now_ns)
{
    // Relaxed, all: hints.
    atomic_store_explicit(&seat->sitter, sitter_of(w, cpu), memory_order_relaxed);
    atomic_store_explicit(&seat->wanted_ns, w->wanted_ns, memory_order_relaxed);
    atomic_store_explicit(&seat->seen_ns, now_ns, memory_order_relaxed);
}

// ---- Moved ----

// How many threads run, or want to, beside `w` and the workers that are awake; as if there were no
// end of them where that is not known.
static unsigned strangers(const struct rs_worker *w)
{
    const struct rs_sched *sched = w->sched;
    uint64_t asleep = rs_idle_sleepers(&sched->idle) | UINT64_C(1) << w->index;
    unsigned ours = 1 + sched->worker_count - (unsigned)__builtin_popcountll(asleep);
    unsigned running = rs_cpus_running(sched->seats.running_fd);

    if (running == 0) return UINT32_MAX;
    return running > ours ? running - ours : 0;
}

// Where another worker was seen last. Negative: nowhere.
static int seen_at(const struct rs_worker *other)
{
    // Relaxed: a hint.
    return atomic_load_explicit(&other->cpu, memory_order_relaxed);
}

// One of the processors in `allowed` where no worker has been seen last, and nobody else need be;
// -1: there is none.
static int free_processor(const struct rs_worker *w, cpu_set_t allowed)
{
    for (unsigned i = 0; i < w->sched->worker_count; i++) {
        int cpu = seen_at(&w->sched->workers[i]);

        if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_CLR((size_t)cpu, &allowed);
    }
    unsigned count = (unsigned)CPU_COUNT(&allowed);

    if (count == 0 || count <= strangers(w)) return -1;
    unsigned skip = rs_random_below(count);
    size_t cpu = 0;

    while (!CPU_ISSET(cpu, &allowed) || skip-- > 0) cpu++;
    return (int)cpu;
}

// Back to all that was allowed. If that has changed meanwhile so that nothing of it is left, then
// to all that is allowed now.
static void allow_again(const cpu_set_t *allowed)
{
    cpu_set_t all;

    if (rs_sys.sched_setaffinity(sizeof *allowed, allowed) == 0) return;
    memset(&all, 0xff, sizeof all);
    (void)rs_sys.sched_setaffinity(sizeof all, &all);
}

// Of a thread; 0: the calling one. False if that is not known.
static bool get_allowed(pid_t thread, cpu_set_t *allowed)
{
    CPU_ZERO(allowed);
    return rs_sys.sched_getaffinity(thread, sizeof *allowed, allowed) >= 0;
}

static bool allow_only(struct rs_worker *w, int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    if (rs_sys.sched_setaffinity(sizeof one, &one) == 0) return true;
    // Relaxed: we are not allowed to, so nobody need try again.
    atomic_store_explicit(&w->sched->seats.on, false, memory_order_relaxed);
    return false;
}

static void move(struct rs_worker *w, uint64_t now_ns)
{
    cpu_set_t allowed;

    if (!get_allowed(0, &allowed)) return;
    int cpu = free_processor(w, allowed);

    if (cpu < 0 || !allow_only(w, cpu)) return;
    allow_again(&allowed);
    rs_counters_add(&w->counters, RS_COUNTER_MOVES, 1);
    // Relaxed: a policy.
    atomic_store_explicit(&w->sched->seats.kept_until_ns, now_ns + KEEP_NS, memory_order_relaxed);
}

void rs_seat_look(struct rs_worker *w, uint64_t now_ns)
{
    if (!is_on(w)) return;
    // Relaxed: only this thread writes it.
    int before = atomic_load_explicit(&w->cpu, memory_order_relaxed);
    int cpu = sit_down(w);

    if (cpu < 0) return;
    // The kernel has moved us.
    if (cpu != before) w->wanted_ns = now_ns;
    struct rs_seat *seat = &w->sched->seats.seats[cpu % RS_SEATS];

    if (ROUSE_UNLIKELY(is_shared(w, seat, cpu)) && now_ns - w->moved_ns >= MOVE_INTERVAL_NS) {
        w->moved_ns = now_ns;
        move(w, now_ns);
        w->wanted_ns = now_ns;
        (void)sit_down(w);
    } else {
        leave_word(w, seat, cpu, now_ns);
    }
}

// ---- Kept ----

static bool is_anothers(const struct rs_worker *w, int cpu)
{
    for (unsigned i = 0; i < w->sched->worker_count; i++) {
        if (i != w->index && seen_at(&w->sched->workers[i]) == cpu) return true;
    }
    return false;
}

static bool is_only(const cpu_set_t *allowed, int cpu)
{
    return CPU_COUNT(allowed) == 1 && CPU_ISSET((size_t)cpu, allowed);
}

// Whether the main thread is allowed this processor alone. False also if that is not known.
static bool is_main_bound_to(int cpu)
{
    cpu_set_t allowed;

    return get_allowed(getpid(), &allowed) && is_only(&allowed, cpu);
}

// The main thread, which is no worker of several, stands for what all threads are to be allowed by
// the program or by who looks after it: should that become the very processor that we keep, it has
// to stay so.
void rs_seat_keep(struct rs_worker *w, uint64_t now_ns)
{
    const _Atomic uint64_t *until_ns = &w->sched->seats.kept_until_ns;

    // Relaxed: a policy.
    if (!is_on(w) || now_ns >= atomic_load_explicit(until_ns, memory_order_relaxed)) return;
    int cpu = seen_at(w);

    if (cpu < 0 || cpu >= CPU_SETSIZE || is_anothers(w, cpu)) return;
    if (!get_allowed(0, &w->allowed) || CPU_COUNT(&w->allowed) < 2) return;
    if (!CPU_ISSET((size_t)cpu, &w->allowed) || is_main_bound_to(cpu)) return;
    w->keeps_seat = allow_only(w, cpu);
}

void rs_seat_give_up(struct rs_worker *w)
{
    if (ROUSE_LIKELY(!w->keeps_seat)) return;
    w->keeps_seat = false;
    int cpu = seen_at(w);
    cpu_set_t allowed;

    // Somebody else has said meanwhile what we are allowed; nobody has, if that is not known.
    if (get_allowed(0, &allowed) && !is_only(&allowed, cpu)) return;
    if (!is_main_bound_to(cpu)) allow_again(&w->allowed);
}
