// SPDX-License-Identifier: MIT
//
// When one worker gets all the tasks: with workers that nobody runs, and times and work made up.
// And with real ones, that nobody's task is lost while they are given to and fro.

#include "sched/solo.h"

#include <rouse.h>
#include <rouse/runtime.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"
#include "sched/runtime.h"
#include "sched/sched.h"
#include "task/task.h"

#define MS ROUSE_NS_PER_MS

enum { WORKERS = 3, REST_MS = 4, SETTLE_MS = 1, WINDOW_MS = 2, CHECK_MS = 4 };

static struct rs_sched sched;
static struct rs_worker workers[WORKERS];
static uint64_t now_ns;
static struct rouse_task tasks[RS_RUNQ_CAPACITY];

static void begin_at(uint64_t begin_ns, bool is_off)
{
    now_ns = begin_ns;
    sched = (struct rs_sched){.workers = workers, .worker_count = WORKERS};
    rs_idle_init(&sched.idle);
    rs_solo_init(&sched.solo, is_off);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct rs_worker){.sched = &sched, .index = i};
        rs_runq_init(&workers[i].runq);
        rs_inbox_init(&workers[i].inbox);
        rs_hand_init(&workers[i].hand);
        rs_biased_favour(&workers[i].hand.lock);
        rs_busy_begin(&workers[i].busy, now_ns);
    }
}

static void begin(void)
{
    begin_at(1000 * ROUSE_NS_PER_S, false);
}

static void end(void)
{
    for (unsigned i = 0; i < WORKERS; i++) rs_biased_disown(&workers[i].hand.lock);
}

static void look(unsigned index)
{
    rs_solo_look(&workers[index], now_ns);
}

// So long; meanwhile the workers get so many operations done in a millisecond; then one looks.
static void after(unsigned ms, unsigned first, unsigned second, unsigned index)
{
    now_ns += ms * MS;
    workers[0].spent += (uint64_t)ms * first;
    workers[1].spent += (uint64_t)ms * second;
    for (int i = 0; i < 2; i++) workers[i].operations = workers[i].spent;  // as of a look before
    look(index);
}

static int32_t soloist(void)
{
    return rs_solo_worker(&sched.solo);
}

// What all get done is measured; worker 1 comes to the end of that.
static void together(unsigned first, unsigned second)
{
    look(0);
    after(WINDOW_MS, first, second, 1);
}

// Worker 1 has gathered all, and gets so much done.
static void trial(unsigned alone)
{
    after(SETTLE_MS, 0, alone, 0);
    after(WINDOW_MS, 0, alone, 0);
}

static bool is_tried(unsigned first, unsigned second)
{
    begin();
    together(first, second);
    bool is = soloist() == 1;

    end();
    return is;
}

static void without_reason(void)
{
    claim(is_tried(5000, 5200), "where two get 10 operations done in a microsecond it is tried");
    claim(!is_tried(30000, 30000), "where they get 60 done it is not: one can hardly do that");
    claim(!is_tried(500, 500), "nor where operations take long: that is work");
    claim(!is_tried(10000, 200), "nor where one does nearly all as it is");
    claim(!is_tried(0, 0), "nor where nothing is done");
    begin();
    for (int i = 0; i <= RS_RUNQ_CAPACITY / 2; i++) {
        (void)rs_runq_push(&workers[i % 2].runq, &tasks[i].link, false);
    }
    together(5000, 5200);
    claim(soloist() == -1, "nor where there are more tasks than go into a queue easily");
    end();
    begin();
    look(0);
    workers[1].spawned = 10000;
    workers[0].ended = 5000;
    workers[1].ended = 5000;
    after(WINDOW_MS, 0, 0, 0);
    claim(soloist() == 1, "it is where tasks are spawned and end; with the worker that does most");
    end();
    begin();
    workers[0].counters.values[RS_COUNTER_READY_EVENTS] = 2000;
    look(0);
    workers[0].counters.values[RS_COUNTER_READY_EVENTS] += 2000;
    after(WINDOW_MS, 5000, 5200, 1);
    claim(soloist() == -1, "nor where one in ten is about a descriptor");
    end();
    begin_at(1000 * ROUSE_NS_PER_S, true);
    together(5000, 5200);
    claim(soloist() == -1, "nor where it is switched off");
    end();
}

