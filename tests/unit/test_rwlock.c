// SPDX-License-Identifier: MIT
//
// The lock for readers and writers, by hand: who may be in together, whose turn it is, the
// downgrade; cancel in each position; then with threads.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"
#include "hand_waker.h"
#include "heap.h"
#include "io/batch.h"
#include "panics.h"

static struct rouse_rwlock lock;

// A lock that is polled by hand.
struct turn {
    union {
        struct rouse_future base;
        struct rouse_rwlock_read read;
        struct rouse_rwlock_write write;
    };
    struct hand_waker hand;
};

static bool ends(struct turn *t)
{
    return hand_waker_poll(&t->hand, &t->base) == ROUSE_READY;
}

static bool reads(struct turn *t)
{
    t->hand = (struct hand_waker){0};
    rouse_rwlock_read_init(&t->read, &lock);
    return ends(t);
}

static bool writes(struct turn *t)
{
    t->hand = (struct hand_waker){0};
    rouse_rwlock_write_init(&t->write, &lock);
    return ends(t);
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->base);
}

static bool is_free(void)
{
    if (rouse_rwlock_try_write_lock(&lock) != 0) return false;
    rouse_rwlock_write_unlock(&lock);
    return true;
}

static void tries(void)
{
    struct rouse_rwlock fresh = ROUSE_RWLOCK_INIT;

    lock = fresh;
    claim(is_free(), "an initialized lock is free");
    claim(rouse_rwlock_try_read_lock(&lock) == 0 && rouse_rwlock_try_read_lock(&lock) == 0,
          "readers read together");
    claim(rouse_rwlock_try_write_lock(&lock) == -EAGAIN, "without a writer");
    rouse_rwlock_read_unlock(&lock);
    rouse_rwlock_read_unlock(&lock);
    claim(rouse_rwlock_try_write_lock(&lock) == 0, "who writes when they have left");
    claim(rouse_rwlock_try_read_lock(&lock) == -EAGAIN &&
              rouse_rwlock_try_write_lock(&lock) == -EAGAIN,
          "alone");
    rouse_rwlock_downgrade(&lock);
    claim(rouse_rwlock_try_read_lock(&lock) == 0 && rouse_rwlock_try_write_lock(&lock) == -EAGAIN,
          "a writer turns into a reader, with others beside it");
    rouse_rwlock_read_unlock(&lock);
    rouse_rwlock_read_unlock(&lock);
    claim(is_free(), "and leaves as one");
}

static void the_turns(void)
{
    struct turn reader;
    struct turn writer;
    struct turn late[2];
    struct turn last;

    rouse_rwlock_init(&lock);
    claim(reads(&reader) && !writes(&writer), "a writer waits for a reader");
    claim(!reads(&late[0]) && !reads(&late[1]) && rouse_rwlock_try_read_lock(&lock) == -EAGAIN,
          "and later readers for the writer");
    claim(!writes(&last), "and a later writer for him");
    drop(&reader);
    claim(is_woken(&writer) && !is_woken(&late[0]) && !is_woken(&last) && ends(&writer),
          "the writer comes after the reader");
    drop(&writer);
    claim(is_woken(&late[0]) && is_woken(&late[1]), "then all readers who wait");
    claim(is_woken(&last) && !ends(&last), "before the later writer, whose turn it is next");
    claim(rouse_rwlock_try_read_lock(&lock) == -EAGAIN, "so that no reader comes before him");
    drop(&late[0]);
    claim(!is_woken(&last) && ends(&late[1]), "who are in together");
    drop(&late[1]);
    claim(is_woken(&last) && ends(&last), "then the later writer");
    rouse_rwlock_write_take(&last.write);
    drop(&last);
    rouse_rwlock_write_unlock(&lock);
    claim(is_free(), "and the lock is free in the end");
}

