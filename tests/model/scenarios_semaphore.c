// SPDX-License-Identifier: MIT
//
// The semaphore: with one permit and with two, weights, cancel in every position, close; what was
// done under a permit is seen by the next, and the one who gets the last permit may free it.

#include <errno.h>
#include <rouse/semaphore.h>

#include "wait.h"

enum { TAKERS = 4 };

struct taker {
    struct rouse_semaphore_acquire acquire;
    struct model_waker waker;
};

static struct rouse_semaphore *semaphore;
static struct taker takers[TAKERS];  // one for each thread
static int counter;                  // plain: under the only permit
static _Atomic int inside;
static int parties;

static struct taker *mine(void)
{
    return &takers[model_self() - 1];
}

static bool look(struct taker *t)
{
    return poll_with(&t->acquire.base, &t->waker, NULL) == ROUSE_READY;
}

static void begin(uint64_t permits)
{
    semaphore = model_alloc(sizeof *semaphore);
    rouse_semaphore_init(semaphore, permits);
    counter = 0;
    // Relaxed: no thread has begun.
    atomic_store_explicit(&inside, 0, memory_order_relaxed);
    parties = 0;
    for (unsigned i = 0; i < TAKERS; i++) {
        takers[i].waker = (struct model_waker){.thread = i + 1};
        rouse_semaphore_acquire_init(&takers[i].acquire, semaphore, 1);
    }
    model_name(&semaphore->word, sizeof semaphore->word, "word");
    model_name(&semaphore->waiters.lock, sizeof semaphore->waiters.lock, "queue lock");
}

static void queue_up(int i, uint64_t permits)
{
    rouse_semaphore_acquire_init(&takers[i].acquire, semaphore, permits);
    model_claim(!look(&takers[i]), "there are not enough permits yet");
}

static void check(void)
{
    for (int i = 0; i < TAKERS; i++) claim_dropped(&takers[i].waker);
}

static void check_one(void)
{
    model_claim(semaphore->word == 1 << 2 && semaphore->waiters.first == NULL,
                "all permits come back");
    model_free(semaphore);
    check();
}

static void check_two(void)
{
    model_claim(semaphore->word == 2 << 2 && semaphore->waiters.first == NULL,
                "all permits come back");
    model_free(semaphore);
    check();
}

// ---- One permit ----

static void make_one(void)
{
    begin(1);
    parties = 2;
}

static void make_none(void)
{
    begin(0);
    parties = 1;
}

static void make_waiter(void)
{
    begin(0);
    parties = 1;
    queue_up(0, 1);
}

static void make_waiters(void)
{
    begin(0);
    queue_up(0, 1);
    queue_up(1, 1);
}

static void count_alone(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    model_claim(mine()->acquire.output == 0, "a permit is got");
    bool last = ++counter == parties;

    rouse_semaphore_release(semaphore, 1);
    if (last) model_free(semaphore);
}

static void take_and_free(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    counter++;
    model_free(semaphore);
}

static void count_and_release(void)
{
    counter++;
    rouse_semaphore_release(semaphore, 1);
}

static void release(void)
{
    rouse_semaphore_release(semaphore, 1);
}

static void try_and_count(void)
{
    if (rouse_semaphore_try_acquire(semaphore, 1) == 0) {
        counter++;
        rouse_semaphore_release(semaphore, 1);
    }
}

static void take_and_release(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    counter++;
    rouse_semaphore_release(semaphore, 1);
}

static void drop(void)
{
    rouse_future_drop(&mine()->acquire.base);
}

static void look_and_drop(void)
{
    if (look(mine())) counter++;
    drop();
}

// ---- A crowd: more than are woken in one go ----

static void make_crowd(void)
{
    begin(0);
    for (int i = 0; i < 3; i++) queue_up(i, 1);
}

static void take(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    model_claim(mine()->acquire.output == 0, "a permit is got");
    rouse_semaphore_acquire_take(&mine()->acquire);
}

