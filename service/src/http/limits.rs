//! What a client may take of a server.

use std::time::Duration;

/// Limits of one HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a client may take to send a request's head, also how long a connection may idle.
    /// Default 10 s; the connection is closed without an answer.
    pub header_read: Duration,
    /// How long a request may take from its head to the head of its answer, a slow body included.
    /// Default 30 s; the answer is 408.
    pub request: Duration,
    /// The largest body that is read, in bytes. Default 1 MiB; the answer is 413.
    pub body_bytes: u64,
    /// How long requests in flight may take after shutdown began. Default 20 s, below the 30 s
    /// Kubernetes waits before it kills; connections still open then are cut.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            body_bytes: 1024 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}
