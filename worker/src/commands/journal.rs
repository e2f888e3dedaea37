//! What was asked of this host, one small file per command, so that the next agent knows what this one had in work and
//! what it had done.
//!
//! It is for an agent that dies, not for a host that does: files are whole or not there, and the disk is not waited for.
//! With the host go all game servers, and the log still has every command that has no outcome; but a disk that takes
//! its time over hundreds of commands would hold up heartbeats.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::asked::Asked;
use super::metrics;
use crate::files;
use crate::reports::Outcome;
use crate::run_dir::RunId;

/// How long a command that was done is known by. Long after its deadline nothing asks for it any more.
const KEPT_FOR: TimeDelta = TimeDelta::days(7);
/// How many of them.
const KEPT: usize = 10_000;

/// The extension of a file that is whole.
const FINISHED: &str = "json";

/// One command, as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What it is known by, and the name of its file.
    pub(super) id: Uuid,
    /// Its place among all that were handed out.
    pub(super) sequence: u64,
    /// The worker it was asked of, which this agent may not be any more.
    pub(super) worker_id: i32,
    /// The request in the log; an old sender names none.
    pub(super) command_id: Option<Uuid>,
    /// What it asks for; none for what could not be read.
    pub(super) asked: Option<Asked>,
    /// After this it counts as timed out.
    pub(super) deadline: Option<DateTime<Utc>>,
    /// When it was handed out.
    pub(super) accepted_at: DateTime<Utc>,
    /// What became of it.
    pub(super) state: State,
}

/// How far a command is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It was handed out.
    Accepted,
    /// It has an outcome.
    Done {
        /// Since when.
        at: DateTime<Utc>,
        /// Which.
        outcome: Outcome,
        /// The run it began or changed.
        run_id: Option<RunId>,
    },
}

/// The directory of these files.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    /// Those that are done, oldest first.
    done: VecDeque<(DateTime<Utc>, Uuid)>,
    /// How many of them are kept.
    keep: usize,
    /// What the disk did not take.
    unwritten: HashMap<Uuid, Record>,
}

impl Journal {
    /// Opens the directory and reads everything in it, in the order in which it was handed out. Files that cannot be
    /// read are logged and left alone.
    ///
    /// # Errors
    /// When the directory can be neither made nor read.
    pub(super) fn open(directory: PathBuf) -> io::Result<(Self, Vec<Record>)> {
        fs::create_dir_all(&directory)?;
        let mut records = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let is_finished = path.extension().is_some_and(|extension| extension == FINISHED);
            if is_finished && !is_empty(&path) {
                records.extend(read(&path));
            } else {
                // Its agent died before it was whole, or the host before the disk had it. What cannot be removed is
                // ignored once more.
                drop(fs::remove_file(&path));
            }
        }
        records.sort_by_key(|record| record.sequence);
        let mut done: Vec<_> = records.iter().filter_map(Record::done).collect();
        done.sort_unstable();
        let journal = Self { directory, done: done.into(), keep: KEPT, unwritten: HashMap::new() };
        Ok((journal, records))
    }

    /// Writes a command down, before it is handed out and when it is done. When the disk does not take it, the command
    /// goes on all the same: an agent with a full disk must still stop what fills it.
    pub(super) fn write(&mut self, record: Record) {
        self.done.extend(record.done());
        self.unwritten.remove(&record.id);
        let Err(error) = files::put_json(&self.file(record.id), &record) else {
            return;
        };
        ::metrics::counter!(metrics::JOURNAL_FAILURES).increment(1);
        tracing::error!(
            id = %record.id, %error, directory = %self.directory.display(),
            "what is asked cannot be written down; it is kept in memory, and would be forgotten with the agent"
        );
        if record.done().is_some() {
            // Found as accepted it would be carried out once more by the next agent. Removing takes no room.
            drop(fs::remove_file(self.file(record.id)));
        }
        self.unwritten.insert(record.id, record);
    }

    /// Tries once more to write what the disk did not take.
    pub(super) fn retry(&mut self) {
        let unwritten = self.unwritten.len();
        let directory = self.directory.clone();
        self.unwritten
            .retain(|_, record| files::put_json(&file(&directory, record.id), record).is_err());
        if unwritten > 0 && self.unwritten.is_empty() {
            tracing::info!(unwritten, "what could not be written down is on disk now");
        }
    }

    /// Reads a command that is known to be there.
    pub(super) fn read(&self, id: Uuid) -> Option<Record> {
        self.unwritten.get(&id).cloned().or_else(|| read(&self.file(id)))
    }

    /// Removes what was done long ago, or so much before, that nothing asks for it any more; returns what it was.
    pub(super) fn prune(&mut self, now: DateTime<Utc>) -> Vec<Uuid> {
        let mut pruned = Vec::new();
        while let Some((at, id)) = self.done.front().copied() {
            if self.done.len() <= self.keep && now - at <= KEPT_FOR {
                break;
            }
            self.done.pop_front();
            self.unwritten.remove(&id);
            // A file that stays is found and pruned by the next agent.
            drop(fs::remove_file(self.file(id)));
            pruned.push(id);
        }
        pruned
    }

    fn file(&self, id: Uuid) -> PathBuf {
        file(&self.directory, id)
    }
}

