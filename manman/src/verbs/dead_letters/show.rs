//! `show`: all there is about one, and what was decided about it.

use anyhow::{Context, Result};
use event_store::{Metadata, RecordedEvent, parked};
use messaging::{DeadLetter, Decision};
use serde_json::Value;
use service::config::Env;
use sqlx::PgConnection;

use super::entry::{Entry, HEADINGS, decided, iso, who};
use super::id::ParkedId;
use super::{database, letters};
use crate::operator::ShowOptions;
use crate::verbs::output::{columns, print, print_json};

/// All there is about one.
struct Shown {
    entry: Entry,
    /// What the list has no column for.
    details: Vec<(&'static str, String)>,
    decisions: Vec<RecordedEvent>,
    /// What could not be handled, by its name in the document.
    content: Vec<(&'static str, String)>,
}

pub async fn run(env: &Env, options: &ShowOptions) -> Result<()> {
    let mut connection = database(env).await?.acquire().await?;
    let shown = match ParkedId::parse(&options.id) {
        Some(id) => parked_event(&mut connection, &id).await?,
        None => message(env, &mut connection, &options.id).await?,
    };
    if options.output.json {
        return print_json(&document(shown)?);
    }
    print(&text(shown)?)
}

async fn message(env: &Env, connection: &mut PgConnection, id: &str) -> Result<Shown> {
    let letters = letters(env)?;
    let is_it = |letter: &DeadLetter| letter.message_id == id;
    let mut found = letters.list(usize::MAX).await?.into_iter().find(is_it);
    if found.is_none() {
        found = letters.list_skipped(usize::MAX).await?.into_iter().find(is_it);
    }
    let letter = found.with_context(|| format!("there is no dead letter {id}"))?;
    Ok(Shown {
        entry: Entry::of_letter(&letter),
        decisions: event_store::decisions_about_message(connection, id).await?,
        content: vec![("body", String::from_utf8_lossy(&letter.body).into_owned())],
        details: vec![
            ("queue", letter.queue),
            ("exchange", letter.exchange),
            ("type", letter.kind),
        ],
    })
}

async fn parked_event(connection: &mut PgConnection, id: &ParkedId) -> Result<Shown> {
    let mut details = Vec::new();
    let entry = match parked::show(connection, &id.subscription, id.position).await? {
        Some(event) => {
            let stream = parked::of_stream(connection, &event).await?;
            let first = stream.iter().find(|head| head.position < event.position);
            details.extend(first.map(|head| ("waits behind", id.at(head.position).to_string())));
            let behind = stream.iter().filter(|other| other.position > event.position).count();
            details.extend(event.last_failed_at.map(|at| ("last failed at", iso(at))));
            Some(Entry::of_parked(&event, i64::try_from(behind)?))
        }
        None => event_store::skipped_events(connection)
            .await?
            .iter()
            .find(|skipped| {
                skipped.subscription == id.subscription && skipped.event.position == id.position
            })
            .map(Entry::of_skipped),
    };
    let entry = entry.with_context(|| format!("there is no parked event {id}"))?;
    let event = event_store::read_at(connection, &[id.position]).await?.pop();
    let event = event.with_context(|| format!("there is no event {}", id.position))?;
    details.push(("event id", event.event_id.to_string()));
    details.push(("recorded at", iso(event.recorded_at)));
    Ok(Shown {
        entry,
        details,
        decisions: event_store::decisions_about_parked(connection, &id.subscription, id.position)
            .await?,
        content: vec![("payload", event.payload), ("metadata", event.metadata)],
    })
}

fn document(shown: Shown) -> Result<Value> {
    let mut document = shown.entry.document;
    let mut decisions = Vec::new();
    for event in &shown.decisions {
        let mut decision = decided(&decision(event)?);
        decision["decision"] = event.event_type.as_str().into();
        decisions.push(decision);
    }
    document["decisions"] = decisions.into();
    for (name, text) in shown.content {
        document[name] = text.into();
    }
    Ok(document)
}

fn text(shown: Shown) -> Result<String> {
    let named = HEADINGS.iter().map(|heading| heading.to_lowercase()).zip(shown.entry.row);
    let details = shown.details.into_iter().map(|(name, text)| (name.to_owned(), text));
    let mut rows: Vec<_> = named.chain(details).map(|(name, text)| vec![name, text]).collect();
    for event in &shown.decisions {
        rows.push(vec![event.event_type.clone(), who(&decision(event)?)]);
    }
    let content: String = shown.content.iter().map(|(_, text)| format!("\n\n{text}")).collect();
    Ok(format!("{}{content}", columns(&rows)))
}

fn decision(event: &RecordedEvent) -> Result<Decision> {
    let Metadata { actor_id, reason, .. } = event.metadata()?;
    Ok(Decision { actor: actor_id, reason, at: event.recorded_at })
}
