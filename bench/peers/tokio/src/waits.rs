// SPDX-License-Identifier: MIT
//
// Rows over waiting: for one of several, for all of a set, for another thread, and for ever.

use crate::measure::{now_ns, resident_bytes};
use crate::{Clock, Measured};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, Notify};
use tokio::task::{spawn_blocking, yield_now, JoinSet};

const ARMS: usize = 3;
const CHILDREN: u64 = 1000;
const PARKED: Duration = Duration::from_micros(300);
const ANSWER: Duration = Duration::from_micros(20);

// Which of the three was told first, looked at in order.
async fn choose(told: &[Notify; ARMS]) -> usize {
    tokio::select! {
        biased;
        _ = told[0].notified() => 0,
        _ = told[1].notified() => 1,
        _ = told[2].notified() => 2,
    }
}

pub async fn select3(n: u64) -> Measured {
    let told: [Notify; ARMS] = Default::default();
    let clock = Clock::start();
    let task = tokio::spawn(async move {
        for _ in 0..n {
            told[ARMS - 1].notify_one();
            assert_eq!(choose(&told).await, ARMS - 1);
        }
    });

    task.await.unwrap();
    clock.stop(n)
}

pub async fn select3_wait(n: u64) -> Measured {
    let shared: Arc<([Notify; ARMS], Notify)> = Default::default();
    let other = shared.clone();
    let clock = Clock::start();
    let chooser = tokio::spawn(async move {
        let (told, answered) = &*shared;

        for i in 0..n {
            assert_eq!(choose(told).await, i as usize % ARMS);
            answered.notify_one();
        }
    });
    let teller = tokio::spawn(async move {
        let (told, answered) = &*other;

        for i in 0..n {
            told[i as usize % ARMS].notify_one();
            answered.notified().await;
        }
    });

    chooser.await.unwrap();
    teller.await.unwrap();
    clock.stop(n)
}

// What Tokio has for a scope is a set of tasks that are joined.
pub async fn scope(n: u64) -> Measured {
    let rounds = n / CHILDREN;
    let clock = Clock::start();

    for _ in 0..rounds {
        let mut children = JoinSet::new();

        for _ in 0..CHILDREN {
            children.spawn(async {});
        }
        while let Some(child) = children.join_next().await {
            child.unwrap();
        }
    }
    clock.stop(rounds * CHILDREN)
}

// How many tasks are about to wait for ever.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

async fn arrivals(n: u64) {
    while ARRIVED.load(Ordering::Relaxed) < n {
        yield_now().await;
    }
}

pub async fn memory(n: u64) -> Measured {
    let before = resident_bytes();
    let clock = Clock::start();

    for _ in 0..n {
        tokio::spawn(async {
            ARRIVED.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        });
    }
    arrivals(n).await;
    clock.stop(n).with_memory(before)
}

pub async fn memory_chan(n: u64) -> Measured {
    // Touched now: who keeps the senders, and where, is not part of a task.
    let mut senders = Vec::new();

    senders.resize_with(n as usize, || None);
    let before = resident_bytes();
    let clock = Clock::start();

    for sender in senders.iter_mut() {
        let (tx, rx) = oneshot::channel::<()>();

        *sender = Some(tx);
        tokio::spawn(async {
            ARRIVED.fetch_add(1, Ordering::Relaxed);
            let _ = rx.await;
        });
    }
    arrivals(n).await;
    clock.stop(n).with_memory(before)
}

// A foreign thread wakes the task, which says when it went on: 0 is not yet.
fn wake_often(n: u64, told: &Notify, woken: &AtomicU64) -> Vec<u64> {
    let mut latencies = Vec::with_capacity(n as usize);

    for _ in 0..n {
        std::thread::sleep(PARKED);
        let start = now_ns();

        told.notify_one();
        while woken.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(ANSWER);
        }
        latencies.push(woken.swap(0, Ordering::Relaxed) - start);
    }
    latencies
}

pub async fn wake(n: u64) -> Measured {
    let shared: Arc<(Notify, AtomicU64)> = Default::default();
    let theirs = shared.clone();
    let waker = std::thread::spawn(move || wake_often(n, &theirs.0, &theirs.1));
    let clock = Clock::start();
    let task = tokio::spawn(async move {
        for _ in 0..n {
            shared.0.notified().await;
            shared.1.store(now_ns(), Ordering::Relaxed);
        }
    });

    task.await.unwrap();
    clock.stop(n).with_latencies(waker.join().unwrap())
}

pub async fn blocking(n: u64) -> Measured {
    let clock = Clock::start();
    let task = tokio::spawn(async move {
        for _ in 0..n {
            spawn_blocking(|| ()).await.unwrap();
        }
    });

    task.await.unwrap();
    clock.stop(n)
}
