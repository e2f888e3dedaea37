//! Beginning and end.

use chrono::TimeDelta;

use super::*;
use crate::testing::replayed;
use crate::{Refusal, RefusalKind};

fn create() -> InstanceCommand {
    InstanceCommand::Create {
        game_server_instance_id: INSTANCE,
        game_server_config_id: GameServerConfigId(1),
        game_server_id: GameServerId(3),
        worker_id: WorkerId(6),
        at: at(0),
    }
}

#[test]
fn a_run_begins_once_under_an_id() {
    when_in_every_state(create, |state| match state {
        Unborn => Ok(vec![created()]),
        OpenWithoutStatus
        | Running
        | LostWithItsWorker
        | LostBySilence
        | Complete
        | Crashed
        | ClosedWithoutStatus
        | ClosedWhileRunning
        | ClosedWhileLost
        | ClosedThenComplete
        | ClosedWithItsWorker
        | ClosedWithItsWorkerWithoutStatus => {
            Err(InstanceRefusal::AlreadyExists { game_server_instance_id: INSTANCE })
        }
    });
}

#[test]
fn a_shutdown_ends_the_run_and_may_be_repeated_for_a_minute() {
    when_in_every_state(
        || close(InstanceClosedBy::Shutdown, at(NOW)),
        |state| match state {
            Unborn => Err(InstanceRefusal::NotFound),
            OpenWithoutStatus | Running | LostWithItsWorker | LostBySilence | Complete
            | Crashed => Ok(vec![closed(InstanceClosedBy::Shutdown, at(NOW))]),
            ClosedWithoutStatus
            | ClosedWhileRunning
            | ClosedWhileLost
            | ClosedThenComplete
            | ClosedWithItsWorker
            | ClosedWithItsWorkerWithoutStatus => Ok(vec![]),
        },
    );
}

#[test]
fn a_later_shutdown_is_refused_unless_we_closed_the_instance_ourselves() {
    let last_repeat = at(CLOSED + 60);
    let too_late = last_repeat + TimeDelta::microseconds(1);
    for state in STATES {
        let instance = replayed::<GameServerInstance>(history(state));
        let when = |at| instance.decide(close(InstanceClosedBy::Shutdown, at));
        match state {
            Unborn | OpenWithoutStatus | Running | LostWithItsWorker | LostBySilence | Complete
            | Crashed => {}
            ClosedWithoutStatus | ClosedWhileRunning | ClosedWhileLost | ClosedThenComplete => {
                assert_eq!(when(last_repeat), Ok(vec![]), "{state:?}");
                assert_eq!(when(too_late), Err(already_closed()), "{state:?}");
            }
            ClosedWithItsWorker | ClosedWithItsWorkerWithoutStatus => {
                assert_eq!(when(too_late), Ok(vec![]), "{state:?}");
            }
        }
    }
}

#[test]
fn an_instance_closed_with_its_worker_is_concluded_and_nothing_is_closed_twice() {
    let ended = || closed(InstanceClosedBy::WorkerClosed, at(NOW));
    when_in_every_state(
        || close(InstanceClosedBy::WorkerClosed, at(NOW)),
        |state| match state {
            Unborn => Err(InstanceRefusal::NotFound),
            OpenWithoutStatus | Complete | Crashed => Ok(vec![ended()]),
            Running | LostWithItsWorker | LostBySilence => Ok(vec![ended(), concluded(at(NOW))]),
            ClosedWithoutStatus
            | ClosedWhileRunning
            | ClosedWhileLost
            | ClosedThenComplete
            | ClosedWithItsWorker
            | ClosedWithItsWorkerWithoutStatus => Ok(vec![]),
        },
    );
}

#[test]
fn only_a_closed_instance_that_showed_a_status_and_no_final_one_is_concluded() {
    when_in_every_state(
        || InstanceCommand::Conclude { at: at(NOW) },
        |state| match state {
            Unborn => Err(InstanceRefusal::NotFound),
            ClosedWhileRunning | ClosedWhileLost => Ok(vec![concluded(at(NOW))]),
            OpenWithoutStatus
            | Running
            | LostWithItsWorker
            | LostBySilence
            | Complete
            | Crashed
            | ClosedWithoutStatus
            | ClosedThenComplete
            | ClosedWithItsWorker
            | ClosedWithItsWorkerWithoutStatus => Ok(vec![]),
        },
    );
}

#[test]
fn an_instance_is_open_from_its_creation_to_its_end() {
    for state in STATES {
        let open = match state {
            OpenWithoutStatus | Running | LostWithItsWorker | LostBySilence | Complete
            | Crashed => true,
            Unborn
            | ClosedWithoutStatus
            | ClosedWhileRunning
            | ClosedWhileLost
            | ClosedThenComplete
            | ClosedWithItsWorker
            | ClosedWithItsWorkerWithoutStatus => false,
        };
        let instance = replayed::<GameServerInstance>(history(state));
        assert_eq!(instance.is_open(), open, "{state:?}");
    }
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    let taken = InstanceRefusal::AlreadyExists { game_server_instance_id: INSTANCE };
    assert_eq!(InstanceRefusal::NotFound.kind(), RefusalKind::NotFound);
    assert_eq!(taken.kind(), RefusalKind::Conflict);
    assert_eq!(already_closed().kind(), RefusalKind::Conflict);
    assert_eq!(InstanceRefusal::LostReported.kind(), RefusalKind::Invalid);
}
