//! "The log has grown": notification where it works, polling behind it always.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::Position;

/// The channel that every append notifies, with the new head as payload.
const CHANNEL: &str = "events";
/// How long to wait before listening again after the listening connection was lost.
const RETRY: Duration = Duration::from_millis(500);

/// Wakes a subscription when the log grows. A missed notification costs at most the caller's poll interval.
#[derive(Debug, Clone)]
pub struct Wakeups {
    head: watch::Receiver<i64>,
}

impl Wakeups {
    /// Waits until the log has grown beyond `seen`, or for `poll` at the most.
    pub async fn wait(&mut self, seen: Position, poll: Duration) {
        let grown = async { self.head.wait_for(|head| *head > seen.0).await.is_ok() };
        // A closed channel means that the log was dropped: fall back to plain polling.
        if let Ok(false) = tokio::time::timeout(poll, grown).await {
            tokio::time::sleep(poll).await;
        }
    }
}

/// The sending side, fed by the database and by this process's own appends.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    head: watch::Sender<i64>,
}

impl Growth {
    pub(crate) fn new() -> Self {
        Self { head: watch::Sender::new(0) }
    }

    pub(crate) fn wakeups(&self) -> Wakeups {
        Wakeups { head: self.head.subscribe() }
    }

    /// Tells of a new head; an older one is ignored.
    pub(crate) fn reached(&self, head: Position) {
        self.head.send_if_modified(|known| {
            let grown = head.0 > *known;
            if grown {
                *known = head.0;
            }
            grown
        });
    }

    /// Listens until the process ends.
    pub(crate) async fn listen(self, pool: PgPool) {
        loop {
            if let Err(error) = self.listen_once(&pool).await {
                debug!(%error, "listening for appends was interrupted; polling goes on");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // `try_recv` reports a lost connection instead of hiding the gap.
            let Some(notification) = listener.try_recv().await? else { return Ok(()) };
            match notification.payload().parse() {
                Ok(head) => self.reached(Position(head)),
                Err(_) => {
                    warn!(payload = notification.payload(), "unreadable notification of an append");
                }
            }
        }
    }
}
