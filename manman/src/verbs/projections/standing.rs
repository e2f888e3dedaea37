//! `projections list` and `projections lag`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use event_store::Standing;
use event_store::rebuilding::Checkpoint;
use projectors::{LogStandings, standings};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::FOUND;
use crate::operator::{Json, LagOptions};
use crate::verbs::output::{columns, print, print_json};

/// What the relay is called among the projections; no projection has this name.
const RELAY: &str = "relay";

/// The name of its checkpoint.
const RELAY_CHECKPOINT: &str = "relay";

/// Prints where everything stands, and who works on it.
pub async fn list(pool: &PgPool, output: &Json) -> Result<ExitCode> {
    let found = standings(pool).await.context("the database does not answer")?;
    if output.json {
        print_json(&list_document(&found))?;
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
        let projections = found.projections.iter().map(|(info, standing)| {
            let parked = parked(&found, &info.checkpoint());
            with(lag_of(standing), &[("name", info.name.into()), ("parked", parked.into())])
        });
        print_json(&json!({
            "head": found.head,
            "max": options.max,
            "behind": behind,
            "relay": with(lag_of(&found.relay), &[("parked", parked(&found, RELAY_CHECKPOINT).into())]),
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
    let headings = headings(&[
        "NAME",
        "VERSION",
        "POSITION",
        "LAG EVENTS",
        "LAG SECONDS",
        "PARKED",
        "EPOCH",
        "MOVED",
        "OWNER",
        "TABLES",
    ]);
    let row =
        |name: &str, checkpoint: &str, version: String, standing: &Standing, tables: String| {
            let leased = found.checkpoint(checkpoint);
            let mut row = vec![name.to_owned(), version];
            row.extend(numbers(standing));
            let moved = standing.moved_at.map_or_else(|| "never".to_owned(), iso);
            let epoch = leased.map_or(0, |it| it.epoch.0);
            let owner = leased.and_then(owner).unwrap_or("-").to_owned();
            row.extend([
                parked(found, checkpoint).to_string(),
                epoch.to_string(),
                moved,
                owner,
                tables,
            ]);
            row
        };
    let relay = row(RELAY, RELAY_CHECKPOINT, "-".to_owned(), &found.relay, "-".to_owned());
    let mut rows = vec![headings, relay];
    for (info, standing) in &found.projections {
        let checkpoint = info.checkpoint();
        let version = match found.checkpoint(&checkpoint).and_then(|it| it.version) {
            Some(shown) if shown != info.version => format!("{shown}, to be {}", info.version),
            _ => info.version.to_string(),
        };
        rows.push(row(info.name, &checkpoint, version, standing, info.tables.join(", ")));
    }
    let recorded =
        found.head_recorded_at.map_or_else(String::new, |at| format!(", recorded {}", iso(at)));
    let mut text = format!("head of the log: {}{recorded}\n\n{}", found.head, columns(&rows));
    if let Some(rebuilds) = rebuilds_text(found) {
        text.push_str(&format!("\n\nbeing rebuilt:\n{rebuilds}"));
    }
    text
}

fn rebuilds_text(found: &LogStandings) -> Option<String> {
    let mut rows =
        vec![headings(&["NAME", "VERSION", "POSITION", "PERCENT", "PARKED", "EPOCH", "BY"])];
    for (info, rebuild) in found.rebuilds() {
        let by = owner(rebuild).map_or_else(
            || format!("nobody: `manman projections resume {0}` or `cancel {0}`", info.name),
            str::to_owned,
        );
        rows.push(vec![
            info.name.to_owned(),
            rebuild.version.unwrap_or_default().to_string(),
            rebuild.position.to_string(),
            format!("{:.1}", percent(found, rebuild)),
            parked(found, &rebuild.name).to_string(),
            rebuild.epoch.0.to_string(),
            by,
        ]);
    }
    (rows.len() > 1).then(|| columns(&rows))
}

fn list_document(found: &LogStandings) -> Value {
    let leased = |checkpoint: &str| {
        let it = found.checkpoint(checkpoint);
        [
            ("parked", parked(found, checkpoint).into()),
            ("owner", it.and_then(owner).into()),
            ("epoch", it.map_or(0, |it| it.epoch.0).into()),
        ]
    };
    let projections = found.projections.iter().map(|(info, standing)| {
        let checkpoint = info.checkpoint();
        let shown = found.checkpoint(&checkpoint).and_then(|it| it.version);
        let more = [
            ("name", info.name.into()),
            ("version", info.version.into()),
            ("shown_version", shown.into()),
            ("tables", info.tables.into()),
            ("moved_at", instant(standing.moved_at)),
        ];
        with(with(lag_of(standing), &more), &leased(&checkpoint))
    });
    let rebuilds = found.rebuilds().map(|(info, rebuild)| {
        let document = json!({
            "name": info.name,
            "version": rebuild.version,
            "position": rebuild.position,
            "percent": percent(found, rebuild),
        });
        with(document, &leased(&rebuild.name))
    });
    let moved = [("moved_at", instant(found.relay.moved_at))];
    json!({
        "head": { "position": found.head, "recorded_at": instant(found.head_recorded_at) },
        "relay": with(with(lag_of(&found.relay), &moved), &leased(RELAY_CHECKPOINT)),
        "projections": projections.collect::<Vec<_>>(),
        "rebuilds": rebuilds.collect::<Vec<_>>(),
    })
}

/// Who works on it now.
fn owner(checkpoint: &Checkpoint) -> Option<&str> {
    checkpoint.owner.as_deref().filter(|_| checkpoint.is_held)
}

fn parked(found: &LogStandings, checkpoint: &str) -> i64 {
    found.parked.get(checkpoint).copied().unwrap_or_default()
}

/// How much of the log a rebuild has done.
fn percent(found: &LogStandings, rebuild: &Checkpoint) -> f64 {
    let done = rebuild.position.0 as f64 / found.head.0.max(1) as f64;
    (done * 1000.0).floor() / 10.0
}

fn headings(words: &[&str]) -> Vec<String> {
    words.iter().copied().map(str::to_owned).collect()
}

fn numbers(standing: &Standing) -> [String; 3] {
    let seconds = format!("{:.3}", standing.waiting.as_secs_f64());
    [standing.position.to_string(), standing.behind.to_string(), seconds]
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
