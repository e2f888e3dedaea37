//! A user starts a game, talks to it and stops it; the worker does as it is told.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Life, V1Worker, shows};

impl Life {
    pub(super) async fn a_game_is_started_talked_to_and_stopped(&mut self, worker: &mut V1Worker) {
        worker.beats();
        self.a_start_reaches_the_worker(worker).await;
        let instance = self.the_worker_runs_an_instance(worker).await;
        self.words_reach_the_console(worker).await;
        self.a_prepared_command_reaches_the_console(worker, instance).await;
        self.a_stop_ends_the_instance(worker, instance).await;
        assert_eq!(
            self.outcomes(worker.id).await,
            ["start fulfilled", "stdin fulfilled", "stdin fulfilled", "stop fulfilled"]
        );
    }

    async fn a_start_reaches_the_worker(&mut self, worker: &mut V1Worker) {
        let ack = self.system.experience.post("/gameserver/1/start").await.ok();
        assert_eq!(ack, json!({"status": "success", "message": "Start command sent to worker 1"}));
        let command = worker.next_command().await;
        assert_eq!(command.routing_key, "worker.1.command");
        assert_eq!(command.body, r#"{"command_type":"START","command_args":["1"]}"#);
        // The message is named by the event it tells.
        let event: Uuid = self
            .system
            .database
            .value("SELECT event_id FROM events WHERE event_type = 'StartRequested'")
            .await;
        assert_eq!(command.message_id.unwrap().parse(), Ok(event));
    }

    async fn the_worker_runs_an_instance(&mut self, worker: &mut V1Worker) -> i32 {
        let (dal, experience) = (&self.system.dal, &self.system.experience);
        let config = dal.get("/server/config/1").await.ok();
        assert_eq!(config["executable"], "game/bin/linuxsteamrt64/cs2");
        let server = dal.get(&format!("/server/{}", config["game_server_id"])).await.ok();
        let cs2 = json!({"game_server_id": 1, "name": "cs2", "server_type": 1, "app_id": 730});
        assert_eq!(server, cs2);

        let instance = worker.run_instance(1).await;
        worker.beats_for(instance);
        for status in ["CREATED", "INITIALIZING", "RUNNING"] {
            let told = self.subscriber.instance(instance, status).await;
            assert_eq!(told.class_name, "game_server_instance");
        }
        let object = dal.post(&format!("/server/instance/heartbeat/{instance}")).await.ok();
        assert_eq!(object["end_date"], Value::Null);
        assert!(object["last_heartbeat"].is_string(), "{object}");

        let active = experience.get("/gameserver/instances/active").await.ok();
        assert_eq!(active["game_server_instances"][0]["game_server_instance_id"], instance);
        assert_eq!(active["workers"][0]["worker_id"], worker.id);
        assert_eq!(active["configs"], json!([config]));
        let status = shows(experience, "/gameserver/1/status", "status_type", "RUNNING").await;
        assert_eq!(status["game_server_instance_id"], instance);
        let path = format!("/status/instance/{instance}");
        assert_eq!(self.system.status.get(&path).await.ok(), status);
        instance
    }

    async fn words_reach_the_console(&mut self, worker: &mut V1Worker) {
        let body = json!({"commands": ["changelevel de_nuke"]});
        let ack = self.system.experience.post_json("/gameserver/1/stdin", &body).await.ok();
        assert_eq!(ack["message"], "Stdin command sent to worker 1");
        let command = worker.next_command().await;
        assert_eq!(
            command.body,
            r#"{"command_type":"STDIN","command_args":["1","changelevel de_nuke"]}"#
        );
    }

    async fn a_prepared_command_reaches_the_console(
        &mut self,
        worker: &mut V1Worker,
        instance: i32,
    ) {
        let experience = &self.system.experience;
        let template = json!({"name": "say", "command": "say {value}", "is_visible": true});
        let template = experience.post_json("/gameserver/types/1/command", &template).await.ok();
        let offered = json!({"game_server_command_id": template["game_server_command_id"], "command_value": "hello"});
        let offered = experience.post_json("/gameserver/config/1/command", &offered).await.ok();

        let details = experience.get(&format!("/gameserver/instance/{instance}")).await.ok();
        assert_eq!(details["config_commands"][0]["game_server_command"], template);

        let execute = json!({"command_type": "config", "command_id": offered["game_server_config_command_id"]});
        let path = format!("/gameserver/instance/{instance}/command");
        let executed = experience.post_json(&path, &execute).await.ok();
        let message = format!("Command sent to instance {instance}");
        assert_eq!(
            executed,
            json!({"status": "success", "message": message, "command": "say hello"})
        );
        let command = worker.next_command().await;
        assert_eq!(command.body, r#"{"command_type":"STDIN","command_args":["1","say hello"]}"#);
    }

    async fn a_stop_ends_the_instance(&mut self, worker: &mut V1Worker, instance: i32) {
        let experience = &self.system.experience;
        let ack = experience.post("/gameserver/1/stop").await.ok();
        assert_eq!(ack["message"], "Stop command sent to worker 1");
        let command = worker.next_command().await;
        assert_eq!(command.body, r#"{"command_type":"STOP","command_args":["1"]}"#);

        let closed = worker.shut_down_instance(instance, 1).await.ok();
        assert!(closed["end_date"].is_string(), "{closed}");
        // The worker's HTTP client repeats a PUT whose answer it lost.
        let repeated = worker.shut_down_instance(instance, 1).await.ok();
        assert_eq!(repeated["end_date"], closed["end_date"]);
        worker.report_instance(instance, "COMPLETE").await;
        self.subscriber.instance(instance, "COMPLETE").await;
        assert_eq!(
            self.subscriber.of_instance(instance),
            ["CREATED", "INITIALIZING", "RUNNING", "COMPLETE"]
        );

        let path = format!("/status/instance/{instance}");
        shows(&self.system.status, &path, "status_type", "COMPLETE").await;
        let over = experience.get("/gameserver/1/status").await;
        assert_eq!(over.refused(404), "No running instance found for game server config 1");
        let history = experience.get("/gameserver/1/instances").await.ok();
        assert_eq!(history["instances"][0]["status"], "stopped");
    }
}
