//! HTTP commands in, events out: every `POST` and `PUT` of the Experience and Worker DAL APIs.
//!
//! A handler reads its request, makes a typed command of it and has it carried out by an aggregate; what may happen is
//! the domain's decision. Of the read models it asks only which workers there are, because the v1 surface addresses
//! "the current worker". It publishes nothing: whatever goes to RabbitMQ follows from the log.
//!
//! | module | what it has |
//! |---|---|
//! | [`experience`] | what users and bots ask for |
//! | [`worker_dal`] | what workers say of themselves and their instances |
//! | [`native`] | what native clients say and ask for, on both APIs |
//! | [`heartbeats`] | signs of life: telemetry, written in batches, never events |
//! | `state` | what the handlers share |
//! | `context` | on whose behalf a command is carried out |
//! | `idempotency` | `Idempotency-Key`: a retry gets the first answer |
//! | `reply` | answers that say where they were written |
//! | `workers` | which workers there are |
//! | `catalogue` | game servers and configs, from memory |
//! | `failure` | what can go wrong whatever a command is about |
//! | `error` | refusals and failures as v1's answers, with v1's texts |

mod catalogue;
mod context;
mod error;
pub mod experience;
mod failure;
pub mod heartbeats;
mod idempotency;
pub mod native;
mod reply;
mod state;
pub mod worker_dal;
mod workers;

pub use heartbeats::Heartbeats;
pub use state::{CommandApi, RequestTimeouts};
