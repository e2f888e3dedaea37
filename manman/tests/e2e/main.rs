//! The executable as others meet it: processes, HTTP, AMQP, a database and a broker that fail.
//!
//! ```text
//! support/         throw-away servers, processes, and the programs of others: a v1 worker, a subscriber
//! worker_life/     a v1 worker from its registration to its goodbye, the takeover by another between
//! broker_killed    commands while the broker is dead
//! crash_points/    processes that are killed at named points
//! database_away    everything while the database is
//! bad_messages     what is no status report, and what is one twice
//! up               all roles in one process, as on a laptop
//! shutdown         SIGTERM
//! migrations       as an operator sees them
//! operator_verbs   projections and dead letters, as an operator and a script see them
//! rebuild_live/    rebuilds of a system in use
//! followed         one command by its id, through the logs of all processes
//! replicas/        several status processors, killed and paused again and again
//! settings         malformed ones
//! agent/           the agent on a game host: its life, its game servers, its commands
//! agent_duplicates the same command again and again
//! agent_outage     game servers while broker and APIs are away
//! agent_schedules/ random commands while agent and broker are killed
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod agent_duplicates;
mod agent_outage;
mod agent_schedules;
mod bad_messages;
mod broker_killed;
mod crash_points;
mod database_away;
mod followed;
mod migrations;
mod operator_verbs;
mod rebuild_live;
mod replicas;
mod settings;
mod shutdown;
mod support;
mod up;
mod worker_life;
