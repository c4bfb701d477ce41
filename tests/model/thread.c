// SPDX-License-Identifier: MIT
//
// Model threads: contexts of their own, one of which runs. Each is born by makecontext() and from
// then on switched by _setjmp() and _longjmp(), which make no system call.
//
// A thread that is started runs at once up to its first point: what it does until then, nobody can
// notice. At a point, one of those that can go on is chosen. To leave one that could have gone on
// is a preemption; only so many are granted. Without a bound, sleep sets prune what commutes: a
// thread whose next step has been tried first stays asleep in the later branches until another
// thread does something that its step does not commute with (Godefroid, "Partial-Order Methods for
// the Verification of Concurrent Systems", 1996). In the random mode threads have priorities, which
// change at a few random steps (Burckhardt and others, "A Randomized Scheduler with Probabilistic
// Guarantees of Finding Bugs", 2010).

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#include "base/tls.h"
#include "engine.h"

enum state { ABSENT, READY, RELAXED, ASLEEP, ENDED };

struct thread {
    enum state state;
    bool timed;       // ASLEEP, and may give up
    bool timed_out;   // gave up
    bool parkable;    // has been unparked since its last park
    unsigned weight;  // in the random mode: the highest goes first
    int starter;      // until its first point: the thread that started it; else -1
    uintptr_t sleeps_on;
    struct op next;
    void (*fn)(void *arg);
    void *arg;
    jmp_buf context;
    struct clock clock;
    struct view view;
    struct rs_tls tls;
};

static struct thread threads[MODEL_THREADS_MAX];
static unsigned count;
static unsigned now;
static unsigned asleep;  // the sleep set, a bit for each thread
static bool joined;      // thread 0 knows all that the others did
static unsigned lowest;  // priorities below all others, in the random mode
static ucontext_t templates[MODEL_THREADS_MAX];

void threads_reset(void)
{
    memset(&rs_tls, 0, sizeof rs_tls);
    count = 0;
    now = 0;
    asleep = 0;
    joined = false;
    lowest = 1000;
}

unsigned thread_count(void)
{
    return count;
}

unsigned thread_now(void)
{
    return now;
}

unsigned model_self(void)
{
    return now;
}

struct clock *thread_clock(unsigned thread)
{
    return &threads[thread].clock;
}

struct view *thread_view(unsigned thread)
{
    return &threads[thread].view;
}

// ---- Who goes on ----

static bool commute(const struct op *a, const struct op *b)
{
    if (a->addr == 0 || b->addr == 0) return true;
    if (a->addr == EVERYTHING || b->addr == EVERYTHING) return false;
    if (a->addr + a->size <= b->addr || b->addr + b->size <= a->addr) return true;
    return !a->writes && !b->writes;
}

// Those that can go on, the running one first.
static unsigned candidates(unsigned out[MODEL_THREADS_MAX])
{
    unsigned found = 0;

    if (threads[now].state == READY) out[found++] = now;
    for (unsigned i = 0; i < count; i++) {
        if (i != now && threads[i].state == READY) out[found++] = i;
    }
    if (found > 0) return found;
    // All that are left spin: let them look again.
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].state == RELAXED) {
            threads[i].state = READY;
            out[found++] = i;
        }
    }
    return found;
}

// Nobody can go on: one of those whose sleep is timed gives up.
static bool let_time_pass(void)
{
    unsigned timed[MODEL_THREADS_MAX];
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        if (threads[i].state == ASLEEP && threads[i].timed) timed[found++] = i;
    }
    if (found == 0) return false;
    struct thread *thread = &threads[timed[path_choose(found)]];

    thread->state = READY;
    thread->timed_out = true;
    thread->next = (struct op){.addr = 0};
    return true;
}

static unsigned choose_bounded(const unsigned *out, unsigned found)
{
    bool preempts = out[0] == now;

    if (preempts && run.preemptions_left <= 0) return now;
    unsigned chosen = out[path_choose(found)];

    if (preempts && chosen != now) run.preemptions_left--;
    return chosen;
}