impl Record {
    fn done(&self) -> Option<(DateTime<Utc>, Uuid)> {
        match self.state {
            State::Accepted => None,
            State::Done { at, .. } => Some((at, self.id)),
        }
    }
}

fn file(directory: &Path, id: Uuid) -> PathBuf {
    directory.join(format!("{id}.{FINISHED}"))
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() == 0)
}

fn read(path: &Path) -> Option<Record> {
    files::read_json(path).unwrap_or_else(|error| {
        tracing::error!(file = %path.display(), %error, "a command cannot be read; it is left alone");
        None
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn record(sequence: u64, state: State) -> Record {
        Record {
            id: Uuid::now_v7(),
            sequence,
            worker_id: 6,
            command_id: None,
            asked: Some(Asked::ShutDown),
            deadline: None,
            accepted_at: Utc::now(),
            state,
        }
    }

    fn done(days_ago: i64) -> State {
        let at = Utc::now() - TimeDelta::days(days_ago);
        State::Done { at, outcome: Outcome::Fulfilled, run_id: None }
    }

    fn sequences(directory: &TempDir) -> Vec<u64> {
        let (_, records) = Journal::open(directory.path().to_owned()).unwrap();
        records.into_iter().map(|record| record.sequence).collect()
    }

    #[test]
    fn everything_is_found_again_in_the_order_it_was_handed_out() {
        let directory = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(directory.path().join("commands")).unwrap();
        let records = [3, 1, 2].map(|sequence| record(sequence, State::Accepted));
        for record in &records {
            journal.write(record.clone());
        }
        journal.write(Record { state: done(0), ..records[0].clone() });
        let (_, found) = Journal::open(directory.path().join("commands")).unwrap();
        assert_eq!(found.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(found[0], records[1]);
        assert!(matches!(found[2].state, State::Done { outcome: Outcome::Fulfilled, .. }));
    }

    #[test]
    fn what_was_done_more_than_seven_days_ago_is_removed_and_what_is_in_work_stays() {
        let directory = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(directory.path().to_owned()).unwrap();
        let mut old = record(2, State::Accepted);
        old.accepted_at = Utc::now() - TimeDelta::days(100);
        let pruned = record(1, done(8));
        for record in [pruned.clone(), old, record(3, done(6))] {
            journal.write(record);
        }
        assert_eq!(journal.prune(Utc::now()), [pruned.id]);
        assert_eq!(sequences(&directory), [2, 3]);
    }

    #[test]
    fn of_more_than_are_kept_the_oldest_are_removed() {
        let directory = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(directory.path().to_owned()).unwrap();
        for days_ago in [1, 5, 2, 4, 3] {
            journal.write(record(days_ago, done(days_ago.try_into().unwrap())));
        }
        let (mut journal, _) = Journal::open(directory.path().to_owned()).unwrap();
        assert_eq!(journal.keep, 10_000);
        journal.keep = 2;
        assert_eq!(journal.prune(Utc::now()).len(), 3);
        assert_eq!(sequences(&directory), [1, 2]);
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_no_other() {
        let directory = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(directory.path().to_owned()).unwrap();
        journal.write(record(1, State::Accepted));
        let torn = directory.path().join(format!("{}.json", Uuid::now_v7()));
        fs::write(&torn, "{\"id\":").unwrap();
        let lost = directory.path().join(format!("{}.json", Uuid::now_v7()));
        fs::write(&lost, "").unwrap();
        assert_eq!(sequences(&directory), [1]);
        assert!(torn.exists());
        assert!(!lost.exists(), "there is nothing in it to be looked at");
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_written_when_there_is_room() {
        let parent = TempDir::new().unwrap();
        let directory = parent.path().join("commands");
        let (mut journal, _) = Journal::open(directory.clone()).unwrap();
        fs::remove_dir(&directory).unwrap();
        let record = record(1, State::Accepted);
        journal.write(record.clone());
        journal.retry();
        assert_eq!(journal.read(record.id), Some(record.clone()));
        fs::create_dir(&directory).unwrap();
        journal.retry();
        assert!(journal.unwritten.is_empty());
        let (_, found) = Journal::open(directory).unwrap();
        assert_eq!(found, [record]);
    }
}
