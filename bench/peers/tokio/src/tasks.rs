// SPDX-License-Identifier: MIT
//
// Rows over Tokio's tasks and timers.

use crate::{Clock, Measured};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until, Sleep};

const PAIRS: u64 = 1000;
const DUE_MIN_MS: u64 = 1000;
const DUE_SPREAD_MS: u64 = 999_000;

pub async fn spawn_many(n: u64) -> Measured {
    let clock = Clock::start();
    let left = Arc::new(AtomicU64::new(n));
    let (done, all_done) = oneshot::channel();
    let done = Arc::new(Mutex::new(Some(done)));

    for _ in 0..n {
        let (left, done) = (left.clone(), done.clone());

        tokio::spawn(async move {
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let done = done.lock().unwrap().take();

                done.unwrap().send(()).unwrap();
            }
        });
    }
    all_done.await.unwrap();
    clock.stop(n)
}

pub async fn spawn_join(n: u64) -> Measured {
    let clock = Clock::start();
    let mut sum = 0;

    for i in 0..n {
        sum += tokio::spawn(async move { i }).await.unwrap();
    }
    let measured = clock.stop(n);

    assert_eq!(sum, n * (n - 1) / 2);
    measured
}

async fn yields(n: u64, tasks: u64) -> Measured {
    let count = n / tasks;
    let clock = Clock::start();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..count {
                    yield_now().await;
                }
            })
        })
        .collect();
    let operations = count * tasks.len() as u64;

    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(operations)
}

pub async fn yield200(n: u64) -> Measured {
    yields(n, 200).await
}

pub async fn yield1000(n: u64) -> Measured {
    yields(n, 1000).await
}

async fn ping() {
    let (to, from_ping) = oneshot::channel();
    let (back, from_pong) = oneshot::channel();

    tokio::spawn(async move {
        from_ping.await.unwrap();
        back.send(()).unwrap();
    });
    to.send(()).unwrap();
    from_pong.await.unwrap();
}

pub async fn pingpong(n: u64) -> Measured {
    let rounds = n / PAIRS;
    let clock = Clock::start();

    for _ in 0..rounds {
        let tasks: Vec<_> = (0..PAIRS).map(|_| tokio::spawn(ping())).collect();

        for task in tasks {
            task.await.unwrap();
        }
    }
    clock.stop(rounds * PAIRS)
}

// A future that spawns its own kind has to be boxed.
fn chain(left: u64, done: oneshot::Sender<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if left == 0 {
            done.send(()).unwrap();
        } else {
            tokio::spawn(chain(left - 1, done));
        }
    })
}

pub async fn chained(n: u64) -> Measured {
    let clock = Clock::start();
    let (done, all_done) = oneshot::channel();

    tokio::spawn(chain(n - 1, done));
    all_done.await.unwrap();
    clock.stop(n)
}

// Uniform enough, and the same in each peer (xorshift64).
struct Random(u64);

impl Random {
    fn new() -> Random {
        Random(88172645463325252)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn due(&mut self) -> Duration {
        Duration::from_millis(DUE_MIN_MS + self.next() % DUE_SPREAD_MS)
    }
}

// The first poll registers the timer.
fn register(timer: Pin<&mut Sleep>, cx: &mut Context<'_>) {
    assert!(timer.poll(cx).is_pending());
}

pub async fn timer_ic(n: u64) -> Measured {
    let mut random = Random::new();
    let clock = Clock::start();

    for _ in 0..n {
        let timer = sleep(random.due());

        tokio::pin!(timer);
        std::future::poll_fn(|cx| Poll::Ready(register(timer.as_mut(), cx))).await;
    }
    clock.stop(n)
}

async fn bulk(n: u64) {
    let mut random = Random::new();
    let mut timers = Vec::with_capacity(n as usize);

    for _ in 0..n {
        let mut timer = Box::pin(sleep(random.due()));

        std::future::poll_fn(|cx| Poll::Ready(register(timer.as_mut(), cx))).await;
        timers.push(timer);
    }
    timers.into_iter().for_each(drop); // in order of insertion
}

// A task for each worker.
pub async fn timer_bulk(n: u64, workers: u64) -> Measured {
    let each = n / workers;
    let clock = Clock::start();
    let tasks: Vec<_> = (0..workers).map(|_| tokio::spawn(bulk(each))).collect();

    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(each * workers)
}

struct Sleepers {
    late_ns: Vec<AtomicU64>,
    left: AtomicU64,
    done: Mutex<Option<oneshot::Sender<()>>>,
}

async fn sleep_once(all: Arc<Sleepers>, i: usize, due: Instant) {
    sleep_until(due.into()).await;
    let late = Instant::now().checked_duration_since(due).expect("it is early");

    all.late_ns[i].store(late.as_nanos() as u64, Ordering::Relaxed);
    if all.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        all.done.lock().unwrap().take().unwrap().send(()).unwrap();
    }
}

// A thousand are due in each millisecond, as in bench/due.h.
pub async fn sleep1m(n: u64) -> Measured {
    let mut random = Random::new();
    let spread = (n / 1000).max(1);
    let (done, all_done) = oneshot::channel();
    let all = Arc::new(Sleepers {
        late_ns: (0..n).map(|_| AtomicU64::new(0)).collect(),
        left: AtomicU64::new(n),
        done: Mutex::new(Some(done)),
    });
    let clock = Clock::start();
    let start = Instant::now();

    for i in 0..n as usize {
        let due = Duration::from_millis(2 * spread + 1 + random.next() % spread);

        tokio::spawn(sleep_once(all.clone(), i, start + due));
    }
    all_done.await.unwrap();
    let measured = clock.stop(n);

    measured.with_latencies(all.late_ns.iter().map(|ns| ns.load(Ordering::Relaxed)).collect())
}
