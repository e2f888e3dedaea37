//! What the handlers share.

use sqlx::PgPool;

use crate::Freshness;
use crate::read_models::status::BatchedStatuses;

/// The state of the three routers. Clones share everything.
#[derive(Clone)]
pub struct QueryApi {
    /// Where the read models are: the database, or a replica of it.
    pub(crate) reads: PgPool,
    pub(crate) freshness: Freshness,
    pub(crate) worker_statuses: BatchedStatuses,
    pub(crate) instance_statuses: BatchedStatuses,
}

impl QueryApi {
    /// Reads from `reads`, whose progress `freshness` must follow. To be called inside a tokio
    /// runtime.
    #[must_use]
    pub fn new(reads: PgPool, freshness: Freshness) -> Self {
        Self {
            worker_statuses: BatchedStatuses::of_workers(reads.clone()),
            instance_statuses: BatchedStatuses::of_instances(reads.clone()),
            reads,
            freshness,
        }
    }
}
