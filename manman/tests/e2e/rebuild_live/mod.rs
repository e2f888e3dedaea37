//! Rebuilds of a system in use, as an operator has them done: nobody who reads notices.

mod readers;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use self::readers::Readers;
use crate::support::{
    Environment, Finished, Program, System, V1Worker, environment, eventually, run,
};

/// A system with a worker, and what an operator's verb is told of it.
async fn in_use() -> (System, Environment, V1Worker) {
    let system = System::start().await;
    let environment = environment(&system.database.url(), Some(&system.broker));
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    caught_up(&environment).await;
    (system, environment, worker)
}

async fn caught_up(environment: &Environment) {
    eventually("everything has caught up", async || {
        run(&["projections", "lag", "--max", "0"], environment).await.status.success()
    })
    .await;
}

async fn projections(arguments: &[&str], environment: &Environment) -> Finished {
    run(&[&["projections"], arguments].concat(), environment).await
}

fn document(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|_| panic!("{}\n{}", finished.stdout, finished.stderr))
}

/// What is left of rebuilds.
async fn left(system: &System) -> i64 {
    system
        .database
        .value(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname IN ('read_models_next', 'read_models_old'))
                  + (SELECT count(*) FROM checkpoints WHERE name LIKE 'rebuild.%')",
        )
        .await
}

