//! What is not a role.

pub mod dead_letters;
pub mod demo;
pub mod migrations;
pub mod openapi;
mod output;
mod progress;
pub mod projections;
pub mod up;
