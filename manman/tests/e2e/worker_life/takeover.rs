//! Another worker, of the early generation, closes the first.

use serde_json::json;

use super::{Life, V1Worker, eventually};

impl Life {
    pub(super) async fn another_worker_takes_over(
        &mut self,
        first: &mut V1Worker,
        instance: i32,
    ) -> V1Worker {
        let mut second = V1Worker::start_early(&self.system.dal, &self.system.broker).await;
        assert_eq!(second.id, 2);
        second.beats();
        self.subscriber.worker(2, "RUNNING").await;
        let current = self.system.experience.get("/worker/current").await.ok();
        assert_eq!(current["worker_id"], 2);

        let gone = first.heartbeat().await.refused(410);
        assert!(gone.starts_with("Worker 1 was already closed on 20"), "{gone}");
        assert!(gone.ends_with(". Heartbeat rejected."), "{gone}");
        assert_eq!(first.create_instance(1).await.status, 410);
        assert_eq!(first.shut_down().await.status, 409);

        self.commands_go_to_the_new_worker(&mut second).await;
        self.no_instance_is_left_running_on_paper(first, instance).await;
        second
    }

    async fn commands_go_to_the_new_worker(&mut self, second: &mut V1Worker) {
        let ack = self.system.experience.post("/gameserver/2/start").await.ok();
        assert_eq!(ack["message"], "Start command sent to worker 2");
        let command = second.next_command().await;
        assert_eq!(command.body, r#"{"command_type":"START","command_args":["2"]}"#);
        let instance = second.run_instance(2).await;
        second.beats_for(instance);
        self.subscriber.instance(instance, "RUNNING").await;
        let active = self.system.experience.get("/gameserver/current").await.ok();
        assert_eq!(active[0]["game_server_instance_id"], instance);
        assert_eq!(active.as_array().unwrap().len(), 1);
        assert_eq!(second.shut_down_instance(instance, 2).await.status, 200);
        second.report_instance(instance, "COMPLETE").await;
        self.subscriber.instance(instance, "COMPLETE").await;
    }

    async fn no_instance_is_left_running_on_paper(&mut self, first: &mut V1Worker, instance: i32) {
        let path = format!("/server/instance/{instance}");
        let open = self.system.dal.get(&path).await.ok();
        assert_eq!(open["end_date"], json!(null), "while it has heartbeats it is observable");
        first.falls_silent().await;
        eventually("the instance of the closed worker is closed", async || {
            self.system.dal.get(&path).await.ok()["end_date"].is_string()
        })
        .await;
        self.subscriber.instance(instance, "COMPLETE").await;
        // The worker is refused nothing: it would keep the instance in its list for ever.
        let closed = first.shut_down_instance(instance, 1).await.ok();
        assert_eq!(closed["end_date"], self.system.dal.get(&path).await.ok()["end_date"]);
    }
}
