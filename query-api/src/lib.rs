//! Read models out over HTTP: every `GET` of the three APIs.
//!
//! Knows tables, not aggregates: it may use `service` and nothing else of ours, reads the schema
//! `read_models` (and how far its projectors are), telemetry, and for history the log itself, and
//! writes nothing. Commands are `command-api`'s, whose routers are merged with these.
//!
//! | module | what it has |
//! |---|---|
//! | [`experience`] | what users and bots read |
//! | [`worker_dal`] | what workers read |
//! | [`status`] | what dashboards read |
//! | [`native`] | what native clients read, on any of the three |
//! | [`read_models`] | v1's objects, and the statements that find them |
//! | [`freshness`] | how fresh an answer is, and waiting until it is fresh enough |
//! | `error` | database errors as answers |
//! | `request`, `etag` | parts of requests and answers |

mod error;
mod etag;
pub mod experience;
pub mod freshness;
pub mod native;
pub mod read_models;
mod request;
mod state;
pub mod status;
pub mod worker_dal;

pub use error::QueryError;
pub use freshness::{Freshness, Position};
pub use read_models::{current_worker, other_open_v1_workers};
pub use state::QueryApi;
