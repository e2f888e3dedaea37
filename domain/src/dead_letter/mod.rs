//! What operators decide about a dead letter: a message of the broker that was given up on. The
//! message itself is with the broker.

mod aggregate;
mod command;
mod event;
mod refusal;
#[cfg(test)]
mod tests;

pub use aggregate::DeadLetter;
pub use command::DeadLetterCommand;
pub use event::DeadLetterEvent;
pub use refusal::DeadLetterRefusal;
