//! `projections`, as an operator and a script meet it.

use serde_json::json;

use super::{document, migrated};
use crate::support::{Database, Program, System, V1Worker, environment, eventually, run};

/// What a verification keeps while it runs.
async fn temporary_tables(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_in_use_is_listed_verified_and_a_tampered_row_shown() {
    let system = System::start().await;
    let environment = environment(&system.database.url(), Some(&system.broker));
    V1Worker::start(&system.dal, &system.broker).await;
    eventually("everything has caught up", async || {
        run(&["projections", "lag"], &environment).await.status.success()
            && system
                .database
                .value::<i64>("SELECT count(*) FROM read_models.workers WHERE status = 'RUNNING'")
                .await
                == 1
    })
    .await;

    let listed = document(&["projections", "list", "--json"], &environment, 0).await;
    let head = listed["head"]["position"].as_i64().unwrap();
    let first = &listed["projections"][0];
    assert_eq!((&first["name"], &first["tables"]), (&json!("workers"), &json!(["workers"])));
    assert!(first["moved_at"].is_string() && listed["relay"]["moved_at"].is_string(), "{listed}");
    let text = run(&["projections", "list"], &environment).await.done();
    assert!(text.contains("head of the log: ") && text.contains("worker_requests"), "{text}");

    let verified = run(&["projections", "verify"], &environment).await;
    assert!(verified.stderr.contains(" events"), "progress, in lines: {}", verified.stderr);
    assert!(!verified.stderr.contains('\x1b'), "for a log: {}", verified.stderr);
    assert!(verified.done().contains("9 tables are what the log says"));
    let diff = ["projections", "diff", "workers", "--quiet"];
    assert!(run(&diff, &environment).await.done().contains("what the log says"));

    let tamper = "UPDATE read_models.workers SET name = 'mouse' WHERE worker_id = 1";
    sqlx::raw_sql(tamper).execute(&system.database.pool).await.unwrap();
    let found = document(&["projections", "verify", "--json", "-q"], &environment, 1).await;
    assert_eq!(found["equal"], false);
    for table in found["tables"].as_array().unwrap() {
        assert_eq!(table["equal"], table["table"] != "workers", "{table}");
        assert!(table["position"].as_i64() >= Some(head), "{table}");
    }
    let others = ["projections", "verify", "catalogue", "worker_requests", "--quiet"];
    let others = run(&others, &environment).await;
    assert_eq!(others.stderr, "");
    assert!(others.done().contains("7 tables are what the log says"));
    let named = run(&["projections", "verify", "--quiet"], &environment).await;
    assert_eq!(named.status.code(), Some(1));
    assert!(named.stdout.contains("1 of 9 tables differ"), "{}", named.stdout);
    let shown = run(&diff, &environment).await;
    assert_eq!(shown.status.code(), Some(1));
    assert!(shown.stdout.contains(r#"worker_id=1  name: "mouse" → null"#), "{}", shown.stdout);
    let rows = document(&["projections", "diff", "workers", "--json"], &environment, 1).await;
    let columns = json!({ "name": { "live": "mouse", "rebuilt": null } });
    let row = json!({ "difference": "changed", "key": { "worker_id": 1 }, "columns": columns });
    assert_eq!(rows["tables"][0]["rows"], json!([row]));
    system.stop().await;
}

#[tokio::test]
async fn a_script_learns_what_is_behind_and_by_how_much() {
    let (database, environment) = migrated().await;
    let head: i64 = database.value("SELECT max(position) FROM events").await;
    let behind = document(&["projections", "lag", "--json"], &environment, 1).await;
    let everything = ["relay", "workers", "game_server_instances", "catalogue", "worker_requests"];
    assert_eq!(behind["behind"], json!(everything), "nothing runs");
    assert_eq!((&behind["head"], &behind["relay"]["lag_events"]), (&json!(head), &json!(head)));
    assert!(behind["projections"][0]["lag_seconds"].as_f64().unwrap() > 0.0, "{behind}");
    let text = run(&["projections", "lag"], &environment).await;
    assert_eq!((text.status.code(), text.stdout.matches("  behind").count()), (Some(1), 5));
    let max = head.to_string();
    run(&["projections", "lag", "--max", &max], &environment).await.done();
    // Nothing was projected and nothing is shown: that is equal, too.
    run(&["projections", "verify"], &environment).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_that_is_interrupted_leaves_nothing_behind() {
    let (database, environment) = migrated().await;
    for (signal, status) in [("INT", Some(130)), ("TERM", Some(143)), ("KILL", None)] {
        // So that it is stuck in a statement, and has made its first table.
        let mut lock = database.pool.begin().await.unwrap();
        let statement = "LOCK TABLE read_models.game_server_instances IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
        let program = Program::start(&["projections", "verify"], &environment);
        eventually("it has begun", async || temporary_tables(&database).await > 0).await;
        program.signal(signal).await;
        assert_eq!(program.ends().await.code(), status, "{signal}");
        eventually("nothing is left", async || temporary_tables(&database).await == 0).await;
        lock.rollback().await.unwrap();
    }
}
