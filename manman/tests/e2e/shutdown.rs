//! SIGTERM: no new work, what is in flight is finished, and the process ends well.

use std::net::Ipv4Addr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{System, V1Worker, eventually, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_answered_although_the_process_was_told_to_end() {
    let mut system = System::start().await;
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    let body = worker.object().to_string();
    let mut request = TcpStream::connect((Ipv4Addr::LOCALHOST, system.dal.port)).await.unwrap();
    let head = format!(
        "PUT /worker/shutdown HTTP/1.1\r\nHost: dal\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        body.len()
    );
    request.write_all(head.as_bytes()).await.unwrap();
    // From here on its handler is at work: it has asked for the body.
    let mut interim = vec![0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    soon("the handler reads the body", request.read_exact(&mut interim)).await.unwrap();
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    let dal = system.take_process("start-worker-dal-api");
    dal.signal("TERM").await;
    eventually("nobody new is let in", async || !system.dal.is_well("/readyz").await).await;
    request.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the answer", request.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(dal.ends().await.success());

    let closed = "SELECT count(*) FROM events WHERE event_type = 'WorkerClosed'";
    assert_eq!(system.database.value::<i64>(closed).await, 1);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_the_end_is_published_after_the_next_start() {
    let mut system = System::start().await;
    let mut worker = V1Worker::start(&system.dal, &system.broker).await;
    let processor = system.take_process("start-status-processor");
    processor.signal("TERM").await;
    assert!(processor.ends().await.success());

    let published = "SELECT position FROM checkpoints WHERE name = 'relay'";
    let before: i64 = system.database.value(published).await;
    let body = json!({"commands": ["say ended"]});
    assert_eq!(system.experience.post_json("/gameserver/1/stdin", &body).await.status, 200);
    assert!(system.database.value::<i64>("SELECT position FROM log_head").await > before);

    system.start_process("start-status-processor");
    let command = worker.next_command().await;
    assert_eq!(command.body, r#"{"command_type":"STDIN","command_args":["1","say ended"]}"#);
    system.is_ready().await;
    system.stop().await;
}
