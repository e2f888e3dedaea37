//! `dead-letters`: what the broker's consumers gave up on.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use messaging::{Broker, DeadLetter, DeadLetters, Decision, Handled, Topology};
use nix::unistd::{Uid, User};
use serde_json::{Value, json};
use service::config::Env;

use super::output::{columns, print, print_json};
use crate::operator::{
    By, DeadLettersVerb, ListLettersOptions, RetryOptions, ShowLetterOptions, SkipOptions,
};
use crate::process::broker_config;

/// Digits after the second that the broker's headers have.
const MICROSECONDS: u16 = 6;

/// Carries out an operator's verb.
pub async fn run(env: &Env, verb: DeadLettersVerb) -> Result<()> {
    let letters = DeadLetters::new(Broker::new("operator", broker_config(env)?), Topology::v1());
    match verb {
        DeadLettersVerb::List(options) => list(&letters, &options).await,
        DeadLettersVerb::Show(options) => show(&letters, &options).await,
        DeadLettersVerb::Retry(options) => retry(&letters, options).await,
        DeadLettersVerb::Skip(options) => skip(&letters, options).await,
    }
}

async fn list(letters: &DeadLetters, options: &ListLettersOptions) -> Result<()> {
    let limit = usize::try_from(options.limit)?;
    let found = if options.skipped {
        letters.list_skipped(limit).await?
    } else {
        letters.list(limit).await?
    };
    if options.output.json {
        let found: Vec<_> = found.iter().map(document).collect();
        return print_json(&json!({ "dead_letters": found }));
    }
    if found.is_empty() {
        return print(if options.skipped { "none was skipped" } else { "no dead letters" });
    }
    let headings = ["MESSAGE ID", "FIRST SEEN", "ATTEMPTS", "ROUTING KEY", "QUEUE", "REASON"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|letter| {
        vec![
            letter.message_id.clone(),
            letter.first_seen.map_or_else(|| "-".to_owned(), iso),
            letter.attempts.to_string(),
            letter.routing_key.clone(),
            letter.queue.clone(),
            reason(letter),
        ]
    }));
    print(&columns(&rows))
}

async fn show(letters: &DeadLetters, options: &ShowLetterOptions) -> Result<()> {
    let is_it = |letter: &DeadLetter| letter.message_id == options.id;
    let mut found = letters.list(usize::MAX).await?.into_iter().find(is_it);
    if found.is_none() {
        found = letters.list_skipped(usize::MAX).await?.into_iter().find(is_it);
    }
    let letter = found.with_context(|| format!("there is no dead letter {}", options.id))?;
    let mut document = document(&letter);
    document["body"] = String::from_utf8_lossy(&letter.body).into();
    if options.output.json {
        return print_json(&document);
    }
    let decided =
        |decision: &Option<Decision>| decision.as_ref().map_or_else(|| "-".to_owned(), who);
    let rows = [
        ("message id", letter.message_id.clone()),
        ("reason", letter.reason.clone()),
        ("first seen", letter.first_seen.map_or_else(|| "-".to_owned(), iso)),
        ("attempts", letter.attempts.to_string()),
        ("exchange", letter.exchange.clone()),
        ("routing key", letter.routing_key.clone()),
        ("queue", letter.queue.clone()),
        ("type", letter.kind.clone()),
        ("retried", decided(&letter.retried)),
        ("skipped", decided(&letter.skipped)),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    print(&format!("{}\n\n{}", columns(&rows), String::from_utf8_lossy(&letter.body)))
}

async fn retry(letters: &DeadLetters, options: RetryOptions) -> Result<()> {
    let decision = decision(options.by, options.reason);
    let mut chosen = Chosen::of(options.ids);
    let handled = letters.redrive(&decision, |letter| options.all || chosen.is_one(letter)).await?;
    print(&format!("{} back in their queues", handled.moved))?;
    chosen.all_moved(handled, options.all)
}

async fn skip(letters: &DeadLetters, options: SkipOptions) -> Result<()> {
    let decision = decision(options.by, Some(options.reason));
    let mut chosen = Chosen::of(options.ids);
    let handled = letters.skip(&decision, |letter| chosen.is_one(letter)).await?;
    print(&format!("{} put aside", handled.moved))?;
    chosen.all_moved(handled, false)
}

/// The letters an operator named.
struct Chosen {
    missing: BTreeSet<String>,
    ids: BTreeSet<String>,
    /// How many were found; several may have one id.
    found: usize,
}

impl Chosen {
    fn of(ids: Vec<String>) -> Self {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        Self { missing: ids.clone(), ids, found: 0 }
    }

    fn is_one(&mut self, letter: &DeadLetter) -> bool {
        let is_one = self.ids.contains(&letter.message_id);
        if is_one {
            self.missing.remove(&letter.message_id);
            self.found += 1;
        }
        is_one
    }

    /// Complains about what was to be moved and is not.
    fn all_moved(&self, handled: Handled, all: bool) -> Result<()> {
        let stuck = if all { handled.kept } else { self.found.saturating_sub(handled.moved) };
        if stuck > 0 {
            bail!("{stuck} stay dead letters: the queue they came from does not exist");
        }
        if let Some(id) = self.missing.first() {
            let more = self.missing.len() - 1;
            let others = if more > 0 { format!(", nor {more} others") } else { String::new() };
            bail!("there is no dead letter {id}{others}");
        }
        Ok(())
    }
}

fn decision(by: By, reason: Option<String>) -> Decision {
    let actor = by.actor.unwrap_or_else(os_user);
    Decision { actor, reason, at: Utc::now().trunc_subsecs(MICROSECONDS) }
}

/// Who runs this; behind `sudo`, for whom.
fn os_user() -> String {
    let asked = std::env::var("SUDO_USER").ok().filter(|name| !name.trim().is_empty());
    let uid = Uid::current();
    let known = || User::from_uid(uid).ok().flatten().map(|user| user.name);
    asked.or_else(known).unwrap_or_else(|| format!("uid {uid}"))
}

fn document(letter: &DeadLetter) -> Value {
    json!({
        "message_id": letter.message_id,
        "reason": letter.reason,
        "queue": letter.queue,
        "exchange": letter.exchange,
        "routing_key": letter.routing_key,
        "type": letter.kind,
        "first_seen": letter.first_seen.map(iso),
        "attempts": letter.attempts,
        "retried": letter.retried.as_ref().map(decided),
        "skipped": letter.skipped.as_ref().map(decided),
    })
}

fn decided(decision: &Decision) -> Value {
    json!({ "actor": decision.actor, "reason": decision.reason, "at": iso(decision.at) })
}

/// Why it is a dead letter, and why it is to stay one.
fn reason(letter: &DeadLetter) -> String {
    match (&letter.skipped, &letter.retried) {
        (Some(skipped), _) => format!("{} (skipped by {})", letter.reason, who(skipped)),
        (None, Some(retried)) => format!("{} (retried by {})", letter.reason, who(retried)),
        (None, None) => letter.reason.clone(),
    }
}

fn who(decision: &Decision) -> String {
    let reason = decision.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
    format!("{} at {}{reason}", decision.actor, iso(decision.at))
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
