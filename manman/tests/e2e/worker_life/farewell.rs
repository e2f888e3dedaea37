//! A worker is told to go, and goes.

use serde_json::json;

use super::{Life, V1Worker, shows};

impl Life {
    pub(super) async fn the_last_worker_says_goodbye(&mut self, mut worker: V1Worker) {
        let experience = &self.system.experience;
        let ack = experience.post("/worker/shutdown").await.ok();
        let message = format!("Shutdown command sent to worker {}", worker.id);
        assert_eq!(ack, json!({"status": "success", "message": message}));
        let command = worker.next_command().await;
        assert_eq!(command.body, r#"{"command_type":"STOP","command_args":[]}"#);

        worker.falls_silent().await;
        let closed = worker.shut_down().await.ok();
        let end = closed["end_date"].as_str().unwrap();
        assert!(closed["last_heartbeat"].is_string(), "{closed}");
        worker.report("COMPLETE").await;
        self.subscriber.worker(worker.id, "COMPLETE").await;

        let without_offset = end.strip_suffix("+00:00").unwrap();
        let closed = format!("Worker {} was already closed on {without_offset}.", worker.id);
        let repeated = worker.shut_down().await.refused(409);
        assert_eq!(repeated, format!("{closed} Shutdown rejected."));
        let heartbeat = worker.heartbeat().await.refused(410);
        assert_eq!(heartbeat, format!("{closed} Heartbeat rejected."));

        let path = format!("/status/worker/{}", worker.id);
        shows(&self.system.status, &path, "status_type", "COMPLETE").await;
        for request in [experience.get("/worker/current"), experience.get("/worker/status")] {
            assert_eq!(request.await.refused(404), "Worker not found");
        }
        let start = experience.post("/gameserver/1/start").await;
        assert_eq!(start.refused(404), "Worker not found");
        assert_eq!(self.outcomes(worker.id).await, ["start fulfilled", "shutdown fulfilled"]);
        self.dashboards_see_it_over().await;
    }

    async fn dashboards_see_it_over(&self) {
        let status = &self.system.status;
        let workers = status.get("/status/workers").await.ok();
        let ids: Vec<_> = workers["workers"].as_array().unwrap().iter().collect();
        assert_eq!(ids.iter().map(|it| &it["worker_id"]).collect::<Vec<_>>(), [2, 1]);
        assert!(ids.iter().all(|it| it["end_date"].is_string()), "{workers}");
        let system = status.get("/status/system").await.ok();
        assert_eq!(
            (&system["workers"]["total"], &system["workers"]["open"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(system["instances"]["open"], 0);
        assert_eq!(system["pending_requests"]["count"], 0);
    }
}