static void release_three(void)
{
    rouse_semaphore_release(semaphore, 3);
}

// ---- Two permits ----

static void make_two(void)
{
    begin(2);
}

static void make_weights(void)
{
    begin(2);
    rouse_semaphore_acquire_init(&takers[0].acquire, semaphore, 2);
}

static void enter_and_leave(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    // Relaxed: counts only; the exploration has no older value to return to a read-modify-write.
    model_claim(atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed) < 2,
                "there are no more in than there are permits");
    atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
    drop();
}

static void enter_alone(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    model_claim(atomic_fetch_add_explicit(&inside, 2, memory_order_relaxed) == 0,
                "who has all permits is alone");
    atomic_fetch_sub_explicit(&inside, 2, memory_order_relaxed);
    drop();
}

// The first wants two, the second one.
static void make_weighted_queue(void)
{
    begin(0);
    queue_up(0, 2);
    queue_up(1, 1);
}

static void make_heavy_waiter(void)
{
    begin(0);
    queue_up(0, 2);
}

static void count_and_release_two(void)
{
    rouse_semaphore_release(semaphore, 1);
    rouse_semaphore_release(semaphore, 1);
}

// Takes what was saved up for one who has left.
static void try_until_taken(void)
{
    while (rouse_semaphore_try_acquire(semaphore, 1) != 0) model_relax();
    model_claim(counter == 1, "what was done before a release is seen");
    rouse_semaphore_release(semaphore, 1);
}

// Alone: nobody overtakes the first, who wants two.
static void keep_the_order(void)
{
    rouse_semaphore_release(semaphore, 1);
    model_claim(rouse_semaphore_try_acquire(semaphore, 1) == -EAGAIN, "a try does not overtake");
    model_claim(!look(&takers[1]), "nor does a wait");
    rouse_semaphore_release(semaphore, 1);
    model_claim(!look(&takers[1]) && look(&takers[0]), "who came first is served first");
    rouse_future_drop(&takers[0].acquire.base);
    model_claim(look(&takers[1]), "then the next");
    rouse_future_drop(&takers[1].acquire.base);
}

// Alone: of three the second leaves, then the third, which had come after it; another one comes.
static void leave_from_behind(void)
{
    rouse_future_drop(&takers[1].acquire.base);
    rouse_future_drop(&takers[2].acquire.base);
    model_claim(!look(&takers[3]), "there is no permit");
    rouse_semaphore_release(semaphore, 1);
    model_claim(look(&takers[0]) && !look(&takers[3]), "who came first is served first");
    rouse_semaphore_release(semaphore, 1);
    model_claim(look(&takers[3]), "then the one who is left");
    rouse_future_drop(&takers[0].acquire.base);
    rouse_future_drop(&takers[3].acquire.base);
}

// ---- Close ----

static void close_it(void)
{
    rouse_semaphore_close(semaphore);
}

static void wait_for_end(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    model_claim(mine()->acquire.output == 0 || mine()->acquire.output == -EBADF,
                "a close ends a wait");
    drop();
}

static void check_none(void)
{
    model_claim(semaphore->word == 0 && semaphore->waiters.first == NULL, "all have theirs");
    model_free(semaphore);
    check();
}

static void be_refused(void)
{
    wait_for(&mine()->acquire.base, &mine()->waker, NULL);
    model_claim(mine()->acquire.output == -EBADF, "once one is refused nobody is served");
}

static void be_refused_and_release(void)
{
    be_refused();
    rouse_semaphore_release(semaphore, 1);
}

// Of three permits two were taken.
static void check_crowd(void)
{
    model_claim(semaphore->word == 1 << 2 && semaphore->waiters.first == NULL,
                "what is left over comes back");
    model_free(semaphore);
    check();
}

static void check_closed(void)
{
    model_claim(semaphore->word == ((1 << 2) | 2) && semaphore->waiters.first == NULL,
                "a closed semaphore has its permits, and nobody waits for them");
    model_free(semaphore);
    check();
}

