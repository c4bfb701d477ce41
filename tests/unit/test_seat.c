// SPDX-License-Identifier: MIT
//
// Workers that were kept on one processor part, with the processors and the clock made up; and what
// a thread is allowed stays what it was, with those of the machine.

#include "sched/seat.h"

#include <errno.h>
#include <rouse/clock.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "sched/sched.h"

#define US ROUSE_NS_PER_US

enum { WORKERS = 3 };

// ---- Made up ----

static struct rs_sched sched;
static struct rs_worker workers[WORKERS];
static int at[WORKERS];             // the processor of each
static const struct rs_worker *us;  // who runs
static cpu_set_t allowed;           // to the main thread
static cpu_set_t ours[WORKERS];     // what each is allowed
static int running;                 // threads of the machine; 0: nobody knows
static bool has_no_proc;
static bool nobody_tells;  // what is allowed
static int opens;          // of where that is read
static int changes;        // of what is allowed
static int refused_at;     // which of these changes is not allowed, from 1; 0: none
static int changed_to;     // how many processors were allowed last

static int made_up_getcpu(void)
{
    return at[us->index];
}

static int made_up_getaffinity(pid_t thread, size_t size, void *set)
{
    if (thread != 0 && thread != getpid()) return -ESRCH;
    if (nobody_tells) return -EPERM;
    memcpy(set, thread == 0 ? &ours[us->index] : &allowed, size);
    return 0;
}

static int made_up_setaffinity(size_t size, const void *set)
{
    cpu_set_t to;

    memcpy(&to, set, size);
    changes++;
    if (changes == refused_at) return -EPERM;
    changed_to = CPU_COUNT(&to);
    ours[us->index] = to;
    if (CPU_COUNT(&to) > 1) return 0;
    while (!CPU_ISSET((size_t)at[us->index], &to)) {
        at[us->index] = (at[us->index] + 1) % CPU_SETSIZE;
    }
    return 0;
}

static int made_up_openat(int folder, const char *path, int flags, mode_t mode)
{
    (void)folder;
    (void)flags;
    (void)mode;
    if (strcmp(path, "/proc/loadavg") != 0 || has_no_proc) return -ENOENT;
    opens++;
    return 1000;
}

static ssize_t made_up_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    if (fd != 1000 || count != 1 || offset != 0) return -EBADF;
    if (running == 0) return -EIO;
    return snprintf(iov->iov_base, iov->iov_len, "0.10 0.20 0.30 %d/80 4711\n", running);
}

static int made_up_close(int fd)
{
    if (fd != 1000) return -EBADF;
    opens--;
    return 0;
}

// All workers on processor 0, all rested.
static void begin(unsigned worker_count, size_t processors)
{
    rs_seats_deinit(&sched);
    memset(&sched.seats, 0, sizeof sched.seats);
    sched.workers = workers;
    sched.worker_count = worker_count;
    CPU_ZERO(&allowed);
    for (size_t i = 0; i < processors; i++) CPU_SET(i, &allowed);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct rouse_driver *driver = workers[i].driver;

        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].sched = &sched;
        workers[i].index = i;
        workers[i].driver = driver;
        workers[i].cpu = -1;
        driver->sleep_until = ROUSE_NEVER;
        at[i] = 0;
        ours[i] = allowed;
    }
    us = &workers[0];
    changes = 0;
    refused_at = 0;
    running = 2;
    rs_seats_init(&sched);
}

static void take(unsigned index, uint64_t begin_us, uint64_t now_us)
{
    us = &workers[index];
    rs_seat_take(&workers[index], begin_us * US, now_us * US);
}

static void look(unsigned index, uint64_t now_us)
{
    us = &workers[index];
    rs_seat_look(&workers[index], now_us * US);
}

static int64_t moves(unsigned index)
{
    return rs_counters_get(&workers[index].counters, RS_COUNTER_MOVES);
}

// The first worker has had the processor until `until_us`; the second one, whose sleep was to end
// at `due_us`, gets it then, and looks up a little later.
static void one_after_the_other(uint64_t due_us, uint64_t until_us)
{
    take(0, 1000, 1000);
    look(0, until_us);
    workers[1].driver->sleep_until = due_us * US;
    take(1, 900, until_us + 5);
    look(1, until_us + 20);
}

// ---- Who parts ----

