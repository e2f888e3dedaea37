//! What is not a role.

pub mod demo;
pub mod migrations;
pub mod openapi;
pub mod up;