static void a_crowd(void)
{
    enum { CROWD = 3 * RS_BATCH_SIZE };
    static struct turn crowd[CROWD];
    struct turn writer;
    int woken = 0;
    int in = 0;

    (void)writes(&writer);
    for (int i = 0; i < CROWD; i++) in += reads(&crowd[i]);
    claim(in == 0, "many wait for a writer");
    drop(&writer);
    for (int i = 0; i < CROWD; i++) woken += is_woken(&crowd[i]);
    claim(woken == CROWD, "and are all let in");
    for (int i = 0; i < CROWD; i++) in += ends(&crowd[i]);
    claim(in == CROWD && rouse_rwlock_try_write_lock(&lock) == -EAGAIN, "to read together");
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
    claim(is_free(), "until all have left");
}

static void cancel(void)
{
    struct turn reader;
    struct turn writer;
    struct turn next;
    struct turn late;

    (void)(reads(&reader) && !writes(&writer) && !writes(&next) && !reads(&late));
    drop(&next);
    drop(&writer);
    claim(is_woken(&late) && ends(&late), "a writer that is dropped lets the readers in");
    drop(&late);
    (void)writes(&writer);
    (void)reads(&late);
    drop(&late);
    claim(rouse_rwlock_try_read_lock(&lock) == -EAGAIN, "a reader that is dropped lets nobody in");
    drop(&reader);
    drop(&writer);
    claim(is_free(), "a writer dropped when it was his turn leaves the lock free");

    (void)writes(&writer);
    (void)reads(&late);
    drop(&writer);
    drop(&late);
    claim(is_free(), "so does a reader");

    (void)(reads(&reader) && !writes(&writer) && !writes(&next));
    drop(&writer);
    claim(is_woken(&next) && !ends(&next), "the turn goes to the next writer");
    rouse_rwlock_read_take(&reader.read);
    drop(&reader);
    rouse_rwlock_read_unlock(&lock);
    claim(is_woken(&next) && ends(&next), "who writes when the readers have left");
    drop(&next);
    claim(is_free(), "and nothing is left");
}

static void a_downgrade(void)
{
    struct turn writer;
    struct turn reader;
    struct turn next;

    (void)(writes(&writer) && !reads(&reader) && !writes(&next));
    rouse_rwlock_write_take(&writer.write);
    rouse_rwlock_downgrade(&lock);
    claim(is_woken(&reader) && ends(&reader) && !ends(&next),
          "a downgrade lets the readers in that wait, no writer");
    drop(&reader);
    (void)is_woken(&next);
    rouse_rwlock_read_unlock(&lock);
    claim(is_woken(&next) && ends(&next), "who comes when all readers have left");
    drop(&next);
    claim(is_free(), "and nothing is left");
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 2000 };

static int twins[2];  // equal, but while one writes

static void *read_and_write(void *arg)
{
    bool *torn = arg;

    for (int i = 0; i < ROUNDS; i++) {
        if (rouse_rwlock_read_lock(&lock) < 0) abort();
        if (twins[0] != twins[1]) *torn = true;
        rouse_rwlock_read_unlock(&lock);
        if (rouse_rwlock_write_lock(&lock) < 0) abort();
        twins[0]++;
        twins[1]++;
        rouse_rwlock_write_unlock(&lock);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];
    bool torn[THREADS] = {false};
    bool any = false;

    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, read_and_write, &torn[i]) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(ids[i], NULL);
        any = any || torn[i];
    }
    claim(!any && twins[0] == THREADS * ROUNDS && is_free(), "threads read what was written whole");
}

// ---- Misuse ----

static void unlock_unlocked(void *arg)
{
    (void)arg;
    rouse_rwlock_init(&lock);
    rouse_rwlock_read_unlock(&lock);
}

static void write_unlock_as_a_reader(void *arg)
{
    (void)arg;
    rouse_rwlock_init(&lock);
    if (rouse_rwlock_try_read_lock(&lock) == 0) rouse_rwlock_write_unlock(&lock);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(unlock_unlocked, NULL, "lock it first"), "an unlock of a free lock is stopped");
    claim(panics(write_unlock_as_a_reader, NULL, "lock it first"), "so is a reader's as a writer");
    heap_watch();
    long before = heap_counted();

    tries();
    the_turns();
    a_crowd();
    cancel();
    a_downgrade();
    claim(heap_counted() == before, "all that allocates nothing");
    threads();
    return claims_end();
}
