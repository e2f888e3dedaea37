//! Installing: what SteamCMD says, when it is tried again and how it is ended; commands, paths and
//! environment variables.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod environment;
mod paths;
mod steamcmd;
mod support;
mod transcripts;
