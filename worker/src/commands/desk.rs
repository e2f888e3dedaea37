//! Where commands come in and outcomes go out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use messaging::Delivery;
use messaging::contract::time::format_instant;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use uuid::Uuid;

use super::asked::{Asked, Unreadable};
use super::journal::State;
use super::ledger::{Ledger, Open, Seen};
use super::message::Request;
use super::{Command, metrics};
use crate::api::PendingCommand;
use crate::reports::{Lane, Outcome, Report, Reports};
use crate::run_dir::RunId;

const RESTARTED: &str = "the agent restarted while it was being written";
const REGISTERED_ANEW: &str = "the agent was registered as another worker before it was done";
const GIVEN_UP: &str = "the agent gave up writing it";

/// What the commands of one worker have in common: what is known of them, and where outcomes go.
pub(super) struct Desk {
    reports: Reports,
    worker_id: i32,
    ledger: Mutex<Ledger>,
    /// A command ended, and another one's turn may have come.
    pub(super) ended: Notify,
}

impl Desk {
    /// A desk on which `stranded` are to be ended at once.
    pub(super) fn new(
        reports: Reports,
        worker_id: i32,
        (ledger, stranded): (Ledger, Vec<Uuid>),
    ) -> Self {
        let desk = Self { reports, worker_id, ledger: Mutex::new(ledger), ended: Notify::new() };
        for id in stranded {
            let own = desk.ledger().open(id).is_some_and(|open| open.worker_id == worker_id);
            let reason = if own { RESTARTED } else { REGISTERED_ANEW };
            desk.end(id, Outcome::Failed { reason: reason.to_owned() }, None);
        }
        desk
    }

    /// Nothing that holds this lock leaves the ledger half changed, so a panic elsewhere is no reason to stop.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a message of the command queue.
    pub(super) fn receive(self: &Arc<Self>, delivery: Delivery) {
        let request = Request::in_message(&delivery);
        // Without any id every message is taken for another one, but the next agent must know this one.
        let id = request.id.unwrap_or_else(Uuid::now_v7);
        let mut ledger = self.ledger();
        let seen = ledger.seen(id);
        if seen != Seen::Never {
            ::metrics::counter!(metrics::DUPLICATES).increment(1);
            let surplus = ledger.repeated(id, delivery);
            drop(ledger);
            acknowledge(surplus);
            return self.revive(id, seen);
        }
        match request.asked {
            Ok(asked) => {
                let what = (asked, request.deadline);
                ledger.enter(id, request.command_id, what, Some(delivery));
            }
            Err(unreadable) => {
                drop(ledger);
                self.give_up(request.command_id, delivery, &unreadable);
            }
        }
    }

    /// Takes in what the log has without an outcome.
    pub(super) fn receive_listed(&self, pending: &PendingCommand) {
        let Request { command_id, deadline, asked, .. } = Request::in_list(pending);
        let id = pending.command_id;
        let mut ledger = self.ledger();
        match (ledger.seen(id), asked) {
            (Seen::Never, Ok(asked)) => ledger.enter(id, command_id, (asked, deadline), None),
            (Seen::Never, Err(unreadable)) => {
                drop(ledger);
                self.refuse(pending.command_id, &unreadable);
            }
            (Seen::Open | Seen::Done, _) => {}
            (seen @ Seen::Dropped, _) => {
                drop(ledger);
                self.revive(id, seen);
            }
            (Seen::DoneEarlier, _) => {
                // An earlier agent's report of it was lost with its disk, or was delivered a moment ago; then the first
                // one counts.
                let record = ledger.tell_again(id);
                drop(ledger);
                let Some(record) = record else { return };
                let State::Done { outcome, run_id, .. } = record.state else { return };
                let lane = record.asked.as_ref().map_or(Lane::Worker, Asked::lane);
                self.tell(record.worker_id, lane, id, outcome, run_id);
            }
        }
    }

    /// Lets what was given up without an outcome have its turn again. A line may have been written, though.
    fn revive(&self, id: Uuid, seen: Seen) {
        if seen != Seen::Dropped {
            return;
        }
        let mut ledger = self.ledger();
        if ledger.open(id).is_some_and(|open| matches!(open.asked, Asked::Stdin { .. })) {
            drop(ledger);
            self.end(id, Outcome::Failed { reason: GIVEN_UP.to_owned() }, None);
        } else {
            ledger.wait_again(id);
        }
    }

