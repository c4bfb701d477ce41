// SPDX-License-Identifier: MIT
//
// Rows over Tokio's locks.

use crate::{Clock, Measured};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, RwLock, Semaphore};
use tokio::task::yield_now;

const TASKS: u64 = 64;
const PERMITS: usize = 8;

// Runs `work` as a task 64 times over, and waits for all of them.
async fn in_tasks<F, Fut>(n: u64, work: F) -> Measured
where
    F: Fn(u64, u64) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let count = n / TASKS;
    let clock = Clock::start();
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(task, count))).collect();

    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(count * TASKS)
}

pub async fn mutex(n: u64) -> Measured {
    let counter = Arc::new(Mutex::new(0));
    let measured = in_tasks(n, |_, count| {
        let counter = counter.clone();

        async move {
            for _ in 0..count {
                *counter.lock().await += 1;
            }
        }
    });
    let measured = measured.await;

    assert_eq!(*counter.lock().await, n / TASKS * TASKS);
    measured
}

pub async fn mutex_held(n: u64) -> Measured {
    let counter = Arc::new(Mutex::new(0));
    let measured = in_tasks(n, |_, count| {
        let counter = counter.clone();

        async move {
            for _ in 0..count {
                let mut guard = counter.lock().await;

                yield_now().await;
                *guard += 1;
            }
        }
    });
    let measured = measured.await;

    assert_eq!(*counter.lock().await, n / TASKS * TASKS);
    measured
}

// Every tenth is a write.
fn is_write(task: u64, i: u64) -> bool {
    (task + i) % 10 == 0
}

pub async fn rwlock(n: u64) -> Measured {
    let counter = Arc::new(RwLock::new(0));
    let measured = in_tasks(n, |task, count| {
        let counter = counter.clone();

        async move {
            let mut seen = 0;

            for i in 0..count {
                if is_write(task, i) {
                    *counter.write().await += 1;
                } else {
                    let now = *counter.read().await;

                    assert!(now >= seen);
                    seen = now;
                }
            }
        }
    });
    let measured = measured.await;
    let writes = |task| (0..n / TASKS).filter(|i| is_write(task, *i)).count() as u64;

    assert_eq!(*counter.read().await, (0..TASKS).map(writes).sum::<u64>());
    measured
}

pub async fn semaphore(n: u64) -> Measured {
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let inside = Arc::new(AtomicUsize::new(0));
    let measured = in_tasks(n, |_, count| {
        let (semaphore, inside) = (semaphore.clone(), inside.clone());

        async move {
            for _ in 0..count {
                let _permit = semaphore.acquire().await.unwrap();

                assert!(inside.fetch_add(1, Ordering::Relaxed) < PERMITS);
                yield_now().await;
                inside.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });

    measured.await
}

pub async fn notify(n: u64) -> Measured {
    let ping = Arc::new(Notify::new());
    let pong = Arc::new(Notify::new());
    let clock = Clock::start();
    let (to, from) = (ping.clone(), pong.clone());
    let one = tokio::spawn(async move {
        for _ in 0..n {
            to.notify_one();
            from.notified().await;
        }
    });
    let other = tokio::spawn(async move {
        for _ in 0..n {
            ping.notified().await;
            pong.notify_one();
        }
    });

    one.await.unwrap();
    other.await.unwrap();
    clock.stop(n)
}
