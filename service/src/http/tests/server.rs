//! Over a socket: what only a client that misbehaves, or a server that stops, can show.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::routes;
use crate::http::{Limits, defaults, serve};

/// How long a test waits for an answer that has to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server on a free port, and the token that stops it.
async fn start(router: Router, limits: Limits) -> (TcpStream, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = defaults(router, &limits);
    let server = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
    (TcpStream::connect(address).await.unwrap(), shutdown, server)
}

/// Everything the server sends until it closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    tokio::time::timeout(DEADLINE, read).await.expect("the connection stays open").unwrap();
    text
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
    let (mut stream, _shutdown, _server) = start(routes(), limits).await;
    let head = "POST /json HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("{\"detail\":\"Request Timeout\"}"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_loses_its_connection() {
    let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
    let (mut stream, _shutdown, _server) = start(routes(), limits).await;
    stream.write_all(b"GET /id HTTP/1.1\r\nhost: h\r\nx-slow: ").await.unwrap();
    let answer = rest(stream).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_finish() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (entered.clone(), release.clone());
        async move || {
            entered.notify_one();
            release.notified().await;
            "finished"
        }
    };
    let router = Router::new().route("/wait", get(handler));
    let (mut stream, shutdown, server) = start(router, Limits::default()).await;
    let address = stream.peer_addr().unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    entered.notified().await;
    shutdown.cancel();
    wait_until_refused(address).await;
    release.notify_one();
    let answer = rest(stream).await;
    assert!(answer.ends_with("finished"), "{answer}");
    tokio::time::timeout(DEADLINE, server).await.unwrap().unwrap();
}

async fn wait_until_refused(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("connections are still accepted");
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let (mut stream, shutdown, server) = start(routes(), limits).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, server).await.unwrap().unwrap();
    assert_eq!(rest(stream).await, "");
}
