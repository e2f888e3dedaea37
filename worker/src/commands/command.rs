//! A command in work.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::asked::Asked;
use super::desk::Desk;
use super::ledger::Open;
use crate::reports::Outcome;
use crate::run_dir::RunId;

/// A command, to be carried out and ended with [`fulfilled`](Self::fulfilled), [`refused`](Self::refused) or
/// [`failed`](Self::failed). Each of them reports the outcome, writes it down and acknowledges the message.
///
/// One that is dropped instead, because the agent leaves or by a defect, has no outcome. It stays noted as accepted:
/// the next agent in the same directory hands it out again (a line it ends as failed: nobody knows whether it was
/// written). An agent that goes on does so when it meets the command again: in the list of the log, within seconds, or,
/// for one that is not of the log, when its message comes back with the next connection.
#[derive(Debug)]
#[must_use = "a command ends in an outcome"]
pub struct Command {
    /// What is asked for.
    pub asked: Asked,
    /// The request in the log; an old sender names none, and hears of no outcome.
    pub command_id: Option<Uuid>,
    /// After this it counts as timed out.
    pub deadline: Option<DateTime<Utc>>,
    /// Whether it was handed out before, maybe to an earlier agent: it may be half done, or all of it. Then the deadline
    /// may be over: when it first came, it was not.
    pub resumed: bool,
    slip: Slip,
}

/// The way back to the desk.
struct Slip {
    id: Uuid,
    desk: Arc<Desk>,
    ended: bool,
}

impl Command {
    pub(super) fn new(id: Uuid, open: &Open, desk: Arc<Desk>) -> Self {
        Self {
            asked: open.asked.clone(),
            command_id: open.command_id,
            deadline: open.deadline,
            resumed: open.resumed,
            slip: Slip { id, desk, ended: false },
        }
    }

    /// It is done, by this run if it is about one.
    pub fn fulfilled(self, run_id: Option<RunId>) {
        self.slip.end(Outcome::Fulfilled, run_id);
    }

    /// It was not tried, for this reason.
    pub fn refused(self, reason: impl Into<String>) {
        self.slip.end(Outcome::Refused { reason: reason.into() }, None);
    }

    /// It was tried in vain, for this reason.
    pub fn failed(self, reason: impl Into<String>) {
        self.slip.end(Outcome::Failed { reason: reason.into() }, None);
    }
}

impl Slip {
    fn end(mut self, outcome: Outcome, run_id: Option<RunId>) {
        self.ended = true;
        self.desk.end(self.id, outcome, run_id);
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        if !self.ended {
            self.desk.dropped(self.id);
        }
    }
}

impl fmt::Debug for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
