//! `manman dead-letters`: what was given up on.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{By, Json, words};

const LIST_EXAMPLE: &str = r#"With --json:
  {"dead_letters":[
    {"kind":"broker","id":"018f0000-0000-7000-8000-000000000001","entity":"worker/999","error":"there is no worker 999",
     "attempts":1,"since":"2026-01-02T03:04:05.989740Z","waiting":0,
     "queue":"status-processor-internal-queue","exchange":"internal_service_events","routing_key":"worker.999.status",
     "type":"","retried":{"actor":"anna","reason":"it is registered now","at":"2026-01-02T04:00:00.000000Z"},
     "skipped":null},
    {"kind":"parked","id":"workers@1234","entity":"worker/6","error":"value too long for type character varying(64)",
     "attempts":3,"since":"2026-01-02T03:04:05.989740Z","waiting":2,
     "subscription":"projector.workers","position":1234,"event_id":"018f0000-0000-7000-8000-000000000002",
     "event_type":"WorkerRegistered","last_failed_at":"2026-01-02T03:04:07.120000Z","retry_requested_at":null,
     "skipped":null}]}"#;

const SHOW_EXAMPLE: &str = r#"With --json: as in `list --json`, and the broker's "body", or the log's "payload" and "metadata", and
  "decisions":[{"decision":"DeadLetterRetried","actor":"anna","reason":"it is registered now",
                "at":"2026-01-02T04:00:00.000000Z"}]"#;

const RETRY_EXAMPLE: &str = r#"Exit status: 0 when the messages are back in their queues and the parked events were handled, 1 when one was not."#;

#[derive(Debug, Subcommand)]
pub enum DeadLettersVerb {
    /// What was given up on; it stays where it is
    ///
    /// Of two kinds. Broker: a message that could not be made into an event; its id is the message id.
    /// Parked: an event that a projection or the relay could not handle, with the later events of its entity
    /// waiting behind it; its id is PROJECTION@POSITION, such as workers@1234, or relay@1234.
    #[command(after_help = LIST_EXAMPLE)]
    List(ListOptions),
    /// All there is about one, and what was decided about it
    #[command(after_help = SHOW_EXAMPLE)]
    Show(ShowOptions),
    /// Try them again
    ///
    /// Messages go back into the queue they came from, with who, when and why. Parked events are handled by
    /// whoever works on their projection, in the order of the log: from the first one parked of their entity.
    /// The decision is on the log before anything else happens.
    #[command(after_help = RETRY_EXAMPLE)]
    Retry(RetryOptions),
    /// Decide that they are never to be tried again
    ///
    /// Messages are put aside: see `list --skipped`. Parked events are left out, by rebuilds too, and those
    /// waiting behind them are tried. The decision is on the log before anything else happens.
    Skip(SkipOptions),
}

/// What was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Messages that could not be made into events
    Broker,
    /// Events that a projection or the relay could not handle
    Parked,
}

#[derive(Debug, Args)]
pub struct ListOptions {
    /// The most to show of each kind
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
    /// Those that were skipped, instead
    #[arg(long)]
    pub skipped: bool,
    /// Only this kind; the other's server need not be there
    #[arg(long)]
    pub kind: Option<Kind>,
    #[command(flatten)]
    pub output: Json,
}

#[derive(Debug, Args)]
pub struct ShowOptions {
    /// Its id
    pub id: String,
    #[command(flatten)]
    pub output: Json,
}

#[derive(Debug, Args)]
pub struct RetryOptions {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// All of this kind
    #[arg(long, conflicts_with = "ids")]
    pub kind: Option<Kind>,
    /// Why: what has changed
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: Option<String>,
    /// How long to wait for what becomes of parked events
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub wait: Duration,
    #[command(flatten)]
    pub by: By,
}

#[derive(Debug, Args)]
pub struct SkipOptions {
    /// Their ids
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: String,
    #[command(flatten)]
    pub by: By,
}

impl ListOptions {
    /// Whether this kind is to be shown.
    pub fn shows(&self, kind: Kind) -> bool {
        self.kind.is_none_or(|only| only == kind)
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse().map(Duration::from_secs).map_err(|_| "a whole number of seconds")
}
