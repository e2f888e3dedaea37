//! Points by outcomes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::AddAssign;

use chrono::{DateTime, Utc};

use super::ledger::Acknowledged;
use super::messages::Heard;
use super::rounds::Round;

/// What came of the deaths of one process at one point, or of all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcomes {
    pub kills: usize,
    /// Commands that were answered, whatever it took.
    acknowledged: usize,
    /// Commands that were sent again because nobody answered.
    repeated: usize,
    /// Commands that were on the log already when they were sent again.
    pub answered_from_the_log: usize,
    /// Repetitions included.
    messages: usize,
    /// How often a message came again.
    pub repetitions: usize,
}

/// Outcomes by process and point.
pub struct Table(BTreeMap<(&'static str, &'static str), Outcomes>);

impl Table {
    /// A repetition counts for the round in which what it repeats came first.
    pub fn of(
        rounds: &[Round],
        acknowledged: &[Acknowledged],
        stored_at: &HashMap<String, DateTime<Utc>>,
        heard: &[Heard],
    ) -> Self {
        // The last is for what came afterwards.
        let mut row = vec![Outcomes { kills: 1, ..Outcomes::default() }; rounds.len() + 1];
        row[rounds.len()].kills = 0;
        for command in acknowledged {
            row[command.round()].acknowledged += 1;
            if let Some(round) = command.repeated() {
                row[round].repeated += 1;
            }
            if let Some(round) = command.answered_from_the_log(stored_at[&command.key]) {
                row[round].answered_from_the_log += 1;
            }
        }
        let mut first: HashMap<_, usize> = HashMap::new();
        for message in heard {
            row[message.round].messages += 1;
            let id = (message.position, &message.message_id);
            match first.get(&id) {
                Some(round) => row[*round].repetitions += 1,
                None => drop(first.insert(id, message.round)),
            }
        }
        let mut rows: BTreeMap<_, Outcomes> = BTreeMap::new();
        for (number, outcomes) in row.into_iter().enumerate() {
            let place = rounds.get(number).map(|round| (round.process, round.point.name()));
            *rows.entry(place.unwrap_or(("", "afterwards"))).or_default() += outcomes;
        }
        Self(rows)
    }

    /// All deaths of a process at a point.
    pub fn of_target(&self, point: crash_points::Point, process: &'static str) -> Outcomes {
        self.0.get(&(process, point.name())).copied().unwrap_or_default()
    }

    /// Everything.
    pub fn total(&self) -> Outcomes {
        let mut total = Outcomes::default();
        for row in self.0.values() {
            total += *row;
        }
        total
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.repeated += other.repeated;
        self.answered_from_the_log += other.answered_from_the_log;
        self.messages += other.messages;
        self.repetitions += other.repetitions;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:24}{:22}{:>6}{:>14}{:>10}{:>17}{:>10}{:>12}",
            "process",
            "point",
            "kills",
            "acknowledged",
            "repeated",
            "… and on the log",
            "messages",
            "told again"
        )?;
        let rows = self.0.iter().map(|((process, point), row)| (*process, *point, *row));
        for (process, point, row) in rows.chain([("", "all", self.total())]) {
            writeln!(
                f,
                "{process:24}{point:22}{:6}{:14}{:10}{:17}{:10}{:12}",
                row.kills,
                row.acknowledged,
                row.repeated,
                row.answered_from_the_log,
                row.messages,
                row.repetitions
            )?;
        }
        Ok(())
    }
}