    /// Puts a message that cannot be understood among the dead letters, and refuses the request it is of.
    fn give_up(
        self: &Arc<Self>,
        command_id: Option<Uuid>,
        delivery: Delivery,
        unreadable: &Unreadable,
    ) {
        let desk = Arc::clone(self);
        let unreadable = unreadable.clone();
        // Beside the other messages: the broker may take its time, and they can be understood.
        tokio::spawn(async move {
            if let Err(error) = delivery.dead_letter(unreadable.to_string(), 1).await {
                // It is back in its queue, and comes again.
                tracing::warn!(%error, %unreadable, "a command that cannot be understood is still in the queue");
                return;
            }
            match command_id {
                Some(command_id) => desk.refuse(command_id, &unreadable),
                None => count("unreadable", "refused"),
            }
        });
    }

    fn refuse(&self, command_id: Uuid, unreadable: &Unreadable) {
        let outcome = Outcome::Refused { reason: unreadable.to_string() };
        self.tell(self.worker_id, Lane::Worker, command_id, outcome.clone(), None);
        self.ledger().refuse(command_id, Some(command_id), outcome);
        count("unreadable", "refused");
    }

    /// The command whose turn it is, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Command> {
        loop {
            let mut ledger = self.ledger();
            let (id, open) = ledger.take()?;
            if let Some(reason) = late(open) {
                drop(ledger);
                self.end(id, Outcome::Refused { reason }, None);
                continue;
            }
            let command = Command::new(id, open, Arc::clone(self));
            ledger.accept(id);
            return Some(command);
        }
    }

    /// Reports, writes down and acknowledges. In this order: whatever the agent dies between, the next one reports
    /// the same outcome again or one that comes second, and the first one counts.
    pub(super) fn end(&self, id: Uuid, outcome: Outcome, run_id: Option<RunId>) {
        let (worker_id, command_id, lane, kind) = {
            let ledger = self.ledger();
            let Some(open) = ledger.open(id) else { return };
            (open.worker_id, open.command_id, open.asked.lane(), open.asked.kind())
        };
        let word = match &outcome {
            Outcome::Fulfilled => "fulfilled",
            Outcome::Refused { reason } | Outcome::Failed { reason } => {
                tracing::info!(%id, kind, reason, "command was not carried out");
                if matches!(outcome, Outcome::Refused { .. }) { "refused" } else { "failed" }
            }
        };
        if let Some(command_id) = command_id {
            self.tell(worker_id, lane, command_id, outcome.clone(), run_id);
        }
        let delivery = self.ledger().end(id, outcome, run_id);
        acknowledge(delivery);
        count(kind, word);
        self.ended.notify_one();
    }

    /// A command was given up without an outcome.
    pub(super) fn dropped(&self, id: Uuid) {
        let mut ledger = self.ledger();
        if let Some(open) = ledger.open(id) {
            count(open.asked.kind(), "dropped");
        }
        ledger.dropped(id);
        drop(ledger);
        self.ended.notify_one();
    }

    /// Tries once more to write what the disk did not take.
    pub(super) fn write_again(&self) {
        self.ledger().write_again();
    }

    fn tell(
        &self,
        worker_id: i32,
        lane: Lane,
        command_id: Uuid,
        outcome: Outcome,
        run_id: Option<RunId>,
    ) {
        // Nobody waits for it: from here on it is with the spool.
        drop(self.reports.push(
            worker_id,
            lane,
            Report::CommandOutcome { command_id, outcome, run_id },
        ));
    }
}

/// Why a command comes too late, if it does. Who asked has been told that it timed out, and a server that starts, or a
/// line that appears, long after that surprises. A stop is carried out all the same: what it asks for is what holds
/// when nobody looks, nothing is lost by it that a start does not bring back, and a server that should not run costs.
/// What was handed out before may be half done; that is for whoever does it to say.
fn late(open: &Open) -> Option<String> {
    let deadline = open.deadline.filter(|_| !open.resumed && !open.asked.ends_something())?;
    let now = Utc::now();
    if now <= deadline {
        return None;
    }
    let came = if open.received_at > deadline { "it arrived" } else { "its turn came" };
    let (deadline, now) = (format_instant(deadline), format_instant(now));
    Some(format!("{came} after its deadline, {deadline}; this host's clock says {now}"))
}

/// Says that a message is done with, beside whatever else is done. If it does not arrive the message comes again, and
/// is known.
fn acknowledge(delivery: Option<Delivery>) {
    if let (Some(delivery), Ok(runtime)) = (delivery, Handle::try_current()) {
        runtime.spawn(async move { delivery.ack().await });
    }
}

fn count(kind: &'static str, outcome: &'static str) {
    ::metrics::counter!(metrics::COMMANDS, "kind" => kind, "outcome" => outcome).increment(1);
}
