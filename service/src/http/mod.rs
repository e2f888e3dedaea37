//! The HTTP server: what every route of every program gets without asking.
//!
//! [`defaults`] goes around a finished router: answers for unknown paths, wrong methods and trailing
//! slashes (v1's, and problems below `/v1`), a request id, limits, metrics, and a 500 instead of a lost connection when a
//! handler panics. It is one layer, because each costs an allocation on a path that serves tens of
//! thousands of requests a second. [`serve`] then accepts connections until shutdown and lets the
//! requests in flight finish.

mod body;
mod edge;
mod limits;
mod metrics;
mod request_id;
mod routing;
mod server;
mod surface;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use body::is_json;
pub use body::{UnreadBody, read_body};
pub use edge::Failure;
pub use limits::Limits;
pub use request_id::RequestId;
pub use routing::defaults;
pub use server::{ServeError, listen, serve};