static unsigned choose_pruned(const unsigned *out, unsigned found)
{
    unsigned awake[MODEL_THREADS_MAX];
    unsigned awake_count = 0;

    for (unsigned i = 0; i < found; i++) {
        if ((asleep >> out[i] & 1) == 0) awake[awake_count++] = out[i];
    }
    if (awake_count == 0) run_end(RUN_PRUNED);
    unsigned index = path_choose(awake_count);
    unsigned chosen = awake[index];

    for (unsigned i = 0; i < index; i++) asleep |= 1U << awake[i];
    for (unsigned i = 0; i < count; i++) {
        if (!commute(&threads[i].next, &threads[chosen].next)) asleep &= ~(1U << i);
    }
    return chosen;
}

static unsigned choose_random(const unsigned *out, unsigned found)
{
    unsigned best = out[0];

    if (path_choose(64) == 0 && lowest > 0) threads[now].weight = lowest--;
    for (unsigned i = 1; i < found; i++) {
        if (threads[out[i]].weight > threads[best].weight) best = out[i];
    }
    return best;
}

static unsigned choose(void)
{
    unsigned out[MODEL_THREADS_MAX];
    unsigned found = candidates(out);

    if (found == 0 && let_time_pass()) found = candidates(out);
    if (found == 0) model_fail("every thread waits: a wake-up was lost, or this is a deadlock");
    if (run.mode == PATH_RANDOM) return choose_random(out, found);
    if (run.bounds.preemptions < 0) return choose_pruned(out, found);
    return choose_bounded(out, found);
}

// ---- Switching ----

// How many have not ended, without the one that waits for them.
static unsigned threads_alive(void)
{
    unsigned alive = 0;

    for (unsigned i = 1; i < count; i++) alive += threads[i].state != ENDED;
    return alive;
}

static void birth(void)
{
    threads[now].fn(threads[now].arg);
    threads[now].state = ENDED;
    (void)thread_wake((uintptr_t)&threads[now], MODEL_THREADS_MAX);
    if (threads_alive() == 0) (void)thread_wake((uintptr_t)&run, 1);
    thread_point((struct op){.addr = 0});
}

static void switch_to(unsigned next)
{
    unsigned before = now;

    if (next == now) return;
    threads[before].tls = rs_tls;
    rs_tls = threads[next].tls;
    now = next;
    if (_setjmp(threads[before].context) == 0) _longjmp(threads[next].context, 1);
}

// What others do lets those that spin look again.
static void unrelax(void)
{
    for (unsigned i = 0; i < count; i++) {
        if (i != now && threads[i].state == RELAXED) threads[i].state = READY;
    }
}

void thread_point(struct op op)
{
    if (++run.steps > STEPS_MAX) model_fail("no end after %d steps", STEPS_MAX);
    int starter = threads[now].starter;

    threads[now].next = op;
    if (starter >= 0) {
        threads[now].starter = -1;
        switch_to((unsigned)starter);
    } else {
        switch_to(choose());
    }
    if (op.writes) unrelax();
}

void thread_relax(void)
{
    threads[now].state = RELAXED;
    thread_point((struct op){.addr = 0});
    threads[now].state = READY;
}

bool thread_sleep(uintptr_t addr, bool timed)
{
    struct thread *thread = &threads[now];

    thread->state = ASLEEP;
    thread->sleeps_on = addr;
    thread->timed = timed;
    thread->timed_out = false;
    thread_point((struct op){.addr = 0});
    return !thread->timed_out;
}

int thread_wake(uintptr_t addr, int most)
{
    int woken = 0;

    while (woken < most) {
        unsigned sleeping[MODEL_THREADS_MAX];
        unsigned found = 0;

        for (unsigned i = 0; i < count; i++) {
            if (threads[i].state == ASLEEP && threads[i].sleeps_on == addr) sleeping[found++] = i;
        }
        if (found == 0) break;
        struct thread *thread = &threads[sleeping[path_choose(found)]];

        thread->state = READY;
        thread->next = (struct op){.addr = 0};
        woken++;
    }
    return woken;
}

