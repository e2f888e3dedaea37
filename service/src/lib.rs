//! What makes a program of ours a *service*: everything two or more of them need and none of them
//! is about.
//!
//! Nothing here knows a game server, an event or a table. A change for one business feature does
//! not belong here.
//!
//! | module | what it gives |
//! |---|---|
//! | [`config`] | settings from the environment, flags on top |
//! | [`telemetry`] | logs, panics in the log, metrics |
//! | [`shutdown`] | SIGTERM and SIGINT as one token |
//! | [`health`] | `/livez`, `/readyz`, `/health`, `/metrics`, and the registry behind them |
//! | [`tasks`] | named background tasks whose death is noticed |
//! | [`http`] | the server loop, its limits, and what every route gets |
//! | [`v1`] | requests and answers in the shapes v1 clients know |
//! | [`native`] | requests of native endpoints |
//! | [`problem`] | errors of native endpoints |
//! | [`docs`] | `/openapi.json` and the page that shows it |
//! | [`prefixes`] | one API under several root paths |
//! | [`database`] | a PostgreSQL pool that lets a service start before its database |
//!
//! A program puts them together in this order: read [`config`], [`telemetry::init`] and
//! [`telemetry::Metrics::install`], [`shutdown::on_signal`], [`health::Health::new`],
//! [`tasks::Tasks::new`], then a router with [`http::defaults`] around it given to [`http::serve`],
//! and at the end [`tasks::Tasks::finish`].

pub mod config;
pub mod database;
pub mod docs;
pub mod health;
pub mod http;
pub mod native;
pub mod prefixes;
pub mod problem;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod v1;
