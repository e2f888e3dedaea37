//! Heartbeats and who takes them in, written as the heartbeat intake would.

use std::time::Duration;

use projectors::{Liveness, LivenessConfig};

use super::{Running, System, eventually, with_system};

/// Seconds that are long by the durations of [`config`].
pub const LONG: i64 = 600;
/// A heartbeat of now is recent until the end of a test.
pub const NOW: i64 = 0;

/// Patient enough for a busy machine to pass as timely, with room for what is silent for [`LONG`].
pub fn config() -> LivenessConfig {
    LivenessConfig {
        interval: Duration::from_millis(20),
        lost_after: Duration::from_secs(120),
        first_heartbeat_grace: Duration::from_secs(240),
        ..LivenessConfig::default()
    }
}

/// Runs a test on a system with projectors and liveness.
pub async fn watched<F: Future<Output = ()>>(
    config: LivenessConfig,
    test: impl FnOnce(System) -> F,
) {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        let _liveness = system.start_liveness(config);
        test(system).await;
    })
    .await;
}

impl System {
    pub fn start_liveness(&self, config: LivenessConfig) -> Running {
        let liveness = Liveness::new(self.store.clone(), config);
        Running::start(|stop| liveness.run(stop))
    }

    /// Somebody takes heartbeats in, for longer than any silence.
    pub async fn listening(&self) {
        self.listening_since(-86_400).await;
    }

    /// As [`listening`](Self::listening), from so many seconds from now on.
    pub async fn listening_since(&self, seconds: i64) {
        self.execute(&format!(
            "INSERT INTO heartbeat_intakes VALUES
                    ('00000000-0000-0000-0000-000000000001', now() + interval '{seconds} s', now() + interval '1 h')
             ON CONFLICT (intake_id) DO UPDATE
                SET listening_since = excluded.listening_since, last_flush_at = excluded.last_flush_at"
        ))
        .await;
    }

    /// The last heartbeat of an entity was so many seconds from now.
    pub async fn beat(&self, entity: &str, id: i32, seconds: i64) {
        self.execute(&format!(
            "INSERT INTO heartbeats VALUES ('{entity}', {id}, now() + interval '{seconds} s')
             ON CONFLICT (entity, entity_id) DO UPDATE SET last_heartbeat_at = excluded.last_heartbeat_at"
        ))
        .await;
    }

    /// Waits until liveness has seen everything that is there now: a difference made here, after all
    /// others, has been dealt with twice.
    pub async fn two_more_passes(&self) {
        use super::commands::now;
        use domain::worker::WorkerClosedBy;
        for _ in 0..2 {
            self.caught_up().await;
            let id = self.store.log.head().await.unwrap().0 as i32 + 100_000;
            let long_ago = now() - chrono::Duration::hours(1);
            self.register(id, long_ago).await;
            self.worker_reports(id, domain::StatusType::Running, long_ago).await;
            self.close_worker(id, WorkerClosedBy::Shutdown, long_ago).await;
            eventually("liveness makes a pass", async || {
                self.events_of("worker", id).await.contains(&"WorkerStatusConcluded".to_owned())
            })
            .await;
        }
    }
}
