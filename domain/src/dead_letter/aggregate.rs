//! The state of a dead letter and its rules.

use std::borrow::Cow;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{cut, has_nul};

use super::command::DeadLetterCommand;
use super::event::DeadLetterEvent;
use super::refusal::DeadLetterRefusal;

/// Reasons are one line; what a parser says of a body can be long.
const LONGEST_REASON: usize = 2_000;
/// AMQP's limit, for both an id and a queue's name, in bytes.
const LONGEST_NAME: usize = 255;
/// In bytes. An event is published under a routing key made of its aggregate's type and id and its own
/// type, and that has at most 255.
const LONGEST_ID: usize = 200;
const IDS: Uuid = Uuid::from_u128(0x9a6d_61c0_25b1_4b3e_a2f4_5d0c_77be_1e55);

/// A dead letter as its events tell it: a message about which nothing was decided yet, at first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Whether it is never to be tried again.
    pub is_skipped: bool,
}

impl DeadLetter {
    /// The aggregate's id: the message id as it is, or for one that the log or a routing key could not
    /// hold, an id made of it.
    #[must_use]
    pub fn id_of(message_id: &str) -> Cow<'_, str> {
        if message_id.is_empty() || message_id.len() > LONGEST_ID || has_nul(message_id) {
            return Uuid::new_v5(&IDS, message_id.as_bytes()).to_string().into();
        }
        message_id.into()
    }

    /// What a command changes, as events; nothing is changed yet.
    ///
    /// # Errors
    /// The refusal, when the state forbids it.
    pub fn decide(
        &self,
        command: DeadLetterCommand,
    ) -> Result<Vec<DeadLetterEvent>, DeadLetterRefusal> {
        match command {
            DeadLetterCommand::Retry { .. } if self.is_skipped => Err(DeadLetterRefusal::Skipped),
            DeadLetterCommand::Retry { queue, reason_dead } => {
                let (queue, reason_dead) = kept(&queue, &reason_dead);
                Ok(vec![DeadLetterEvent::DeadLetterRetried { queue, reason_dead }])
            }
            DeadLetterCommand::Skip { .. } if self.is_skipped => Ok(Vec::new()),
            DeadLetterCommand::Skip { queue, reason_dead } => {
                let (queue, reason_dead) = kept(&queue, &reason_dead);
                Ok(vec![DeadLetterEvent::DeadLetterSkipped { queue, reason_dead }])
            }
        }
    }
}

/// Whatever the broker handed over is kept as text that every reader can hold.
fn kept(queue: &str, reason_dead: &str) -> (String, String) {
    (cut(queue, LONGEST_NAME), cut(reason_dead, LONGEST_REASON))
}

impl Aggregate for DeadLetter {
    const TYPE: &'static str = "dead_letter";
    type Command = DeadLetterCommand;
    type Event = DeadLetterEvent;
    type Error = DeadLetterRefusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            DeadLetterEvent::DeadLetterRetried { .. } => {}
            DeadLetterEvent::DeadLetterSkipped { .. } => self.is_skipped = true,
        }
    }
}