unsigned thread_start(void (*fn)(void *arg), void *arg)
{
    unsigned before = now;
    unsigned index = count;

    joined = false;
    if (count == MODEL_THREADS_MAX) model_fail("more than %d threads", MODEL_THREADS_MAX);
    count++;
    struct thread *thread = &threads[index];
    ucontext_t *context = &templates[index];

    if (index > 0) {
        thread->clock = threads[before].clock;
        thread->view = threads[before].view;
        threads[before].clock.at[before]++;
        thread->starter = (int)before;
    } else {
        thread->starter = -1;
        memset(&thread->clock, 0, sizeof thread->clock);
        memset(&thread->view, 0, sizeof thread->view);
    }
    thread->clock.at[index] = 1;
    thread->state = READY;
    thread->parkable = false;
    thread->next = (struct op){.addr = 0};
    thread->fn = fn;
    thread->arg = arg;
    memset(&thread->tls, 0, sizeof thread->tls);
    thread->weight = run.mode == PATH_RANDOM ? 1001 + path_choose(1000) : 0;
    if (context->uc_stack.ss_sp == NULL) {
        (void)getcontext(context);
        context->uc_stack.ss_sp = shadow_stack(index, &context->uc_stack.ss_size);
    }
    makecontext(context, birth, 0);
    threads[before].tls = rs_tls;
    rs_tls = thread->tls;
    now = index;
    if (index == 0) (void)setcontext(context);
    if (_setjmp(threads[before].context) == 0) (void)setcontext(context);
    return index;
}

// ---- What is known ----

static void view_add(struct view *view, const struct view *more)
{
    for (unsigned i = 0; i < LOCATIONS_MAX; i++) {
        if (view->at[i] < more->at[i]) view->at[i] = more->at[i];
    }
}

static void knowledge_add(struct clock *clock, struct view *view, const struct clock *more_clock,
                          const struct view *more_view)
{
    for (unsigned i = 0; i < CLOCKS; i++) {
        if (clock->at[i] < more_clock->at[i]) clock->at[i] = more_clock->at[i];
    }
    view_add(view, more_view);
}

void thread_teach(struct knowledge *knowledge)
{
    struct thread *self = &threads[now];

    knowledge_add(&knowledge->clock, &knowledge->view, &self->clock, &self->view);
    self->clock.at[now]++;
}

void thread_learn(const struct knowledge *knowledge)
{
    struct thread *self = &threads[now];

    knowledge_add(&self->clock, &self->view, &knowledge->clock, &knowledge->view);
}

// As if each thread ran a seq_cst fence now: what any of them has seen, no other one can miss. That
// alone orders no plain accesses.
void threads_fence(void)
{
    static struct view seen;

    thread_point((struct op){.addr = EVERYTHING, .writes = true});
    memset(&seen, 0, sizeof seen);
    for (unsigned i = 0; i < count; i++) view_add(&seen, &threads[i].view);
    for (unsigned i = 0; i < count; i++) threads[i].view = seen;
    trace_add("membarrier", 0, 0, 0, -1, (uintptr_t)__builtin_return_address(0));
}

// As a join does, orders all that it did before what follows.
static void learn_from(const struct thread *other)
{
    struct thread *self = &threads[now];

    knowledge_add(&self->clock, &self->view, &other->clock, &other->view);
}

void thread_join(unsigned thread)
{
    while (threads[thread].state != ENDED) (void)thread_sleep((uintptr_t)&threads[thread], false);
    learn_from(&threads[thread]);
}

void threads_join(void)
{
    while (threads_alive() > 0) (void)thread_sleep((uintptr_t)&run, false);
    for (unsigned i = 1; i < count; i++) learn_from(&threads[i]);
    joined = true;
}

bool thread_is_alone(void)
{
    return count == 1 || joined;
}

// ---- Parking ----

void model_park(void)
{
    struct thread *thread = &threads[now];
    uintptr_t addr = (uintptr_t)&thread->parkable;

    thread_point((struct op){.addr = addr, .size = 1, .writes = true});
    trace_add("park", addr, 0, 0, -1, (uintptr_t)__builtin_return_address(0));
    while (!thread->parkable) (void)thread_sleep(addr, false);
    thread->parkable = false;
}

void model_unpark(unsigned index)
{
    uintptr_t addr = (uintptr_t)&threads[index].parkable;

    thread_point((struct op){.addr = addr, .size = 1, .writes = true});
    trace_add("unpark", addr, 0, index, -1, (uintptr_t)__builtin_return_address(0));
    threads[index].parkable = true;
    (void)thread_wake(addr, 1);
}

void model_spawn(void (*fn)(void *arg), void *arg)
{
    (void)thread_start(fn, arg);
}
