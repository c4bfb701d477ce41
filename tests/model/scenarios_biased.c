// SPDX-License-Identifier: MIT
//
// The lock that favours its owner: exclusion, order, and nobody left asleep, while its bias comes
// and goes.

#include "base/biased_lock.h"

#include "model.h"

static struct rs_biased_lock lock;
static int counter;  // plain: under the lock
static int expected;

static void reset(int total)
{
    lock = (struct rs_biased_lock){0};
    counter = 0;
    expected = total;
    model_name(&lock, sizeof lock, "lock");
    model_name(&lock.bias, sizeof lock.bias, "lock.bias");
    model_name(&lock.inside, sizeof lock.inside, "lock.inside");
    model_name(&counter, sizeof counter, "counter");
}

// As if the thread of the owner had used it before.
static void reset_biased(int total)
{
    reset(total);
    rs_biased_favour(&lock);
}

static void add(bool owner)
{
    rs_biased_lock(&lock, owner);
    counter++;
    rs_biased_unlock(&lock, owner);
}

static void owner_adds(void)
{
    add(true);
}

static void owner_adds_twice(void)
{
    add(true);
    add(true);
}

// Long enough for the bias to come back.
static void owner_adds_in_a_row(void)
{
    for (int i = 0; i < RS_BIAS_AFTER + 1; i++) add(true);
}

static void owner_adds_and_goes(void)
{
    add(true);
    rs_biased_disown(&lock);
}

static void other_adds(void)
{
    add(false);
}

static void other_adds_twice(void)
{
    add(false);
    add(false);
}

static void make_one_each(void)
{
    reset_biased(2);
}

static void make_two_each(void)
{
    reset_biased(4);
}

static void make_three(void)
{
    reset_biased(3);
}

static void make_row(void)
{
    reset(RS_BIAS_AFTER + 2);
}

static void check(void)
{
    model_claim(counter == expected, "a biased lock excludes");
}

const struct model_scenario model_biased_scenarios[] = {
    {.name = "biased_two",
     .about = "the owner and another thread exclude each other",
     .setup = make_one_each,
     .threads = {owner_adds, other_adds},
     .check = check},
    {.name = "biased_again",
     .about = "they do when the bias has been taken away",
     .setup = make_two_each,
     .threads = {owner_adds_twice, other_adds_twice},
     .check = check},
    {.name = "biased_three",
     .about = "two who take the bias away exclude each other and the owner",
     .setup = make_three,
     .threads = {owner_adds, other_adds, other_adds},
     .check = check},
    {.name = "biased_comes",
     .about = "the bias comes while another thread locks",
     .setup = make_row,
     .threads = {owner_adds_in_a_row, other_adds},
     .check = check},
    {.name = "biased_goes",
     .about = "the owner gives the bias up while another thread takes it away",
     .setup = make_one_each,
     .threads = {owner_adds_and_goes, other_adds},
     .check = check},
    {.name = NULL},
};
