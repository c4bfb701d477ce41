// SPDX-License-Identifier: MIT
//
// The rows of bench/README.md in Tokio: picks one, runs it once, prints one line of JSON. With one
// worker this is a current-thread runtime and the row is its root future; with more, the row is a
// task of a multi-thread runtime.

mod channels;
mod files;
mod locks;
mod measure;
mod tasks;
mod waits;

use measure::{Clock, Measured};
use std::future::Future;
use std::pin::Pin;
use std::process::exit;

// Of operations and workers.
type Row = fn(u64, u64) -> Pin<Box<dyn Future<Output = Measured> + Send>>;

const ROWS: &[(&str, u64, Row)] = &[
    ("spawn_many", 1_000_000, |n, _| Box::pin(tasks::spawn_many(n))),
    ("spawn_join", 1_000_000, |n, _| Box::pin(tasks::spawn_join(n))),
    ("yield200", 200_000, |n, _| Box::pin(tasks::yield200(n))),
    ("yield1000", 1_000_000, |n, _| Box::pin(tasks::yield1000(n))),
    ("pingpong", 100_000, |n, _| Box::pin(tasks::pingpong(n))),
    ("chained", 1_000_000, |n, _| Box::pin(tasks::chained(n))),
    ("timer_ic", 1_000_000, |n, _| Box::pin(tasks::timer_ic(n))),
    ("timer_bulk", 1_000_000, |n, w| Box::pin(tasks::timer_bulk(n, w))),
    ("sleep1m", 1_000_000, |n, _| Box::pin(tasks::sleep1m(n))),
    ("mpsc_b", 4_000_000, |n, _| Box::pin(channels::mpsc_b(n))),
    ("mpsc_u", 4_000_000, |n, _| Box::pin(channels::mpsc_u(n))),
    ("oneshot", 1_000_000, |n, _| Box::pin(channels::oneshot(n))),
    ("pingpong_chan", 200_000, |n, _| Box::pin(channels::pingpong_chan(n))),
    ("broadcast", 1_000_000, |n, _| Box::pin(channels::broadcast(n))),
    ("watch", 1_000_000, |n, _| Box::pin(channels::watch(n))),
    ("mutex", 640_000, |n, _| Box::pin(locks::mutex(n))),
    ("mutex_held", 640_000, |n, _| Box::pin(locks::mutex_held(n))),
    ("rwlock", 640_000, |n, _| Box::pin(locks::rwlock(n))),
    ("semaphore", 640_000, |n, _| Box::pin(locks::semaphore(n))),
    ("notify", 1_000_000, |n, _| Box::pin(locks::notify(n))),
    ("select3", 1_000_000, |n, _| Box::pin(waits::select3(n))),
    ("select3_wait", 1_000_000, |n, _| Box::pin(waits::select3_wait(n))),
    ("scope", 1_000_000, |n, _| Box::pin(waits::scope(n))),
    ("memory", 1_000_000, |n, _| Box::pin(waits::memory(n))),
    ("memory_chan", 1_000_000, |n, _| Box::pin(waits::memory_chan(n))),
    ("wake", 3_000, |n, _| Box::pin(waits::wake(n))),
    ("blocking", 20_000, |n, _| Box::pin(waits::blocking(n))),
    ("file_read", 20_000, |n, _| Box::pin(files::file_read(n))),
    ("file_write", 20_000, |n, _| Box::pin(files::file_write(n))),
    ("cat_many", 10_000, |n, _| Box::pin(files::cat_many(n))),
];

const USAGE: &str = "usage: peer_tokio BENCH [--workers N] [--n OPERATIONS]
       peer_tokio --list | --help

One row of the comparison, in Tokio.";

fn misuse(what: &str) -> ! {
    eprintln!("peer_tokio: {what} (see --help)");
    exit(2);
}

fn number(option: &str, value: Option<String>) -> u64 {
    match value.and_then(|text| text.parse().ok()) {
        Some(number) if number > 0 => number,
        _ => misuse(&format!("{option} needs a number above 0")),
    }
}

fn run(workers: u64, row: Row, n: u64) -> Measured {
    if workers == 1 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        return runtime.unwrap().block_on(row(n, workers));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers as usize)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(row(n, workers)).await.unwrap() })
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut name, mut workers, mut n) = (None, 1, None);

    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--workers" => workers = number("--workers", args.next()),
            "--n" => n = Some(number("--n", args.next())),
            "--list" => return ROWS.iter().for_each(|row| println!("{}", row.0)),
            "--help" => return println!("{USAGE}"),
            _ if name.is_none() && !arg.starts_with('-') => name = Some(arg),
            _ => misuse(&format!("what is {arg}?")),
        }
    }
    let name = name.unwrap_or_else(|| misuse("which row?"));
    let found = ROWS.iter().find(|row| row.0 == name);
    let (name, default_n, row) = found.unwrap_or_else(|| misuse(&format!("no row {name}")));

    run(workers, *row, n.unwrap_or(*default_n)).print(name, workers);
}
