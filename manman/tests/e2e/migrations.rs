//! The database as an operator keeps it.

use crate::support::{Database, Environment, PROCESSES, environment, run};

async fn empty() -> (Database, Environment) {
    let database = Database::create().await;
    let environment = environment(&database.url(), None);
    (database, environment)
}

async fn migrated() -> (Database, Environment) {
    let (database, environment) = empty().await;
    run(&["run-migration"], &environment).await.done();
    (database, environment)
}

/// Puts an event on the log that is not the seed's.
async fn use_it(database: &Database) {
    sqlx::raw_sql(
        "SELECT append_events(ARRAY[NULL::uuid], ARRAY[NULL], ARRAY[NULL], ARRAY[0], ARRAY[gen_random_uuid()],
                ARRAY['worker'], ARRAY['1'], ARRAY[1], ARRAY['WorkerRegistered'], ARRAY['1'], ARRAY['{}'],
                ARRAY['{\"actor_kind\":\"user\",\"actor_id\":\"anna\",\"correlation_id\":\"\",\"command_id\":\"\"}'],
                '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .execute(&database.pool)
    .await
    .unwrap();
}

/// What the migrations are called.
fn names() -> Vec<String> {
    let up = event_store::MIGRATOR.iter().filter(|it| !it.migration_type.is_down_migration());
    up.map(|migration| migration.description.to_string()).collect()
}

async fn events(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM events").await
}

#[tokio::test]
async fn a_service_on_an_empty_database_says_what_is_missing_and_what_to_run() {
    let (_database, environment) = empty().await;
    for service in PROCESSES.into_iter().chain(["up"]) {
        let refused = run(&[service], &environment).await.refused();
        assert!(refused.contains("migration needs to be ran before starting"), "{refused}");
        assert!(refused.contains("`manman run-migration`"), "{refused}");
        for name in names() {
            assert!(refused.contains(&name), "{service} does not name {name}: {refused}");
        }
    }
}

#[tokio::test]
async fn a_migration_run_twice_does_nothing_the_second_time() {
    let (database, environment) = empty().await;
    let first = run(&["run-migration"], &environment).await.done();
    assert_eq!(first.matches("applied ").count(), names().len(), "{first}");
    let events_before = events(&database).await;
    // As the oldest images call it.
    let second = run(&["host", "run-migration"], &environment).await.done();
    assert_eq!(second, "nothing to migrate: the database is up to date\n");
    assert_eq!(events(&database).await, events_before);
}

#[tokio::test]
async fn a_step_down_and_up_again_loses_nothing() {
    let (database, environment) = migrated().await;
    use_it(&database).await;
    let events_before = events(&database).await;
    for steps in ["-1", "-2", "-3"] {
        run(&["run-downgrade", steps], &environment).await.done();
        let refused = run(&["start-status-api"], &environment).await.refused();
        assert!(refused.contains("run-migration"), "{refused}");
        run(&["run-migration"], &environment).await.done();
        assert_eq!(events(&database).await, events_before, "after {steps}");
    }
}

#[tokio::test]
async fn a_log_in_use_is_dropped_only_when_that_was_said() {
    let (database, environment) = migrated().await;
    let seed = events(&database).await;
    use_it(&database).await;
    let refused = run(&["run-downgrade", "base"], &environment).await.refused();
    assert!(refused.contains(&format!("the log holds {} events", seed + 1)), "{refused}");
    assert!(refused.contains("--drop-log"), "{refused}");
    assert_eq!(events(&database).await, seed + 1);

    run(&["run-migration"], &environment).await.done();
    let done = run(&["run-downgrade", "base", "--drop-log"], &environment).await.done();
    assert!(done.contains("undone"), "{done}");
    let left: i64 = database
        .value(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname IN ('public', 'read_models') AND c.relkind IN ('r', 'S', 'v')
                AND c.relname <> '_sqlx_migrations'",
        )
        .await;
    assert_eq!(left, 0);
    // v1 could not do this: its enum types stayed.
    run(&["run-migration"], &environment).await.done();
    assert_eq!(events(&database).await, seed);
}

#[tokio::test]
async fn a_log_with_nothing_but_the_seed_may_be_dropped() {
    let (_database, environment) = migrated().await;
    run(&["run-downgrade", "base"], &environment).await.done();
}

#[tokio::test]
async fn a_revision_that_does_not_exist_is_refused_with_those_that_do() {
    let (database, environment) = migrated().await;
    for nonsense in ["nonsense", "12", "-9", ""] {
        let refused = run(&["run-downgrade", nonsense], &environment).await.refused();
        assert!(!refused.contains("panicked"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    let refused = run(&["run-downgrade", "nonsense"], &environment).await.refused();
    let newest: i64 = database.value("SELECT max(version) FROM _sqlx_migrations").await;
    assert!(refused.contains(&newest.to_string()), "{refused}");
    let misused = run(&["run-downgrade"], &environment).await;
    assert_eq!(misused.status.code(), Some(2), "{}", misused.stderr);
}

#[tokio::test]
async fn a_new_migration_is_a_pair_of_files_after_all_others() {
    let directory = std::env::temp_dir().join(format!("manman-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir(&directory).unwrap();
    let path = directory.to_str().unwrap();
    let arguments = ["create-migration", "Audit of requests", "--directory", path];
    run(&arguments, &Environment::new()).await.done();

    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let versions: Vec<i64> =
        files.iter().map(|file| file.split_once('_').unwrap().0.parse().unwrap()).collect();
    let newest = event_store::MIGRATOR.iter().map(|migration| migration.version).max();
    assert!(Some(versions[0]) > newest && versions[0] == versions[1], "{files:?}");
    assert!(files[0].ends_with("_audit_of_requests.down.sql"), "{files:?}");
    assert!(files[1].ends_with("_audit_of_requests.up.sql"), "{files:?}");

    let again = run(&["create-migration", "a/b", "--directory", path], &Environment::new()).await;
    assert!(again.refused().contains("is no name for a migration"));
    let guarded = vec![("ENVIRONMENT", "PROD".to_owned())];
    assert!(run(&arguments, &guarded).await.refused().contains("PROD"));
    std::fs::remove_dir_all(&directory).unwrap();
}
