//! Every command that is known, and whose turn it is.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use messaging::Delivery;
use uuid::Uuid;

use super::asked::Asked;
use super::journal::{Journal, Record, State};
use crate::reports::Outcome;
use crate::run_dir::RunId;

/// How many commands are handed out without an outcome before what asks for more has to wait.
const MOST_IN_WORK: usize = 256;

/// The commands of one worker: those waiting for their turn, those in work, those done.
#[derive(Debug)]
pub(super) struct Ledger {
    worker_id: i32,
    journal: Journal,
    known: HashMap<Uuid, Known>,
    /// In the order in which they were asked.
    waiting: VecDeque<Uuid>,
    in_work: usize,
    next_sequence: u64,
}

#[derive(Debug)]
enum Known {
    Open(Box<Open>),
    Done { told: bool },
}

/// A command without an outcome.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) command_id: Option<Uuid>,
    pub(super) worker_id: i32,
    pub(super) asked: Asked,
    pub(super) deadline: Option<DateTime<Utc>>,
    pub(super) received_at: DateTime<Utc>,
    /// Whether it was handed out before.
    pub(super) resumed: bool,
    sequence: u64,
    standing: Standing,
    /// The message that asks for it. One is enough: it stays with the broker until the outcome.
    delivery: Option<Delivery>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waiting,
    InWork,
    Dropped,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Never,
    /// It waits for its turn, or is in work.
    Open,
    /// It was handed out and given up without an outcome.
    Dropped,
    /// It has an outcome, which was reported.
    Done,
    /// It has an outcome, which an earlier agent reported or had yet to report.
    DoneEarlier,
}

impl Ledger {
    /// Begins with what earlier agents left. What they had in work and what may be repeated waits for its turn again;
    /// the ids of the rest are returned: they are open, and to be ended. `telling` are those whose outcome is on its
    /// way, so that nobody tells it once more.
    pub(super) fn new(
        worker_id: i32,
        journal: Journal,
        records: Vec<Record>,
        telling: &HashSet<Uuid>,
    ) -> (Self, Vec<Uuid>) {
        let next_sequence = records.last().map_or(0, |record| record.sequence + 1);
        let mut ledger = Self {
            worker_id,
            journal,
            known: HashMap::with_capacity(records.len()),
            waiting: VecDeque::new(),
            in_work: 0,
            next_sequence,
        };
        let mut stranded = Vec::new();
        for record in records {
            let (State::Accepted, Some(asked)) = (record.state, record.asked) else {
                let told = telling.contains(&record.id);
                ledger.known.insert(record.id, Known::Done { told });
                continue;
            };
            let repeatable = record.worker_id == worker_id && !matches!(asked, Asked::Stdin { .. });
            let open = Open {
                command_id: record.command_id,
                worker_id: record.worker_id,
                asked,
                deadline: record.deadline,
                received_at: record.accepted_at,
                resumed: true,
                sequence: record.sequence,
                standing: if repeatable { Standing::Waiting } else { Standing::Dropped },
                delivery: None,
            };
            ledger.known.insert(record.id, Known::Open(Box::new(open)));
            if repeatable {
                ledger.waiting.push_back(record.id);
            } else {
                stranded.push(record.id);
            }
        }
        ledger.forget_old();
        (ledger, stranded)
    }

    pub(super) fn seen(&self, id: Uuid) -> Seen {
        match self.known.get(&id) {
            None => Seen::Never,
            Some(Known::Open(open)) if open.standing == Standing::Dropped => Seen::Dropped,
            Some(Known::Open(_)) => Seen::Open,
            Some(Known::Done { told: true }) => Seen::Done,
            Some(Known::Done { told: false }) => Seen::DoneEarlier,
        }
    }

    pub(super) fn open(&self, id: Uuid) -> Option<&Open> {
        match self.known.get(&id) {
            Some(Known::Open(open)) => Some(open),
            _ => None,
        }
    }

    fn open_mut(&mut self, id: Uuid) -> Option<&mut Open> {
        match self.known.get_mut(&id) {
            Some(Known::Open(open)) => Some(open),
            _ => None,
        }
    }

    /// Takes in a command that was never seen; it waits for its turn behind the others.
    pub(super) fn enter(
        &mut self,
        id: Uuid,
        command_id: Option<Uuid>,
        (asked, deadline): (Asked, Option<DateTime<Utc>>),
        delivery: Option<Delivery>,
    ) {
        let open = Open {
            command_id,
            worker_id: self.worker_id,
            asked,
            deadline,
            received_at: Utc::now(),
            resumed: false,
            sequence: 0,
            standing: Standing::Waiting,
            delivery,
        };
        self.known.insert(id, Known::Open(Box::new(open)));
        self.waiting.push_back(id);
    }

