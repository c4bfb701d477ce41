// SPDX-License-Identifier: MIT
//
// The lock for readers and writers: a writer excludes readers and writers, whoever waits is woken,
// cancel in every position, and the writer who has it last may free it. There is no driver, so each
// wake counts.

#include <errno.h>
#include <rouse/rwlock.h>

#include "wait.h"

enum { PARTIES = 4 };

struct party {
    union {
        struct rouse_future base;
        struct rouse_rwlock_read read;
        struct rouse_rwlock_write write;
    };
    struct model_waker waker;
};

static struct rouse_rwlock *lock;
static struct party parties[PARTIES];  // one for each thread
static int counter;                    // plain: readers read it, writers write it

static struct party *mine(void)
{
    return &parties[model_self() - 1];
}

static bool look(struct party *p)
{
    return poll_with(&p->base, &p->waker, NULL) == ROUSE_READY;
}

static void begin(void)
{
    lock = model_alloc(sizeof *lock);
    rouse_rwlock_init(lock);
    counter = 0;
    for (unsigned i = 0; i < PARTIES; i++) {
        parties[i].waker = (struct model_waker){.thread = i + 1};
        rouse_rwlock_read_init(&parties[i].read, lock);
    }
    model_name(&lock->word, sizeof lock->word, "word");
    model_name(&lock->waiters.lock, sizeof lock->waiters.lock, "queue lock");
    model_name(&lock->writers.word, sizeof lock->writers.word, "writers");
}

static void will_write(int i)
{
    rouse_rwlock_write_init(&parties[i].write, lock);
}

static void queue_up(int i)
{
    model_claim(!look(&parties[i]), "who cannot have the lock waits");
}

static void check_dropped(void)
{
    for (int i = 0; i < PARTIES; i++) claim_dropped(&parties[i].waker);
}

static void check_free(void)
{
    model_claim(rouse_rwlock_try_write_lock(lock) == 0, "a lock is free in the end");
    model_claim(lock->waiters.first == NULL && lock->writers.waiters.first == NULL,
                "and nobody is left");
    model_free(lock);
    check_dropped();
}

static void read_before(int readers)
{
    for (int i = 0; i < readers; i++) {
        model_claim(rouse_rwlock_try_read_lock(lock) == 0, "readers read together");
    }
}

// ---- The start ----

static void make_reader_and_writers(void)
{
    begin();
    will_write(0);
    will_write(1);
}

// Somebody reads, and the first waits to write.
static void make_draining(void)
{
    begin();
    read_before(1);
    will_write(0);
    queue_up(0);
}

static void make_two_draining(void)
{
    begin();
    read_before(2);
    will_write(0);
    queue_up(0);
}

static void make_two_readers(void)
{
    begin();
    read_before(2);
    will_write(0);
}

static void make_writer(void)
{
    begin();
    model_claim(rouse_rwlock_try_write_lock(lock) == 0, "a new lock is free");
}

// Then the second waits to read.
static void make_draining_with_reader(void)
{
    make_draining();
    queue_up(1);
}

// Or to write; and the third to read.
static void make_draining_with_both(void)
{
    make_draining();
    will_write(1);
    queue_up(1);
    queue_up(2);
}

static void make_reader(void)
{
    begin();
    read_before(1);
    will_write(0);
}

// Somebody writes, and the first waits to read.
static void make_written(void)
{
    begin();
    model_claim(rouse_rwlock_try_write_lock(lock) == 0, "a new lock is free");
    queue_up(0);
}

// So do the second and the third: more than are let in at a time.
static void make_written_for_crowd(void)
{
    make_written();
    queue_up(1);
    queue_up(2);
}

// Or the second waits to write.
static void make_written_for_both(void)
{
    make_written();
    will_write(1);
    queue_up(1);
}

// ---- Threads ----

static void wait_mine(void)
{
    wait_for(&mine()->base, &mine()->waker, NULL);
}

static void count_and_leave(void)
{
    wait_mine();
    counter++;
    rouse_future_drop(&mine()->base);
}

static void read_and_leave(void)
{
    wait_mine();
    int seen = counter;

    model_claim(seen >= 0 && seen == counter, "nobody writes while one reads");
    rouse_future_drop(&mine()->base);
}

static void write_and_free(void)
{
    wait_mine();
    counter++;
    model_free(lock);
}

static void read_unlock(void)
{
    model_claim(counter == 0, "nobody writes while one reads");
    rouse_rwlock_read_unlock(lock);
}

static void try_to_read(void)
{
    if (rouse_rwlock_try_read_lock(lock) != 0) return;
    int seen = counter;

    model_claim(seen >= 0 && seen == counter, "nobody writes while one reads");
    rouse_rwlock_read_unlock(lock);
}

