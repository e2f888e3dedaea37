//! A worker registers, reports that it runs, and becomes the current one.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{Life, V1Worker, shows};

impl Life {
    pub(super) async fn a_worker_arrives(&mut self) -> V1Worker {
        let nobody = self.system.experience.get("/worker/current").await;
        assert_eq!(nobody.refused(404), "Worker not found");

        let worker = V1Worker::start(&self.system.dal, &self.system.broker).await;
        assert_eq!(worker.id, 1);
        for status in ["CREATED", "INITIALIZING", "RUNNING"] {
            let told = self.subscriber.worker(1, status).await;
            assert_eq!(told.class_name, "worker");
        }
        assert_eq!(self.subscriber.of_worker(1), ["CREATED", "INITIALIZING", "RUNNING"]);

        let object = worker.heartbeat().await.ok();
        assert_eq!((&object["worker_id"], &object["end_date"]), (&json!(1), &Value::Null));
        let last_heartbeat = object["last_heartbeat"].as_str().unwrap();
        assert!(DateTime::parse_from_rfc3339(last_heartbeat).is_ok(), "{last_heartbeat}");

        self.the_worker_is_seen_everywhere(&worker).await;
        worker
    }

    async fn the_worker_is_seen_everywhere(&self, worker: &V1Worker) {
        let current = self.system.experience.get("/worker/current").await.ok();
        assert_eq!(current["worker_id"], 1);
        assert_eq!(current["created_date"], worker.object()["created_date"]);
        let early = self.system.experience.get("/experience/worker/current").await.ok();
        assert_eq!(early["worker_id"], 1);

        let status = self.current_worker_is("RUNNING").await;
        let keys = [
            "as_of",
            "class_name",
            "game_server_instance_id",
            "status_info_id",
            "status_type",
            "worker_id",
        ];
        assert_eq!(status.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
        assert_eq!(status["worker_id"], 1);
        for path in ["/status/worker/1", "/status/status/worker/1"] {
            assert_eq!(shows(&self.system.status, path, "status_type", "RUNNING").await, status);
        }
    }

    pub(super) async fn what_does_not_exist_is_refused(&self, worker: &V1Worker) {
        let (dal, status) = (&self.system.dal, &self.system.status);
        let nobody = json!({"worker_id": 999, "created_date": "2026-01-02T03:04:05+00:00", "end_date": null, "last_heartbeat": null});
        // v1's asymmetry.
        assert_eq!(
            dal.post_json("/worker/heartbeat", &nobody).await.refused(400),
            "Worker not found"
        );
        for path in ["/worker/shutdown", "/worker/shutdown/other"] {
            let refused = dal.send_json(reqwest::Method::PUT, path, &nobody).await;
            assert_eq!(refused.refused(404), "Worker not found");
        }
        assert_eq!(worker.shut_down_instance(999, 1).await.refused(404), "Instance not found");
        let heartbeat = dal.post("/server/instance/heartbeat/999").await;
        assert_eq!(heartbeat.refused(404), "Instance not found");
        for (api, path, text) in [
            (dal, "/server/instance/999", "Instance not found"),
            (dal, "/server/config/999", "Config not found"),
            (dal, "/server/999", "Server not found"),
            (status, "/status/worker/999", "Worker not found"),
            (status, "/status/instance/999", "Instance not found"),
            (&self.system.experience, "/gameserver/instance/999", "Instance not found"),
        ] {
            assert_eq!(api.get(path).await.refused(404), text, "{path}");
        }
        let start = self.system.experience.post("/gameserver/999/start").await;
        assert_eq!(start.status, 404, "it would kill a v1 worker: {}", start.text);
    }
}