static void workers_that_wait_for_each_other_part(void)
{
    begin(2, 2);
    one_after_the_other(1010, 1200);
    claim(moves(1) == 1 && at[1] == 1, "who was due while another one ran goes elsewhere");
    claim(changes == 2 && changed_to == 2, "and may be moved as before");
    look(0, 1300);
    claim(moves(0) == 0, "the other one stays");

    begin(2, 2);
    take(0, 1000, 1000);
    take(1, 900, 1100);
    look(1, 1180);
    look(0, 1190);
    claim(moves(1) == 0 && moves(0) == 1, "who was held up goes");

    begin(2, 2);
    take(0, 1000, 1000);
    look(0, 1200);
    workers[1].called_ns = 1100 * US;
    take(1, 900, 1205);
    look(1, 1230);
    claim(moves(1) == 1, "who was called, and waited, goes");
}

static void others_stay(void)
{
    begin(2, 2);
    one_after_the_other(1160, 1200);
    claim(moves(1) == 0, "forty microseconds are nothing");

    begin(2, 2);
    one_after_the_other(ROUSE_NEVER / US, 1200);
    claim(moves(1) == 0, "nor is it to come when another one has done");

    begin(2, 2);
    take(1, 900, 1000);
    workers[1].called_ns = 800 * US;
    at[1] = 1;
    look(1, 1010);
    take(0, 1000, 1000);
    look(0, 1200);
    at[1] = 0;
    look(1, 1210);
    claim(moves(1) == 0, "or to be moved to where another one has been");

    begin(3, 2);
    at[2] = 1;
    take(2, 1000, 1000);
    one_after_the_other(1010, 1200);
    claim(moves(1) == 0 && changes == 0, "where no processor is free nobody moves");

    begin(2, 2);
    running = 3;
    one_after_the_other(1010, 1200);
    claim(moves(1) == 0, "or may be another program's");
    running = 0;
    look(0, 2000);
    look(1, 2100);
    claim(moves(1) == 0 && changes == 0, "or where that is not known");

    begin(2, 2);
    one_after_the_other(1010, 1200);
    at[1] = 0;
    look(1, 1230);
    look(0, 1400);
    look(1, 1410);
    claim(moves(1) == 1, "nor does who has just moved");
    look(0, 1420);
    claim(moves(0) == 1, "but then the other one does");
}

static void numbers_alike(void)
{
    begin(2, 2);
    CPU_SET(RS_SEATS, &ours[1]);
    at[1] = RS_SEATS;
    one_after_the_other(1010, 1200);
    claim(moves(1) == 0, "processors of one seat are not taken for one");
}

// ---- Who keeps a processor ----

static void keep(unsigned index, uint64_t now_us)
{
    us = &workers[index];
    rs_seat_keep(&workers[index], now_us * US);
}

static void give_up(unsigned index)
{
    us = &workers[index];
    rs_seat_give_up(&workers[index]);
}

static bool is_allowed_only(unsigned index, size_t cpu)
{
    return CPU_COUNT(&ours[index]) == 1 && CPU_ISSET(cpu, &ours[index]);
}

static bool is_allowed_all(unsigned index)
{
    return CPU_EQUAL(&ours[index], &allowed);
}

// On processors 0 and 1, at 1220 us.
static void begin_parted(void)
{
    begin(2, 2);
    one_after_the_other(1010, 1200);
}

static void who_sleeps_keeps_its_processor(void)
{
    begin_parted();
    keep(1, 1230);
    keep(0, 1240);
    claim(is_allowed_only(1, 1) && is_allowed_only(0, 0),
          "after two have parted, who sleeps is allowed only the processor where it is");
    give_up(1);
    give_up(0);
    claim(is_allowed_all(1) && is_allowed_all(0), "and when it has woken, all that it was before");
    changes = 0;
    give_up(1);
    claim(changes == 0, "who has kept nothing gives up nothing");
    keep(1, 1220 + 20000);
    claim(changes == 0, "after 20 ms nobody keeps his processor");

    begin(2, 2);
    take(1, 900, 1000);
    keep(1, 1100);
    claim(changes == 0, "nor before two have had to part");

    begin_parted();
    at[0] = 1;
    look(0, 1230);
    changes = 0;
    keep(1, 1240);
    claim(changes == 0, "nor where another worker is");
    (void)setenv("ROUSE_SEATS", "0", 1);
    begin_parted();
    keep(1, 1230);
    claim(changes == 0, "nor where it is switched off");
    (void)unsetenv("ROUSE_SEATS");
}

