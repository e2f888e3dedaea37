//! The life of an instance, from the request for it to its end.

use chrono::Duration;
use domain::game_server_instance::{InstanceClosedBy, InstanceEvent, InstanceLostBy, StatusDetail};
use domain::worker::WorkerEvent;
use domain::{
    Event, GameServerConfigId, GameServerInstanceId, RequestId, Standing, StatusType, WorkerId,
};
use event_store::Actor;

use super::fleet::{Fleet, Happened, Host, game_server_of};

/// By when an outcome is due.
const DEADLINE: Duration = Duration::seconds(300);

/// A life that goes on.
pub(super) struct Life {
    host: Host,
    instance: i32,
    phase: Phase,
}

enum Phase {
    Asked(RequestId),
    /// So many reports of progress to come.
    Installing(u64),
    Running {
        incidents: u64,
    },
    /// Somebody asked for its end.
    Stopping(RequestId),
}

/// What becomes of a life.
pub(super) enum Next {
    /// It goes on after this time.
    After(Duration, Life),
    /// It is over.
    Ended,
}

impl Life {
    /// A user wants it; how long until the worker does something about it.
    pub(super) fn asked_for(fleet: &mut Fleet, host: Host) -> (Duration, Self) {
        let request_id = fleet.request();
        let asked = WorkerEvent::StartRequested {
            request_id,
            game_server_config_id: GameServerConfigId(host.config),
            requested_at: fleet.now,
            deadline: fleet.now + DEADLINE,
        };
        fleet.worker(host.worker, asked, Actor::user("anna"));
        (fleet.seconds(1, 2), Self { host, instance: 0, phase: Phase::Asked(request_id) })
    }

    pub(super) fn go_on(self, fleet: &mut Fleet) -> Next {
        match self.phase {
            Phase::Asked(request) => self.create(fleet, request),
            Phase::Installing(0) => self.run(fleet),
            Phase::Installing(left) => self.progress(fleet, left),
            Phase::Running { incidents: 0 } => self.end(fleet),
            Phase::Running { incidents } => self.live(fleet, incidents),
            Phase::Stopping(request) => self.stop(fleet, request),
        }
    }

    fn then(self, wait: Duration, phase: Phase) -> Next {
        Next::After(wait, Self { phase, ..self })
    }

    fn create(mut self, fleet: &mut Fleet, request: RequestId) -> Next {
        fleet.instances += 1;
        self.instance = fleet.instances;
        let created = InstanceEvent::InstanceCreated {
            game_server_instance_id: GameServerInstanceId(self.instance),
            game_server_config_id: GameServerConfigId(self.host.config),
            game_server_id: game_server_of(self.host.config),
            worker_id: WorkerId(self.host.worker),
            created_at: fleet.now,
        };
        self.tell(fleet, created);
        self.fulfil(fleet, request, Some(self.instance));
        self.report(fleet, StatusType::Initializing, None);
        // Mostly it is installed already and there is little to report.
        let reports = match fleet.random.between(0, 9) {
            0 => 15,
            1..=3 => 3,
            _ => 1,
        };
        self.then(fleet.seconds(1, 4), Phase::Installing(reports))
    }

    fn progress(self, fleet: &mut Fleet, left: u64) -> Next {
        let progressed = InstanceEvent::InstanceProgressed {
            phase: "downloading".to_owned(),
            percent: Some(100 - (left * 6) as u8),
            bytes_done: Some(1_000_000_000 - left as i64 * 60_000_000),
            bytes_total: Some(1_000_000_000),
            as_of: fleet.now,
        };
        self.tell(fleet, progressed);
        self.then(fleet.seconds(2, 6), Phase::Installing(left - 1))
    }

    fn run(self, fleet: &mut Fleet) -> Next {
        let detail = StatusDetail { pid: Some(1_000 + self.instance), ..StatusDetail::default() };
        self.report(fleet, StatusType::Running, Some(detail));
        let incidents = if fleet.random.happens(30) { fleet.random.between(1, 3) } else { 0 };
        let wait = while_running(fleet);
        self.then(wait, Phase::Running { incidents })
    }

