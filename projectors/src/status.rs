//! How a piece is doing, for readiness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_store::Position;

/// How a piece is doing. Cheap to ask and to clone; clones are about the same piece.
#[derive(Debug, Clone)]
pub struct PieceStatus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    position: AtomicI64,
    outcome: Mutex<Result<(), String>>,
}

impl Default for PieceStatus {
    fn default() -> Self {
        Self(Arc::new(Inner {
            position: AtomicI64::new(0),
            outcome: Mutex::new(Err("not started yet".to_owned())),
        }))
    }
}

impl PieceStatus {
    /// The position up to which the piece's work is done, as far as this process did or saw it; zero
    /// for a piece that does not follow the log.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.0.position.load(Ordering::Relaxed))
    }

    /// Whether its last attempt to work succeeded; a stand-by counts as working.
    ///
    /// # Errors
    /// What is wrong, in words for an operator.
    pub fn check(&self) -> Result<(), String> {
        self.outcome().clone()
    }

    pub(crate) fn reached(&self, position: Position) {
        self.0.position.fetch_max(position.0, Ordering::Relaxed);
    }

    pub(crate) fn works(&self) {
        *self.outcome() = Ok(());
    }

    /// Whether this is news, so that a failure that goes on is logged once.
    pub(crate) fn fails(&self, problem: String) -> bool {
        let mut outcome = self.outcome();
        let is_news = outcome.as_ref().err() != Some(&problem);
        *outcome = Err(problem);
        is_news
    }

    fn outcome(&self) -> MutexGuard<'_, Result<(), String>> {
        self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::PieceStatus;

    #[test]
    fn a_piece_fails_its_check_until_it_worked_once() {
        let status = PieceStatus::default();
        assert_eq!(status.check(), Err("not started yet".to_owned()));
        status.works();
        assert_eq!(status.check(), Ok(()));
    }

    #[test]
    fn only_a_new_problem_is_news() {
        let status = PieceStatus::default();
        assert!(status.fails("database away".to_owned()));
        assert!(!status.fails("database away".to_owned()));
        status.works();
        assert!(status.fails("database away".to_owned()));
    }
}
