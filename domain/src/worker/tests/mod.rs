//! Given events, when a command, then events or a refusal.
//!
//! `lifecycle`: beginning and end. `agent`: who speaks as a worker. `status`: reports, loss, recovery.
//! `late`: reports older than what is shown. `requests`: asking and outcomes. `stored`: how the log keeps
//! the events.

mod agent;
mod late;
mod lifecycle;
mod requests;
mod status;
mod stored;

use uuid::Uuid;

use crate::testing::{at, in_every_state};
use crate::worker::{Surface, Worker, WorkerClosedBy, WorkerCommand, WorkerEvent, WorkerRefusal};
use crate::{GameServerConfigId, Instant, RequestId, Standing, StatusType, WorkerId};

const WORKER: WorkerId = WorkerId(6);
const CONFIG: GameServerConfigId = GameServerConfigId(1);

/// When the closed states were closed.
const CLOSED: i64 = 60;
/// When the tests' commands arrive.
const NOW: i64 = 100;

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unborn,
    OpenWithoutStatus,
    Running,
    LostWithoutStatus,
    LostWhileRunning,
    Complete,
    Crashed,
    ClosedWithoutStatus,
    ClosedWhileRunning,
    ClosedThenComplete,
    ClosedWhileLost,
}

use State::*;

const STATES: [State; 11] = [
    Unborn,
    OpenWithoutStatus,
    Running,
    LostWithoutStatus,
    LostWhileRunning,
    Complete,
    Crashed,
    ClosedWithoutStatus,
    ClosedWhileRunning,
    ClosedThenComplete,
    ClosedWhileLost,
];

fn history(state: State) -> Vec<WorkerEvent> {
    match state {
        Unborn => vec![],
        OpenWithoutStatus => vec![registered()],
        Running => vec![registered(), reported(StatusType::Running, at(10))],
        LostWithoutStatus => vec![registered(), lost(at(30))],
        LostWhileRunning => [history(Running), vec![lost(at(30))]].concat(),
        Complete => [history(Running), vec![reported(StatusType::Complete, at(40))]].concat(),
        Crashed => [history(Running), vec![reported(StatusType::Crashed, at(40))]].concat(),
        ClosedWithoutStatus => [history(OpenWithoutStatus), vec![closed()]].concat(),
        ClosedWhileRunning => [history(Running), vec![closed()]].concat(),
        ClosedThenComplete => {
            [history(ClosedWhileRunning), vec![reported(StatusType::Complete, at(70))]].concat()
        }
        ClosedWhileLost => {
            [history(LostWhileRunning), vec![closed(), concluded(at(CLOSED))]].concat()
        }
    }
}

fn when_in_every_state(
    command: impl Fn() -> WorkerCommand,
    expected: impl Fn(State) -> Result<Vec<WorkerEvent>, WorkerRefusal>,
) {
    in_every_state::<Worker, _, _>(&STATES, history, command, expected);
}

fn registered() -> WorkerEvent {
    registered_over(Surface::V1)
}

fn registered_over(surface: Surface) -> WorkerEvent {
    WorkerEvent::WorkerRegistered { worker_id: WORKER, surface, name: None, registered_at: at(0) }
}

/// A report by a worker with a good clock, at a time when it was news.
fn reported(status: StatusType, as_of: Instant) -> WorkerEvent {
    reported_with(Standing::Current, status, as_of)
}

fn reported_with(standing: Standing, status: StatusType, as_of: Instant) -> WorkerEvent {
    WorkerEvent::WorkerStatusReported { status, reported_as_of: as_of, as_of, standing }
}

fn lost(as_of: Instant) -> WorkerEvent {
    WorkerEvent::WorkerLost { as_of, last_heartbeat_at: Some(at(25)) }
}

fn recovered(as_of: Instant, status: StatusType) -> WorkerEvent {
    WorkerEvent::WorkerRecovered { as_of, status }
}

fn closed() -> WorkerEvent {
    closed_by(WorkerClosedBy::Shutdown, at(CLOSED))
}

fn closed_by(by: WorkerClosedBy, closed_at: Instant) -> WorkerEvent {
    WorkerEvent::WorkerClosed { closed_at, by, name: None }
}

fn concluded(as_of: Instant) -> WorkerEvent {
    WorkerEvent::WorkerStatusConcluded { as_of }
}

fn gone() -> WorkerRefusal {
    WorkerRefusal::Gone { worker_id: WORKER, closed_at: at(CLOSED) }
}

fn already_closed() -> WorkerRefusal {
    WorkerRefusal::AlreadyClosed { worker_id: WORKER, closed_at: at(CLOSED) }
}

const fn request(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}
