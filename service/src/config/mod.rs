//! Settings. One plain struct per concern, each built by `from_env` out of an [`Env`].
//!
//! Precedence, highest first: a flag of the command line ([`Env::with_override`]), the `MANMAN_*`
//! name, the older name, the default. A variable that is set but empty counts as not set, because
//! that is what compose files and charts produce for "no value". A value that cannot be read is a
//! [`ConfigError`] naming the variable; secrets are never part of an error or of a `Debug` output.

mod database;
mod env;
mod log;
mod rabbit;
mod secret;

pub use database::DatabaseConfig;
pub use env::{ConfigError, Env, Setting};
pub use log::LogConfig;
pub use rabbit::{RabbitConfig, RabbitTls};
pub use secret::Secret;
