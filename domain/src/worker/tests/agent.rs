//! Who speaks as a worker.

use super::*;
use crate::testing::{given, replayed};
use crate::worker::{AGENT_ALIVE_FOR, Agent};

/// When the agent that is there attached.
const ATTACHED: i64 = 50;

fn agent(number: u128) -> Agent {
    Agent { agent_id: Uuid::from_u128(number), version: "0.1.0".to_owned() }
}

fn attached(number: u128, attached_at: Instant) -> WorkerEvent {
    WorkerEvent::AgentAttached {
        agent_id: Uuid::from_u128(number),
        agent_version: "0.1.0".to_owned(),
        attached_at,
    }
}

fn attach(number: u128, last_heartbeat_at: Option<Instant>) -> WorkerCommand {
    WorkerCommand::Attach { agent: agent(number), at: at(NOW), last_heartbeat_at }
}

/// A worker whose agent is the first.
fn with_agent() -> Vec<WorkerEvent> {
    vec![registered_over(Surface::Native), attached(1, at(ATTACHED))]
}

fn in_use(last_heartbeat_at: Instant) -> WorkerRefusal {
    WorkerRefusal::NameInUse { worker_id: WORKER, last_heartbeat_at }
}

#[test]
fn a_native_worker_has_an_agent_from_its_registration() {
    let register = WorkerCommand::Register {
        worker_id: WORKER,
        surface: Surface::Native,
        name: None,
        agent: Some(agent(1)),
        at: at(NOW),
    };
    given::<Worker>(vec![]).when(register).then_expect_events(vec![
        WorkerEvent::WorkerRegistered {
            worker_id: WORKER,
            surface: Surface::Native,
            name: None,
            registered_at: at(NOW),
        },
        attached(1, at(NOW)),
    ]);
}

#[test]
fn an_agent_attaches_to_any_open_worker() {
    when_in_every_state(
        || attach(1, None),
        |state| match state {
            Unborn => Err(WorkerRefusal::NotFound),
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed => Ok(vec![attached(1, at(NOW))]),
            ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => {
                Err(gone())
            }
        },
    );
}

#[test]
fn the_same_agent_comes_back_whenever_it_was_last_heard_of() {
    for last_heartbeat_at in [None, Some(at(NOW)), Some(at(NOW - 3600))] {
        given::<Worker>(with_agent())
            .when(attach(1, last_heartbeat_at))
            .then_expect_events(vec![attached(1, at(NOW))]);
    }
}

#[test]
fn another_agent_is_refused_while_the_one_there_is_alive_and_takes_over_once_it_is_not() {
    let too_long_ago = at(NOW) - AGENT_ALIVE_FOR;
    let just_now = too_long_ago + chrono::TimeDelta::microseconds(1);
    given::<Worker>(with_agent())
        .when(attach(2, Some(just_now)))
        .then_expect_error(in_use(just_now));
    for last_heartbeat_at in [None, Some(at(ATTACHED)), Some(too_long_ago)] {
        given::<Worker>(with_agent())
            .when(attach(2, last_heartbeat_at))
            .then_expect_events(vec![attached(2, at(NOW))]);
    }
}

#[test]
fn to_have_attached_is_a_sign_of_life() {
    let history = vec![registered_over(Surface::Native), attached(1, at(NOW - 1))];
    for last_heartbeat_at in [None, Some(at(NOW - 3600))] {
        given::<Worker>(history.clone())
            .when(attach(2, last_heartbeat_at))
            .then_expect_error(in_use(at(NOW - 1)));
    }
}

#[test]
fn only_the_agent_that_attached_last_speaks_as_the_worker() {
    let taken_over = [with_agent(), vec![attached(2, at(NOW))]].concat();
    let worker = replayed::<Worker>(taken_over);
    let heartbeat = |agent_id| worker.decide(WorkerCommand::Heartbeat { agent_id });
    let taken_over = WorkerRefusal::TakenOver { worker_id: WORKER };
    assert_eq!(heartbeat(Some(Uuid::from_u128(1))), Err(taken_over));
    assert_eq!(heartbeat(Some(Uuid::from_u128(2))), Ok(vec![]));
    assert_eq!(heartbeat(None), Ok(vec![]), "v1 has no way to say who speaks");
}

#[test]
fn an_agent_is_in_the_snapshot_and_a_snapshot_of_before_agents_is_read() {
    let worker = replayed::<Worker>(with_agent());
    let mut snapshot = serde_json::to_value(&worker).unwrap();
    assert_eq!(serde_json::from_value::<Worker>(snapshot.clone()).unwrap(), worker);
    snapshot.as_object_mut().unwrap().remove("agent").unwrap();
    let before = Worker { agent: None, ..worker };
    assert_eq!(serde_json::from_value::<Worker>(snapshot).unwrap(), before);
}

#[test]
fn a_version_is_cut_and_cleaned_rather_than_refused() {
    let odd = Agent { version: format!("0\0{}", "1".repeat(200)), ..agent(1) };
    let command = WorkerCommand::Attach { agent: odd, at: at(NOW), last_heartbeat_at: None };
    given::<Worker>(with_agent()).when(command).then_expect_events(vec![
        WorkerEvent::AgentAttached {
            agent_id: Uuid::from_u128(1),
            agent_version: format!("0\u{fffd}{}", "1".repeat(98)),
            attached_at: at(NOW),
        },
    ]);
}
