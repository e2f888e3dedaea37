//! The one task that asks how far the log and its projectors are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{Demand, Position, Progress, Reading};
use crate::error::in_time;

/// The pause between two looks at a checkpoint that somebody waits for; it doubles while nothing
/// moves.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(5);

/// The pause while readings are only used. Half of what "recent" allows, so that requests find one
/// that is.
const USED: Duration = Duration::from_millis(25);

pub(super) async fn follow(
    log: PgPool,
    replica: Option<PgPool>,
    demand: Arc<Demand>,
    publish: watch::Sender<Option<Reading>>,
) {
    let mut last = Position(-1);
    let mut pause = SHORTEST;
    demand.reading.notified().await;
    loop {
        demand.used.store(false, Ordering::Relaxed);
        let asked_at = Instant::now();
        let found = in_time(progress(&log, replica.as_ref())).await.map_err(Arc::new);
        let projected = found.as_ref().map_or(last, |progress| progress.projected);
        pause = if projected == last { LONGEST.min(pause * 2) } else { SHORTEST };
        last = projected;
        let found_at = Instant::now();
        publish.send_replace(Some(Reading { asked_at, found_at, found }));

        let again = if demand.waiting.load(Ordering::Relaxed) > 0 { pause } else { USED };
        tokio::select! {
            () = demand.reading.notified() => pause = SHORTEST,
            () = sleep(again) => {
                let idle = demand.waiting.load(Ordering::Relaxed) == 0
                    && !demand.used.load(Ordering::Relaxed);
                if idle {
                    demand.reading.notified().await;
                    pause = SHORTEST;
                }
            }
        }
    }
}

async fn progress(log: &PgPool, replica: Option<&PgPool>) -> sqlx::Result<Progress> {
    let (head, projected) = match replica {
        None => progress_in_one_place(log).await?,
        Some(replica) => tokio::try_join!(head(log), projected(replica))?,
    };
    Ok(Progress { head: Position(head), projected: Position(projected) })
}

async fn progress_in_one_place(log: &PgPool) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT position,
                (SELECT coalesce(min(position), 0) FROM public.checkpoints
                  WHERE name LIKE 'projector.%')
           FROM public.log_head",
    )
    .fetch_one(log)
    .await
}

async fn head(log: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT position FROM public.log_head").fetch_one(log).await
}

async fn projected(replica: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT coalesce(min(position), 0) FROM public.checkpoints WHERE name LIKE 'projector.%'",
    )
    .fetch_one(replica)
    .await
}
