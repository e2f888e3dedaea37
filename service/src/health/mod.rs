//! Whether a process is alive, and whether it can do its work. Two questions with two answers: a
//! process that waits for its database is alive and not ready, and restarting it would not help.

mod registry;
mod routes;

pub use registry::{Death, Failing, Flag, Health};
pub use routes::{router, v1_router};
