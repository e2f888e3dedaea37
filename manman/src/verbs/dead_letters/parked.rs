//! Events that a projection or the relay could not handle: tried again, or left out.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use event_store::rebuilding::is_rebuild;
use event_store::{
    ExecuteError, OperationError, RetryOutcome, RetryRequested, outcome_of, parked, retry_parked,
    skip_parked,
};
use tokio::time::{Instant, sleep};

use super::decider::Decider;
use super::id::ParkedId;
use super::wanted::{Wanted, complain};
use crate::verbs::output::print;

/// How often to look what became of a retry.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Has parked events tried again, and waits a while for what becomes of them.
pub async fn retry(decider: &Decider, wanted: Wanted<ParkedId>, wait: Duration) -> Result<()> {
    let mut requested: Vec<(ParkedId, RetryRequested)> = Vec::new();
    let mut problems = Vec::new();
    for id in ids(decider, wanted).await? {
        let covers = |(other, request): &(ParkedId, RetryRequested)| {
            other.subscription == id.subscription && request.positions.contains(&id.position)
        };
        if requested.iter().any(covers) {
            continue;
        }
        let context = decider.context();
        match retry_parked(&decider.store, &id.subscription, id.position, &context).await {
            Ok(request) => {
                let head = id.at(request.head.position);
                if head != id {
                    print(&format!("{id} waits behind {head}, and is tried from there on"))?;
                }
                requested.push((head, request));
            }
            Err(error) => problems.push(in_words(&id, error)?),
        }
    }
    let handled = handled_in_time(decider, requested, wait, &mut problems).await?;
    print(&format!("{handled} parked events handled"))?;
    complain(&problems)
}

/// Has parked events left out, the first ones first.
pub async fn skip(decider: &Decider, wanted: Wanted<ParkedId>) -> Result<()> {
    let mut problems = Vec::new();
    for id in ids(decider, wanted).await? {
        let context = decider.context();
        match skip_parked(&decider.store, &id.subscription, id.position, &context).await {
            Ok(0) => print(&format!("{id} skipped"))?,
            Ok(behind) => print(&format!("{id} skipped; {behind} behind it to be tried now"))?,
            Err(error) => problems.push(in_words(&id, error)?),
        }
    }
    complain(&problems)
}

async fn ids(decider: &Decider, wanted: Wanted<ParkedId>) -> Result<BTreeSet<ParkedId>> {
    match wanted {
        Wanted::These(ids) => Ok(ids),
        Wanted::All => {
            let mut connection = decider.store.log.pool().acquire().await?;
            let heads = parked::list(&mut connection, i64::MAX).await?;
            // What a rebuild has parked is its own: it is decided about when it is shown.
            let live = heads.iter().filter(|head| !is_rebuild(&head.event.subscription));
            Ok(live.map(|head| ParkedId::of(&head.event)).collect())
        }
    }
}

/// How many events were handled by the time all is known, or there is no time left.
async fn handled_in_time(
    decider: &Decider,
    mut requested: Vec<(ParkedId, RetryRequested)>,
    wait: Duration,
    problems: &mut Vec<String>,
) -> Result<usize> {
    let deadline = Instant::now() + wait;
    let mut handled = 0;
    loop {
        let mut pending = Vec::new();
        for (head, request) in requested {
            let mut connection = decider.store.log.pool().acquire().await?;
            match outcome_of(&mut connection, &request).await? {
                RetryOutcome::Handled => handled += request.positions.len(),
                RetryOutcome::Failed(event) => {
                    let before = request.positions.iter().filter(|at| **at < event.position);
                    handled += before.count();
                    let error = event.error.unwrap_or_default();
                    problems.push(format!("{} failed again: {error}", head.at(event.position)));
                }
                RetryOutcome::Pending => pending.push((head, request)),
            }
        }
        if pending.is_empty() || Instant::now() >= deadline {
            problems.extend(pending.iter().map(|(head, _)| {
                format!("no status processor took {head} up yet; it will when one runs")
            }));
            return Ok(handled);
        }
        requested = pending;
        sleep(LOOK_EVERY).await;
    }
}

/// What an operator can do about it; an error when that is nothing, and nothing else is worth trying.
fn in_words(id: &ParkedId, error: OperationError) -> Result<String> {
    match error {
        OperationError::NotParked { .. } => Ok(format!("there is no parked event {id}")),
        OperationError::Waits { head, .. } => {
            Ok(format!("{id} waits behind {}: only that one can be skipped", id.at(head)))
        }
        OperationError::OfRebuild { .. } => Ok(format!("{id}: {error}")),
        OperationError::Unrecorded(ExecuteError::Refused(refusal)) => {
            Ok(format!("{id}: {refusal}"))
        }
        OperationError::Unrecorded(_) => {
            Err(error).context("the log did not take the decision; nothing was done")
        }
        OperationError::Database(_) => {
            Err(error).context("the decision may be on the log and not done; it may be repeated")
        }
    }
}