static void what_others_allow_counts(void)
{
    begin_parted();
    keep(1, 1230);
    CPU_SET(5, &ours[1]);
    give_up(1);
    claim(CPU_COUNT(&ours[1]) == 2 && CPU_ISSET(5, &ours[1]),
          "what somebody else has allowed a worker in its sleep stays");

    begin_parted();
    keep(1, 1230);
    CPU_CLR(0, &allowed);
    give_up(1);
    claim(is_allowed_only(1, 1), "also where it is what the worker had kept");

    begin_parted();
    keep(1, 1230);
    CPU_CLR(1, &allowed);
    give_up(1);
    claim(CPU_COUNT(&ours[1]) == 2, "what only the main thread is allowed does not count");

    begin_parted();
    keep(1, 1230);
    nobody_tells = true;
    give_up(1);
    claim(is_allowed_all(1), "nor does it where nobody tells");
    changes = 0;
    keep(1, 1240);
    nobody_tells = false;
    claim(changes == 0, "where nothing is kept any more");

    begin_parted();
    CPU_CLR(0, &allowed);
    changes = 0;
    keep(1, 1230);
    claim(changes == 0, "what the main thread has alone is not kept");
    CPU_SET(0, &allowed);
    CPU_CLR(0, &ours[1]);
    keep(1, 1230);
    claim(changes == 0, "nor what the worker has");

    begin_parted();
    refused_at = changes + 1;
    keep(1, 1230);
    give_up(1);
    claim(changes == refused_at && is_allowed_all(1), "who may not keep it does not");
    look(0, 2000);
    keep(0, 2010);
    claim(changes == refused_at, "and nobody tries again");
}

// ---- Where it cannot be ----

static void refused(void)
{
    begin(2, 2);
    refused_at = 1;
    one_after_the_other(1010, 1200);
    claim(moves(1) == 0 && changes == 1 && at[1] == 0, "who may not move stays");
    look(0, 2000);
    look(1, 2010);
    claim(changes == 1, "and does not try again");

    begin(2, 2);
    refused_at = 2;
    one_after_the_other(1010, 1200);
    claim(changes == 3 && changed_to == CPU_SETSIZE,
          "where what was allowed is no more, it is what is");
}

static void switched_off(void)
{
    begin(2, 1);
    claim(!sched.seats.on, "with one processor there is nothing to do");
    begin(1, 2);
    claim(!sched.seats.on, "nor with one worker");
    has_no_proc = true;
    begin(2, 2);
    claim(!sched.seats.on && opens == 0, "and without /proc nobody knows what is free");
    has_no_proc = false;
    (void)setenv("ROUSE_SEATS", "0", 1);
    begin(2, 2);
    one_after_the_other(1010, 1200);
    claim(!sched.seats.on && changes == 0, "ROUSE_SEATS=0 switches it off");
    (void)unsetenv("ROUSE_SEATS");
}

// ---- On this machine ----

static void what_is_allowed_stays(void)
{
    cpu_set_t before;
    cpu_set_t after;

    begin(2, 2);
    if (sched_getaffinity(0, sizeof before, &before) < 0) abort();
    take(0, 1000, 1000);
    look(0, 1200);
    int cpu = rs_sys.getcpu();

    sched.seats.seats[cpu % RS_SEATS].sitter = (uint64_t)cpu << 8 | 1;
    sched.seats.seats[cpu % RS_SEATS].wanted_ns = 1000 * US;
    sched.seats.seats[cpu % RS_SEATS].seen_ns = 1200 * US;
    workers[1].driver->sleep_until = 1010 * US;
    take(1, 900, 1205);
    look(1, 1210);
    if (sched_getaffinity(0, sizeof after, &after) < 0) abort();
    claim(CPU_EQUAL(&before, &after), "a thread is allowed what it was before its move");
}

int main(void)
{
    for (int i = 0; i < WORKERS; i++) {
        if (rouse_driver_new(&workers[i].driver, NULL) < 0) abort();
    }
    rs_sys.getcpu = made_up_getcpu;
    rs_sys.sched_getaffinity = made_up_getaffinity;
    rs_sys.sched_setaffinity = made_up_setaffinity;
    rs_sys.openat = made_up_openat;
    rs_sys.preadv = made_up_preadv;
    rs_sys.close = made_up_close;
    workers_that_wait_for_each_other_part();
    others_stay();
    numbers_alike();
    who_sleeps_keeps_its_processor();
    what_others_allow_counts();
    refused();
    switched_off();
    claim(opens == 0, "what was opened is closed");
    rs_sys = rs_sys_real;
    what_is_allowed_stays();
    rs_seats_deinit(&sched);
    for (int i = 0; i < WORKERS; i++) rouse_driver_free(workers[i].driver);
    return claims_end();
}
