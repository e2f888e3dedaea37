//! The log over PostgreSQL: append, load, subscribe, checkpoint.
//!
//! Owns the tables `events`, `log_head`, `claims`, `answered_commands`, `snapshots`, `checkpoints`,
//! `replicas` and `parked_events`; nobody else writes SQL on them. Knows the domain's aggregates and claims, no HTTP,
//! no broker, no read models.
//!
//! ```text
//! store.rs        EventStore: the aggregates over one log
//! repository.rs   Repository<A>: load, decide, append, retry a conflict
//! command.rs      a command on its way: on whose behalf, and what became of it
//! cache.rs        aggregates kept in memory
//! log.rs          Log: the handle to it all: appender, head, tail, wake-ups
//! appender.rs     group commit: whatever waits is written together
//! batch.rs        one batch as the arrays of the append statement, and its answer
//! commit.rs       what one command writes: events, claims, metadata, answer
//! metadata.rs     who, why, and because of what: on every event
//! recorded.rs     events as read back, in position order
//! bulk.rs         the same for whoever reads all of them
//! checkpoint.rs   how far a subscription has come, moved by whoever holds its lease
//! lease.rs        who works on which subscription
//! rebuilding.rs   the same for rows that are filled anew beside those that are shown
//! standing.rs     how far subscriptions have come, as an operator sees it: behind by how much, and for how long
//! parked.rs       events that a subscription could not handle, and those behind them, for operators
//! parking.rs      the same for whoever works on the subscription
//! operations.rs   what operators decide about those: recorded first, then done
//! wakeup.rs       "the log has grown": notification, with polling behind it
//! ids.rs          integer ids from sequences, allocated together
//! postgres_es.rs  the cqrs-es repository: loads through postgres-es, persists through the appender
//! migrator.rs     the embedded migrations, and whether any is pending
//! ```

mod appender;
mod batch;
mod bulk;
mod cache;
mod checkpoint;
mod command;
mod commit;
mod ids;
pub mod lease;
mod log;
mod metadata;
mod migrator;
mod operations;
pub mod parked;
pub mod parking;
mod postgres_es;
pub mod rebuilding;
mod recorded;
mod repository;
mod standing;
mod store;
mod wakeup;

pub use appender::AppendError;
pub use bulk::{BulkEvent, read_bulk};
pub use cache::Loaded;
pub use checkpoint::{Epoch, Held, advance, held, position_of};
pub use command::{CommandContext, ExecuteError, Executed};
pub use commit::{Answer, Appended, Commit, KeptAnswer, NewEvent};
pub use ids::{IdAllocator, IdSequence};
pub use log::{Log, LogOptions};
pub use metadata::{Actor, ActorKind, Metadata};
pub use migrator::{MIGRATOR, MigrationState, applied_migrations, migration_state};
pub use operations::{
    OperationError, RetryOutcome, RetryRequested, SkippedEvent, decisions_about_message,
    decisions_about_parked, outcome_of, retry_parked, skip_parked, skipped_events,
    skipped_positions,
};
pub use parked::{ParkedEvent, ParkedHead};
pub use postgres_es::LogRepository;
pub use recorded::{Position, RecordedEvent, head, read_after, read_at};
pub use repository::Repository;
pub use standing::{Standing, Standings, standings};
pub use store::EventStore;
pub use wakeup::Wakeups;