/// Reports a worker's status all the time; returns how often.
async fn report_until(is_over: CancellationToken, worker: V1Worker) -> u64 {
    let mut reports = 0;
    let mut pace = interval(Duration::from_millis(10));
    while is_over.run_until_cancelled(pace.tick()).await.is_some() {
        worker.report("RUNNING").await;
        reports += 1;
    }
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_during_live_traffic_fails_no_read_and_finds_no_difference() {
    let (system, environment, worker) = in_use().await;
    let readers = Readers::start(&system, worker.id);
    let is_over = CancellationToken::new();
    let traffic = tokio::spawn(report_until(is_over.clone(), worker));
    let mut switches = Vec::new();
    for _ in 0..3 {
        let arguments = ["rebuild", "--all", "--json", "--actor", "anna", "--reason", "to see it"];
        let finished = projections(&arguments, &environment).await;
        let rebuilt = document(&finished);
        assert_eq!(finished.status.code(), Some(0), "{rebuilt}\n{}", finished.stderr);
        assert_eq!((&rebuilt["switched"], &rebuilt["differences"]), (&json!(true), &json!([])));
        assert!(
            rebuilt["events"].as_i64() > Some(0)
                && rebuilt["projections"].as_array().unwrap().len() == 4
        );
        switches.push(rebuilt["switch_seconds"].as_f64().unwrap());
    }
    is_over.cancel();
    assert!(traffic.await.unwrap() > 0);
    let reads = readers.stop().await;
    assert!(reads > 0);
    println!("{reads} reads, none failed; switches took {switches:?} s");

    caught_up(&environment).await;
    projections(&["verify", "--quiet"], &environment).await.done();
    assert_eq!(left(&system).await, 0);
    let by: Vec<String> = system
        .database
        .values(
            "SELECT concat_ws(' ', aggregate_id, metadata->>'actor_id', metadata->>'reason') FROM events
              WHERE event_type = 'ProjectionSwitched' ORDER BY position LIMIT 1",
        )
        .await;
    assert!(by[0].starts_with("projector.") && by[0].ends_with(" anna to see it"), "{by:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_interrupted_half_way_is_listed_resumed_and_cancelled() {
    let (system, environment, _worker) = in_use().await;
    for is_resumed in [true, false] {
        // So that it cannot end by itself.
        let mut lock = system.database.pool.begin().await.unwrap();
        let read = "SELECT count(*) FROM read_models.workers";
        sqlx::query(read).fetch_one(&mut *lock).await.unwrap();
        let mut program = Program::start(&["projections", "rebuild", "workers"], &environment);
        program.says("waiting for a reader").await;
        let listed = document(&projections(&["list", "--json"], &environment).await);
        let rebuild = &listed["rebuilds"][0];
        assert_eq!(
            (&rebuild["name"], rebuild["owner"].is_string()),
            (&json!("workers"), true),
            "{listed}"
        );
        let second = projections(&["rebuild", "--all"], &environment).await.refused();
        assert!(second.contains("workers is being rebuilt by "), "{second}");

        program.signal("INT").await;
        assert_eq!(program.ends().await.code(), Some(130));
        lock.rollback().await.unwrap();
        eventually("nobody works on it", async || {
            let listed = document(&projections(&["list", "--json"], &environment).await);
            listed["rebuilds"][0]["owner"].is_null()
        })
        .await;
        let text = projections(&["list"], &environment).await.done();
        assert!(text.contains("nobody: `manman projections resume workers`"), "{text}");
        let again = projections(&["rebuild", "workers"], &environment).await.refused();
        assert!(again.contains("resume or cancel it"), "{again}");
        if is_resumed {
            let resumed = projections(&["resume", "workers"], &environment).await.done();
            assert!(resumed.contains("no differences\nswitched: workers at "), "{resumed}");
        } else {
            let cancelled = projections(&["cancel", "--all"], &environment).await.done();
            assert!(cancelled.starts_with("cancelled: workers;"), "{cancelled}");
        }
        assert_eq!(left(&system).await, 0);
    }
    for verb in ["resume", "cancel"] {
        let nothing = projections(&[verb, "--all"], &environment).await.refused();
        assert!(nothing.contains("no rebuild is in progress"), "{nothing}");
        let nothing = projections(&[verb, "workers"], &environment).await.refused();
        assert!(nothing.contains("no rebuild of workers is in progress"), "{nothing}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_differs_shows_how_and_waits_for_a_decision() {
    let (system, environment, _worker) = in_use().await;
    let change = "UPDATE read_models.workers SET name = 'mouse' WHERE worker_id = 1";
    sqlx::raw_sql(change).execute(&system.database.pool).await.unwrap();
    let found = projections(&["rebuild", "workers"], &environment).await;
    assert_eq!(found.status.code(), Some(1), "{}", found.stderr);
    assert!(found.stdout.contains(r#"worker_id=1  name: "mouse" → null"#), "{}", found.stdout);
    assert!(
        found.stderr.contains("`manman projections resume workers --auto-switch`"),
        "{}",
        found.stderr
    );
    let name = "SELECT name FROM read_models.workers WHERE worker_id = 1";
    assert_eq!(system.database.value::<Option<String>>(name).await.as_deref(), Some("mouse"));

    let resumed = projections(&["resume", "--all", "--json", "-q"], &environment).await;
    let ready = document(&resumed);
    assert_eq!((resumed.status.code(), &ready["switched"]), (Some(1), &json!(false)));
    assert_eq!(ready["differences"][0]["tables"][0]["changed"], 1);

    let resumed = projections(&["resume", "workers", "--auto-switch"], &environment).await.done();
    assert!(resumed.contains("switched: workers at "), "{resumed}");
    assert_eq!(system.database.value::<Option<String>>(name).await, None);
    caught_up(&environment).await;
    projections(&["verify", "--quiet"], &environment).await.done();
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_version_are_rebuilt_by_the_processor_itself() {
    let (system, environment, _worker) = in_use().await;
    let outdate = "UPDATE checkpoints SET version = 0 WHERE name = 'projector.workers'";
    sqlx::raw_sql(outdate).execute(&system.database.pool).await.unwrap();
    eventually("they are of the present version", async || {
        let listed = document(&projections(&["list", "--json"], &environment).await);
        listed["projections"][0]["shown_version"] == listed["projections"][0]["version"]
    })
    .await;
    let metrics = system.processor.get("/metrics").await.text;
    assert!(metrics.contains("manman_projection_rebuild_position"), "{metrics}");
    caught_up(&environment).await;
    projections(&["verify", "--quiet"], &environment).await.done();
    eventually("nothing is left", async || left(&system).await == 0).await;
    system.stop().await;
}
