// SPDX-License-Identifier: MIT
//
// An HTTP server in hyper on Tokio's current-thread runtime: 13 bytes to each request. The replies
// of pipelined requests are flushed together.

use hyper::header::{HeaderValue, CONTENT_TYPE, SERVER};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Body, Request, Response};
use std::convert::Infallible;
use std::process::exit;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

const USAGE: &str = "usage: peer_hyper_http [--listen ADDR:PORT]

An HTTP server of 13 bytes, in hyper.";

fn misuse(what: &str) -> ! {
    eprintln!("peer_hyper_http: {what} (see --help)");
    exit(2);
}

fn parse() -> String {
    let mut args = std::env::args().skip(1);
    let mut listen = String::from("127.0.0.1:0");

    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--listen" => listen = args.next().unwrap_or_else(|| misuse("which address?")),
            "--help" => {
                println!("{USAGE}");
                exit(0);
            }
            _ => misuse(&format!("what is {arg}?")),
        }
    }
    listen
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::from("Hello, World!"));
    let headers = response.headers_mut();

    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(SERVER, HeaderValue::from_static("hyper"));
    Ok(response)
}

// A broken connection is no matter of ours.
async fn serve(connection: TcpStream) {
    let mut http = Http::new();

    http.http1_only(true).pipeline_flush(true);
    if connection.set_nodelay(true).is_ok() {
        let _ = http.serve_connection(connection, service_fn(answer)).await;
    }
}

async fn run(listen: String) {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let listener = TcpListener::bind(&listen).await.unwrap();

    println!("listening on {}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            if let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection));
            }
        }
    });
    terminate.recv().await;
    exit(0);
}

fn main() {
    let listen = parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();

    runtime.unwrap().block_on(run(listen));
}
