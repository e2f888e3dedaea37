//! `manman dead-letters`: what the broker's consumers gave up on.

use clap::{Args, Subcommand};

use super::{By, Json, words};

const LETTERS_EXAMPLE: &str = r#"With --json:
  {"dead_letters":[{"message_id":"018f0000-0000-7000-8000-000000000001","reason":"there is no worker 999",
    "queue":"status-processor-internal-queue","exchange":"internal_service_events","routing_key":"worker.999.status",
    "type":"","first_seen":"2026-01-02T03:04:05.989740Z","attempts":1,
    "retried":{"actor":"anna","reason":"it is registered now","at":"2026-01-02T04:00:00.000000Z"},"skipped":null}]}"#;

#[derive(Debug, Subcommand)]
pub enum DeadLettersVerb {
    /// The oldest dead letters; they stay where they are
    #[command(after_help = LETTERS_EXAMPLE)]
    List(ListLettersOptions),
    /// All there is about one, body included
    Show(ShowLetterOptions),
    /// Put them back into the queue they came from
    ///
    /// Who, when and why goes with the message: what it leads to carries it as its reason, and it is shown
    /// here if that fails again.
    Retry(RetryOptions),
    /// Put them aside, never to be tried again
    ///
    /// They are kept with who decided so, when and why: see `list --skipped`.
    Skip(SkipOptions),
}

#[derive(Debug, Args)]
pub struct ListLettersOptions {
    /// The most to show
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
    /// Those that were put aside, instead
    #[arg(long)]
    pub skipped: bool,
    #[command(flatten)]
    pub output: Json,
}

#[derive(Debug, Args)]
pub struct ShowLetterOptions {
    /// Its message id
    pub id: String,
    #[command(flatten)]
    pub output: Json,
}

#[derive(Debug, Args)]
pub struct RetryOptions {
    /// Their message ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Why: what has changed
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

#[derive(Debug, Args)]
pub struct SkipOptions {
    /// Their message ids
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: String,
    #[command(flatten)]
    pub by: By,
}
