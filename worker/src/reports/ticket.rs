//! What became of a report, for whoever waits for that.

use tokio::sync::oneshot;

/// That a report was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The instance it was about, where it was about one.
    pub instance_id: Option<i32>,
}

/// That a report will never be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("report was rejected: {reason}")]
pub struct Rejected {
    /// Why, for people.
    pub reason: String,
}

pub(super) type Fate = Result<Receipt, Rejected>;

/// Tells what becomes of a report. May be dropped: the report is delivered all the same.
#[derive(Debug)]
pub struct Ticket {
    fate: oneshot::Receiver<Fate>,
}

impl Ticket {
    pub(super) fn new() -> (oneshot::Sender<Fate>, Self) {
        let (sender, fate) = oneshot::channel();
        (sender, Self { fate })
    }

    /// Returns when the report was delivered, which may take as long as the other side is away. What this process does
    /// not come to deliver is left to the next one; here it never returns then.
    ///
    /// # Errors
    /// [`Rejected`] when it was refused for good; then it is kept in `spool/rejected/`.
    pub async fn delivered(self) -> Result<Receipt, Rejected> {
        match self.fate.await {
            Ok(fate) => fate,
            Err(_) => std::future::pending().await,
        }
    }
}
