// SPDX-License-Identifier: MIT
//
// Rows over Tokio's channels.

use crate::{Clock, Measured};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot, watch, Notify};

const PRODUCERS: u64 = 4;
const PAIRS: u64 = 1000;
const RECEIVERS: u64 = 100;
const BURST: u64 = 64;

// Of 0, 1, ... count - 1, from each producer.
fn expected_sum(count: u64) -> u64 {
    PRODUCERS * (count * (count - 1) / 2)
}

pub async fn mpsc_b(n: u64) -> Measured {
    let count = n / PRODUCERS;
    let clock = Clock::start();
    let (sender, mut receiver) = mpsc::channel(1024);

    for _ in 0..PRODUCERS {
        let sender = sender.clone();

        tokio::spawn(async move {
            for value in 0..count {
                sender.send(value).await.unwrap();
            }
        });
    }
    drop(sender);
    let consumer = tokio::spawn(async move {
        let mut sum = 0;

        while let Some(value) = receiver.recv().await {
            sum += value;
        }
        sum
    });
    let sum: u64 = consumer.await.unwrap();
    let measured = clock.stop(count * PRODUCERS);

    assert_eq!(sum, expected_sum(count));
    measured
}

pub async fn mpsc_u(n: u64) -> Measured {
    let count = n / PRODUCERS;
    let clock = Clock::start();
    let (sender, mut receiver) = mpsc::unbounded_channel();

    for _ in 0..PRODUCERS {
        let sender = sender.clone();

        tokio::spawn(async move {
            for value in 0..count {
                sender.send(value).unwrap();
            }
        });
    }
    drop(sender);
    let consumer = tokio::spawn(async move {
        let mut sum = 0;

        while let Some(value) = receiver.recv().await {
            sum += value;
        }
        sum
    });
    let sum: u64 = consumer.await.unwrap();
    let measured = clock.stop(count * PRODUCERS);

    assert_eq!(sum, expected_sum(count));
    measured
}

pub async fn oneshot(n: u64) -> Measured {
    let clock = Clock::start();
    let mut sum = 0;

    for value in 0..n {
        let (sender, receiver) = oneshot::channel();

        sender.send(value).unwrap();
        sum += receiver.await.unwrap();
    }
    let measured = clock.stop(n);

    assert_eq!(sum, n * (n - 1) / 2);
    measured
}

pub async fn pingpong_chan(n: u64) -> Measured {
    let rounds = n / PAIRS;
    let mut tasks = Vec::new();
    let clock = Clock::start();

    for _ in 0..PAIRS {
        let (to, mut from_ping) = mpsc::channel(1);
        let (back, mut from_pong) = mpsc::channel(1);

        tasks.push(tokio::spawn(async move {
            for round in 0..rounds {
                to.send(round).await.unwrap();
                assert_eq!(from_pong.recv().await, Some(round));
            }
        }));
        tasks.push(tokio::spawn(async move {
            while let Some(value) = from_ping.recv().await {
                back.send(value).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(PAIRS * rounds)
}

// The sender waits here until all receivers have what it sent.
#[derive(Default)]
struct Gate {
    missing: AtomicUsize,
    opened: Notify,
}

impl Gate {
    fn close(&self) {
        self.missing.store(RECEIVERS as usize, Ordering::Relaxed);
    }

    fn arrive(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.opened.notify_one();
        }
    }
}

pub async fn broadcast(n: u64) -> Measured {
    let bursts = n / RECEIVERS / BURST;
    let gate = Arc::new(Gate::default());
    let mut tasks = Vec::new();
    let clock = Clock::start();
    let (sender, _) = broadcast::channel(1024);

    for _ in 0..RECEIVERS {
        let (gate, mut receiver) = (gate.clone(), sender.subscribe());

        tasks.push(tokio::spawn(async move {
            for expected in 0..bursts * BURST {
                assert_eq!(receiver.recv().await, Ok(expected));
                if expected % BURST == BURST - 1 {
                    gate.arrive();
                }
            }
        }));
    }
    for burst in 0..bursts {
        gate.close();
        for i in 0..BURST {
            sender.send(burst * BURST + i).unwrap();
        }
        gate.opened.notified().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(bursts * BURST * RECEIVERS)
}

pub async fn watch(n: u64) -> Measured {
    let values = n / RECEIVERS;
    let gate = Arc::new(Gate::default());
    let mut tasks = Vec::new();
    let clock = Clock::start();
    let (sender, receiver) = watch::channel(0);

    for _ in 0..RECEIVERS {
        let (gate, mut receiver) = (gate.clone(), receiver.clone());

        tasks.push(tokio::spawn(async move {
            for expected in 1..=values {
                receiver.changed().await.unwrap();
                assert_eq!(*receiver.borrow_and_update(), expected);
                gate.arrive();
            }
        }));
    }
    for value in 1..=values {
        gate.close();
        sender.send(value).unwrap();
        gate.opened.notified().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(values * RECEIVERS)
}
