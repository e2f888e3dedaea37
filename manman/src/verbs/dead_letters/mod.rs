//! `dead-letters`: what was given up on. Messages of the broker that could not be made into events, and
//! events that a projection or the relay could not handle.

mod broker;
pub(super) mod decider;
mod entry;
mod id;
mod list;
mod parked;
mod show;
mod wanted;

use anyhow::Result;
use messaging::{Broker, DeadLetters, Topology};
use service::config::Env;
use sqlx::PgPool;

use self::decider::Decider;
use self::wanted::{Wanted, by_kind, complain};
use crate::operator::{DeadLettersVerb, Kind, RetryOptions, SkipOptions};
use crate::process::{broker_config, operator_pool};

/// Carries out an operator's verb.
pub async fn run(env: &Env, verb: DeadLettersVerb) -> Result<()> {
    match verb {
        DeadLettersVerb::List(options) => list::run(env, &options).await,
        DeadLettersVerb::Show(options) => show::run(env, &options).await,
        DeadLettersVerb::Retry(options) => retry(env, options).await,
        DeadLettersVerb::Skip(options) => skip(env, options).await,
    }
}

async fn retry(env: &Env, options: RetryOptions) -> Result<()> {
    let (mut messages, mut events) = by_kind(options.ids);
    if options.all && options.kind != Some(Kind::Parked) {
        messages = Wanted::All;
    }
    if options.all && options.kind != Some(Kind::Broker) {
        events = Wanted::All;
    }
    let decider = Decider::new(database(env).await?, options.by, options.reason);
    let mut outcomes = Vec::new();
    if !events.is_none() {
        outcomes.push(parked::retry(&decider, events, options.wait).await);
    }
    if !messages.is_none() {
        outcomes.push(broker::retry(&letters(env)?, &decider, &messages).await);
    }
    both(outcomes)
}

async fn skip(env: &Env, options: SkipOptions) -> Result<()> {
    let (messages, events) = by_kind(options.ids);
    let decider = Decider::new(database(env).await?, options.by, Some(options.reason));
    let mut outcomes = Vec::new();
    if !events.is_none() {
        outcomes.push(parked::skip(&decider, events).await);
    }
    if !messages.is_none() {
        outcomes.push(broker::skip(&letters(env)?, &decider, &messages).await);
    }
    both(outcomes)
}

/// One kind does not wait for the other to go well.
fn both(outcomes: Vec<Result<()>>) -> Result<()> {
    let problems = outcomes.into_iter().filter_map(Result::err);
    complain(&problems.map(|problem| format!("{problem:#}")).collect::<Vec<_>>())
}

fn letters(env: &Env) -> Result<DeadLetters> {
    Ok(DeadLetters::new(Broker::new("operator", broker_config(env)?), Topology::v1()))
}

async fn database(env: &Env) -> Result<PgPool> {
    operator_pool(env, "manman dead-letters").await
}
