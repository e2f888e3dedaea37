//! `list`: what was given up on, of both kinds in one table.

use anyhow::{Context, Result};
use event_store::parked;
use serde_json::json;
use service::config::Env;

use super::entry::{Entry, HEADINGS};
use super::{database, letters};
use crate::operator::{Kind, ListOptions};
use crate::verbs::output::{columns, print, print_json};

pub async fn run(env: &Env, options: &ListOptions) -> Result<()> {
    let mut entries = Vec::new();
    if options.shows(Kind::Broker) {
        let found = of_the_broker(env, options).await;
        entries.extend(or_the_other(found, options, "parked")?);
    }
    if options.shows(Kind::Parked) {
        let found = parked_events(env, options).await;
        entries.extend(or_the_other(found, options, "broker")?);
    }
    if options.output.json {
        let documents: Vec<_> = entries.into_iter().map(|entry| entry.document).collect();
        return print_json(&json!({ "dead_letters": documents }));
    }
    if entries.is_empty() {
        return print(if options.skipped { "none was skipped" } else { "no dead letters" });
    }
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(entries.into_iter().map(|entry| entry.row));
    print(&columns(&rows))
}

/// One server that is away keeps nobody from what the other one has.
fn or_the_other<T>(found: Result<T>, options: &ListOptions, other: &str) -> Result<T> {
    if options.kind.is_some() {
        return found;
    }
    found.with_context(|| format!("not all can be shown; `--kind {other}` shows the others"))
}

async fn of_the_broker(env: &Env, options: &ListOptions) -> Result<Vec<Entry>> {
    let limit = usize::try_from(options.limit)?;
    let letters = letters(env)?;
    let found = if options.skipped {
        letters.list_skipped(limit).await?
    } else {
        letters.list(limit).await?
    };
    Ok(found.iter().map(Entry::of_letter).collect())
}

async fn parked_events(env: &Env, options: &ListOptions) -> Result<Vec<Entry>> {
    let mut connection = database(env).await?.acquire().await?;
    if !options.skipped {
        let heads = parked::list(&mut connection, options.limit.into()).await?;
        return Ok(heads.iter().map(Entry::of_head).collect());
    }
    let skipped = event_store::skipped_events(&mut connection).await?;
    Ok(skipped.iter().take(usize::try_from(options.limit)?).map(Entry::of_skipped).collect())
}