static unsigned given_to(struct rs_worker *w)
{
    unsigned count = 0;

    for (struct rs_task_link *link = rs_inbox_take(&w->inbox); link != NULL; link = link->next) {
        count++;
    }
    return count;
}

static void fill(struct rs_worker *w)
{
    for (int i = 0; i < 10; i++) (void)rs_runq_push(&w->runq, &tasks[i].link, false);
    struct rs_task_link *first = rs_hand_fill(&w->hand, &w->runq, 4);

    (void)rs_hand_exchange_slot(&w->hand, first);
}

static void giving(void)
{
    begin();
    fill(&workers[0]);
    look(0);
    claim(given_to(&workers[1]) == 0, "nobody gives while all work");
    together(5000, 5200);
    fill(&workers[1]);
    look(1);
    claim(given_to(&workers[1]) == 0 && rs_runq_length(&workers[1].runq) > 0,
          "who works alone keeps what it has");
    workers[1].away = true;
    look(0);
    claim(given_to(&workers[1]) == 0, "nothing is given to a worker that does not come back");
    workers[1].away = false;
    look(0);
    claim(given_to(&workers[1]) == 10 && rs_runq_length(&workers[0].runq) == 0 &&
              !rs_hand_has_slot(&workers[0].hand) && workers[0].hand.is_empty,
          "the others give what is in their queues, their hands and their slots");
    trial(30000);
    claim(soloist() == 1, "where one gets three times as much done it is kept");
    fill(&workers[0]);
    look(0);
    claim(given_to(&workers[1]) == 0, "what comes to the others then stays with them");
    end();
}

// For how many milliseconds nobody works alone.
static unsigned pause_ms(void)
{
    unsigned ms = 0;

    for (; soloist() < 0 && ms < 10000; ms++) after(1, 5000, 5200, 1);
    return ms;
}

static unsigned at_most(unsigned max, unsigned ms)
{
    return ms < max ? ms : max;
}

static void what_does_not_pay(void)
{
    bool ended = true;
    bool good = true;

    begin();
    (void)pause_ms();
    for (unsigned pause = 16; pause <= 8192; pause *= 2) {
        workers[1].share_from = UINT32_MAX;
        trial(11000);
        if (soloist() != -1 || workers[1].share_from != 1) ended = false;
        if (pause_ms() != at_most(4096, pause) + WINDOW_MS) good = false;
    }
    claim(ended, "where one gets hardly more done it ends, and others may take from its queue");
    claim(good, "each time the next trial comes twice as late, up to four seconds");
    end();
}

// For how many worker 1 does, and gets so much done.
static unsigned kept_ms(unsigned alone)
{
    unsigned ms = 0;

    for (; soloist() == 1 && ms < 10000; ms++) after(1, 0, alone, 1);
    return ms;
}

static void what_pays(void)
{
    bool good = true;

    begin();
    for (unsigned keep = 16; keep <= 1024; keep *= 2) {
        (void)pause_ms();
        trial(20000);
        if (kept_ms(20000) != at_most(512, keep)) good = false;
    }
    claim(good, "what pays is kept to twice as long each time, up to half a second");
    claim(pause_ms() <= SETTLE_MS + WINDOW_MS + 1, "and then soon measured again");
    trial(20000);
    claim(kept_ms(9000) <= CHECK_MS, "it ends when less than half as much gets done");
    claim(rs_counters_get(&workers[0].counters, RS_COUNTER_SOLOS) +
                  rs_counters_get(&workers[1].counters, RS_COUNTER_SOLOS) ==
              8,
          "each time is counted");
    end();
}

