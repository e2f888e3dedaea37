//! Rows of an older version than this program's rule rebuild themselves, beside the old ones, which are
//! shown meanwhile. Of several replicas one does it; should that one die, another goes on.

use std::time::{Duration, Instant};

use event_store::rebuilding::{self, Checkpoint};
use event_store::{Actor, Log};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::hold::rebuilds_among;
use super::{Filled, Rebuild, RebuildError, Switched, SwitchedBy, Tell, cancel};
use crate::lease::Grants;
use crate::pause::Pause;
use crate::projection::{PROJECTIONS, ProjectionInfo};

/// Who the log says did it.
const ACTOR: &str = "projections";
/// Between two lines in the log about how far it is, or for whom it waits.
const TELL: Duration = Duration::from_secs(10);
/// Between two looks at what somebody else does about it.
const LOOK: Duration = Duration::from_secs(1);

/// Rebuilds what is outdated, whenever something is, until shutdown.
pub(crate) async fn rebuild_outdated(
    log: Log,
    mut grants: watch::Receiver<Grants>,
    shutdown: CancellationToken,
) {
    let mut pause = Pause::new();
    loop {
        let outdated = async {
            let seen = grants.wait_for(|grants| !grants.outdated.is_empty()).await;
            seen.map(|grants| grants.outdated.clone())
        };
        let Some(Ok(outdated)) = shutdown.run_until_cancelled(outdated).await else { return };
        let is_named = |it: &ProjectionInfo| outdated.contains(&it.checkpoint());
        let projections: Vec<_> = PROJECTIONS.into_iter().filter(is_named).collect();
        let wait = match rebuild(&log, &projections, &shutdown).await {
            Ok(()) | Err(RebuildError::InProgress { .. } | RebuildError::Ended) => LOOK,
            Err(error) => {
                let problem = crate::subscription::in_words(&error);
                tracing::error!(
                    problem,
                    "rows of an older version could not be rebuilt; trying again"
                );
                pause.after_failure()
            }
        };
        if shutdown.run_until_cancelled(sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Rebuilds and switches those that nobody else is at.
async fn rebuild(
    log: &Log,
    projections: &[ProjectionInfo],
    shutdown: &CancellationToken,
) -> Result<(), RebuildError> {
    let Some(rebuild) = open(log, projections).await? else { return Ok(()) };
    let names: Vec<_> = rebuild.projections().iter().map(|projection| projection.name).collect();
    tracing::info!(?names, "rows are of an older version; they are rebuilt, and shown as they are");
    let mut told_at = Instant::now();
    let mut tell = |progress| {
        if told_at.elapsed() > TELL {
            told_at = Instant::now();
            tracing::info!(?progress, "rebuilding rows of an older version");
        }
    };
    let projections = rebuild.projections().to_vec();
    match fill_and_switch(rebuild, &mut tell, shutdown).await {
        Ok(Some((filled, switched))) => tracing::info!(
            ?names,
            events = filled.events,
            seconds = filled.elapsed.as_secs_f64(),
            switch_seconds = switched.readers_waited.as_secs_f64(),
            "rows of the new version are shown"
        ),
        Ok(None) => {}
        Err(error @ RebuildError::SkippedMeanwhile { .. }) => {
            // At once, while its lease lasts: nobody is to go on with these rows.
            cancel(log.pool(), &projections).await?;
            let problem = crate::subscription::in_words(&error);
            tracing::info!(?names, problem, "the rebuild of rows of an older version begins anew");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// `None` at shutdown: another replica goes on.
async fn fill_and_switch(
    mut rebuild: Rebuild,
    tell: &mut Tell<'_>,
    shutdown: &CancellationToken,
) -> Result<Option<(Filled, Switched)>, RebuildError> {
    let Some(filled) = shutdown.run_until_cancelled(rebuild.fill(tell)).await else {
        rebuild.leave().await?;
        return Ok(None);
    };
    let filled = filled?;
    let by = SwitchedBy {
        actor: Actor::system(ACTOR),
        reason: Some("its rule has a new version".to_owned()),
    };
    let Some(switched) = shutdown.run_until_cancelled(rebuild.switch(&by, tell)).await else {
        return Ok(None);
    };
    Ok(Some((filled, switched?)))
}

/// Goes on with what is left of rebuilds that were begun, by another replica that died, or by an operator;
/// otherwise begins one of all the others. Those that somebody is at are left alone, and those that
/// somebody has switched since it was said that they are outdated.
async fn open(log: &Log, projections: &[ProjectionInfo]) -> Result<Option<Rebuild>, RebuildError> {
    // One look: a rebuild is gone at the same moment as the older version that was shown.
    let seen = rebuilding::checkpoints(&mut *log.pool().acquire().await?).await?;
    let outdated: Vec<_> =
        projections.iter().filter(|it| is_outdated(it, &seen)).copied().collect();
    let found = rebuilds_among(&seen, &outdated);
    let is_found = |it: &ProjectionInfo| found.iter().any(|(found, _)| found == it);
    let new: Vec<_> = outdated.iter().filter(|it| !is_found(it)).copied().collect();
    let (mut left, mut useless) = (Vec::new(), Vec::new());
    for (projection, checkpoint) in found.into_iter().filter(|(_, it)| !it.is_held) {
        match checkpoint.version {
            Some(version) if version == projection.version => left.push(projection),
            // One of a newer program is that one's.
            version if version < Some(projection.version) => useless.push(projection),
            _ => {}
        }
    }
    if !useless.is_empty() {
        cancel(log.pool(), &useless).await?;
    }
    if !left.is_empty() {
        return Rebuild::resume(log, &left).await.map(Some);
    }
    if new.is_empty() {
        return Ok(None);
    }
    Rebuild::begin(log, &new).await.map(Some)
}

fn is_outdated(projection: &ProjectionInfo, seen: &[Checkpoint]) -> bool {
    let shown = seen.iter().find(|it| it.name == projection.checkpoint());
    shown.and_then(|it| it.version).is_some_and(|version| version < projection.version)
}