const struct model_scenario model_semaphore_scenarios[] = {
    {.name = "semaphore_one",
     .about = "one permit excludes, and who has it last may free the semaphore",
     .setup = make_one,
     .threads = {count_alone, count_alone},
     .check = check},
    {.name = "semaphore_first_wait",
     .about = "a release is seen by whoever just begins to wait",
     .setup = make_none,
     .threads = {take_and_free, count_and_release},
     .check = check},
    {.name = "semaphore_handed_over",
     .about = "who is granted a permit may free the semaphore at once",
     .setup = make_waiter,
     .threads = {take_and_free, count_and_release},
     .check = check},
    {.name = "semaphore_try",
     .about = "who tries does not overtake, and is not forgotten",
     .setup = make_one,
     .threads = {take_and_release, take_and_release, try_and_count},
     .check = check_one},
    {.name = "semaphore_drop",
     .about = "what is granted to one who is dropped goes to the next",
     .setup = make_waiters,
     .threads = {drop, take_and_release, release},
     .check = check_one},
    {.name = "semaphore_look_and_drop",
     .about = "wherever that happens",
     .setup = make_waiters,
     .threads = {look_and_drop, take_and_release, release},
     .check = check_one},
    {.name = "semaphore_two",
     .about = "two permits let two in, not three",
     .setup = make_two,
     .threads = {enter_and_leave, enter_and_leave, enter_and_leave},
     .check = check_two},
    {.name = "semaphore_weights",
     .about = "who wants both gets them, alone",
     .setup = make_weights,
     .threads = {enter_alone, enter_and_leave, enter_and_leave},
     .check = check_two},
    {.name = "semaphore_drop_heavy",
     .about = "when one who wants much is dropped, those behind get what there is",
     .setup = make_weighted_queue,
     .threads = {drop, take_and_release, release},
     .check = check_one},
    {.name = "semaphore_drop_against_release",
     .about = "while more comes",
     .setup = make_weighted_queue,
     .threads = {look_and_drop, take_and_release, count_and_release_two},
     .check = check_two},
    {.name = "semaphore_saved_up",
     .about = "what was saved up for one who is dropped is for all",
     .setup = make_heavy_waiter,
     .threads = {drop, count_and_release, try_until_taken},
     .check = check_one},
    {.name = "semaphore_order",
     .about = "permits go to who came first, as many as he wants",
     .setup = make_heavy_waiter,
     .threads = {keep_the_order},
     .check = check_two},
    {.name = "semaphore_leave",
     .about = "who leaves the queue from behind is out of it",
     .setup = make_crowd,
     .threads = {leave_from_behind},
     .check = check_two},
    {.name = "semaphore_crowd",
     .about = "one release serves many, in as many goes as it takes",
     .setup = make_crowd,
     .threads = {take, take, take, release_three},
     .check = check_none},
    {.name = "semaphore_crowd_drop",
     .about = "beside one that is dropped",
     .setup = make_crowd,
     .threads = {drop, take, take, release_three},
     .check = check_crowd},
    {.name = "semaphore_close_crowd",
     .about = "a close refuses many, in as many goes as it takes",
     .setup = make_crowd,
     .threads = {be_refused_and_release, be_refused, be_refused, close_it},
     .check = check_closed},
    {.name = "semaphore_close",
     .about = "a close ends a wait, or comes too late",
     .setup = make_waiter,
     .threads = {wait_for_end, close_it, release},
     .check = check_closed},
    {.name = "semaphore_close_first",
     .about = "also one that just begins",
     .setup = make_none,
     .threads = {wait_for_end, close_it, release},
     .check = check_closed},
    {.name = "semaphore_close_against_drop",
     .about = "a close and a drop and a release at once",
     .setup = make_waiters,
     .threads = {drop, wait_for_end, close_it, release},
     .check = check_closed},
    {.name = NULL},
};
