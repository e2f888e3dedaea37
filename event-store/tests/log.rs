//! The log's guarantees on the real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use cqrs_es::Aggregate;
use domain::game_server::{GameServerCommand, ServerType};
use domain::worker::{WorkerClosedBy, WorkerCommand};
use domain::{Claim, ClaimScope, GameServerId, Worker};
use event_store::{
    Answer, AppendError, CommandContext, Commit, EventStore, ExecuteError, Executed, LogOptions,
    LogRepository, Metadata, NewEvent,
};
use futures::future::join_all;
use serde_json::value::RawValue;
use support::{Database, at, context, register, register_as, report};
use uuid::Uuid;

fn answer(fingerprint: &str, response: &str) -> Answer {
    Answer {
        fingerprint: fingerprint.to_owned(),
        response: RawValue::from_string(response.to_owned()).unwrap(),
    }
}

fn add_game(id: i32, name: &str, app_id: i32) -> GameServerCommand {
    GameServerCommand::Add {
        game_server_id: GameServerId(id),
        name: name.to_owned(),
        server_type: ServerType::Steam,
        app_id,
    }
}

#[tokio::test]
async fn events_cannot_be_updated_deleted_or_truncated_even_by_a_replication_session() {
    let database = Database::create().await;
    let statements = [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "SET session_replication_role = replica; DELETE FROM events",
    ];
    for statement in statements {
        let error = sqlx::raw_sql(statement).execute(&database.pool).await.unwrap_err();
        assert!(error.to_string().contains("events are immutable"), "{statement}: {error}");
    }
    assert!(!database.all_events().await.is_empty(), "the seed is still there");
    database.drop().await;
}

#[tokio::test]
async fn an_event_without_an_actor_is_refused_by_the_database() {
    let database = Database::create().await;
    let error = sqlx::query(
        "INSERT INTO events VALUES (1000, 'worker', '1', 1, 'X', '1', '{}', '{\"actor_kind\":\"user\"}',
                                    gen_random_uuid(), now())",
    )
    .execute(&database.pool)
    .await
    .unwrap_err();
    assert!(error.to_string().contains("events_metadata"), "{error}");
    database.drop().await;
}

#[tokio::test]
async fn a_command_is_loaded_decided_and_appended_with_who_and_why() {
    let database = Database::create().await;
    let store = EventStore::start(database.pool.clone(), LogOptions::default());
    let mut context = context();
    context.reason = Some("because".to_owned());
    let Executed::Done { after, position } =
        store.workers.create("7", register(7), &context).await.unwrap()
    else {
        panic!("not repeated")
    };
    assert_eq!(after.version, 1);
    let event = database.all_events().await.pop().unwrap();
    assert_eq!(Some(event.position), position);
    assert_eq!((event.aggregate_type.as_str(), event.aggregate_id.as_str()), (Worker::TYPE, "7"));
    let metadata = event.metadata().unwrap();
    assert_eq!(metadata.actor_id, "test");
    assert_eq!(metadata.reason.as_deref(), Some("because"));
    assert_eq!(metadata.command_id, context.command_id);

    let elsewhere = database.another_store().await;
    let loaded = elsewhere.workers.load("7").await.unwrap();
    assert_eq!(loaded.version, 1);
    assert_eq!(*loaded.state, *after.state, "what was decided is what is read back");
    database.drop().await;
}

