//! What must hold in the end, and how long it took.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::changes::{Change, Changes, holder_at};
use super::fleet::{Blow, Kind};
use super::load::Reported;
use crate::support::{Database, eventually};

/// Far more than a takeover may take: this is no measurement, it tells slow from never.
const NEVER: TimeDelta = TimeDelta::seconds(30);

/// A lease that another process took over.
struct Takeover {
    /// From the blow until it was another's.
    taken: TimeDelta,
    /// From the blow until somebody had done something; `None` if there was nothing to do before the end.
    moved: Option<TimeDelta>,
}

/// How long it took until what a killed process had went on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct GoesOn {
    after: TimeDelta,
    /// What took longest.
    name: String,
    /// How many more blows fell meanwhile.
    blows: usize,
}

/// The leases that a process held when it was hit, by checkpoint.
fn held<'a>(changes: &'a Changes, blow: &Blow) -> Vec<(&'a str, &'a [Change])> {
    let holds = |its: &[Change]| holder_at(its, blow.at).is_some_and(|(_, it)| it == blow.process);
    changes.by_name().filter(|(_, its)| holds(its)).collect()
}

fn takeover(changes: &[Change], at: DateTime<Utc>) -> Option<Takeover> {
    let (owner, _) = holder_at(changes, at)?;
    let later = &changes[changes.partition_point(|change| change.at <= at)..];
    let other = |change: &&Change| change.owner.as_deref().is_some_and(|other| other != owner);
    let taken = later.iter().find(other)?;
    let moved = later.iter().find(|change| change.at >= taken.at && change.moves());
    Some(Takeover { taken: taken.at - at, moved: moved.map(|change| change.at - at) })
}

/// How long it took until another process went on with what a killed one had.
pub fn takeovers(changes: &Changes, blows: &[Blow]) -> String {
    let kills: Vec<_> = blows.iter().filter(|blow| blow.kind == Kind::Kill).collect();
    let (mut taken, mut moved, mut idle) = (Vec::new(), Vec::new(), 0);
    for kill in &kills {
        let held = held(changes, kill);
        if held.is_empty() {
            idle += 1;
            continue;
        }
        let mut longest = TimeDelta::zero();
        let mut went_on = None;
        for (name, its) in held {
            let takeover = takeover(its, kill.at)
                .unwrap_or_else(|| panic!("nobody took {name} over from {}", kill.process));
            longest = longest.max(takeover.taken);
            let until =
                |after| blows.iter().filter(move |it| it.at > kill.at && it.at < kill.at + after);
            let goes_on =
                |after| GoesOn { after, name: name.to_owned(), blows: until(after).count() };
            went_on = went_on.max(takeover.moved.map(goes_on));
        }
        assert!(longest < NEVER, "{} was replaced after {longest}", kill.process);
        taken.push(longest);
        moved.extend(went_on);
    }
    assert!(!taken.is_empty(), "somebody had something to lose");
    let slowest = moved.iter().max().map_or_else(String::new, |slowest| {
        format!(" ({}, {} more blows meanwhile)", slowest.name, slowest.blows)
    });
    format!(
        "{} kills, {idle} of replicas that held nothing; until others had its leases: {}; until they moved on: {}{slowest}",
        kills.len(),
        distribution(taken),
        distribution(moved.into_iter().map(|goes_on| goes_on.after).collect()),
    )
}

/// What a process that was paused found when it went on: its leases were others', and nothing it did then counted. That
/// it wrote nothing follows from who moved what; see [`Changes`].
pub fn pauses(changes: &Changes, blows: &[Blow]) -> String {
    let mut lines = Vec::new();
    for (number, pause) in blows.iter().enumerate().filter(|(_, blow)| blow.kind == Kind::Pause) {
        let same = |blow: &&Blow| blow.kind == Kind::Resume && blow.process == pause.process;
        let resume = blows[number..].iter().find(same).expect("everybody goes on in the end");
        let held = held(changes, pause);
        let mut lost = 0;
        for (name, its) in &held {
            let takeover = takeover(its, pause.at)
                .unwrap_or_else(|| panic!("nobody took {name} over from {}", pause.process));
            if pause.at + takeover.taken <= resume.at {
                lost += 1;
            }
        }
        let after = |its: &[Change]| {
            let later = its.iter().filter(|it| it.at >= resume.at && it.process == pause.process);
            later.filter(|change| change.moves()).count()
        };
        let later: usize = changes.by_name().map(|(_, its)| after(its)).sum();
        lines.push(format!(
            "{} was paused for {:.1} s: it held {}, lost {lost} of them meanwhile; \
             after that it moved {later} positions, each in an epoch of its own",
            pause.process,
            seconds(resume.at - pause.at),
            held.len(),
        ));
    }
    lines.join("\n")
}

fn distribution(mut times: Vec<TimeDelta>) -> String {
    times.sort_unstable();
    let Some(longest) = times.last() else { return "never".to_owned() };
    let median = times[times.len() / 2];
    format!("p50 {:.2} s, max {:.2} s", seconds(median), seconds(*longest))
}

fn seconds(time: TimeDelta) -> f64 {
    time.num_milliseconds() as f64 / 1_000.0
}

/// On the log, those of one instance in the order in which they were sent.
pub async fn every_report_is_recorded_once_and_in_order(database: &Database, reported: &Reported) {
    let query = "SELECT aggregate_id::int, (metadata ->> 'command_id')::uuid FROM events
                  WHERE event_type = 'InstanceStatusReported' ORDER BY position";
    let ours: HashSet<Uuid> = reported.values().flatten().copied().collect();
    let recorded = async || -> Vec<(i32, Uuid)> {
        let all: Vec<(i32, Uuid)> = sqlx::query_as(query).fetch_all(&database.pool).await.unwrap();
        all.into_iter().filter(|(_, id)| ours.contains(id)).collect()
    };
    eventually("every report is recorded", async || recorded().await.len() >= ours.len()).await;
    let recorded = recorded().await;
    assert_eq!(recorded.len(), ours.len(), "no report is recorded twice");
    let stillness = "SELECT coalesce(max(after), 0)::float8 FROM (
        SELECT extract(epoch FROM recorded_at - lag(recorded_at) OVER (ORDER BY position)) AS after
          FROM events WHERE event_type = 'InstanceStatusReported') AS reports";
    let stillness: f64 = database.value(stillness).await;
    println!("{} reports recorded, none for {stillness:.1} s at the longest", recorded.len());
    for (instance, reports) in reported {
        let its = recorded.iter().filter(|(id, _)| id == instance).map(|(_, report)| report);
        assert!(its.eq(reports), "reports of instance {instance} in another order");
    }
}
