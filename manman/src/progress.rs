//! Whether events get where they should, as the status processor's readiness tells it: alive is not the
//! same as getting on.
//!
//! The head of the log, what is published, and where each projection stands are read from the database,
//! each on its own, whichever replica does the work.

use std::time::Duration;

use event_store::Standing;
use event_store::parking::parked_counts;
use event_store::rebuilding::is_rebuild;
use projectors::{LogStandings, standings};
use serde_json::{Map, Value, json};
use service::health::Health;
use sqlx::PgPool;

/// An event that waits longer than this is one to look after.
const WAITS_TOO_LONG: Duration = Duration::from_secs(30);

/// Adds to readiness where everything stands, and what an operator should look at.
pub fn tell(health: &Health, pool: &PgPool) {
    let asked = pool.clone();
    health.fact("log", move || {
        let pool = asked.clone();
        async move { Some(where_all_stands(&standings(&pool).await.ok()?)) }
    });
    let asked = pool.clone();
    health.warn("progress", move || {
        let pool = asked.clone();
        // A database that is away is told of by a check of its own.
        async move { standings(&pool).await.map_or(Ok(()), |found| all_get_on(&found)) }
    });
    let asked = pool.clone();
    health.warn("parked events", move || {
        let pool = asked.clone();
        async move { parked(&pool).await.map_or(Ok(()), |counts| none_is_parked(&counts)) }
    });
}

async fn parked(pool: &PgPool) -> sqlx::Result<Vec<(String, i64)>> {
    parked_counts(&mut *pool.acquire().await?).await
}

fn where_all_stands(found: &LogStandings) -> Value {
    let projections: Map<_, _> = found
        .projections
        .iter()
        .map(|(info, standing)| (info.name.to_owned(), json!(standing.position)))
        .collect();
    json!({ "head": found.head, "published": found.relay.position, "projections": projections })
}

fn all_get_on(found: &LogStandings) -> Result<(), String> {
    let named = found.projections.iter().map(|(info, standing)| (info.name, standing));
    let late: Vec<_> = [("relay", &found.relay)]
        .into_iter()
        .chain(named)
        .filter(|(_, standing)| standing.waiting > WAITS_TOO_LONG)
        .map(|(name, Standing { behind, waiting, .. })| {
            format!(
                "{name} is {behind} events behind, the oldest waits for {} s",
                waiting.as_secs()
            )
        })
        .collect();
    if late.is_empty() { Ok(()) } else { Err(late.join("; ")) }
}

fn none_is_parked(counts: &[(String, i64)]) -> Result<(), String> {
    // What a rebuild has parked is decided about when it is shown.
    let live = counts.iter().filter(|(name, _)| !is_rebuild(name));
    let counted: Vec<_> = live.map(|(name, count)| format!("{count} of {name}")).collect();
    if counted.is_empty() {
        return Ok(());
    }
    Err(format!("{}: see manman dead-letters list", counted.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::none_is_parked;

    #[test]
    fn parked_events_are_counted_by_subscription() {
        assert_eq!(none_is_parked(&[]), Ok(()));
        let counts = [("projector.workers", 2), ("rebuild.workers", 3), ("relay", 1)];
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        let told = none_is_parked(&counts).unwrap_err();
        assert_eq!(told, "2 of projector.workers, 1 of relay: see manman dead-letters list");
    }
}
