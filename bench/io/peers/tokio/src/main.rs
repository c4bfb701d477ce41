// SPDX-License-Identifier: MIT
//
// An echo server in Tokio: a task for each connection, with a buffer of its own. One worker is a
// current-thread runtime. With --busy-ms a task computes beside them, so long at a time, and yields
// in between.

use std::process::exit;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

const USAGE: &str = "usage: peer_tokio_echo [--listen ADDR:PORT] [--workers N] [--buffer BYTES]
                       [--busy-ms MS]

An echo server in Tokio.";

struct Settings {
    listen: String,
    workers: usize,
    buffer: usize,
    busy: Option<Duration>,
}

fn misuse(what: &str) -> ! {
    eprintln!("peer_tokio_echo: {what} (see --help)");
    exit(2);
}

fn number(option: &str, value: Option<String>) -> usize {
    match value.and_then(|text| text.parse().ok()) {
        Some(number) if number > 0 => number,
        _ => misuse(&format!("{option} needs a number above 0")),
    }
}

fn parse() -> Settings {
    let mut args = std::env::args().skip(1);
    let mut settings =
        Settings { listen: "127.0.0.1:0".into(), workers: 1, buffer: 16384, busy: None };

    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--listen" => settings.listen = args.next().unwrap_or_else(|| misuse("which address?")),
            "--workers" => settings.workers = number("--workers", args.next()),
            "--buffer" => settings.buffer = number("--buffer", args.next()),
            "--busy-ms" => {
                let ms = number("--busy-ms", args.next());

                settings.busy = Some(Duration::from_millis(ms as u64));
            }
            "--help" => {
                println!("{USAGE}");
                exit(0);
            }
            _ => misuse(&format!("what is {arg}?")),
        }
    }
    settings
}

async fn serve(mut connection: TcpStream, size: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; size];

    connection.set_nodelay(true)?;
    loop {
        match connection.read(&mut buffer).await? {
            0 => return Ok(()),
            count => connection.write_all(&buffer[..count]).await?,
        }
    }
}

async fn compute(time: Duration) {
    loop {
        let start = Instant::now();

        while start.elapsed() < time {}
        tokio::task::yield_now().await;
    }
}

async fn accept_all(listener: TcpListener, buffer: usize) {
    loop {
        if let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, buffer));
        }
    }
}

async fn run(settings: Settings) {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let listener = TcpListener::bind(&settings.listen).await.unwrap();

    println!("listening on {}", listener.local_addr().unwrap());
    if let Some(time) = settings.busy {
        tokio::spawn(compute(time));
    }
    tokio::spawn(accept_all(listener, settings.buffer));
    terminate.recv().await;
    exit(0);
}

fn main() {
    let settings = parse();
    let mut builder = if settings.workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };

    if settings.workers > 1 {
        builder.worker_threads(settings.workers);
    }
    builder.enable_io().build().unwrap().block_on(run(settings));
}
