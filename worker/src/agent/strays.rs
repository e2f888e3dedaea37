//! Instances that nobody runs.

use std::sync::Arc;

use tokio::time::sleep;

use super::LONGEST_PAUSE;
use crate::api::OpenInstance;
use crate::game_server::Host;
use crate::reports::{Lane, Report};

/// Ends, on paper, instances that `ManMan` believes to be on this host and that this host has never heard of: those of
/// an agent whose directory is lost.
pub(super) async fn end(host: Arc<Host>, worker_id: i32) {
    let open = loop {
        match host.api().open_instances(worker_id).await {
            Ok(open) => break open,
            Err(error) if error.is_worth_retrying() => sleep(LONGEST_PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, "which instances are open here could not be asked");
                return;
            }
        }
    };
    let is_unknown = |instance: &OpenInstance| !host.reports().knows(instance.instance_id);
    // Now, for what is known may end and be forgotten while everything is told, which may take as long as an outage.
    let mut strays: Vec<_> = open.into_iter().filter(is_unknown).collect();
    if strays.is_empty() {
        return;
    }
    // And then, for what this host began before the list was made may be known only when everything is told.
    host.reports().drained().await;
    strays.retain(is_unknown);
    for instance in strays {
        let reason = "its agent has no record of it".to_owned();
        tracing::warn!(instance_id = instance.instance_id, reason, "ending an instance on paper");
        let report = Report::StrayInstanceEnded { instance_id: instance.instance_id, reason };
        drop(host.reports().push(worker_id, Lane::Config(instance.config_id), report));
    }
}
