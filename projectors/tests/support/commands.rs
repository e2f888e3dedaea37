//! Commands with good defaults, at instants of one's choosing.

use chrono::{DateTime, Duration, Utc};
use domain::game_server::{GameServerCommand, ServerType};
use domain::game_server_config::{GameServerConfigCommand, OptionType, RestartPolicy, Supervision};
use domain::game_server_instance::{
    InstanceClosedBy, InstanceCommand, InstanceLostBy, InstanceReport, Progress, StatusDetail,
};
use domain::worker::{Agent, Outcome, Request, Surface, WorkerClosedBy, WorkerCommand};
use domain::{
    GameServerCommandDefaultId, GameServerCommandId, GameServerConfigCommandId, GameServerConfigId,
    GameServerConfigOptionId, GameServerId, GameServerInstanceId, RequestId, StatusReport,
    StatusType, WorkerId,
};
use event_store::{Actor, CommandContext};
use uuid::Uuid;

use super::System;

pub fn now() -> DateTime<Utc> {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    // What the database keeps.
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap()
}

/// A fixed day, so many milliseconds in.
pub fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 0).unwrap() + Duration::milliseconds(milliseconds)
}

fn context() -> CommandContext {
    CommandContext::new(Actor::user("anna"), Uuid::now_v7())
}

impl System {
    pub async fn worker(&self, id: i32, command: WorkerCommand) {
        self.store.workers.execute(&id.to_string(), command, &context()).await.unwrap();
    }

    pub async fn instance(&self, id: i32, command: InstanceCommand) {
        self.store.instances.execute(&id.to_string(), command, &context()).await.unwrap();
    }

    pub async fn register(&self, id: i32, at: DateTime<Utc>) {
        let (worker_id, surface) = (WorkerId(id), Surface::V1);
        let (name, agent) = (None, None);
        self.worker(id, WorkerCommand::Register { worker_id, surface, name, agent, at }).await;
    }

    pub async fn register_native(&self, id: i32, name: &str, at: DateTime<Utc>) {
        let (worker_id, surface) = (WorkerId(id), Surface::Native);
        let (name, agent) = (Some(name.to_owned()), Some(agent(1)));
        self.worker(id, WorkerCommand::Register { worker_id, surface, name, agent, at }).await;
    }

    pub async fn worker_reports(&self, id: i32, status: StatusType, as_of: DateTime<Utc>) {
        let report = StatusReport { status, as_of, received_at: as_of };
        self.worker(id, WorkerCommand::ReportStatus(report)).await;
    }

    pub async fn worker_lost(&self, id: i32, at: DateTime<Utc>) {
        self.worker(id, WorkerCommand::DeclareLost { at, last_heartbeat_at: None }).await;
    }

    pub async fn worker_recovered(&self, id: i32, at: DateTime<Utc>) {
        self.worker(id, WorkerCommand::DeclareRecovered { at }).await;
    }

    pub async fn close_worker(&self, id: i32, by: WorkerClosedBy, at: DateTime<Utc>) {
        self.worker(id, WorkerCommand::Close { at, by }).await;
    }

    /// Asks something of a worker, due a minute later; returns the request's id.
    pub async fn request(&self, worker: i32, request: Request, at: DateTime<Utc>) -> Uuid {
        let (request_id, deadline) = (RequestId(Uuid::now_v7()), at + Duration::minutes(1));
        self.worker(worker, WorkerCommand::Request { request_id, request, at, deadline }).await;
        request_id.0
    }

    pub async fn resolve(&self, worker: i32, request: Uuid, outcome: Outcome, at: DateTime<Utc>) {
        let request_id = RequestId(request);
        self.worker(worker, WorkerCommand::Resolve { request_id, outcome, at }).await;
    }

    /// An instance of config 1, which is of game server 1.
    pub async fn create_instance(&self, id: i32, worker: i32, at: DateTime<Utc>) {
        let create = InstanceCommand::Create {
            game_server_instance_id: GameServerInstanceId(id),
            game_server_config_id: GameServerConfigId(1),
            game_server_id: GameServerId(1),
            worker_id: WorkerId(worker),
            at,
        };
        self.instance(id, create).await;
    }

