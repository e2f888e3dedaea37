//! A worker falls silent and comes back.

use serde_json::Value;

use super::{Life, V1Worker, shows};

impl Life {
    /// Leaves an instance running.
    pub(super) async fn a_silent_worker_is_lost_and_recovers(
        &mut self,
        worker: &mut V1Worker,
    ) -> i32 {
        let instance = worker.run_instance(1).await;
        worker.beats_for(instance);
        self.subscriber.instance(instance, "RUNNING").await;

        worker.falls_silent().await;
        let lost = self.subscriber.worker(worker.id, "LOST").await;
        assert_eq!(lost.class_name, "StatusEventProcessor");
        let lost = self.subscriber.instance(instance, "LOST").await;
        assert_eq!(lost.class_name, "StatusEventProcessor");
        self.current_worker_is("LOST").await;
        let path = format!("/status/instance/{instance}");
        shows(&self.system.status, &path, "status_type", "LOST").await;
        // Nobody else is there, so it stays the one that requests are for.
        let current = self.system.experience.get("/worker/current").await.ok();
        assert_eq!(
            (&current["worker_id"], &current["end_date"]),
            (&worker.id.into(), &Value::Null)
        );

        worker.beats();
        worker.beats_for(instance);
        let recovered = self.subscriber.worker(worker.id, "RUNNING").await;
        assert_eq!(recovered.class_name, "StatusEventProcessor");
        self.subscriber.instance(instance, "RUNNING").await;
        self.current_worker_is("RUNNING").await;
        instance
    }
}
