//! The bodies on the v1 wire: compact UTF-8 JSON, unknown keys ignored by every consumer.
//!
//! These types mirror the wire, not the domain: this crate may not know the domain, and the wire
//! may not change when the domain does.

mod command;
mod external_status;
mod internal_status;
mod status_detail;
pub mod time;
mod words;

pub use command::Command;
pub use external_status::ExternalStatusInfo;
pub use internal_status::{InternalStatusInfo, StatusRejection};
pub use status_detail::{Progress, StatusDetail};
pub use words::{CommandType, EntityType, StatusType, UnknownWord};
