//! Who works on a subscription, and what becomes of the work of those who do not any more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use event_store::lease::{Replica, give_back, leave, renew, seize, take};
use event_store::{Epoch, Position, advance, held, position_of};
use sqlx::PgConnection;
use std::time::Duration;
use support::Database;

fn replica(name: &str) -> Replica {
    Replica { name: name.to_owned(), kind: "test" }
}

fn names() -> Vec<String> {
    vec!["one".to_owned(), "two".to_owned()]
}

async fn take_first(connection: &mut PgConnection, replica: &Replica) -> Option<Epoch> {
    let leases = renew(connection, replica, false, &names()).await.unwrap();
    let one = &leases.subscriptions[0];
    take(connection, replica, "one", one.epoch).await.unwrap()
}

#[tokio::test]
async fn a_lease_is_taken_once_and_moves_the_checkpoint_with_its_epoch() {
    let database = Database::create().await;
    let connection = &mut *database.pool.acquire().await.unwrap();
    let (anna, ben) = (replica("anna"), replica("ben"));
    let epoch = take_first(connection, &anna).await.unwrap();
    assert_eq!(take_first(connection, &ben).await, None, "it is not free");
    assert_eq!(held(connection, "one", "anna").await.unwrap().unwrap().position, Position(0));
    assert!(held(connection, "one", "ben").await.unwrap().is_none());
    assert!(advance(connection, &[("one", epoch)], Position(0), Position(5)).await.unwrap());
    assert_eq!(position_of(connection, "one").await.unwrap(), Some(Position(5)));
    for (epoch, from) in [(Epoch(epoch.0 - 1), 5), (Epoch(epoch.0 + 1), 5), (epoch, 4)] {
        assert!(
            !advance(connection, &[("one", epoch)], Position(from), Position(9)).await.unwrap()
        );
    }
    assert_eq!(position_of(connection, "one").await.unwrap(), Some(Position(5)));
    database.drop().await;
}

#[tokio::test]
async fn what_somebody_has_in_hand_is_refused_after_another_took_over() {
    let database = Database::create().await;
    let connection = &mut *database.pool.acquire().await.unwrap();
    let (anna, ben) = (replica("anna"), replica("ben"));
    let old = take_first(connection, &anna).await.unwrap();
    // As if she had been silent for the term of a lease.
    sqlx::raw_sql("UPDATE checkpoints SET leased_until = now() - interval '1 s'")
        .execute(&mut *connection)
        .await
        .unwrap();
    assert!(held(connection, "one", "anna").await.unwrap().is_none());
    let new = take_first(connection, &ben).await.unwrap();
    assert!(new > old);
    assert!(!advance(connection, &[("one", old)], Position(0), Position(5)).await.unwrap());
    assert!(advance(connection, &[("one", new)], Position(0), Position(5)).await.unwrap());
    database.drop().await;
}

#[tokio::test]
async fn a_transaction_that_has_moved_a_checkpoint_is_finished_before_another_takes_over() {
    let database = Database::create().await;
    let (anna, ben) = (replica("anna"), replica("ben"));
    let epoch = take_first(&mut database.pool.acquire().await.unwrap(), &anna).await.unwrap();
    let mut work = database.pool.begin().await.unwrap();
    assert!(advance(&mut work, &[("one", epoch)], Position(0), Position(5)).await.unwrap());
    let seized = tokio::spawn({
        let pool = database.pool.clone();
        async move {
            let connection = &mut *pool.acquire().await.unwrap();
            seize(connection, &ben.name, "one", Duration::from_secs(5)).await.unwrap().unwrap()
        }
    });
    while !somebody_waits_for_a_lock(&database).await {}
    work.commit().await.unwrap();
    let seized = seized.await.unwrap();
    assert_eq!(seized.position, Position(5), "it begins where the other ended");
    assert!(seized.epoch > epoch);
    database.drop().await;
}

async fn somebody_waits_for_a_lock(database: &Database) -> bool {
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
    sqlx::query_scalar(waiting).fetch_one(&database.pool).await.unwrap()
}

#[tokio::test]
async fn what_is_given_back_or_left_behind_is_free_at_once() {
    let database = Database::create().await;
    let connection = &mut *database.pool.acquire().await.unwrap();
    let (anna, ben) = (replica("anna"), replica("ben"));
    let first = take_first(connection, &anna).await.unwrap();
    give_back(connection, "anna", &names()).await.unwrap();
    assert!(!advance(connection, &[("one", first)], Position(0), Position(1)).await.unwrap());
    take_first(connection, &ben).await.unwrap();
    leave(connection, &ben).await.unwrap();
    let leases = renew(connection, &anna, false, &names()).await.unwrap();
    assert_eq!(leases.replicas, 1, "who left does not count");
    assert!(leases.subscriptions.iter().all(|it| it.is_free && !it.is_mine));
    database.drop().await;
}

#[tokio::test]
async fn replicas_of_a_kind_hear_of_each_other() {
    let database = Database::create().await;
    let connection = &mut *database.pool.acquire().await.unwrap();
    let stranger = Replica { name: "relay".to_owned(), kind: "other" };
    renew(connection, &replica("anna"), true, &names()).await.unwrap();
    renew(connection, &stranger, true, &names()).await.unwrap();
    let leases = renew(connection, &replica("ben"), false, &names()).await.unwrap();
    assert_eq!((leases.replicas, leases.is_other_hungry), (2, true));
    let leases = renew(connection, &replica("anna"), true, &names()).await.unwrap();
    assert_eq!(
        (leases.replicas, leases.is_other_hungry),
        (2, false),
        "one's own hunger is no news"
    );
    database.drop().await;
}
