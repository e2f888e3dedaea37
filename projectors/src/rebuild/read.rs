//! The log read and decoded ahead of whoever folds it.

use event_store::Position;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::session;
use super::threads::Courtesy;
use crate::decoded::{Read, WITH_METADATA, decode_bulk};

/// Chunks that may wait for the fold, so that reading goes on while rows are written.
const AHEAD: usize = 4;

/// Events, oldest first, or why there are no more.
type Chunk = sqlx::Result<Vec<Read>>;

/// Chunks of the log, one after the other. Dropped, it stops to read.
pub(super) struct Chunks {
    ready: mpsc::Receiver<Chunk>,
    _reader: JoinSet<()>,
}

impl Chunks {
    /// Begins to read what stands after `from` up to `until`, `size` events at a time.
    ///
    /// On a connection of its own, and so as the log is now: whoever folds may be in a transaction that
    /// sees no more than what was on the log when it began.
    pub(super) fn start(pool: &PgPool, from: Position, until: Position, size: i64) -> Self {
        let (tell, ready) = mpsc::channel(AHEAD);
        let mut reader = JoinSet::new();
        reader.spawn(read(pool.clone(), from, until, size, tell));
        Self { ready, _reader: reader }
    }

    /// The next chunk; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Option<Chunk> {
        self.ready.recv().await
    }
}

async fn read(
    pool: PgPool,
    from: Position,
    until: Position,
    size: i64,
    ready: mpsc::Sender<Chunk>,
) {
    let mut connection = match session(&pool, "public").await {
        Ok(connection) => connection,
        Err(error) => {
            let _ = ready.send(Err(error)).await;
            return;
        }
    };
    let mut done = from;
    let mut courtesy = Courtesy::new();
    while done < until {
        courtesy.rest().await;
        let to = Position(until.0.min(done.0 + size));
        let mut events = Vec::with_capacity(usize::try_from(to.0 - done.0).unwrap_or_default());
        let read = event_store::read_bulk(&mut connection, done, to, &WITH_METADATA, |event| {
            events.push(decode_bulk(&event));
        });
        let chunk = read.await.map(|()| events);
        let is_over = chunk.is_err();
        // Nobody waits for more once the fold has failed.
        if ready.send(chunk).await.is_err() || is_over {
            return;
        }
        done = to;
    }
}
