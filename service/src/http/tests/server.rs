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

/// A server with one request in flight: its client, what lets it be answered, and the rest.
struct InFlight {
    stream: TcpStream,
    release: Arc<Notify>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl InFlight {
    async fn start(limits: Limits) -> Self {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enter, released) = (entered.clone(), release.clone());
        let handler = async move || {
            enter.notify_one();
            released.notified().await;
            "finished"
        };
        let router = Router::new().route("/wait", get(handler));
        let (mut stream, shutdown, server) = start(router, limits).await;
        let request = b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let entered = tokio::time::timeout(DEADLINE, entered.notified());
        entered.await.expect("the request does not arrive");
        Self { stream, release, shutdown, server }
    }
}

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_finish() {
    let flight = InFlight::start(Limits::default()).await;
    let address = flight.stream.peer_addr().unwrap();
    flight.shutdown.cancel();
    wait_until_refused(address).await;
    flight.release.notify_one();
    let answer = rest(flight.stream).await;
    assert!(answer.ends_with("finished"), "{answer}");
    let end = tokio::time::timeout(DEADLINE, flight.server).await;
    end.expect("the server does not end").unwrap();
}

async fn wait_until_refused(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(DEADLINE, refused).await;
    refused.expect("connections are still accepted");
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let flight = InFlight::start(limits).await;
    flight.shutdown.cancel();
    let end = tokio::time::timeout(DEADLINE, flight.server).await;
    end.expect("the server does not end").unwrap();
    assert_eq!(rest(flight.stream).await, "");
}
