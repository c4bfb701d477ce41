// SPDX-License-Identifier: MIT
//
// The small lock on threads of the machine, where they sleep, where the kernel has no membarrier,
// and after a fork. What the threads may do to each other is for the model.

#include "base/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/sys.h"
#include "child.h"
#include "claim.h"

enum { THREADS = 4, ROUNDS = 20000, REST_EVERY = 1000 };

static struct rs_lock lock;
static uint64_t counter;  // under the lock
static _Atomic int sleeps;
static _Atomic int wakes;

static int counting_wait(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    // Relaxed, here and below: nothing but a count.
    atomic_fetch_add_explicit(&sleeps, 1, memory_order_relaxed);
    return rs_sys_real.futex_wait(word, expected, timeout);
}

static int counting_wake(uint32_t *word, int count)
{
    atomic_fetch_add_explicit(&wakes, 1, memory_order_relaxed);
    return rs_sys_real.futex_wake(word, count);
}

static int no_membarrier(int command)
{
    (void)command;
    return -EPERM;
}

static int count_of(_Atomic int *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void rest(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

// Now and then the lock is held for longer than anyone spins.
static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        rs_lock(&lock);
        counter++;
        if (i % REST_EVERY == 0) rest();
        rs_unlock(&lock);
    }
    return arg;
}

static bool excludes(void)
{
    pthread_t threads[THREADS];

    counter = 0;
    atomic_store_explicit(&sleeps, 0, memory_order_relaxed);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, add, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    return counter == THREADS * ROUNDS && count_of(&sleeps) > 0;
}

static bool lock_wakes_somebody(void)
{
    int before = count_of(&wakes);

    rs_lock(&lock);
    rs_unlock(&lock);
    return count_of(&wakes) != before;
}

static void *lock_once(void *arg)
{
    rs_lock(&lock);
    rs_unlock(&lock);
    return arg;
}

// A fork while a thread sleeps on the lock: in the child that thread is not.
static void forget_in_child(void)
{
    pthread_t sleeper;
    int status = -1;

    atomic_store_explicit(&sleeps, 0, memory_order_relaxed);
    rs_lock(&lock);
    if (pthread_create(&sleeper, NULL, lock_once, NULL) != 0) exit(1);
    while (count_of(&sleeps) == 0) rest();
    pid_t pid = fork();
    if (pid == 0) {
        rs_unlock(&lock);
        child_exit(lock_wakes_somebody());
    }
    claim(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0,
          "in the child of a fork nobody sleeps");
    rs_unlock(&lock);
    (void)pthread_join(sleeper, NULL);
}

int main(void)
{
    (void)alarm(60);
    // The handler of forks comes with them.
    claim(rs_trylock(&rs_global_locks[0]), "a lock that is all zero is free");
    claim(!rs_trylock(&rs_global_locks[0]), "and is not, once it is taken");
    rs_unlock(&rs_global_locks[0]);
    rs_sys.futex_wait = counting_wait;
    rs_sys.futex_wake = counting_wake;
    claim(excludes(), "threads that sleep exclude each other, and each is woken");
    claim(!lock_wakes_somebody(), "who leaves a lock that nobody wants does not ask the kernel");
    forget_in_child();
    claim(!lock_wakes_somebody(), "nor when the sleeper has gone");
    rs_sys.membarrier = no_membarrier;
    claim(excludes(), "so they do where the kernel has no membarrier");
    return claims_end();
}
