//! Which workers there are. The v1 surface addresses workers by what they are ("the current one", "all others"), and
//! that is a question to the read models.

use domain::WorkerId;
use service::v1::V1Error;

use crate::CommandApi;
use crate::error;
use crate::failure::Failure;

impl CommandApi {
    /// The worker that requests without a worker id are for, or 404.
    ///
    /// Sees every worker that registered before this call.
    pub(crate) async fn current_worker(&self) -> Result<WorkerId, V1Error> {
        self.freshness.caught_up().await?;
        let current = query_api::current_worker(&self.reads).await.map_err(Failure::database)?;
        current.map(|worker| WorkerId(worker.worker_id)).ok_or_else(error::worker_not_found)
    }

    /// The open workers that speak v1, except one.
    ///
    /// Sees every worker that registered before this call.
    pub(crate) async fn other_v1_workers(
        &self,
        worker_id: WorkerId,
    ) -> Result<Vec<WorkerId>, V1Error> {
        self.freshness.caught_up().await?;
        let others = query_api::other_open_v1_workers(&self.reads, worker_id.0).await;
        let others = others.map_err(Failure::database)?;
        Ok(others.into_iter().map(WorkerId).collect())
    }
}
