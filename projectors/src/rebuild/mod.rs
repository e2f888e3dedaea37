//! Read models filled again from position zero, beside the live ones, and compared with them row for row:
//! `rebuilt == live` is an invariant. Rebuilt ones can take the place of the live ones.
//!
//! Reading and decoding the next chunk goes on while the current one is folded; rows stay in memory
//! over many chunks, so that an entity's thousand events cost one write.
//!
//! ```text
//! job.rs       a rebuild from its begin to where it could be switched
//! switch.rs    rebuilt tables in the place of the live ones
//! readers.rs   whom that has to wait for
//! finish.rs    what is left to do after it
//! cancel.rs    the end of a rebuild that nobody wants any more
//! outdated.rs  rows of an older version rebuild themselves
//! hold.rs      the leases of a rebuild: one process works on it at a time
//! threads.rs   of the lowest priority
//! read.rs      the log, read and decoded ahead
//! fill.rs      events into rows, of some projections up to some positions
//! skips.rs     events that are left out by an operator's decision
//! schema.rs    the tables, made from the live ones
//! twin.rs      what is filled, and the transaction in which live and rebuilt are at one position
//! compare.rs   whether they are equal: counts and a hash per table
//! diff.rs      what differs, row by row
//! ```

mod cancel;
mod compare;
mod diff;
mod fill;
mod finish;
mod hold;
mod job;
mod outdated;
mod read;
mod readers;
mod schema;
mod skips;
mod switch;
mod threads;
mod twin;

use domain::subscription::SubscriptionRefusal;
use event_store::{ExecuteError, Position};
use sqlx::{Executor, PgConnection, PgPool};

use crate::session::connect;
use crate::subscription::SubscriptionError;

pub use cancel::cancel;
pub use compare::{TableComparison, verify};
pub use diff::{ColumnDifference, Differences, RowDifference, TableDifferences, diff};
pub use finish::SwitchedBy;
pub use job::{Filled, Rebuild, rebuilding};
pub(crate) use outdated::rebuild_outdated;
pub use switch::Switched;

/// Why there is no rebuild, or no comparison.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database does not answer, or refuses.
    #[error("the database refuses")]
    Database(#[from] sqlx::Error),
    /// Events could not be projected.
    #[error("the rebuild stopped")]
    Stopped(#[from] SubscriptionError),
    /// The live rows show less than the rebuilt ones, so there is no one state to compare.
    #[error(
        "live {projection} is at position {live}, which what was rebuilt at {rebuilt} has passed"
    )]
    LiveIsBehind {
        /// The projection.
        projection: &'static str,
        /// Its checkpoint.
        live: Position,
        /// What the rebuilt rows show.
        rebuilt: Position,
    },
    /// Somebody works on it.
    #[error("{projection} is being rebuilt by {by}, which is at position {position}")]
    InProgress {
        /// The projection.
        projection: &'static str,
        /// How far that is.
        position: Position,
        /// Who.
        by: String,
    },
    /// Somebody began to, and it is to be decided what becomes of that.
    #[error(
        "a rebuild of {projection} was begun before and is at position {position}: resume or cancel it"
    )]
    LeftHalfway {
        /// The projection.
        projection: &'static str,
        /// How far that is.
        position: Position,
    },
    /// There is nothing to go on with.
    #[error("no rebuild of {projection} is in progress")]
    NotInProgress {
        /// The projection.
        projection: &'static str,
    },
    /// What was begun is of no use to this program.
    #[error(
        "the rebuild of {projection} was begun by version {version} of its rule, and this is {ours}: \
         cancel it"
    )]
    OtherVersion {
        /// The projection.
        projection: &'static str,
        /// Theirs.
        version: i32,
        /// This program's.
        ours: i32,
    },
    /// Somebody cancelled it while it was at work.
    #[error("the rebuild of {projection} was cancelled")]
    Cancelled {
        /// The projection.
        projection: String,
    },
    /// Another process goes on with it.
    #[error("the rebuild of {projection} was taken over by {by}")]
    TakenOver {
        /// The projection.
        projection: String,
        /// Who.
        by: String,
    },
    /// Its checkpoint is not where this process left it: somebody wrote to it by hand.
    #[error("the rebuild's checkpoint is not where it was left")]
    Moved,
    /// An operator decided to leave an event out which the rebuilt rows have.
    #[error(
        "event {position} was skipped after rebuilt {projection} had it: cancel this rebuild and begin \
         another"
    )]
    SkippedMeanwhile {
        /// The projection.
        projection: &'static str,
        /// The event.
        position: Position,
    },
    /// The rebuilt rows are shown, but the log does not know who wanted that. Whoever rebuilds the
    /// projection next tells it.
    #[error("{projection} is switched, but that could not be recorded")]
    Unrecorded {
        /// The projection.
        projection: &'static str,
        /// Why not.
        #[source]
        source: Box<ExecuteError<SubscriptionRefusal>>,
    },
    /// A switch could not be written down.
    #[error("a note cannot be written as JSON")]
    Note(#[source] serde_json::Error),
    /// The system gives no threads.
    #[error("no threads to work on")]
    Threads(#[from] std::io::Error),
    /// The process ends.
    #[error("the rebuild was ended")]
    Ended,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Rows are being filled.
    Filling {
        /// Events up to here are in memory or in rows.
        done: Position,
        /// The last event of this pass.
        of: Position,
    },
    /// The indexes of a table are being built.
    Indexing {
        /// The table.
        table: &'static str,
    },
    /// A table is being compared.
    Comparing {
        /// The table.
        table: &'static str,
    },
    /// A switch waits for a transaction that has been reading for long.
    Waiting {
        /// The process id of its database session.
        pid: i32,
        /// For how many seconds.
        seconds: i64,
    },
}

/// Is told of progress every few thousand events.
pub type Tell<'a> = dyn FnMut(Progress) + Send + 'a;

/// A connection on which a statement may take as long as it takes, unless whoever waits for it is gone, and
/// on which a transaction may stand still for as long as threads of the lowest priority may have to wait.
async fn session(pool: &PgPool, schema: &str) -> sqlx::Result<PgConnection> {
    let mut connection = connect(pool, schema).await?;
    // A statement ends within a second after whoever waits for it was killed. Older servers cannot; there it
    // ends when it is done.
    connection
        .execute(
            "SET statement_timeout = 0;
             SET idle_in_transaction_session_timeout = '30s';
             SELECT set_config(name, '1s', false) FROM pg_settings
              WHERE name = 'client_connection_check_interval'",
        )
        .await?;
    Ok(connection)
}
