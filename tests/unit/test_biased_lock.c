// SPDX-License-Identifier: MIT
//
// The lock that favours its owner, on threads of the machine, and where the kernel has no
// membarrier. What the threads may do to each other is for the model; here it is seen to work at
// all with the processor's own stores and the kernel's own barrier.

#include "base/biased_lock.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <rouse/driver.h>
#include <stdlib.h>

#include "base/sanitizer.h"
#include "base/sys.h"
#include "claim.h"

enum { OTHERS = 3, OWNER_ROUNDS = 300000, OTHER_ROUNDS = 3000 };

static struct rs_biased_lock lock;
static uint64_t counter;  // under the lock
static int refused;       // the command that the kernel refuses
static _Atomic int barriers;
static _Atomic int registrations;
static bool was_biased;

static int counting_membarrier(int command)
{
    if (command == refused) return -EPERM;
    // Relaxed, both: who sleeps on a lock comes from any thread, and is only counted.
    atomic_fetch_add_explicit(&barriers, command == MEMBARRIER_CMD_PRIVATE_EXPEDITED,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&registrations, command == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                              memory_order_relaxed);
    return rs_sys_real.membarrier(command);
}

static void add(bool owner)
{
    rs_biased_lock(&lock, owner);
    counter++;
    rs_biased_unlock(&lock, owner);
}

static void *other_adds(void *arg)
{
    for (int i = 0; i < OTHER_ROUNDS; i++) {
        add(false);
        // Lets the owner have its row, now and then.
        for (volatile int pause = 0; pause < (i % 8) * 2000; pause++) continue;
    }
    return arg;
}

static bool is_biased(void)
{
    // Relaxed: the owner, who turns it on, is who asks.
    return atomic_load_explicit(&lock.bias, memory_order_relaxed) == RS_BIAS_ON;
}

static void run(int command_refused)
{
    pthread_t others[OTHERS];

    refused = command_refused;
    was_biased = false;
    counter = 0;
    lock = (struct rs_biased_lock){0};
    for (int i = 0; i < OTHERS; i++) {
        if (pthread_create(&others[i], NULL, other_adds, NULL) != 0) exit(1);
    }
    for (int i = 0; i < OWNER_ROUNDS; i++) {
        add(true);
        was_biased = was_biased || is_biased();
    }
    for (int i = 0; i < OTHERS; i++) (void)pthread_join(others[i], NULL);
    rs_biased_disown(&lock);
}

static bool is_all(void)
{
    return counter == OWNER_ROUNDS + OTHERS * OTHER_ROUNDS;
}

static void a_row_turns_it_on(void)
{
    bool has = rs_sys_real.membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;

    refused = -1;
    barriers = 0;
    lock = (struct rs_biased_lock){0};
    for (int i = 0; i < RS_BIAS_AFTER; i++) add(true);
    bool on = is_biased();

    // Under ThreadSanitizer it never comes.
    if (on) {
        add(false);
        claim(barriers == 1, "another thread that locks takes the bias away, by a membarrier");
        add(false);
        claim(barriers == 1, "the next one finds it gone");
    }
    claim(on || !has || RS_TSAN, "a row of locks turns the bias on");
}

// Whoever turns it would have to wait for the kernel.
static void a_new_driver_is_registered(void)
{
    struct rouse_driver *driver;

    refused = -1;
    registrations = 0;
    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    claim(registrations == 1, "who makes a driver registers for membarriers");
    rouse_driver_free(driver);
}

int main(void)
{
    rs_sys.membarrier = counting_membarrier;
    a_new_driver_is_registered();
    a_row_turns_it_on();
    run(-1);
    claim(is_all(), "the owner and others exclude each other");
    run(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    claim(is_all() && !was_biased, "without a membarrier it is an ordinary lock");
    run(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    claim(is_all(), "a membarrier that is refused later does no harm");
    return claims_end();
}
