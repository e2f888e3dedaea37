//! `projections list` and `projections lag`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use event_store::Standing;
use projectors::{LogStandings, ProjectionInfo, standings};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::FOUND;
use crate::operator::{Json, LagOptions};
use crate::verbs::output::{columns, print, print_json};

/// What the relay is called among the projections; no projection has this name.
const RELAY: &str = "relay";

/// Prints where everything stands.
pub async fn list(pool: &PgPool, output: &Json) -> Result<ExitCode> {
    let found = standings(pool).await.context("the database does not answer")?;
    if output.json {
        let projections = found.projections.iter().map(|(info, standing)| listed(info, standing));
        let relay = with(lag_of(&found.relay), &[("moved_at", instant(found.relay.moved_at))]);
        print_json(&json!({
            "head": { "position": found.head, "recorded_at": instant(found.head_recorded_at) },
            "relay": relay,
            "projections": projections.collect::<Vec<_>>(),
        }))?;
    } else {
        print(&list_text(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints how far behind everything is, and finds what is too far.
pub async fn lag(pool: &PgPool, options: &LagOptions) -> Result<ExitCode> {
    let found = standings(pool).await.context("the database does not answer")?;
    let all: Vec<_> = [(RELAY, &found.relay)].into_iter().chain(named(&found)).collect();
    let is_behind = |standing: &Standing| standing.behind > options.max;
    let behind: Vec<_> =
        all.iter().filter(|(_, it)| is_behind(it)).map(|(name, _)| *name).collect();
    if options.output.json {
        let projections =
            named(&found).map(|(name, standing)| with(lag_of(standing), &[("name", name.into())]));
        print_json(&json!({
            "head": found.head,
            "max": options.max,
            "behind": behind,
            "relay": lag_of(&found.relay),
            "projections": projections.collect::<Vec<_>>(),
        }))?;
    } else {
        let mut rows = vec![headings(&["", "POSITION", "LAG EVENTS", "LAG SECONDS"])];
        rows.push(vec![
            "head".to_owned(),
            found.head.to_string(),
            "0".to_owned(),
            "0.000".to_owned(),
        ]);
        for (name, standing) in &all {
            let mut row = vec![(*name).to_owned()];
            row.extend(numbers(standing));
            row.extend(is_behind(standing).then(|| "behind".to_owned()));
            rows.push(row);
        }
        print(&columns(&rows))?;
    }
    Ok(if behind.is_empty() { ExitCode::SUCCESS } else { FOUND })
}

fn named(found: &LogStandings) -> impl Iterator<Item = (&'static str, &Standing)> {
    found.projections.iter().map(|(info, standing)| (info.name, standing))
}

fn list_text(found: &LogStandings) -> String {
    let headings =
        headings(&["NAME", "VERSION", "POSITION", "LAG EVENTS", "LAG SECONDS", "MOVED", "TABLES"]);
    let row = |name: &str, version: String, standing: &Standing, tables: String| {
        let mut row = vec![name.to_owned(), version];
        row.extend(numbers(standing));
        let moved = standing.moved_at.map_or_else(|| "never".to_owned(), iso);
        row.extend([moved, tables]);
        row
    };
    let mut rows = vec![headings, row(RELAY, "-".to_owned(), &found.relay, "-".to_owned())];
    for (info, standing) in &found.projections {
        rows.push(row(info.name, info.version.to_string(), standing, info.tables.join(", ")));
    }
    let recorded =
        found.head_recorded_at.map_or_else(String::new, |at| format!(", recorded {}", iso(at)));
    format!("head of the log: {}{recorded}\n\n{}", found.head, columns(&rows))
}

fn headings(words: &[&str]) -> Vec<String> {
    words.iter().copied().map(str::to_owned).collect()
}

fn numbers(standing: &Standing) -> [String; 3] {
    let seconds = format!("{:.3}", standing.waiting.as_secs_f64());
    [standing.position.to_string(), standing.behind.to_string(), seconds]
}

fn listed(info: &ProjectionInfo, standing: &Standing) -> Value {
    with(
        lag_of(standing),
        &[
            ("name", info.name.into()),
            ("version", info.version.into()),
            ("tables", info.tables.into()),
            ("moved_at", instant(standing.moved_at)),
        ],
    )
}

fn lag_of(standing: &Standing) -> Value {
    json!({
        "position": standing.position,
        "lag_events": standing.behind,
        "lag_seconds": standing.waiting.as_secs_f64(),
    })
}

fn with(mut object: Value, more: &[(&str, Value)]) -> Value {
    for (key, value) in more {
        object[*key] = value.clone();
    }
    object
}

fn instant(at: Option<DateTime<Utc>>) -> Value {
    at.map(iso).into()
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
