//! Parked events: listed, tried again and skipped, and every decision on the log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use domain::Event;
use domain::subscription::SubscriptionEvent;
use event_store::{
    Actor, CommandContext, EventStore, LogOptions, OperationError, ParkedEvent, Position,
    RetryOutcome, outcome_of, parked, retry_parked, skip_parked, skipped_events, skipped_positions,
};
use support::{Database, register, report};
use uuid::Uuid;

const WORKERS: &str = "projector.workers";

/// A log with two workers, of which the first has four events, all but the first parked for one
/// subscription: the second with an error, the others behind it.
struct Parked {
    database: Database,
    store: EventStore,
    /// Where the first worker's events stand.
    positions: Vec<Position>,
}

impl Parked {
    async fn create() -> Self {
        let database = Database::create().await;
        let store = EventStore::start(database.pool.clone(), LogOptions::default());
        for id in [1, 2] {
            let context = support::context();
            store.workers.execute(&id.to_string(), register(id), &context).await.unwrap();
        }
        for (id, micros) in [("1", 1), ("2", 1), ("1", 2), ("1", 3)] {
            let context = support::context();
            store.workers.execute(id, report(micros), &context).await.unwrap();
        }
        let events = database.all_events().await;
        let of_first = events
            .iter()
            .filter(|event| event.aggregate_type == "worker" && event.aggregate_id == "1");
        let parked =
            Self { positions: of_first.map(|event| event.position).collect(), database, store };
        parked
            .execute(&format!("INSERT INTO checkpoints (name, position) VALUES ('{WORKERS}', 99)"))
            .await;
        for place in 1..4 {
            parked.park(WORKERS, place, (place == 1).then_some("no such status")).await;
        }
        parked
    }

    async fn park(&self, subscription: &str, place: usize, error: Option<&str>) {
        sqlx::query(
            "INSERT INTO parked_events (subscription, position, aggregate_type, aggregate_id, event_id,
                                        event_type, error, attempts, last_failed_at)
             SELECT $1, position, aggregate_type, aggregate_id, event_id, event_type, $3,
                    CASE WHEN $3 IS NULL THEN 0 ELSE 1 END, CASE WHEN $3 IS NULL THEN NULL ELSE now() END
               FROM events WHERE position = $2",
        )
        .bind(subscription)
        .bind(self.positions[place])
        .bind(error)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    async fn execute(&self, statement: &str) {
        sqlx::raw_sql(statement).execute(&self.database.pool).await.unwrap();
    }

    async fn list(&self) -> Vec<(ParkedEvent, i64)> {
        let mut connection = self.database.pool.acquire().await.unwrap();
        let heads = parked::list(&mut connection, 10).await.unwrap();
        heads.into_iter().map(|head| (head.event, head.waiting)).collect()
    }

    async fn show(&self, position: Position) -> Option<ParkedEvent> {
        let mut connection = self.database.pool.acquire().await.unwrap();
        parked::show(&mut connection, WORKERS, position).await.unwrap()
    }

