//! `projections` and `dead-letters`, as an operator and a script meet them.

use serde_json::{Value, json};

use crate::support::{
    Broker, Database, Environment, Program, System, V1Worker, broker_environment, environment,
    eventually, free_port, run,
};

async fn migrated() -> (Database, Environment) {
    let database = Database::create().await;
    let environment = environment(&database.url(), None);
    run(&["run-migration"], &environment).await.done();
    (database, environment)
}

async fn document(arguments: &[&str], environment: &Environment, status: i32) -> Value {
    let finished = run(arguments, environment).await;
    assert_eq!(finished.status.code(), Some(status), "{}\n{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

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
        let statement = "LOCK TABLE read_models.workers IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
        let program = Program::start(&["projections", "verify"], &environment);
        eventually("it has begun", async || temporary_tables(&database).await > 0).await;
        program.signal(signal).await;
        assert_eq!(program.ends().await.code(), status, "{signal}");
        eventually("nothing is left", async || temporary_tables(&database).await == 0).await;
        lock.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn misuse_is_told_from_trouble() {
    let database = Database::create().await;
    let empty = environment(&database.url(), None);
    for misused in [
        &["projections"][..],
        &["projections", "verify", "weather"],
        &["projections", "diff"],
        &["projections", "lag", "--max", "-1"],
        &["dead-letters", "retry"],
        &["dead-letters", "retry", "1", "--all"],
        &["dead-letters", "skip", "1"],
        &["dead-letters", "skip", "1", "--reason", " "],
    ] {
        let finished = run(misused, &empty).await;
        assert_eq!(finished.status.code(), Some(2), "{misused:?}: {}", finished.stderr);
    }
    let unknown = run(&["projections", "diff", "weather"], &empty).await;
    assert!(unknown.stderr.contains("there are workers, "), "{}", unknown.stderr);

    let refused = run(&["projections", "list"], &empty).await.refused();
    assert!(refused.contains("`manman run-migration`"), "{refused}");
    let nowhere = free_port();
    let away = environment(&database.url_at("127.0.0.1", nowhere), None);
    let refused = run(&["projections", "verify", "--json"], &away).await;
    assert_eq!(refused.stdout, "");
    assert!(refused.refused().contains("the database does not answer"));
    let no_broker = vec![
        ("MANMAN_RABBITMQ_HOST", "127.0.0.1".to_owned()),
        ("MANMAN_RABBITMQ_PORT", nowhere.to_string()),
    ];
    let refused = run(&["dead-letters", "list"], &no_broker).await.refused();
    assert!(
        refused.contains(&format!("cannot connect to the broker at 127.0.0.1:{nowhere}")),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_shown_retried_and_skipped_with_who_and_why() {
    let system = System::start().await;
    let mut environment = broker_environment(&system.broker);
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    for body in ["no JSON at all", "[]"] {
        worker.publish_raw("worker.1.status", body).await;
    }
    let listed = async |environment: &Environment, arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["dead-letters", "list", "--json"], arguments].concat();
        let listed = document(&arguments, environment, 0).await;
        listed["dead_letters"].as_array().unwrap().clone()
    };
    eventually("both are dead letters", async || listed(&environment, &[]).await.len() == 2).await;
    let letters = listed(&environment, &[]).await;
    let id = |letter: &Value| letter["message_id"].as_str().unwrap().to_owned();
    let (first, second) = (id(&letters[0]), id(&letters[1]));
    let text = run(&["dead-letters", "list"], &environment).await.done();
    assert!(text.contains(&first) && text.contains("not JSON"), "{text}");
    let shown = document(&["dead-letters", "show", &first, "--json"], &environment, 0).await;
    assert_eq!((&shown["body"], &shown["retried"]), (&json!("no JSON at all"), &Value::Null));

    environment.push(("SUDO_USER", "anna".to_owned()));
    let unknown = run(&["dead-letters", "retry", "17"], &environment).await.refused();
    assert!(unknown.contains("there is no dead letter 17"), "{unknown}");

    // It is as unreadable as it was: it comes back, and says who tried.
    let retry = ["dead-letters", "retry", &first, "--reason", "a new parser"];
    assert_eq!(run(&retry, &environment).await.done(), "1 back in their queues\n");
    eventually("it is a dead letter again", async || {
        let letters = listed(&environment, &[]).await;
        let again = letters.iter().find(|letter| id(letter) == first);
        again.is_some_and(|letter| {
            let retried = &letter["retried"];
            letter["attempts"] == 2
                && (&retried["actor"], &retried["reason"])
                    == (&json!("anna"), &json!("a new parser"))
        })
    })
    .await;

    let skip = ["dead-letters", "skip", &second, "--reason", "never JSON", "--actor", "bob"];
    assert_eq!(run(&skip, &environment).await.done(), "1 put aside\n");
    assert_eq!(listed(&environment, &[]).await.len(), 1);
    let skipped = listed(&environment, &["--skipped"]).await;
    assert_eq!((skipped.len(), id(&skipped[0])), (1, second.clone()));
    assert_eq!(skipped[0]["skipped"]["actor"], "bob");
    let shown = run(&["dead-letters", "show", &second], &environment).await.done();
    assert!(shown.contains("never JSON") && shown.ends_with("[]\n"), "{shown}");
    let again = run(&skip, &environment).await.refused();
    assert!(again.contains("there is no dead letter"), "{again}");
    system.stop().await;
}

#[tokio::test]
async fn a_broker_without_dead_letters_says_so() {
    let broker = Broker::start().await;
    let environment = broker_environment(&broker);
    assert_eq!(run(&["dead-letters", "list"], &environment).await.done(), "no dead letters\n");
    assert_eq!(
        run(&["dead-letters", "retry", "--all", "--actor", "anna"], &environment).await.done(),
        "0 back in their queues\n"
    );
}
