//! What only native workers tell, as rows.

mod support;

use domain::StatusType::{Crashed, Created, Initializing, Running};
use domain::game_server_config::{RestartPolicy, Supervision};
use domain::game_server_instance::{InstanceCommand, InstanceLostBy, StatusDetail};
use domain::worker::WorkerCommand;
use serde_json::{Value, json};
use support::commands::{agent, at, crash, downloading, patient};
use support::{System, with_system};
use uuid::Uuid;

/// The named columns of a row.
fn pick(row: &Value, columns: &[&str]) -> Value {
    columns.iter().map(|column| ((*column).to_owned(), row[column].clone())).collect()
}

async fn instance(system: &System, columns: &[&str]) -> Value {
    system.project().await;
    pick(&system.row("game_server_instances", 12).await, columns)
}

const DETAIL: [&str; 6] =
    ["status", "pid", "exit_code", "exit_signal", "status_reason", "last_lines"];

const PROGRESS: [&str; 5] =
    ["status", "progress_phase", "progress_percent", "progress_bytes_done", "progress_bytes_total"];

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_shows_its_name_and_the_agent_that_speaks_as_it() {
    with_system(|system| async move {
        system.register_native(6, "attic", at(0)).await;
        system.project().await;
        let columns = ["surface", "name", "agent_id", "agent_version", "attached_at"];
        assert_eq!(
            pick(&system.row("workers", 6).await, &columns),
            json!({
                "surface": "native", "name": "attic", "agent_id": Uuid::from_u128(1),
                "agent_version": "0.1.1", "attached_at": "2026-01-02T03:04:05+00:00",
            })
        );

        let (at, last_heartbeat_at) = (at(6_000), None);
        system.worker(6, WorkerCommand::Attach { agent: agent(2), at, last_heartbeat_at }).await;
        system.project().await;
        assert_eq!(
            pick(&system.row("workers", 6).await, &columns),
            json!({
                "surface": "native", "name": "attic", "agent_id": Uuid::from_u128(2),
                "agent_version": "0.1.2", "attached_at": "2026-01-02T03:04:11+00:00",
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_with_a_status_stays_until_something_else_is_told() {
    with_system(|system| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        let started = StatusDetail { pid: Some(4711), ..StatusDetail::default() };
        system.instance_tells(12, Running, at(1), (Some(started), None)).await;
        assert_eq!(
            instance(&system, &DETAIL).await,
            json!({
                "status": "RUNNING", "pid": 4711, "exit_code": null, "exit_signal": null,
                "status_reason": null, "last_lines": null,
            })
        );

        system.instance_tells(12, Crashed, at(3), (Some(crash()), None)).await;
        let crashed = json!({
            "status": "CRASHED", "pid": 4711, "exit_code": 3, "exit_signal": null,
            "status_reason": "exited with code 3",
            "last_lines": ["tick", "caf\u{e9}, \"bye\" {}", ""],
        });
        assert_eq!(instance(&system, &DETAIL).await, crashed);

        // What is not the current status changes nothing that is shown.
        let late = StatusDetail { pid: Some(1), signal: Some(9), ..StatusDetail::default() };
        system.instance_tells(12, Running, at(2), (Some(late), None)).await;
        assert_eq!(instance(&system, &DETAIL).await, crashed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_while_it_was_lost_is_shown_from_its_recovery_on_with_the_process() {
    with_system(|system| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        system.instance_reports(12, Created, at(1)).await;
        system.instance_lost(12, InstanceLostBy::Worker, at(1_000)).await;
        let started = StatusDetail { pid: Some(4711), ..StatusDetail::default() };
        system.instance_tells(12, Running, at(2), (Some(started), None)).await;
        let columns = ["status", "pid"];
        assert_eq!(instance(&system, &columns).await, json!({"status": "LOST", "pid": 4711}));
        system.instance(12, InstanceCommand::DeclareRecovered { at: at(61_000) }).await;
        assert_eq!(instance(&system, &columns).await, json!({"status": "RUNNING", "pid": 4711}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_that_is_told_after_its_loss_is_shown_with_what_is_known_of_it() {
    with_system(|system| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        system.instance_reports(12, Running, at(1)).await;
        system.instance_lost(12, InstanceLostBy::Worker, at(1_000)).await;
        let recovered = InstanceCommand::DeclareRecovered { at: at(61_000) };
        system.instance(12, recovered).await;
        system.instance_tells(12, Crashed, at(30_000), (Some(crash()), None)).await;
        assert_eq!(
            instance(&system, &["status", "status_as_of", "status_class", "exit_code"]).await,
            json!({
                "status": "CRASHED", "status_as_of": "2026-01-02T03:05:06.000001+00:00",
                "status_class": "game_server_instance", "exit_code": 3,
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown_while_the_instance_is_initializing() {
    with_system(|system| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        system.instance_tells(12, Created, at(1), (None, None)).await;
        for (milliseconds, percent) in [(2, 0), (3, 41)] {
            let progress = (None, Some(downloading(percent)));
            system.instance_tells(12, Initializing, at(milliseconds), progress).await;
            assert_eq!(
                instance(&system, &PROGRESS).await,
                json!({
                    "status": "INITIALIZING", "progress_phase": "downloading",
                    "progress_percent": percent, "progress_bytes_done": 1_i64 << 40,
                    "progress_bytes_total": 1_i64 << 41,
                })
            );
        }
        let without_progress = |status| {
            json!({
                "status": status, "progress_phase": null, "progress_percent": null,
                "progress_bytes_done": null, "progress_bytes_total": null,
            })
        };
        system.instance_lost(12, InstanceLostBy::Worker, at(4)).await;
        assert_eq!(instance(&system, &PROGRESS).await, without_progress("LOST"));
        system.instance_tells(12, Initializing, at(5), (None, Some(downloading(42)))).await;
        assert_eq!(instance(&system, &PROGRESS).await["progress_percent"], 42);
        system.instance_reports(12, Running, at(6)).await;
        assert_eq!(instance(&system, &PROGRESS).await, without_progress("RUNNING"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_shows_how_it_is_supervised_from_the_first_and_what_was_set_last() {
    with_system(|system| async move {
        system.fill_catalogue().await;
        system.project().await;
        let shown = async || {
            let columns = [
                "stop_line",
                "stop_grace_seconds",
                "restart",
                "restart_limit",
                "restart_window_seconds",
            ];
            pick(&system.row("game_server_configs", 13).await, &columns)
        };
        let expected = |supervision: &Supervision| {
            json!({
                "stop_line": supervision.stop_line,
                "stop_grace_seconds": supervision.stop_grace_seconds,
                "restart": supervision.restart.as_str(),
                "restart_limit": supervision.restart_limit,
                "restart_window_seconds": supervision.restart_window_seconds,
            })
        };
        // The columns' defaults are the domain's.
        assert_eq!(shown().await, expected(&Supervision::default()));

        let always = Supervision { restart: RestartPolicy::Always, ..patient() };
        system.supervise(always).await;
        system.supervise(patient()).await;
        system.project().await;
        assert_eq!(shown().await, expected(&patient()));
        system.supervise(Supervision::default()).await;
        system.project().await;
        assert_eq!(shown().await, expected(&Supervision::default()));
    })
    .await;
}
