//! Requests of native endpoints, those below `/v1`: typed, and refused as problems.
//!
//! Ids are decimal text in JSON and in paths, instants are RFC 3339 in UTC, and keys that nobody
//! knows are ignored. A handler reads like this:
//!
//! ```
//! # use axum::http::StatusCode;
//! # use service::native::{Id, JsonBody, PathText};
//! # use service::problem::Problem;
//! # #[derive(serde::Deserialize)]
//! # struct Beat { game_server_instance_id: Id }
//! async fn heartbeat(path: PathText, JsonBody(beat): JsonBody<Beat>) -> Result<StatusCode, Problem> {
//!     let unknown = || Problem::not_found("worker_not_found", "There is no such worker.");
//!     let worker_id = path.id("id")?.ok_or_else(unknown)?;
//!     println!("worker {worker_id}, instance {}", beat.game_server_instance_id);
//!     Ok(StatusCode::NO_CONTENT)
//! }
//! ```

mod body;
mod id;
mod path;
mod query;
pub mod schema;

#[cfg(test)]
mod tests;

pub use body::JsonBody;
pub use id::Id;
pub use path::PathText;
pub use query::QueryText;
