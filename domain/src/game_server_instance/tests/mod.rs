//! Given events, when a command, then events or a refusal.
//!
//! `lifecycle`: beginning and end. `status`: reports, loss, recovery. `late`: reports older than what is
//! shown. `detail`: what is told with a status. `stored`: how the log keeps the events.

mod detail;
mod late;
mod lifecycle;
mod status;
mod stored;

use super::*;
use crate::testing::{at, in_every_state};
use crate::{
    GameServerConfigId, GameServerId, GameServerInstanceId, Instant, Standing, StatusType, WorkerId,
};

const INSTANCE: GameServerInstanceId = GameServerInstanceId(12);

/// When the closed states were closed.
const CLOSED: i64 = 60;
/// When the tests' commands arrive: within the minute in which a shutdown may be repeated.
const NOW: i64 = 100;

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unborn,
    OpenWithoutStatus,
    Running,
    LostWithItsWorker,
    LostBySilence,
    Complete,
    Crashed,
    ClosedWithoutStatus,
    ClosedWhileRunning,
    ClosedWhileLost,
    ClosedThenComplete,
    ClosedWithItsWorker,
    ClosedWithItsWorkerWithoutStatus,
}

use State::*;

const STATES: [State; 13] = [
    Unborn,
    OpenWithoutStatus,
    Running,
    LostWithItsWorker,
    LostBySilence,
    Complete,
    Crashed,
    ClosedWithoutStatus,
    ClosedWhileRunning,
    ClosedWhileLost,
    ClosedThenComplete,
    ClosedWithItsWorker,
    ClosedWithItsWorkerWithoutStatus,
];

fn history(state: State) -> Vec<InstanceEvent> {
    let then = |before: State, events: &[InstanceEvent]| [&history(before), events].concat();
    match state {
        Unborn => vec![],
        OpenWithoutStatus => vec![created()],
        Running => then(OpenWithoutStatus, &[reported(StatusType::Running, at(10))]),
        LostWithItsWorker => then(Running, &[lost(InstanceLostBy::Worker, at(30))]),
        LostBySilence => then(Running, &[lost(InstanceLostBy::Silence, at(30))]),
        Complete => then(Running, &[reported(StatusType::Complete, at(40))]),
        Crashed => then(Running, &[reported(StatusType::Crashed, at(40))]),
        ClosedWithoutStatus => then(OpenWithoutStatus, &[shut_down()]),
        ClosedWhileRunning => then(Running, &[shut_down()]),
        ClosedWhileLost => then(LostWithItsWorker, &[shut_down()]),
        ClosedThenComplete => then(ClosedWhileRunning, &[reported(StatusType::Complete, at(61))]),
        ClosedWithItsWorker => then(
            LostWithItsWorker,
            &[closed(InstanceClosedBy::WorkerClosed, at(CLOSED)), concluded(at(CLOSED))],
        ),
        ClosedWithItsWorkerWithoutStatus => {
            then(OpenWithoutStatus, &[closed(InstanceClosedBy::WorkerClosed, at(CLOSED))])
        }
    }
}

fn when_in_every_state(
    command: impl Fn() -> InstanceCommand,
    expected: impl Fn(State) -> Result<Vec<InstanceEvent>, InstanceRefusal>,
) {
    in_every_state::<GameServerInstance, _, _>(&STATES, history, command, expected);
}

fn created() -> InstanceEvent {
    InstanceEvent::InstanceCreated {
        game_server_instance_id: INSTANCE,
        game_server_config_id: GameServerConfigId(1),
        game_server_id: GameServerId(3),
        worker_id: WorkerId(6),
        created_at: at(0),
    }
}

fn reported(status: StatusType, as_of: Instant) -> InstanceEvent {
    reported_with(Standing::Current, status, as_of)
}

fn reported_with(standing: Standing, status: StatusType, as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceStatusReported {
        status,
        reported_as_of: as_of,
        as_of,
        standing,
        detail: None,
    }
}

fn lost(by: InstanceLostBy, as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceLost { as_of, by, last_heartbeat_at: Some(at(25)) }
}

fn recovered(status: StatusType, as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceRecovered { as_of, status }
}

fn shut_down() -> InstanceEvent {
    closed(InstanceClosedBy::Shutdown, at(CLOSED))
}

fn closed(by: InstanceClosedBy, closed_at: Instant) -> InstanceEvent {
    InstanceEvent::InstanceClosed { closed_at, by }
}

fn concluded(as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceStatusConcluded { as_of }
}

fn close(by: InstanceClosedBy, at: Instant) -> InstanceCommand {
    InstanceCommand::Close { at, by }
}

fn already_closed() -> InstanceRefusal {
    InstanceRefusal::AlreadyClosed { game_server_instance_id: INSTANCE, closed_at: at(CLOSED) }
}
