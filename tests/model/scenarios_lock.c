// SPDX-License-Identifier: MIT
//
// The small lock: exclusion, order, and nobody left asleep.

#include "base/lock.h"

#include "model.h"

static struct rs_lock lock;
static int counter;  // plain: under the lock

static void reset(void)
{
    lock = (struct rs_lock){0};
    counter = 0;
    model_name(&lock, sizeof lock, "lock");
    model_name(&counter, sizeof counter, "counter");
}

static void add(void)
{
    rs_lock(&lock);
    counter++;
    rs_unlock(&lock);
}

static void add_twice(void)
{
    add();
    add();
}

static void try_to_add(void)
{
    if (!rs_trylock(&lock)) return;
    counter++;
    rs_unlock(&lock);
}

static void check_two(void)
{
    model_claim(counter == 2, "a lock excludes");
}

static void check_three(void)
{
    model_claim(counter == 3, "a lock excludes three");
}

static void check_four(void)
{
    model_claim(counter == 4, "a lock excludes again and again");
}

static void check_some(void)
{
    model_claim(counter >= 1 && counter <= 2, "who does not get the lock does nothing");
}

const struct model_scenario model_lock_scenarios[] = {
    {.name = "lock_two",
     .about = "two threads exclude each other",
     .setup = reset,
     .threads = {add, add},
     .check = check_two},
    {.name = "lock_three",
     .about = "three do, and none is left asleep",
     .setup = reset,
     .threads = {add, add, add},
     .check = check_three},
    {.name = "lock_again",
     .about = "a lock that is taken again while others wait",
     .setup = reset,
     .threads = {add_twice, add_twice},
     .check = check_four},
    {.name = "lock_try",
     .about = "a try takes the lock or does not wait",
     .setup = reset,
     .threads = {add, try_to_add},
     .check = check_some},
    {.name = NULL},
};