    pub async fn instance_reports(&self, id: i32, status: StatusType, as_of: DateTime<Utc>) {
        let report = StatusReport { status, as_of, received_at: as_of };
        self.instance(id, InstanceCommand::ReportStatus(report.into())).await;
    }

    /// A report with all that a native worker tells.
    pub async fn instance_tells(
        &self,
        id: i32,
        status: StatusType,
        as_of: DateTime<Utc>,
        (detail, progress): (Option<StatusDetail>, Option<Progress>),
    ) {
        let status = StatusReport { status, as_of, received_at: as_of };
        let report = InstanceReport { status, detail, progress };
        self.instance(id, InstanceCommand::ReportStatus(report)).await;
    }

    /// Config 13 of [`fill_catalogue`](Self::fill_catalogue) is supervised so.
    pub async fn supervise(&self, supervision: Supervision) {
        let command = GameServerConfigCommand::SetSupervision(supervision);
        self.store.configs.execute("13", command, &context()).await.unwrap();
    }

    pub async fn instance_lost(&self, id: i32, by: InstanceLostBy, at: DateTime<Utc>) {
        let lost = InstanceCommand::DeclareLost { at, by, last_heartbeat_at: None };
        self.instance(id, lost).await;
    }

    pub async fn close_instance(&self, id: i32, by: InstanceClosedBy, at: DateTime<Utc>) {
        self.instance(id, InstanceCommand::Close { at, by }).await;
    }

    /// A game server with a command and its default, a config with a command and an option; ids from 10 on.
    pub async fn fill_catalogue(&self) {
        let visible = true;
        let game_server = [
            GameServerCommand::Add {
                game_server_id: GameServerId(10),
                name: "xonotic".to_owned(),
                server_type: ServerType::Local,
                app_id: 7,
            },
            GameServerCommand::AddCommand {
                game_server_command_id: GameServerCommandId(11),
                name: "map".to_owned(),
                command: "gotomap {map}".to_owned(),
                description: None,
                is_visible: visible,
            },
            GameServerCommand::AddCommandDefault {
                game_server_command_default_id: GameServerCommandDefaultId(12),
                game_server_command_id: GameServerCommandId(11),
                command_value: "afterslime".to_owned(),
                description: Some("the usual one".to_owned()),
                is_visible: visible,
            },
        ];
        for command in game_server {
            self.store.game_servers.execute("10", command, &context()).await.unwrap();
        }
        let config = [
            GameServerConfigCommand::Add {
                game_server_config_id: GameServerConfigId(13),
                game_server_id: GameServerId(10),
                name: "duel".to_owned(),
                is_default: true,
                is_visible: false,
                server_type: ServerType::Local,
                executable: "xonotic".to_owned(),
                args: vec!["-port".to_owned(), "a \"b\", {c}".to_owned()],
                env_var: vec!["A=1".to_owned()],
                post_install_commands: Vec::new(),
                supervision: None,
            },
            GameServerConfigCommand::AddCommand {
                game_server_config_command_id: GameServerConfigCommandId(14),
                game_server_command_id: GameServerCommandId(11),
                command_value: "stormkeep".to_owned(),
                description: None,
                is_visible: visible,
            },
            GameServerConfigCommand::AddOption {
                game_server_config_option_id: GameServerConfigOptionId(15),
                option_type: OptionType::EnvVar,
                value: "B=2".to_owned(),
                order: 3,
                is_enabled: false,
                description: Some("later".to_owned()),
            },
        ];
        for command in config {
            self.store.configs.execute("13", command, &context()).await.unwrap();
        }
    }

    /// Every kind of thing that can happen, on a few workers and instances.
    pub async fn live_through_everything(&self) {
        self.live_over_v1().await;
        self.live_natively().await;
    }