static void try_to_write(void)
{
    if (rouse_rwlock_try_write_lock(lock) != 0) return;
    counter++;
    rouse_rwlock_write_unlock(lock);
}

// What a writer lets in, it lets in with what was written.
static void try_after_writer(void)
{
    if (rouse_rwlock_try_read_lock(lock) != 0) return;
    model_claim(counter == 1, "what was written is seen");
    rouse_rwlock_read_unlock(lock);
}

static void write_unlock(void)
{
    counter++;
    rouse_rwlock_write_unlock(lock);
}

static void downgrade(void)
{
    counter++;
    rouse_rwlock_downgrade(lock);
    model_claim(counter == 1, "no writer comes in between");
    rouse_rwlock_read_unlock(lock);
}

static void drop(void)
{
    rouse_future_drop(&mine()->base);
}

static void look_and_drop(void)
{
    if (look(mine())) counter++;
    drop();
}

static void read_after_writer(void)
{
    wait_mine();
    model_claim(counter == 1, "what was written is seen");
    rouse_future_drop(&mine()->base);
}

const struct model_scenario model_rwlock_scenarios[] = {
    {.name = "rwlock_all",
     .about = "writers exclude each other and readers",
     .setup = make_reader_and_writers,
     .threads = {count_and_leave, count_and_leave, read_and_leave},
     .check = check_free},
    {.name = "rwlock_handed_over",
     .about = "the writer to whom the last reader hands the lock over may free it",
     .setup = make_draining,
     .threads = {write_and_free, read_unlock},
     .check = check_dropped},
    {.name = "rwlock_last_reader",
     .about = "one of two readers is the last",
     .setup = make_two_draining,
     .threads = {write_and_free, read_unlock, read_unlock},
     .check = check_dropped},
    {.name = "rwlock_begins_to_wait",
     .about = "a writer sees that the readers leave while he begins to wait",
     .setup = make_two_readers,
     .threads = {write_and_free, read_unlock, read_unlock},
     .check = check_dropped},
    {.name = "rwlock_let_in",
     .about = "a writer lets in who waits to read",
     .setup = make_written,
     .threads = {read_after_writer, write_unlock},
     .check = check_free},
    {.name = "rwlock_let_in_late",
     .about = "also who only begins to wait",
     .setup = make_writer,
     .threads = {read_after_writer, write_unlock},
     .check = check_free},
    {.name = "rwlock_crowd",
     .about = "all of them, in several goes",
     .setup = make_written_for_crowd,
     .threads = {read_after_writer, read_after_writer, read_after_writer, write_unlock},
     .check = check_free},
    {.name = "rwlock_downgrade",
     .about = "a writer who goes on as a reader lets readers in, and no writer",
     .setup = make_written_for_both,
     .threads = {read_and_leave, count_and_leave, downgrade},
     .check = check_free},
    {.name = "rwlock_drop_writer",
     .about = "a writer who is dropped lets in who waited for him",
     .setup = make_draining_with_reader,
     .threads = {drop, read_and_leave, read_unlock},
     .check = check_free},
    {.name = "rwlock_drop_for_writer",
     .about = "and the next writer, who then waits for all who read",
     .setup = make_draining_with_both,
     .threads = {drop, count_and_leave, read_and_leave, read_unlock},
     .check = check_free},
    {.name = "rwlock_drop_reader",
     .about = "a reader who is dropped while it is let in leaves no trace",
     .setup = make_written_for_both,
     .threads = {drop, count_and_leave, write_unlock},
     .check = check_free},
    {.name = "rwlock_look_and_drop",
     .about = "wherever a writer is dropped, nobody is left",
     .setup = make_draining_with_reader,
     .threads = {look_and_drop, read_and_leave, read_unlock},
     .check = check_free},
    {.name = "rwlock_try",
     .about = "who tries is no reader beside a writer",
     .setup = make_draining,
     .threads = {count_and_leave, read_unlock, try_to_read},
     .check = check_free},
    {.name = "rwlock_try_late",
     .about = "nor does it miss what was written",
     .setup = make_written,
     .threads = {read_after_writer, try_after_writer, write_unlock},
     .check = check_free},
    {.name = "rwlock_try_to_write",
     .about = "who tries to write writes after those who have read",
     .setup = make_reader,
     .threads = {count_and_leave, try_to_write, read_unlock},
     .check = check_free},
    {.name = "rwlock_readers_before_writer",
     .about = "a writer is the next one, though readers were in the queue before him",
     .setup = make_reader,
     .threads = {count_and_leave, read_and_leave, read_unlock},
     .check = check_free},
    {.name = NULL},
};
