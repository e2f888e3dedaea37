//! What operators decide about a subscription: a projection or the relay. Its id is the name of its
//! checkpoint, such as `projector.workers`.

mod aggregate;
mod command;
mod event;
mod refusal;
#[cfg(test)]
mod tests;

pub use aggregate::{ProjectionSwitch, Subscription};
pub use command::SubscriptionCommand;
pub use event::SubscriptionEvent;
pub use refusal::SubscriptionRefusal;