    async fn epoch(&self) -> i64 {
        sqlx::query_scalar("SELECT epoch FROM checkpoints WHERE name = $1")
            .bind(WORKERS)
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    async fn skipped(&self, subscription: &str) -> BTreeSet<Position> {
        let mut connection = self.database.pool.acquire().await.unwrap();
        skipped_positions(&mut connection, subscription).await.unwrap()
    }

    /// What is on the log of the subscription, with who and why.
    async fn decisions(&self) -> Vec<(SubscriptionEvent, String, Option<String>)> {
        let events = self.database.all_events().await;
        let decisions = events.iter().filter(|event| event.aggregate_type == "subscription");
        let decisions = decisions.map(|event| {
            assert_eq!(event.aggregate_id, WORKERS);
            let Event::Subscription(decision) = event.event().unwrap() else { panic!("{event:?}") };
            let metadata = event.metadata().unwrap();
            (decision, metadata.actor_id, metadata.reason)
        });
        decisions.collect()
    }
}

fn by_anna(reason: &str) -> CommandContext {
    let context = CommandContext::new(Actor::user("anna"), Uuid::now_v7());
    CommandContext { reason: Some(reason.to_owned()), ..context }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_the_first_of_each_stream_and_how_many_wait_behind_it() {
    let system = Parked::create().await;
    // Another subscription has troubles of its own with the same stream.
    system.park("relay", 0, Some("no queue")).await;
    let list = system.list().await;
    let shown: Vec<_> = list
        .iter()
        .map(|(event, waiting)| (event.subscription.as_str(), event.position, *waiting))
        .collect();
    assert_eq!(shown, [("relay", system.positions[0], 0), (WORKERS, system.positions[1], 2)]);
    let head = &list[1].0;
    assert_eq!((head.aggregate_type.as_str(), head.aggregate_id.as_str()), ("worker", "1"));
    assert_eq!(head.event_type, "WorkerStatusReported");
    assert_eq!((head.error.as_deref(), head.attempts), (Some("no such status"), 1));
    assert_eq!(system.show(head.position).await.as_ref(), Some(head));
    assert_eq!(system.show(system.positions[3]).await.unwrap().error, None, "it waits");
    assert_eq!(system.show(system.positions[0]).await, None);
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_recorded_and_asks_for_the_whole_stream_from_its_head() {
    let system = Parked::create().await;
    let last = *system.positions.last().unwrap();
    let context = by_anna("the rule is repaired");
    let requested = retry_parked(&system.store, WORKERS, last, &context).await.unwrap();
    assert_eq!(requested.head.position, system.positions[1]);
    assert_eq!(requested.positions, system.positions[1..]);

    let event_id = requested.head.event_id;
    let retried =
        SubscriptionEvent::ParkedEventRetried { position: requested.head.position.0, event_id };
    let decision = (retried, "anna".to_owned(), Some("the rule is repaired".to_owned()));
    assert_eq!(system.decisions().await, [decision]);
    for &position in &system.positions[1..] {
        assert!(system.show(position).await.unwrap().retry_requested_at.is_some());
    }
    assert_eq!(system.epoch().await, 1, "whoever works on it looks again");
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_retry_is_read_off_what_is_parked() {
    let system = Parked::create().await;
    let [_, second, third, fourth] = system.positions[..] else { panic!() };
    let requested = retry_parked(&system.store, WORKERS, second, &by_anna("try")).await.unwrap();
    let outcome = async || {
        let mut connection = system.database.pool.acquire().await.unwrap();
        outcome_of(&mut connection, &requested).await.unwrap()
    };
    assert_eq!(outcome().await, RetryOutcome::Pending);

    system
        .execute("UPDATE parked_events SET attempts = attempts + 1 WHERE error IS NOT NULL")
        .await;
    let failed = RetryOutcome::Failed(system.show(second).await.unwrap());
    assert_eq!(outcome().await, failed);

    // The head could be handled this time, and the next one could not.
    system.execute(&format!("DELETE FROM parked_events WHERE position = {second}")).await;
    assert_eq!(outcome().await, RetryOutcome::Pending);
    let fails =
        format!("UPDATE parked_events SET attempts = 1, error = 'no' WHERE position = {third}");
    system.execute(&fails).await;
    assert_eq!(outcome().await, RetryOutcome::Failed(system.show(third).await.unwrap()));

    // All were handled, and one that came later was not.
    system
        .execute(&format!("UPDATE parked_events SET position = 1000 WHERE position = {third}"))
        .await;
    system.execute(&format!("DELETE FROM parked_events WHERE position = {fourth}")).await;
    assert_eq!(outcome().await, RetryOutcome::Handled);
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skip_is_recorded_for_good_and_the_rest_is_tried() {
    let system = Parked::create().await;
    let [_, second, third, fourth] = system.positions[..] else { panic!() };
    let event_id = system.show(second).await.unwrap().event_id;
    let context = by_anna("nobody needs it");
    assert_eq!(skip_parked(&system.store, WORKERS, second, &context).await.unwrap(), 2);

    assert_eq!(system.show(second).await, None);
    for position in [third, fourth] {
        assert!(system.show(position).await.unwrap().retry_requested_at.is_some());
    }
    assert_eq!(system.epoch().await, 1);
    let skipped = SubscriptionEvent::ParkedEventSkipped { position: second.0, event_id };
    let decision = (skipped, "anna".to_owned(), Some("nobody needs it".to_owned()));
    assert_eq!(system.decisions().await, [decision]);
    assert_eq!(system.skipped(WORKERS).await, BTreeSet::from([second]));
    assert_eq!(system.skipped("projector.catalogue").await, BTreeSet::new());

    let mut connection = system.database.pool.acquire().await.unwrap();
    let shown = skipped_events(&mut connection).await.unwrap();
    let [shown] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((shown.subscription.as_str(), shown.event.event_id), (WORKERS, event_id));
    assert_eq!(shown.decision.actor_id, "anna");
    drop(connection);
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_and_then_interrupted_can_be_done_again() {
    let system = Parked::create().await;
    let second = system.positions[1];
    let row = system.show(second).await.unwrap();
    skip_parked(&system.store, WORKERS, second, &by_anna("no")).await.unwrap();
    // As if the process had died between the record and the deed.
    system.park(WORKERS, 1, row.error.as_deref()).await;

    let refused = retry_parked(&system.store, WORKERS, second, &by_anna("yes")).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("event {second} was skipped, and that is final"));
    assert_eq!(skip_parked(&system.store, WORKERS, second, &by_anna("no")).await.unwrap(), 2);
    assert_eq!(system.show(second).await, None);
    assert_eq!(system.decisions().await.len(), 1, "recorded once");
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_to_be_tried_again_is_tried_once_its_skip_is_recorded() {
    let system = Parked::create().await;
    let second = system.positions[1];
    retry_parked(&system.store, WORKERS, second, &by_anna("try")).await.unwrap();
    // What goes wrong between the record and the deed: here the database refuses the deed.
    system
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE TRIGGER refuse BEFORE DELETE ON parked_events EXECUTE FUNCTION refuse()",
        )
        .await;
    let failed = skip_parked(&system.store, WORKERS, second, &by_anna("no")).await.unwrap_err();
    assert!(matches!(failed, OperationError::Database(_)), "{failed}");
    assert_eq!(system.skipped(WORKERS).await, BTreeSet::from([second]));
    assert_eq!(system.show(second).await.unwrap().retry_requested_at, None);

    system.execute("DROP TRIGGER refuse ON parked_events").await;
    assert_eq!(skip_parked(&system.store, WORKERS, second, &by_anna("no")).await.unwrap(), 2);
    assert_eq!(system.show(second).await, None);
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_of_a_stream_can_be_skipped_and_only_where_it_is_parked() {
    let system = Parked::create().await;
    let [first, second, third, _] = system.positions[..] else { panic!() };
    let context = by_anna("no");
    let refused = skip_parked(&system.store, WORKERS, third, &context).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("event {third} waits behind event {second}"));
    let refused = skip_parked(&system.store, WORKERS, first, &context).await.unwrap_err();
    assert!(matches!(refused, OperationError::NotParked { .. }), "{refused}");
    let refused = retry_parked(&system.store, "relay", second, &context).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("event {second} is not parked for relay"));
    system.park("rebuild.workers", 1, Some("no")).await;
    let refused =
        skip_parked(&system.store, "rebuild.workers", second, &context).await.unwrap_err();
    assert!(matches!(refused, OperationError::OfRebuild { .. }), "{refused}");
    let refused =
        retry_parked(&system.store, "rebuild.workers", second, &context).await.unwrap_err();
    assert!(matches!(refused, OperationError::OfRebuild { .. }), "{refused}");

    assert_eq!(system.decisions().await, [], "nothing was decided");
    assert_eq!(system.epoch().await, 0);
    system.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_for_a_subscription_while_a_decision_about_it_is_on_its_way() {
    let system = Parked::create().await;
    let second = system.positions[1];
    // Whoever works on it has begun to write what is parked.
    let mut writing = system.database.pool.begin().await.unwrap();
    sqlx::query("UPDATE checkpoints SET position = position WHERE name = $1")
        .bind(WORKERS)
        .execute(&mut *writing)
        .await
        .unwrap();
    let (store, context) = (system.store.clone(), by_anna("no"));
    let skip = tokio::spawn(async move { skip_parked(&store, WORKERS, second, &context).await });
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&system.database.pool).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the operator waits");
        tokio::task::yield_now().await;
    }
    assert_eq!(
        system.decisions().await,
        [],
        "nothing is recorded before it is known what is parked"
    );
    sqlx::raw_sql("DELETE FROM parked_events").execute(&mut *writing).await.unwrap();
    writing.commit().await.unwrap();

    let refused = skip.await.unwrap().unwrap_err();
    assert!(matches!(refused, OperationError::NotParked { .. }), "{refused}");
    assert_eq!(system.decisions().await, [], "it was handled, and so it is not left out");
    system.database.drop().await;
}
