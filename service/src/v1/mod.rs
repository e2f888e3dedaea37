//! Requests and answers as v1 clients know them (the v1 wire contract).
//!
//! v1 is a `FastAPI` program: its 422 answers, the order in which it finds fault, what it coerces
//! and where it counts characters are part of the wire, because clients are generated from it. The
//! handlers of such an API look like this:
//!
//! ```
//! # use service::v1::{Check, JsonBody, PathText, V1Error};
//! # async fn current_worker() -> Result<i32, V1Error> { Ok(1) }
//! async fn stdin(path: PathText, body: JsonBody) -> Result<String, V1Error> {
//!     let worker = current_worker().await?; // its 404 comes before any 422
//!     let mut check = Check::new();
//!     let id = check.path_int(&path, "id");
//!     let commands = check.body(&body).strings("commands");
//!     let (id, commands) = check.finish(|| Some((id?, commands?)))?;
//!     let id = id.id().ok_or(V1Error::not_found("Config not found"))?;
//!     Ok(format!("{worker} {id} {commands:?}"))
//! }
//! ```
//!
//! The extractors never refuse a value, so that an endpoint decides what it looks at first. The one
//! exception is a body that is broken JSON: `FastAPI` reads the body before it runs anything else.

mod body;
mod check;
mod error;
mod fields;
mod json_error;
mod number;
mod path;
mod query;
pub mod schema;
pub mod time;

#[cfg(test)]
mod tests;

pub use body::JsonBody;
pub use check::{Check, Invalid, Loc};
pub use error::V1Error;
pub use fields::Fields;
pub use number::Int;
pub(crate) use number::bool_word;
pub use path::PathText;
pub use query::QueryText;
