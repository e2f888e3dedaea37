//! Somebody who follows the log by position, as every subscription does, and knows nothing else of it.

use event_store::Position;
use sqlx::PgPool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most it reads at once.
const CHUNK: i64 = 1_000;
/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(2);

/// An event it saw.
pub struct Seen {
    pub event_id: Uuid,
    pub command_id: Uuid,
    /// It is no part of the storm.
    pub is_of_the_seed: bool,
}

/// Reads from the first event on until all is written and read.
pub async fn follow(pool: PgPool, done: CancellationToken) -> Vec<Seen> {
    let (mut seen, mut last) = (Vec::new(), Position(0));
    loop {
        // Asked before it reads: what was written until then is in what it reads.
        let was_done = done.is_cancelled();
        let mut connection = pool.acquire().await.unwrap();
        let events = event_store::read_after(&mut connection, last, CHUNK).await.unwrap();
        drop(connection);
        for event in &events {
            assert_eq!(event.position.0, last.0 + 1, "a position is seen before the one below it");
            last = event.position;
            let metadata = event.metadata().unwrap();
            seen.push(Seen {
                event_id: event.event_id,
                command_id: metadata.command_id,
                is_of_the_seed: metadata.actor_id == "seed",
            });
        }
        if events.is_empty() {
            if was_done {
                return seen;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