static void sharing(void)
{
    begin();
    together(5000, 5200);
    workers[1].looked_ns = now_ns;
    workers[1].dry_ns = now_ns;
    workers[1].tick = 100;
    rs_share_measure(&workers[1], now_ns + 2 * MS);
    claim(workers[1].share_from == UINT32_MAX, "who works alone keeps all, however long it takes");
    workers[1].spawned_from = 4;
    workers[1].offer_every = 64;
    rs_share_spawned(&workers[1]);
    claim(workers[1].share_from == UINT32_MAX, "and what is spawned");
    workers[0].looked_ns = now_ns;
    workers[0].dry_ns = now_ns;
    rs_share_measure(&workers[0], now_ns + 2 * MS);
    claim(workers[0].share_from == 1, "the others share as ever");
    end();
}

// ---- Real workers ----

enum { YIELDERS = 100, YIELDS = 50000 };

struct yielder {
    struct rouse_future base;
    int left;
};

static rouse_poll yielder_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct yielder *y = ROUSE_CONTAINER_OF(self, struct yielder, base);

    if (y->left-- == 0) return ROUSE_READY;
    rouse_waker_wake_by_ref(&cx->waker);
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable yielder_vtable = {.poll = yielder_poll, .name = "yielder"};

static void yielder_init(struct rouse_future *storage, void *arg)
{
    struct yielder *y = ROUSE_CONTAINER_OF(storage, struct yielder, base);

    (void)arg;
    *y = (struct yielder){.base = {&yielder_vtable}, .left = YIELDS};
}

// Has this worker run all from now on; -1: none.
static void set_taker(struct rs_solo *solo, int32_t worker)
{
    // Relaxed, both: as rs_solo_look() does.
    atomic_store_explicit(&solo->worker, worker, memory_order_relaxed);
    atomic_store_explicit(&solo->taker, worker, memory_order_relaxed);
}

static atomic_bool is_over;

static void *meddle(void *arg)
{
    struct rs_solo *solo = arg;

    // Relaxed: a flag.
    for (int32_t i = 0; !atomic_load_explicit(&is_over, memory_order_relaxed); i++) {
        set_taker(solo, i % 3 - 1);
        (void)usleep(300);
    }
    set_taker(solo, -1);
    return NULL;
}

static bool all_end(struct rouse_runtime *runtime)
{
    struct rouse_join_handle handles[YIELDERS];
    struct rouse_future_spec spec = {.size = sizeof(struct yielder), .init = yielder_init};
    bool good = true;

    for (int i = 0; i < YIELDERS; i++) {
        if (rouse_runtime_spawn_future(runtime, &handles[i], &spec, NULL) < 0) return false;
    }
    for (int i = 0; i < YIELDERS; i++) good = rouse_join(&handles[i]) == 0 && good;
    return good;
}

static uint64_t polls_of_the_lesser(struct rouse_runtime *runtime)
{
    struct rouse_worker_metrics m[2] = {{.size = sizeof m[0]}, {.size = sizeof m[0]}};

    for (unsigned i = 0; i < 2; i++) (void)rouse_worker_metrics(runtime, i, &m[i]);
    return m[0].poll_count < m[1].poll_count ? m[0].poll_count : m[1].poll_count;
}

static void real_workers(void)
{
    // So that no step but the meddler's is taken.
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 2, .no_solo = true};
    struct rouse_runtime *runtime;
    pthread_t meddler;

    if (rouse_runtime_new(&runtime, &options) < 0) abort();
    if (pthread_create(&meddler, NULL, meddle, &runtime->sched.solo) != 0) abort();
    claim(all_end(runtime), "no task is lost while they are given to and fro");
    // Relaxed: a flag.
    atomic_store_explicit(&is_over, true, memory_order_relaxed);
    (void)pthread_join(meddler, NULL);
    claim(polls_of_the_lesser(runtime) > YIELDS, "which both workers have run");
    rouse_runtime_free(runtime);
}

int main(void)
{
    (void)alarm(120);
    without_reason();
    giving();
    what_does_not_pay();
    what_pays();
    sharing();
    real_workers();
    return claims_end();
}
