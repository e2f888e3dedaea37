//! Rebuilds, as an operator has them done.

use event_store::Actor;
use projectors::{
    PROJECTIONS, ProjectionInfo, Rebuild, RebuildError, Switched, SwitchedBy, TableComparison,
    verify,
};

use super::System;

pub fn projection(name: &str) -> ProjectionInfo {
    PROJECTIONS.into_iter().find(|projection| projection.name == name).unwrap()
}

pub fn by_anna() -> SwitchedBy {
    SwitchedBy { actor: Actor::user("anna"), reason: Some("mice".to_owned()) }
}

impl System {
    pub async fn begin(&self, projections: &[ProjectionInfo]) -> Result<Rebuild, RebuildError> {
        Rebuild::begin(&self.store.log, projections).await
    }

    pub async fn resume(&self, projections: &[ProjectionInfo]) -> Result<Rebuild, RebuildError> {
        Rebuild::resume(&self.store.log, projections).await
    }

    /// From the first event to the switch.
    pub async fn rebuild(&self, projections: &[ProjectionInfo]) -> Switched {
        let mut rebuild = self.begin(projections).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap()
    }

    pub async fn verified(&self) -> Vec<TableComparison> {
        verify(&self.pool, &PROJECTIONS, &mut |_| ()).await.unwrap()
    }

    pub async fn assert_what_the_log_says(&self) {
        for table in self.verified().await {
            assert!(table.is_equal() && table.rows == table.rebuilt_rows, "{table:?}");
        }
    }

    /// Nothing of any rebuild is left: no tables, no checkpoint, no parked events.
    pub async fn no_rebuild_is_left(&self) -> bool {
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname IN ('read_models_next', 'read_models_old'))
                  + (SELECT count(*) FROM checkpoints WHERE name LIKE 'rebuild.%')
                  + (SELECT count(*) FROM parked_events WHERE subscription LIKE 'rebuild.%')",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        left == 0
    }

    pub async fn value<T>(&self, query: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}
