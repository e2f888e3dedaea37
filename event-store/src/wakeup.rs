//! "The log has grown": notification where it works, polling behind it always.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::Position;

/// The channel on which appends are notified, with the new head as payload.
const CHANNEL: &str = "events";
/// The shortest time between two notifications.
const PAUSE: Duration = Duration::from_millis(5);
/// How long to wait before listening again after the listening connection was lost.
const RETRY: Duration = Duration::from_millis(500);

/// Wakes a subscription when the log grows. A missed notification costs at most the caller's poll interval.
#[derive(Debug, Clone)]
pub struct Wakeups {
    head: watch::Receiver<i64>,
}

impl Wakeups {
    /// Waits until the log has grown beyond `seen`, or for `poll` at the most; true if it has grown.
    pub async fn wait(&mut self, seen: Position, poll: Duration) -> bool {
        let grown = async { self.head.wait_for(|head| *head > seen.0).await.is_ok() };
        match tokio::time::timeout(poll, grown).await {
            Ok(true) => true,
            // A closed channel means that the log was dropped: fall back to plain polling.
            Ok(false) => {
                tokio::time::sleep(poll).await;
                false
            }
            Err(_) => false,
        }
    }

    /// The highest head heard of.
    pub(crate) fn head(&self) -> Position {
        Position(*self.head.borrow())
    }
}

/// The sending side, fed by the database and by this process's own appends.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    head: watch::Sender<i64>,
    /// The last position this process appended, of which others are to hear.
    own: watch::Sender<i64>,
}

impl Growth {
    pub(crate) fn new() -> Self {
        Self { head: watch::Sender::new(0), own: watch::Sender::new(0) }
    }

    pub(crate) fn wakeups(&self) -> Wakeups {
        Wakeups { head: self.head.subscribe() }
    }

    /// Tells this process of a new head; an older one is ignored.
    pub(crate) fn reached(&self, head: Position) {
        raise(&self.head, head);
    }

    /// Tells this process and, through the database, all others.
    pub(crate) fn appended(&self, last: Position) {
        raise(&self.head, last);
        raise(&self.own, last);
    }

    /// Notifies other processes of what this one appends, until the process ends. Beside the append
    /// and not in it: a notification costs as much as many events, and a lost one costs others no
    /// more than their poll interval.
    pub(crate) async fn notify(self, pool: PgPool) {
        let mut own = self.own.subscribe();
        while own.changed().await.is_ok() {
            let last = own.borrow_and_update().to_string();
            let sent = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(last);
            if let Err(error) = sent.execute(&pool).await {
                debug!(%error, "an append was not notified; others poll");
            }
            tokio::time::sleep(PAUSE).await;
        }
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

fn raise(known: &watch::Sender<i64>, head: Position) {
    known.send_if_modified(|known| {
        let grown = head.0 > *known;
        *known = head.0.max(*known);
        grown
    });
}
