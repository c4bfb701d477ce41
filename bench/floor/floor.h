// SPDX-License-Identifier: MIT
//
// The rows of floor.c. Each is a `run` of bench.h.

#ifndef ROUSE_BENCH_FLOOR_H
#define ROUSE_BENCH_FLOOR_H

struct bench;

// tasks.c
int floor_spawn_many(struct bench *bench);
int floor_spawn_join(struct bench *bench);
int floor_yield200(struct bench *bench);
int floor_yield1000(struct bench *bench);
int floor_chained(struct bench *bench);
int floor_scope(struct bench *bench);

// channels.c
int floor_pingpong(struct bench *bench);
int floor_oneshot(struct bench *bench);
int floor_mpsc_b(struct bench *bench);
int floor_mpsc_u(struct bench *bench);
int floor_pingpong_chan(struct bench *bench);
int floor_notify(struct bench *bench);
int floor_broadcast(struct bench *bench);
int floor_watch(struct bench *bench);

// locks.c
int floor_mutex(struct bench *bench);
int floor_mutex_held(struct bench *bench);
int floor_semaphore(struct bench *bench);
int floor_select3(struct bench *bench);
int floor_select3_wait(struct bench *bench);

// shared.c: the same by two threads.
int floor_shared_mutex(struct bench *bench);
int floor_shared_rwlock(struct bench *bench);
int floor_shared_semaphore(struct bench *bench);

// timers.c
int floor_timer_ic(struct bench *bench);
int floor_timer_bulk(struct bench *bench);
int floor_sleep1m(struct bench *bench);

// threads.c
int floor_wake(struct bench *bench);
int floor_blocking(struct bench *bench);

// switch.c
int floor_switch(struct bench *bench);
int floor_switch_many(struct bench *bench);

#endif