    /// Mostly words to its console; sometimes it falls silent, or its worker does.
    fn live(self, fleet: &mut Fleet, incidents: u64) -> Next {
        let now = fleet.now;
        if fleet.random.happens(95) {
            let request_id = fleet.request();
            let sent = WorkerEvent::StdinSent {
                request_id,
                game_server_config_id: GameServerConfigId(self.host.config),
                game_server_instance_id: Some(GameServerInstanceId(self.instance)),
                words: ["say", "restart", "in", "5", "minutes"].map(str::to_owned).to_vec(),
                requested_at: now,
                deadline: now + DEADLINE,
            };
            fleet.worker(self.host.worker, sent, Actor::user("ben"));
            self.fulfil(fleet, request_id, None);
        } else {
            let last_heartbeat_at = Some(now);
            let lost = WorkerEvent::WorkerLost { as_of: now, last_heartbeat_at };
            fleet.worker(self.host.worker, lost, Actor::system("liveness"));
            let by = InstanceLostBy::Worker;
            self.tell(fleet, InstanceEvent::InstanceLost { as_of: now, by, last_heartbeat_at });
            let (as_of, status) = (now + Duration::seconds(40), StatusType::Running);
            let found = WorkerEvent::WorkerRecovered { as_of, status };
            fleet.worker(self.host.worker, found, Actor::system("liveness"));
            self.tell(fleet, InstanceEvent::InstanceRecovered { as_of, status });
        }
        let wait = while_running(fleet);
        self.then(wait, Phase::Running { incidents: incidents - 1 })
    }

    fn end(self, fleet: &mut Fleet) -> Next {
        if fleet.random.happens(15) {
            let detail = StatusDetail {
                pid: Some(1_000 + self.instance),
                reason: Some("the process ended by itself".to_owned()),
                exit_code: None,
                signal: Some(11),
                last_lines: (1..=10)
                    .map(|line| {
                        format!("[{line:02}] Error: \"harbour\" failed to load chunk {line}")
                    })
                    .collect(),
            };
            self.report(fleet, StatusType::Crashed, Some(detail));
            self.close(fleet);
            return Next::Ended;
        }
        let request_id = fleet.request();
        let asked = WorkerEvent::StopRequested {
            request_id,
            game_server_config_id: GameServerConfigId(self.host.config),
            requested_at: fleet.now,
            deadline: fleet.now + DEADLINE,
        };
        fleet.worker(self.host.worker, asked, Actor::user("anna"));
        self.then(fleet.seconds(2, 10), Phase::Stopping(request_id))
    }

    fn stop(self, fleet: &mut Fleet, request: RequestId) -> Next {
        let detail = StatusDetail {
            pid: Some(1_000 + self.instance),
            exit_code: Some(0),
            ..StatusDetail::default()
        };
        self.report(fleet, StatusType::Complete, Some(detail));
        self.fulfil(fleet, request, Some(self.instance));
        self.close(fleet);
        Next::Ended
    }

    fn close(&self, fleet: &mut Fleet) {
        let closed_at = fleet.now;
        self.tell(
            fleet,
            InstanceEvent::InstanceClosed { closed_at, by: InstanceClosedBy::Shutdown },
        );
    }

    fn report(&self, fleet: &mut Fleet, status: StatusType, detail: Option<StatusDetail>) {
        let reported = InstanceEvent::InstanceStatusReported {
            status,
            reported_as_of: fleet.now,
            as_of: fleet.now,
            standing: Standing::Current,
            detail,
        };
        self.tell(fleet, reported);
    }

    fn fulfil(&self, fleet: &mut Fleet, request_id: RequestId, instance: Option<i32>) {
        let fulfilled = WorkerEvent::RequestFulfilled {
            request_id,
            game_server_instance_id: instance.map(GameServerInstanceId),
            resolved_at: fleet.now,
        };
        fleet.worker(self.host.worker, fulfilled, Actor::system("liveness"));
    }

    fn tell(&self, fleet: &mut Fleet, event: InstanceEvent) {
        fleet.happened.push(Happened {
            aggregate_id: self.instance,
            event: Event::Instance(event),
            actor: Actor::agent(format!("worker/{}", self.host.worker)),
        });
    }
}

/// Days, one time in twenty.
fn while_running(fleet: &mut Fleet) -> Duration {
    if fleet.random.happens(5) { fleet.seconds(40_000, 200_000) } else { fleet.seconds(120, 7_200) }
}
