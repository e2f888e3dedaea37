//! What is not a role.

pub mod migrations;
pub mod openapi;
pub mod up;