    /// Keeps the newest message of a command that is open, and returns the one that is to be acknowledged now.
    pub(super) fn repeated(&mut self, id: Uuid, delivery: Delivery) -> Option<Delivery> {
        match self.open_mut(id) {
            // The older one may have come through a connection that is gone; then only the newer one can be
            // acknowledged after the work.
            Some(open) => open.delivery.replace(delivery),
            None => Some(delivery),
        }
    }

    /// Lets a dropped command wait for its turn once more.
    pub(super) fn wait_again(&mut self, id: Uuid) {
        if let Some(open) = self.open_mut(id) {
            open.standing = Standing::Waiting;
            self.waiting.push_back(id);
        }
    }

    /// The command whose turn it is, from now on in work.
    pub(super) fn take(&mut self) -> Option<(Uuid, &Open)> {
        let place = if self.in_work < MOST_IN_WORK { 0 } else { self.urgent()? };
        let id = self.waiting.remove(place)?;
        self.in_work += 1;
        let open = self.open_mut(id)?;
        open.standing = Standing::InWork;
        Some((id, open))
    }

    /// Whatever is in work, a stop does not wait; what was asked of the same config before it goes ahead of it.
    fn urgent(&self) -> Option<usize> {
        let asked = || self.waiting.iter().map(|id| self.open(*id).map(|open| &open.asked));
        let stop = asked().position(|asked| asked.is_some_and(Asked::ends_something))?;
        let config_id = self.open(self.waiting[stop])?.asked.config_id();
        if config_id.is_none() {
            return Some(stop);
        }
        asked().position(|asked| asked.is_some_and(|asked| asked.config_id() == config_id))
    }

    /// Writes down that a command is handed out.
    pub(super) fn accept(&mut self, id: Uuid) {
        let sequence = self.next_sequence;
        let Some(open) = self.open_mut(id) else {
            return;
        };
        if !open.resumed {
            open.sequence = sequence;
            let record = open.record(id, State::Accepted);
            self.next_sequence += 1;
            self.journal.write(record);
        }
    }

    /// Writes down a command's outcome, and returns the message that asked for it.
    pub(super) fn end(
        &mut self,
        id: Uuid,
        outcome: Outcome,
        run_id: Option<RunId>,
    ) -> Option<Delivery> {
        let Some(Known::Open(mut open)) = self.known.insert(id, Known::Done { told: true }) else {
            return None;
        };
        match open.standing {
            Standing::InWork => self.in_work -= 1,
            Standing::Waiting => self.waiting.retain(|waiting| *waiting != id),
            Standing::Dropped => {}
        }
        let delivery = open.delivery.take();
        self.write_outcome(open.record(id, State::Done { at: Utc::now(), outcome, run_id }));
        delivery
    }

    /// Writes down that a command was refused without being understood.
    pub(super) fn refuse(&mut self, id: Uuid, command_id: Option<Uuid>, outcome: Outcome) {
        let now = Utc::now();
        let state = State::Done { at: now, outcome, run_id: None };
        self.known.insert(id, Known::Done { told: true });
        self.write_outcome(Record {
            id,
            sequence: self.next_sequence,
            worker_id: self.worker_id,
            command_id,
            asked: None,
            deadline: None,
            accepted_at: now,
            state,
        });
        self.next_sequence += 1;
    }

    fn write_outcome(&mut self, record: Record) {
        self.journal.write(record);
        self.forget_old();
    }

    fn forget_old(&mut self) {
        for id in self.journal.prune(Utc::now()) {
            self.known.remove(&id);
        }
    }

    /// Notes that a command was given up without an outcome. Its message goes with it, and comes back when the
    /// connection ends.
    pub(super) fn dropped(&mut self, id: Uuid) {
        if let Some(open) = self.open_mut(id) {
            open.standing = Standing::Dropped;
            open.resumed = true;
            open.delivery = None;
            self.in_work -= 1;
        }
    }

    /// The outcome of a command that an earlier agent brought to its end, once.
    pub(super) fn tell_again(&mut self, id: Uuid) -> Option<Record> {
        match self.known.get_mut(&id)? {
            Known::Done { told } if !*told => *told = true,
            Known::Done { .. } | Known::Open(_) => return None,
        }
        self.journal.read(id)
    }

    /// Tries once more to write what the disk did not take.
    pub(super) fn write_again(&mut self) {
        self.journal.retry();
    }
}

impl Open {
    fn record(&self, id: Uuid, state: State) -> Record {
        Record {
            id,
            sequence: self.sequence,
            worker_id: self.worker_id,
            command_id: self.command_id,
            asked: Some(self.asked.clone()),
            deadline: self.deadline,
            accepted_at: self.received_at,
            state,
        }
    }
}
