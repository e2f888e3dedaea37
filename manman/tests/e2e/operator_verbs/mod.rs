//! The verbs of operators, as they and scripts meet them.

mod dead_letters;
mod projections;

use serde_json::Value;

use crate::support::{Database, Environment, environment, free_port, run};

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

#[tokio::test]
async fn misuse_is_told_from_trouble() {
    let database = Database::create().await;
    let empty = environment(&database.url(), None);
    for misused in [
        &["projections"][..],
        &["projections", "verify", "weather"],
        &["projections", "diff"],
        &["projections", "lag", "--max", "-1"],
        &["projections", "rebuild"],
        &["projections", "rebuild", "weather"],
        &["projections", "rebuild", "workers", "--all"],
        &["projections", "rebuild", "--all", "--reason", " "],
        &["projections", "resume"],
        &["projections", "cancel"],
        &["dead-letters", "retry"],
        &["dead-letters", "retry", "1", "--all"],
        &["dead-letters", "retry", "1", "--kind", "broker"],
        &["dead-letters", "retry", "--kind", "broker"],
        &["dead-letters", "retry", "1", "--wait", "soon"],
        &["dead-letters", "list", "--kind", "weather"],
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
    for verb in [&["list", "--kind", "parked"][..], &["skip", "1", "--reason", "no"]] {
        let refused = run(&[&["dead-letters"], verb].concat(), &away).await.refused();
        assert!(refused.contains("the database does not answer"), "{verb:?}: {refused}");
    }
    let no_broker = [&empty[..], &nowhere_broker(nowhere)].concat();
    for verb in [&["list", "--kind", "broker"][..], &["list"]] {
        let refused = run(&[&["dead-letters"], verb].concat(), &no_broker).await.refused();
        let reason = format!("cannot connect to the broker at 127.0.0.1:{nowhere}");
        assert!(refused.contains(&reason), "{refused}");
        assert_eq!(refused.contains("`--kind parked` shows the others"), verb.len() == 1);
    }
}

/// Where no broker is.
fn nowhere_broker(port: u16) -> Environment {
    vec![
        ("MANMAN_RABBITMQ_HOST", "127.0.0.1".to_owned()),
        ("MANMAN_RABBITMQ_PORT", port.to_string()),
    ]
}
