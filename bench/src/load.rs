//! HTTP load over kept-alive connections. As lean as it can be: it shares two cores with what it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// One connection.
pub struct Client {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, for its headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), buffer: Vec::with_capacity(4096) })
    }

    /// A GET.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = request("GET", path, &self.host, "", "");
        self.send(request.as_bytes()).await
    }

    /// A POST with a JSON body.
    pub async fn post(&mut self, path: &str, body: &str) -> Result<Answer> {
        let request = request("POST", path, &self.host, "", body);
        self.send(request.as_bytes()).await
    }

    /// Sends a whole request and reads the answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let end = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..end])?.to_owned();
        let mut answer = Answer { status: 0, head, body: Vec::new() };
        answer.status = answer.head.get(9..12).context("status line")?.parse()?;
        let length: usize = answer.header("content-length").unwrap_or("0").parse()?;
        while self.buffer.len() < end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
        answer.body = self.buffer[end..end + length].to_vec();
        Ok(answer)
    }
}

/// A whole request; `headers` are lines that end in `\r\n`.
pub fn request(method: &str, path: &str, host: &str, headers: &str, body: &str) -> String {
    let content = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{content}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends requests over `connections` connections for `duration`; see [`closed_loop_until`].
pub async fn closed_loop<F>(
    address: &str,
    connections: usize,
    duration: Duration,
    make: F,
) -> Result<f64>
where
    F: Fn(usize, u64) -> String + Send + Sync + 'static,
{
    let end = async {
        sleep(duration).await;
        Ok(())
    };
    Ok(closed_loop_until(address, connections, end, make).await?.0)
}

/// Sends requests over `connections` connections until something else is done; `make` gives the n-th request
/// of a connection. Every answer must be 200: the first that is not ends it all. Requests per second, and what
/// came of the something else.
pub async fn closed_loop_until<F, T>(
    address: &str,
    connections: usize,
    until: impl Future<Output = Result<T>>,
    make: F,
) -> Result<(f64, T)>
where
    F: Fn(usize, u64) -> String + Send + Sync + 'static,
{
    let (make, is_over) = (Arc::new(make), Arc::new(AtomicBool::new(false)));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        let (make, address) = (Arc::clone(&make), address.to_owned());
        let is_over = Arc::clone(&is_over);
        tasks.spawn(async move {
            let mut client = Client::connect(&address).await?;
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = client.send(make(connection, sent).as_bytes()).await?;
                if answer.status != 200 {
                    bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
                }
                sent += 1;
            }
            Ok(sent)
        });
    }
    let mut total = 0;
    let ended = tokio::select! {
        ended = until => ended?,
        // None ends before it is told to, but by a failure.
        Some(task) = tasks.join_next() => bail!("a connection ended early after {} requests", task??),
    };
    let seconds = started.elapsed().as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    while let Some(task) = tasks.join_next().await {
        total += task??;
    }
    Ok((total as f64 / seconds, ended))
}

/// The value below which a share of the samples lies; `share` 0.99 for p99.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let index = ((samples.len() as f64 * share).ceil() as usize).clamp(1, samples.len());
    samples[index - 1]
}