    /// What happens where all workers speak v1.
    pub async fn live_over_v1(&self) {
        use StatusType::{Complete, Crashed, Created, Running};
        self.fill_catalogue().await;
        for id in 1..=3 {
            self.register(id, at(0)).await;
            self.worker_reports(id, Created, at(1)).await;
            self.worker_reports(id, Running, at(2)).await;
            self.worker_reports(id, Created, at(1)).await;
        }
        for id in 1..=4 {
            self.create_instance(id, 1, at(10)).await;
            self.instance_reports(id, Created, at(11)).await;
        }
        let config = GameServerConfigId(1);
        let start = Request::Start { game_server_config_id: config };
        let started = self.request(1, start.clone(), at(20)).await;
        self.request(1, Request::Stop { game_server_config_id: config }, at(21)).await;
        let stdin = Request::Stdin {
            game_server_config_id: config,
            game_server_instance_id: Some(GameServerInstanceId(4)),
            words: vec!["say".to_owned(), "a, \"b\"".to_owned()],
        };
        let said = self.request(1, stdin, at(22)).await;
        let refused = self.request(2, start, at(23)).await;
        let shown = Outcome::Fulfilled { game_server_instance_id: Some(GameServerInstanceId(1)) };
        self.resolve(1, started, shown, at(30)).await;
        self.resolve(1, said, Outcome::TimedOut, at(31)).await;
        let no = Outcome::Refused { reason: "no room".to_owned() };
        self.resolve(2, refused, no, at(32)).await;

        self.instance_reports(1, Running, at(40)).await;
        self.instance_reports(2, Crashed, at(41)).await;
        self.close_instance(2, InstanceClosedBy::Shutdown, at(42)).await;
        self.instance_lost(1, InstanceLostBy::Silence, at(43)).await;
        self.instance(1, InstanceCommand::DeclareRecovered { at: at(44) }).await;
        self.worker_lost(1, at(50)).await;
        self.instance_lost(1, InstanceLostBy::Worker, at(51)).await;
        self.instance_lost(3, InstanceLostBy::Worker, at(51)).await;
        self.worker_recovered(1, at(52)).await;
        self.request(1, Request::Shutdown, at(60)).await;
        self.close_worker(1, WorkerClosedBy::Shutdown, at(70)).await;
        self.worker_reports(1, Complete, at(71)).await;
        self.close_instance(3, InstanceClosedBy::WorkerClosed, at(72)).await;
        self.close_worker(2, WorkerClosedBy::SupersededBy(WorkerId(3)), at(73)).await;
        self.worker(2, WorkerCommand::Conclude { at: at(74) }).await;
        self.worker_lost(3, at(75)).await;
        self.close_worker(3, WorkerClosedBy::LostTooLong, at(80)).await;
    }

    /// What only native workers tell, on worker 4, instances 5 and 6 and config 13.
    pub async fn live_natively(&self) {
        use StatusType::{Crashed, Initializing, Running};
        self.supervise(patient()).await;
        self.supervise(Supervision { stop_line: None, ..patient() }).await;
        self.register_native(4, "attic", at(100)).await;
        for id in [5, 6] {
            self.create_instance(id, 4, at(101)).await;
            self.instance_tells(id, Initializing, at(102), (None, Some(downloading(1)))).await;
            self.instance_tells(id, Initializing, at(103), (None, Some(downloading(99)))).await;
        }
        let started = StatusDetail { pid: Some(4711), ..StatusDetail::default() };
        self.instance_tells(5, Running, at(104), (Some(started), None)).await;
        self.instance_tells(5, Crashed, at(105), (Some(crash()), None)).await;
        let attach =
            WorkerCommand::Attach { agent: agent(2), at: at(10_000), last_heartbeat_at: None };
        self.worker(4, attach).await;
    }
}

pub fn agent(number: u128) -> Agent {
    Agent { agent_id: Uuid::from_u128(number), version: format!("0.1.{number}") }
}

pub fn downloading(percent: u8) -> Progress {
    Progress {
        phase: "downloading".to_owned(),
        percent: Some(percent),
        bytes_done: Some(1 << 40),
        bytes_total: Some(1 << 41),
    }
}

pub fn crash() -> StatusDetail {
    StatusDetail {
        reason: Some("exited with code 3".to_owned()),
        exit_code: Some(3),
        last_lines: vec!["tick".to_owned(), "caf\u{e9}, \"bye\" {}".to_owned(), String::new()],
        ..StatusDetail::default()
    }
}

pub fn patient() -> Supervision {
    Supervision {
        stop_line: Some("quit".to_owned()),
        stop_grace_seconds: 120,
        restart: RestartPolicy::OnFailure,
        restart_limit: 3,
        restart_window_seconds: 60,
    }
}
