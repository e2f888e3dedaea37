//! An answer as snapshots show it.

use std::fmt;

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, text }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self}"))
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where the log has what was written.
    pub fn position(&self) -> Option<i64> {
        self.headers.get("manman-position").map(|value| value.to_str().unwrap().parse().unwrap())
    }
}

/// Status and body as they were sent, but for instants: those depend on when the test runs.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), without_instants(&self.text))
    }
}

/// Replaces `2026-01-02T03:04:05.678901+00:00` and `2026-01-02T03:04:05.678Z` by `<instant>`, and the same without an
/// offset by `<local instant>`.
fn without_instants(text: &str) -> String {
    let mut rest = text;
    let mut redacted = String::new();
    while let Some(next) = rest.chars().next() {
        if let Some(after) = strip(rest, "dddd-dd-ddTdd:dd:dd") {
            let fraction = after.strip_prefix('.').unwrap_or(after);
            let after = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            let offset = strip(after, "+00:00").or_else(|| strip(after, "Z"));
            redacted.push_str(if offset.is_some() { "<instant>" } else { "<local instant>" });
            rest = offset.unwrap_or(after);
        } else {
            redacted.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    redacted
}

/// Takes a pattern off the front; `d` stands for a digit.
fn strip<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    let front = text.get(..pattern.len())?;
    let fits = front.bytes().zip(pattern.bytes()).all(|(byte, pattern)| match pattern {
        b'd' => byte.is_ascii_digit(),
        literal => byte == literal,
    });
    fits.then(|| &text[pattern.len()..])
}
