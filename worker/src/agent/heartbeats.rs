//! Signs of life: of the worker and everything it runs, in one call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use service::health::Flag;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use crate::api::{ApiError, InstanceBeat};
use crate::game_server::Host;
use crate::run_dir::RunId;

/// The pause between two questions that were not answered.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a heartbeat can find out.
#[derive(Debug)]
pub(super) enum Finding {
    /// The worker is closed: nobody expects heartbeats of it any more.
    Closed {
        /// In the API's words.
        detail: String,
    },
    /// Another agent has taken over the worker's name.
    TakenOver {
        /// In the API's words.
        detail: String,
    },
}

/// Beats until it finds out that it is not wanted.
pub(super) async fn beat(
    host: Arc<Host>,
    agent_id: Uuid,
    api: Flag,
    findings: mpsc::Sender<Finding>,
) {
    let mut ticks = interval(host.config().heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    let mut failing = false;
    loop {
        ticks.tick().await;
        let beats = told.beats(&host);
        let beaten = host.api().heartbeat(host.worker_id(), agent_id, &beats).await;
        match beaten {
            Ok(()) => {
                told.have_been(&beats);
                api.pass();
                if std::mem::take(&mut failing) {
                    tracing::info!("heartbeats get through again");
                }
            }
            Err(error) => {
                if let Some(finding) = Finding::of(&error) {
                    drop(findings.send(finding).await);
                    return;
                }
                api.fail(error.to_string());
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "heartbeats do not get through");
                }
            }
        }
    }
}

/// Asks whether it is wanted still, for as long as it takes to be told.
pub(super) async fn ask(host: &Host, agent_id: Uuid) -> Option<Finding> {
    loop {
        match host.api().heartbeat(host.worker_id(), agent_id, &[]).await {
            Ok(()) => return None,
            Err(error) => match Finding::of(&error) {
                Some(finding) => return Some(finding),
                None => sleep(ASK_AGAIN).await,
            },
        }
    }
}

impl Finding {
    fn of(error: &ApiError) -> Option<Self> {
        match error {
            ApiError::Refused { status: 409, detail, .. } => {
                Some(Self::TakenOver { detail: detail.clone() })
            }
            ApiError::Refused { status: 404 | 410, detail, .. } => {
                Some(Self::Closed { detail: detail.clone() })
            }
            _ => None,
        }
    }
}

/// How much of each instance's output has been told: a quiet one costs nothing.
#[derive(Default)]
struct Told {
    lines: HashMap<i32, u64>,
}

impl Told {
    fn beats(&self, host: &Host) -> Vec<InstanceBeat> {
        host.live()
            .into_iter()
            .filter_map(|run| {
                let instance_id = instance_id(host, run.told_as)?;
                let is_news = self.lines.get(&instance_id) != Some(&run.tail.lines_total);
                let output = (is_news && run.tail.lines_total > 0).then_some(run.tail);
                Some(InstanceBeat { instance_id, output })
            })
            .collect()
    }

    fn have_been(&mut self, beats: &[InstanceBeat]) {
        self.lines.retain(|known, _| beats.iter().any(|beat| beat.instance_id == *known));
        for beat in beats {
            if let Some(output) = &beat.output {
                self.lines.insert(beat.instance_id, output.lines_total);
            }
        }
    }
}

fn instance_id(host: &Host, run: RunId) -> Option<i32> {
    host.reports().instance_id(run)
}
