//! Output nobody asks for any more. It is telemetry that the log does not have, and would grow for ever.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, timeout};

use crate::subscription::{LONGEST_STEP, in_words};

/// For how long the output of an ended instance is kept after it last changed: 30 days.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How often a process looks. There is no index to look by: outputs change several times a second, and
/// each change would have to move in it.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// The most outputs forgotten at once; an hour later it takes the rest.
const MOST: i64 = 10_000;

/// When a process looks again.
pub(super) struct OutputPruning {
    due: Instant,
}

impl OutputPruning {
    /// Due at once.
    pub(super) fn new() -> Self {
        Self { due: Instant::now() }
    }

    /// Forgets old output once an hour. Failing is no reason not to judge who lives.
    pub(super) async fn prune_if_due(&mut self, pool: &PgPool) {
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + INTERVAL;
        let pruned = timeout(LONGEST_STEP, prune(pool)).await;
        match pruned.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(0) => {}
            Ok(outputs) => {
                tracing::info!(outputs, "forgot the output of instances that ended long ago");
            }
            Err(error) => {
                tracing::warn!(
                    error = in_words(&error),
                    "old output not forgotten; trying again in an hour"
                );
            }
        }
    }
}

/// An open instance may be quiet for as long as it likes: its agent tells output only when there is more.
async fn prune(pool: &PgPool) -> sqlx::Result<u64> {
    let pruned = sqlx::query(
        "DELETE FROM instance_output
          WHERE game_server_instance_id IN (
                SELECT o.game_server_instance_id FROM instance_output o
                 WHERE o.as_of < now() - $1
                   AND NOT EXISTS (SELECT FROM read_models.game_server_instances i
                                    WHERE i.game_server_instance_id = o.game_server_instance_id
                                      AND i.end_date IS NULL)
                 LIMIT $2
                   FOR UPDATE SKIP LOCKED)",
    )
    .bind(KEPT)
    .bind(MOST)
    .execute(pool)
    .await?;
    Ok(pruned.rows_affected())
}