#[tokio::test]
async fn a_retried_command_id_gets_the_first_answer_and_appends_once() {
    let database = Database::create().await;
    let store = EventStore::start(database.pool.clone(), LogOptions::default());
    let mut context = context();
    context.answer = Some(answer("create a worker", r#"{"worker_id": 1, "kept":  "as written"}"#));
    store.workers.create("1", register(1), &context).await.unwrap();

    // The retry carries a fresh id, as a handler that allocated anew would, and another answer.
    context.answer = Some(answer("create a worker", r#"{"worker_id":2}"#));
    let retried = database.another_store().await;
    let Executed::Repeated { response, .. } =
        retried.workers.create("2", register(2), &context).await.unwrap()
    else {
        panic!("a retry must be recognised")
    };
    let response: serde_json::Value = serde_json::from_str(response.get()).unwrap();
    assert_eq!(response, serde_json::json!({"worker_id": 1, "kept": "as written"}));

    context.answer = Some(answer("something else", "{}"));
    let reused = retried.workers.create("3", register(3), &context).await.unwrap_err();
    assert!(matches!(reused, ExecuteError::IdReused), "{reused}");
    let workers = database.all_events().await;
    assert_eq!(workers.iter().filter(|event| event.aggregate_type == Worker::TYPE).count(), 1);
    database.drop().await;
}

#[tokio::test]
async fn a_retry_is_told_the_position_that_the_first_was_told_though_others_were_written_with_it() {
    let database = Database::create().await;
    let store = EventStore::start(database.pool.clone(), LogOptions::default());
    let commands: Vec<_> = (100..140)
        .map(|id| {
            let answer = Some(answer("register", "{}"));
            (id, CommandContext { answer, ..context() })
        })
        .collect();
    let create = async |id: i32, context: &CommandContext| {
        let created = store.workers.create(&id.to_string(), register(id), context).await;
        created.unwrap().position().unwrap()
    };
    let first = join_all(commands.iter().map(|(id, context)| create(*id, context))).await;
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), first.len());
    for ((id, context), told) in commands.iter().zip(first) {
        assert_eq!(create(*id + 1000, context).await, told);
    }
    database.drop().await;
}

#[tokio::test]
async fn twenty_concurrent_retries_of_one_command_append_one_event() {
    let database = Database::create().await;
    let stores = [database.another_store().await, database.another_store().await];
    let mut context = context();
    context.answer = Some(answer("same", r#"{"same":true}"#));
    let tasks: Vec<_> = (0..20_i32)
        .map(|number| {
            let store = stores[usize::try_from(number % 2).unwrap()].clone();
            let context = context.clone();
            tokio::spawn(async move {
                let id = 100 + number;
                store.workers.create(&id.to_string(), register(id), &context).await
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap().unwrap() {
            Executed::Done { .. } => done += 1,
            Executed::Repeated { response, .. } => assert_eq!(response.get(), r#"{"same":true}"#),
        }
    }
    assert_eq!(done, 1);
    database.drop().await;
}

#[tokio::test]
async fn a_claim_is_held_by_one_stream_however_many_ask_for_it_at_once() {
    let database = Database::create().await;
    let stores = [database.another_store().await, database.another_store().await];
    let tasks: Vec<_> = (0..32_i32)
        .map(|number| {
            let store = stores[usize::try_from(number % 2).unwrap()].clone();
            tokio::spawn(async move {
                let id = 100 + number;
                let add = add_game(id, "unique", 5000 + number);
                store.game_servers.create(&id.to_string(), add, &context()).await
            })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => added += 1,
            Err(ExecuteError::ClaimTaken(claim)) => {
                assert_eq!(claim.scope, ClaimScope::GameServerName);
                assert_eq!(claim.key, "STEAM/unique");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(added, 1);
    let head = stores[0].log.head().await.unwrap();
    assert_eq!(
        head.0,
        i64::try_from(database.all_events().await.len()).unwrap(),
        "no gap was left"
    );
    database.drop().await;
}

#[tokio::test]
async fn a_claim_is_free_after_the_event_that_gives_it_up() {
    let database = Database::create().await;
    let store = database.another_store().await;
    let register = async |id: i32| {
        let named = register_as(id, "attic");
        store.workers.create(&id.to_string(), named, &context()).await
    };
    register(1).await.unwrap();
    let refused = register(2).await.unwrap_err();
    let is_taken =
        |claim: &Claim| (claim.scope, claim.key.as_str()) == (ClaimScope::WorkerName, "attic");
    assert!(matches!(&refused, ExecuteError::ClaimTaken(claim) if is_taken(claim)), "{refused}");
    let close = WorkerCommand::Close { at: at(1), by: WorkerClosedBy::Shutdown };
    store.workers.execute("1", close, &context()).await.unwrap();
    register(3).await.unwrap();
    assert!(register(2).await.is_err(), "the name is taken again");
    database.drop().await;
}

#[tokio::test]
async fn a_conflicting_commit_fails_alone_and_its_neighbours_are_written() {
    let database = Database::create().await;
    let store = database.another_store().await;
    let before = store.log.head().await.unwrap();
    let commit = |id: i32, sequence: i64| Commit {
        events: vec![NewEvent {
            event_id: Uuid::now_v7(),
            aggregate_type: Worker::TYPE,
            aggregate_id: id.to_string(),
            sequence,
            event_type: "WorkerRegistered".to_owned(),
            event_version: "1".to_owned(),
            payload: "{}".to_owned(),
        }],
        claims: Vec::new(),
        metadata: Metadata {
            actor_kind: event_store::ActorKind::System,
            actor_id: "test".to_owned(),
            correlation_id: Uuid::now_v7(),
            causation_id: None,
            command_id: Uuid::now_v7(),
            reason: None,
        },
        answer: None,
    };
    store.log.append(commit(1, 1)).await.unwrap();
    // All at once, so that they share statements: every third repeats a sequence that is taken.
    let appends = (0..300).map(|number| {
        let log = store.log.clone();
        let commit = if number % 3 == 0 { commit(1, 1) } else { commit(1000 + number, 1) };
        tokio::spawn(async move { log.append(commit).await })
    });
    let mut positions = vec![before.0 + 1];
    for (number, append) in appends.collect::<Vec<_>>().into_iter().enumerate() {
        match append.await.unwrap() {
            Ok(appended) => positions.push(appended.first.0),
            Err(error) => {
                assert_eq!(number % 3, 0, "{error}");
                assert!(matches!(error, AppendError::Conflict), "{error}");
            }
        }
    }
    positions.sort_unstable();
    let expected: Vec<i64> = (before.0 + 1..=before.0 + 201).collect();
    assert_eq!(positions, expected, "written ones take every position, rejected ones none");
    database.drop().await;
}

#[tokio::test]
async fn what_another_process_appends_is_seen_by_a_cached_aggregate() {
    let database = Database::create().await;
    let (here, there) = (database.another_store().await, database.another_store().await);
    here.workers.create("1", register(1), &context()).await.unwrap();
    assert_eq!(here.workers.load("1").await.unwrap().version, 1);
    there.workers.execute("1", report(1), &context()).await.unwrap();
    let seen = async {
        while here.workers.load("1").await.unwrap().version < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("the cache learns of it");
    database.drop().await;
}

#[tokio::test]
async fn a_snapshot_is_written_and_loading_from_it_gives_the_same_aggregate() {
    let database = Database::create().await;
    let options = LogOptions { snapshot_every: 10, ..LogOptions::default() };
    let store = EventStore::start(database.pool.clone(), options.clone());
    store.workers.create("1", register(1), &context()).await.unwrap();
    for number in 1..=25 {
        store.workers.execute("1", report(number), &context()).await.unwrap();
    }
    let written = async {
        loop {
            let last: Option<i64> =
                sqlx::query_scalar("SELECT last_sequence FROM snapshots WHERE aggregate_id = '1'")
                    .fetch_optional(&database.pool)
                    .await
                    .unwrap();
            if last == Some(20) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("a snapshot at 20");
    let fresh = EventStore::start(Database::pool_with(&database.options).await, options);
    let (loaded, cached) =
        (fresh.workers.load("1").await.unwrap(), store.workers.load("1").await.unwrap());
    assert_eq!(loaded.version, 26);
    assert_eq!(*loaded.state, *cached.state);
    database.drop().await;
}

#[tokio::test]
async fn a_cqrs_es_framework_can_work_on_the_log() {
    let database = Database::create().await;
    let store = database.another_store().await;
    let persisted = cqrs_es::persist::PersistedEventStore::<_, Worker>::new_event_store(
        LogRepository::new(store.log.clone()),
    );
    let framework = cqrs_es::CqrsFramework::new(persisted, Vec::new(), ());
    let metadata = serde_json::from_value(serde_json::json!({
        "actor_kind": "system", "actor_id": "framework",
        "correlation_id": Uuid::nil().to_string(), "command_id": Uuid::nil().to_string(),
    }))
    .unwrap();
    framework.execute_with_metadata("9", register(9), metadata).await.unwrap();
    let loaded = store.workers.load("9").await.unwrap();
    assert_eq!(loaded.version, 1);
    assert_eq!(loaded.state.registration.as_ref().unwrap().registered_at, at(0));
    database.drop().await;
}
