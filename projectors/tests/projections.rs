//! Given events, then rows; and the same rows when every event is delivered twice.

mod support;

use domain::game_server_instance::{InstanceClosedBy, InstanceCommand, InstanceLostBy};
use domain::worker::{Outcome, Request, WorkerClosedBy};
use domain::{GameServerConfigId, GameServerInstanceId, StatusType, WorkerId};
use serde_json::{Value, json};
use support::commands::at;
use support::with_system;

/// The named columns of a row.
fn pick(row: &Value, columns: &[&str]) -> Value {
    columns.iter().map(|column| ((*column).to_owned(), row[column].clone())).collect()
}

const STATUS: [&str; 4] = ["status", "status_as_of", "status_class", "status_info_id"];

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_worker_is_open_and_has_no_status() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.project().await;
        let position = system.store.log.head().await.unwrap();
        assert_eq!(
            system.row("workers", 6).await,
            json!({
                "worker_id": 6, "surface": "v1", "name": null,
                "created_date": "2026-01-02T03:04:05+00:00", "end_date": null, "end_cause": null,
                "status": null, "status_as_of": null, "status_class": null, "status_info_id": null,
                "status_event_id": null, "closed_event_id": null, "agent_id": null,
                "agent_version": null, "attached_at": null, "position": position,
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_current_report_changes_the_status() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.worker_reports(6, StatusType::Running, at(20)).await;
        let position = system.store.log.head().await.unwrap();
        system.worker_reports(6, StatusType::Created, at(10)).await;
        system.project().await;
        assert_eq!(
            pick(&system.row("workers", 6).await, &STATUS),
            json!({
                "status": "RUNNING", "status_as_of": "2026-01-02T03:04:05.02+00:00",
                "status_class": "worker", "status_info_id": position,
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_and_a_recovery_are_said_by_the_status_processor() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.worker_reports(6, StatusType::Running, at(1)).await;
        system.worker_lost(6, at(2)).await;
        system.project().await;
        let columns = ["status", "status_class"];
        let lost = json!({"status": "LOST", "status_class": "StatusEventProcessor"});
        assert_eq!(pick(&system.row("workers", 6).await, &columns), lost);

        system.worker_recovered(6, at(3)).await;
        system.project().await;
        let back = json!({"status": "RUNNING", "status_class": "StatusEventProcessor"});
        assert_eq!(pick(&system.row("workers", 6).await, &columns), back);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_worker_shows_when_and_why() {
    with_system(|system| async move {
        for id in 1..=3 {
            system.register(id, at(0)).await;
        }
        system.close_worker(1, WorkerClosedBy::Shutdown, at(7)).await;
        system.close_worker(2, WorkerClosedBy::SupersededBy(WorkerId(3)), at(8)).await;
        system.worker_lost(3, at(9)).await;
        system.close_worker(3, WorkerClosedBy::LostTooLong, at(10)).await;
        system.project().await;
        for (id, cause, ended) in [
            (1, "shutdown", "2026-01-02T03:04:05.007+00:00"),
            (2, "superseded by worker 3", "2026-01-02T03:04:05.008+00:00"),
            (3, "lost too long", "2026-01-02T03:04:05.01+00:00"),
        ] {
            let row = system.row("workers", id).await;
            let expected = json!({"end_cause": cause, "end_date": ended});
            assert_eq!(pick(&row, &["end_cause", "end_date"]), expected);
            assert!(row["closed_event_id"].is_string());
        }
        assert_eq!(system.row("workers", 3).await["status"], "COMPLETE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_shows_where_it_runs_and_by_what_it_was_lost() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.create_instance(12, 6, at(1)).await;
        system.project().await;
        let columns = ["game_server_config_id", "game_server_id", "worker_id", "status", "lost_by"];
        let row = system.row("game_server_instances", 12).await;
        let created = json!({
            "game_server_config_id": 1, "game_server_id": 1, "worker_id": 6, "status": null, "lost_by": null
        });
        assert_eq!(pick(&row, &columns), created);

        system.instance_reports(12, StatusType::Running, at(2)).await;
        for (by, word) in [(InstanceLostBy::Worker, "worker"), (InstanceLostBy::Silence, "silence")] {
            system.instance_lost(12, by, at(3)).await;
            system.project().await;
            let row = system.row("game_server_instances", 12).await;
            let lost = json!({"status": "LOST", "lost_by": word});
            assert_eq!(pick(&row, &["status", "lost_by"]), lost);

            system.instance(12, InstanceCommand::DeclareRecovered { at: at(4) }).await;
            system.project().await;
            let row = system.row("game_server_instances", 12).await;
            let back = json!({"status": "RUNNING", "lost_by": null});
            assert_eq!(pick(&row, &["status", "lost_by"]), back);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_instance_stays_marked_when_it_is_closed() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        for id in [12, 13] {
            system.create_instance(id, 6, at(1)).await;
        }
        system.instance_reports(12, StatusType::Crashed, at(2)).await;
        system.close_instance(12, InstanceClosedBy::Shutdown, at(3)).await;
        system.instance_reports(13, StatusType::Running, at(2)).await;
        system.close_instance(13, InstanceClosedBy::WorkerClosed, at(3)).await;
        system.project().await;
        let columns = ["status", "has_crashed", "end_cause"];
        let crashed = json!({"status": "CRASHED", "has_crashed": true, "end_cause": "shutdown"});
        assert_eq!(pick(&system.row("game_server_instances", 12).await, &columns), crashed);
        let closed =
            json!({"status": "COMPLETE", "has_crashed": false, "end_cause": "worker closed"});
        assert_eq!(pick(&system.row("game_server_instances", 13).await, &columns), closed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_shows_what_was_added_beside_the_seed() {
    with_system(|system| async move {
        system.fill_catalogue().await;
        system.project().await;
        let ids = |rows: Vec<Value>, key: &str| -> Vec<Value> {
            rows.iter().map(|row| row[key].clone()).collect()
        };
        let servers = ids(system.rows("game_servers").await, "name");
        for name in ["cs2", "openttd", "valheim", "xonotic"] {
            assert!(servers.contains(&json!(name)), "{servers:?}");
        }
        assert_eq!(system.row("game_servers", 10).await["server_type"], "LOCAL");
        let config = system.row("game_server_configs", 13).await;
        let columns = ["game_server_id", "is_default", "is_visible", "args", "env_var", "post_install_commands"];
        assert_eq!(
            pick(&config, &columns),
            json!({
                "game_server_id": 10, "is_default": true, "is_visible": false,
                "args": ["-port", "a \"b\", {c}"], "env_var": ["A=1"], "post_install_commands": [],
            })
        );
        assert_eq!(
            pick(&system.row("game_server_commands", 11).await, &["game_server_id", "command", "description"]),
            json!({"game_server_id": 10, "command": "gotomap {map}", "description": null})
        );
        assert_eq!(
            pick(
                &system.row("game_server_command_defaults", 12).await,
                &["game_server_id", "game_server_command_id", "command_value", "description"]
            ),
            json!({
                "game_server_id": 10, "game_server_command_id": 11, "command_value": "afterslime",
                "description": "the usual one"
            })
        );
        assert_eq!(
            pick(
                &system.row("game_server_config_commands", 14).await,
                &["game_server_config_id", "game_server_command_id", "command_value"]
            ),
            json!({"game_server_config_id": 13, "game_server_command_id": 11, "command_value": "stormkeep"})
        );
        assert_eq!(
            pick(
                &system.row("game_server_config_options", 15).await,
                &["game_server_config_id", "option_type", "value", "order", "is_enabled"]
            ),
            json!({
                "game_server_config_id": 13, "option_type": "env_var", "value": "B=2", "order": 3,
                "is_enabled": false
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_shows_who_asked_for_what_and_how_it_ended() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        let config = GameServerConfigId(1);
        let start =
            system.request(6, Request::Start { game_server_config_id: config }, at(1)).await;
        let stop = system.request(6, Request::Stop { game_server_config_id: config }, at(2)).await;
        let stdin = Request::Stdin {
            game_server_config_id: config,
            game_server_instance_id: Some(GameServerInstanceId(12)),
            words: vec!["say".to_owned(), String::new()],
        };
        let stdin = system.request(6, stdin, at(3)).await;
        let shutdown = system.request(6, Request::Shutdown, at(4)).await;
        system.project().await;
        let columns = [
            "kind",
            "game_server_config_id",
            "game_server_instance_id",
            "words",
            "requested_by",
            "outcome",
        ];
        for (id, kind, config, instance, words) in [
            (start, "start", json!(1), Value::Null, Value::Null),
            (stop, "stop", json!(1), Value::Null, Value::Null),
            (stdin, "stdin", json!(1), json!(12), json!(["say", ""])),
            (shutdown, "shutdown", Value::Null, Value::Null, Value::Null),
        ] {
            let expected = json!({
                "kind": kind, "game_server_config_id": config, "game_server_instance_id": instance,
                "words": words, "requested_by": "user/anna", "outcome": "pending",
            });
            assert_eq!(pick(&system.row("worker_requests", id).await, &columns), expected);
        }

        let shown = Outcome::Fulfilled { game_server_instance_id: Some(GameServerInstanceId(9)) };
        system.resolve(6, start, shown, at(5)).await;
        let no = Outcome::Refused { reason: "no room".to_owned() };
        system.resolve(6, stop, no, at(5)).await;
        system.resolve(6, stdin, Outcome::TimedOut, at(5)).await;
        system.close_worker(6, WorkerClosedBy::LostTooLong, at(6)).await;
        system.project().await;
        for (id, outcome, reason, instance) in [
            (start, "fulfilled", Value::Null, json!(9)),
            (stop, "refused", json!("no room"), Value::Null),
            (stdin, "timed_out", Value::Null, json!(12)),
            (shutdown, "failed", json!("the worker was closed"), Value::Null),
        ] {
            let row = system.row("worker_requests", id).await;
            let expected = json!({
                "outcome": outcome, "reason": reason, "game_server_instance_id": instance
            });
            assert_eq!(pick(&row, &["outcome", "reason", "game_server_instance_id"]), expected);
            assert!(row["resolved_at"].is_string());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_delivered_twice_changes_nothing() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let before = system.everything().await;
        assert!(before.iter().all(|(_, rows)| !rows.is_empty()));
        // All from the beginning, and from every place in between.
        let head = system.store.log.head().await.unwrap();
        for position in 0..head.0 {
            let reset = format!(
                "UPDATE checkpoints SET position = {position} WHERE name LIKE 'projector.%'"
            );
            system.execute(&reset).await;
            system.project().await;
            assert_eq!(system.everything().await, before, "from {position}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_do_not_depend_on_how_the_events_fall_into_batches() {
    with_system(|system| async move {
        let projectors = system.start_projectors();
        system.live_through_everything().await;
        system.caught_up().await;
        projectors.stop().await;
        let live = system.everything().await;
        system.execute("UPDATE checkpoints SET position = 0 WHERE name LIKE 'projector.%'").await;
        for (table, _) in &live {
            system.execute(&format!("TRUNCATE read_models.{table}")).await;
        }
        system.project().await;
        assert_eq!(system.everything().await, live);
    })
    .await;
}
