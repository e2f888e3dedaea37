//! The agent on a game host: registers, installs game servers, supervises their processes, carries out
//! commands and reports. It speaks HTTP to the Worker DAL API and AMQP to the broker; it knows no database
//! and no aggregate.
//!
//! A game server outlives its agent: between the two stands a *supervisor*, a small process per game server
//! that holds its console, captures its output and waits for its end. Both sides meet in the files of a
//! [run directory](run_dir::RunDir), so that an agent that comes back finds everything where it was.
//!
//! | module | what it has |
//! |---|---|
//! | [`agent`] | its life: registration, heartbeats, leaving, ending |
//! | `game_server` | one actor per config: install, start, attend, stop, start again |
//! | [`config`] | its settings |
//! | [`run_dir`] | the files by which agent and supervisor know each other |
//! | [`supervisor`] | the process beside a game server (`manman supervise`) |
//! | [`process`] | a game server's process as the agent sees it: launch, attach, console, stop |
//! | [`install`] | SteamCMD, its progress and its errors; commands after the install |
//! | [`api`] | the Worker DAL API as the agent uses it |
//! | [`reports`] | what is told, spooled on disk, in order, delivered when it can be |
//! | [`commands`] | what is asked: from the queue or the log, once each, acknowledged after the work |
//! | `own_settings` | what the programs it starts do not get to see |
//! | [`files`] | writing a file so that it is there whole or not at all |

pub mod agent;
pub mod api;
pub mod commands;
pub mod config;
pub mod files;
mod game_server;
pub mod install;
mod own_settings;
pub mod process;
pub mod reports;
pub mod run_dir;
pub mod supervisor;

/// Describes the agent's metrics to whoever collects them.
pub fn describe_metrics() {
    commands::metrics::describe();
    reports::metrics::describe();
}
