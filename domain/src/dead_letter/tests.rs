//! Given events, when a command, then events or a refusal.

use super::*;
use crate::testing::{assert_stored_as_sampled, given, in_every_state};
use crate::{Claims, Event, Refusal, RefusalKind};

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy)]
enum State {
    Untouched,
    Retried,
    Skipped,
}

use State::{Retried, Skipped, Untouched};

const STATES: [State; 3] = [Untouched, Retried, Skipped];

fn history(state: State) -> Vec<DeadLetterEvent> {
    match state {
        Untouched => vec![],
        Retried => vec![retried()],
        Skipped => vec![retried(), skipped()],
    }
}

fn when_in_every_state(
    command: impl Fn() -> DeadLetterCommand,
    expected: impl Fn(State) -> Result<Vec<DeadLetterEvent>, DeadLetterRefusal>,
) {
    in_every_state::<DeadLetter, _, _>(&STATES, history, command, expected);
}

fn of_the_letter() -> (String, String) {
    ("status-processor-internal-queue".to_owned(), "there is no worker 999".to_owned())
}

fn retried() -> DeadLetterEvent {
    let (queue, reason_dead) = of_the_letter();
    DeadLetterEvent::DeadLetterRetried { queue, reason_dead }
}

fn skipped() -> DeadLetterEvent {
    let (queue, reason_dead) = of_the_letter();
    DeadLetterEvent::DeadLetterSkipped { queue, reason_dead }
}

#[test]
fn a_dead_letter_is_tried_again_however_often_but_never_once_it_was_skipped() {
    when_in_every_state(
        || {
            let (queue, reason_dead) = of_the_letter();
            DeadLetterCommand::Retry { queue, reason_dead }
        },
        |state| match state {
            Untouched | Retried => Ok(vec![retried()]),
            Skipped => Err(DeadLetterRefusal::Skipped),
        },
    );
}

#[test]
fn a_dead_letter_is_skipped_once() {
    when_in_every_state(
        || {
            let (queue, reason_dead) = of_the_letter();
            DeadLetterCommand::Skip { queue, reason_dead }
        },
        |state| match state {
            Untouched | Retried => Ok(vec![skipped()]),
            Skipped => Ok(vec![]),
        },
    );
}

#[test]
fn what_the_broker_hands_over_is_kept_as_text_that_every_reader_can_hold() {
    let reason_dead = format!("\0{}", "x".repeat(3_000));
    given::<DeadLetter>(vec![])
        .when(DeadLetterCommand::Retry { queue: "a\0queue".to_owned(), reason_dead })
        .then_expect_events(vec![DeadLetterEvent::DeadLetterRetried {
            queue: "a\u{fffd}queue".to_owned(),
            reason_dead: format!("\u{fffd}{}", "x".repeat(1_999)),
        }]);
}

#[test]
fn a_message_id_is_the_aggregates_id_unless_the_log_or_a_routing_key_could_not_hold_it() {
    let usual = "018f0000-0000-7000-8000-000000000001";
    assert_eq!(DeadLetter::id_of(usual), usual);
    let longest = "i".repeat(200);
    assert_eq!(DeadLetter::id_of(&longest), longest);
    let odd = ["".to_owned(), "i".repeat(201), "i".repeat(202), "a\0b".to_owned()];
    let ids = odd.each_ref().map(|odd| DeadLetter::id_of(odd));
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(id.len(), 36, "{id}");
        assert!(!ids[..at].contains(id), "each has its own");
    }
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    assert_eq!(DeadLetterRefusal::Skipped.kind(), RefusalKind::Conflict);
    assert_eq!(DeadLetterRefusal::Skipped.to_string(), "it was skipped, and that is final");
}

#[test]
fn every_event_is_stored_as_its_sample_says() {
    assert!(retried().claims().is_empty() && skipped().claims().is_empty());
    assert_stored_as_sampled::<DeadLetter>(vec![retried(), skipped()], Event::DeadLetter);
}
