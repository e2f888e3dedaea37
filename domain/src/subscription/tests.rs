//! Given events, when a command, then events or a refusal.

use super::*;
use crate::testing::{assert_stored_as_sampled, in_every_state};
use crate::{Claims, Event, Refusal, RefusalKind};
use uuid::Uuid;

const EVENT: Uuid = Uuid::from_u128(0xe7e27);

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy)]
enum State {
    Untouched,
    Retried,
    Skipped,
    Switched,
}

use State::{Retried, Skipped, Switched, Untouched};

const STATES: [State; 4] = [Untouched, Retried, Skipped, Switched];

fn history(state: State) -> Vec<SubscriptionEvent> {
    match state {
        Untouched => vec![],
        Retried => vec![retried(17)],
        Skipped => vec![retried(17), skipped(17)],
        Switched => vec![switched(Some(1), 2)],
    }
}

fn when_in_every_state(
    command: impl Fn() -> SubscriptionCommand,
    expected: impl Fn(State) -> Result<Vec<SubscriptionEvent>, SubscriptionRefusal>,
) {
    in_every_state::<Subscription, _, _>(&STATES, history, command, expected);
}

fn retried(position: i64) -> SubscriptionEvent {
    SubscriptionEvent::ParkedEventRetried { position, event_id: EVENT }
}

fn skipped(position: i64) -> SubscriptionEvent {
    SubscriptionEvent::ParkedEventSkipped { position, event_id: EVENT }
}

fn switched(from_version: Option<u32>, version: u32) -> SubscriptionEvent {
    SubscriptionEvent::ProjectionSwitched { from_version, version, position: 1234 }
}

#[test]
fn a_parked_event_is_tried_again_however_often_but_never_once_it_was_skipped() {
    when_in_every_state(
        || SubscriptionCommand::RetryParked { position: 17, event_id: EVENT },
        |state| match state {
            Untouched | Retried | Switched => Ok(vec![retried(17)]),
            Skipped => Err(SubscriptionRefusal::Skipped { position: 17 }),
        },
    );
}

#[test]
fn a_parked_event_is_skipped_once() {
    when_in_every_state(
        || SubscriptionCommand::SkipParked { position: 17, event_id: EVENT },
        |state| match state {
            Untouched | Retried | Switched => Ok(vec![skipped(17)]),
            Skipped => Ok(vec![]),
        },
    );
}

#[test]
fn what_was_skipped_says_nothing_of_other_events() {
    when_in_every_state(
        || SubscriptionCommand::SkipParked { position: 18, event_id: EVENT },
        |_| Ok(vec![skipped(18)]),
    );
    when_in_every_state(
        || SubscriptionCommand::RetryParked { position: 18, event_id: EVENT },
        |_| Ok(vec![retried(18)]),
    );
}

#[test]
fn a_switch_is_recorded_once() {
    when_in_every_state(
        || SubscriptionCommand::RecordSwitch { from_version: Some(1), version: 2, position: 1234 },
        |state| match state {
            Untouched | Retried | Skipped => Ok(vec![switched(Some(1), 2)]),
            Switched => Ok(vec![]),
        },
    );
}

#[test]
fn a_switch_to_the_same_version_at_another_position_is_another_one() {
    let again =
        SubscriptionEvent::ProjectionSwitched { from_version: Some(2), version: 2, position: 1300 };
    when_in_every_state(
        || SubscriptionCommand::RecordSwitch { from_version: Some(2), version: 2, position: 1300 },
        |_| Ok(vec![again.clone()]),
    );
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    let refusal = SubscriptionRefusal::Skipped { position: 17 };
    assert_eq!(refusal.kind(), RefusalKind::Conflict);
    assert_eq!(refusal.to_string(), "event 17 was skipped, and that is final");
}

#[test]
fn every_event_is_stored_as_its_sample_says() {
    let events = vec![retried(17), skipped(17), switched(None, 1), switched(Some(1), 2)];
    assert!(events.iter().all(|event| event.claims().is_empty()));
    assert_stored_as_sampled::<Subscription>(events, Event::Subscription);
}
