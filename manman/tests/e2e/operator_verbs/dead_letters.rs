//! `dead-letters`, as an operator and a script meet it.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{document, migrated};
use crate::support::{
    Api, Broker, Database, Environment, Inbox, System, V1Worker, broker_environment, environment,
    eventually, run,
};

async fn listed(environment: &Environment, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["dead-letters", "list", "--json"], arguments].concat();
    document(&arguments, environment, 0).await["dead_letters"].as_array().unwrap().clone()
}

fn id(letter: &Value) -> String {
    letter["id"].as_str().unwrap().to_owned()
}

/// What the log has of operators' decisions: whose stream, what, by whom and why.
async fn decisions(database: &Database) -> Vec<(String, String, String)> {
    let query = "SELECT aggregate_type || '/' || aggregate_id, event_type,
                        (metadata ->> 'actor_kind') || '/' || (metadata ->> 'actor_id') || ': '
                        || coalesce(metadata ->> 'reason', '-')
                   FROM events WHERE aggregate_type IN ('dead_letter', 'subscription')
                  ORDER BY position";
    sqlx::query_as(query).fetch_all(&database.pool).await.unwrap()
}

/// Puts a message with the id 1 among the dead letters.
async fn dead_letter(broker: &Broker, environment: &Environment) {
    run(&["dead-letters", "list"], environment).await.done();
    let mut headers = FieldTable::default();
    for (name, value) in
        [("x-manman-reason", "not JSON"), ("x-manman-queue", "status-processor-internal-queue")]
    {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let properties = BasicProperties::default().with_message_id("1".into()).with_headers(headers);
    let inbox = Inbox::open(broker, "a-test", true, &[]).await;
    inbox.publish_with("", "manman.dead-letters", "[]", properties).await;
    eventually("it is a dead letter", async || listed(environment, &[]).await.len() == 1).await;
}

fn decision(stream: &str, event_type: &str, why: &str) -> (String, String, String) {
    (stream.to_owned(), event_type.to_owned(), why.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_shown_retried_and_skipped_with_who_and_why_on_the_log() {
    let system = System::start().await;
    let mut environment = environment(&system.database.url(), Some(&system.broker));
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    for body in ["no JSON at all", "[]"] {
        worker.publish_raw("worker.1.status", body).await;
    }
    eventually("both are dead letters", async || listed(&environment, &[]).await.len() == 2).await;
    let letters = listed(&environment, &[]).await;
    let (first, second) = (id(&letters[0]), id(&letters[1]));
    assert_eq!(
        (&letters[0]["kind"], &letters[0]["entity"]),
        (&json!("broker"), &json!("worker/1"))
    );
    let text = run(&["dead-letters", "list"], &environment).await.done();
    assert!(text.contains(&first) && text.contains("not JSON"), "{text}");
    let shown = document(&["dead-letters", "show", &first, "--json"], &environment, 0).await;
    assert_eq!((&shown["body"], &shown["retried"]), (&json!("no JSON at all"), &Value::Null));
    assert_eq!(shown["decisions"], json!([]));

    environment.push(("SUDO_USER", "anna".to_owned()));
    let unknown = run(&["dead-letters", "retry", "17"], &environment).await.refused();
    assert!(unknown.contains("there is no dead letter 17"), "{unknown}");
    assert_eq!(decisions(&system.database).await, []);

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
    assert!(shown.contains("DeadLetterSkipped") && shown.ends_with("[]\n"), "{shown}");
    let again = run(&skip, &environment).await.refused();
    assert!(again.contains("there is no dead letter"), "{again}");

    let (first, second) = (format!("dead_letter/{first}"), format!("dead_letter/{second}"));
    let decided = [
        decision(&first, "DeadLetterRetried", "user/anna: a new parser"),
        decision(&second, "DeadLetterSkipped", "user/bob: never JSON"),
    ];
    assert_eq!(decisions(&system.database).await, decided);
    // What operators decide is published like anything else, and nothing stumbles over it.
    eventually("all of it has been followed", async || {
        run(&["projections", "lag"], &environment).await.status.success()
    })
    .await;
    system.stop().await;
}

#[tokio::test]
async fn a_decision_that_the_broker_did_not_see_is_on_the_log_and_can_be_repeated() {
    let (database, mut environment) = migrated().await;
    let broker = Broker::start().await;
    environment.extend(broker_environment(&broker));
    dead_letter(&broker, &environment).await;
    // Decided by a process that then died.
    let skip = ["dead-letters", "skip", "1", "--reason", "no", "--actor", "anna"];
    run(&skip, &environment).await.done();
    dead_letter(&broker, &environment).await;

    let retry = ["dead-letters", "retry", "--all", "--actor", "bob"];
    let refused = run(&retry, &environment).await.refused();
    assert!(refused.contains("dead letter 1: it was skipped, and that is final"), "{refused}");
    assert_eq!(run(&skip, &environment).await.done(), "1 put aside\n");
    assert_eq!(listed(&environment, &[]).await, [] as [Value; 0]);
    let decided = [decision("dead_letter/1", "DeadLetterSkipped", "user/anna: no")];
    assert_eq!(decisions(&database).await, decided, "once");
}

#[tokio::test]
async fn nothing_given_up_on_is_said_so() {
    let (_database, mut environment) = migrated().await;
    let broker = Broker::start().await;
    environment.extend(broker_environment(&broker));
    assert_eq!(run(&["dead-letters", "list"], &environment).await.done(), "no dead letters\n");
    assert_eq!(
        run(&["dead-letters", "list", "--skipped"], &environment).await.done(),
        "none was skipped\n"
    );
    assert_eq!(
        run(&["dead-letters", "retry", "--all", "--actor", "anna"], &environment).await.done(),
        "0 parked events handled\n0 back in their queues\n"
    );
}

/// As if three events of the seed were one game server's, and the first of them could not be handled; the
/// position of that and the last.
async fn park(database: &Database) -> (i64, i64) {
    let statement = "
        INSERT INTO checkpoints (name, position) SELECT 'projector.catalogue', max(position) FROM events;
        INSERT INTO parked_events (subscription, position, aggregate_type, aggregate_id, event_id,
                                   event_type, error, attempts, last_failed_at)
        SELECT 'projector.catalogue', position, aggregate_type, '1', event_id, event_type,
               CASE aggregate_id WHEN '1' THEN 'no such type' END, CASE aggregate_id WHEN '1' THEN 3 ELSE 0 END,
               CASE aggregate_id WHEN '1' THEN now() END
          FROM events WHERE aggregate_type = 'game_server' AND aggregate_id IN ('1', '2', '3')";
    sqlx::raw_sql(statement).execute(&database.pool).await.unwrap();
    let head = database.value("SELECT min(position) FROM parked_events").await;
    (head, database.value("SELECT max(position) FROM parked_events").await)
}

#[tokio::test]
async fn parked_events_are_listed_by_entity_and_shown_with_what_was_decided() {
    let (database, environment) = migrated().await;
    let (head, last) = park(&database).await;
    let name = format!("catalogue@{head}");
    let letters = listed(&environment, &["--kind", "parked"]).await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(id(letter), name);
    assert_eq!(letter["entity"], "game_server/1");
    assert_eq!((&letter["error"], &letter["attempts"]), (&json!("no such type"), &json!(3)));
    assert_eq!(
        (&letter["waiting"], &letter["subscription"]),
        (&json!(2), &json!("projector.catalogue"))
    );
    let text = run(&["dead-letters", "list", "--kind", "parked"], &environment).await.done();
    assert!(text.contains(&name) && text.contains("GameServerAdded"), "{text}");

    let shown = document(&["dead-letters", "show", &name, "--json"], &environment, 0).await;
    assert!(shown["payload"].as_str().unwrap().contains("GameServerAdded"), "{shown}");
    let waits =
        run(&["dead-letters", "show", &format!("catalogue@{last}")], &environment).await.done();
    assert!(waits.contains("waits behind") && waits.contains(&name), "{waits}");
    let none = run(&["dead-letters", "show", "workers@1"], &environment).await.refused();
    assert!(none.contains("there is no parked event workers@1"), "{none}");
}

#[tokio::test]
async fn a_retry_of_a_parked_event_says_what_became_of_it() {
    let (database, environment) = migrated().await;
    let (head, last) = park(&database).await;
    let name = format!("catalogue@{head}");
    let last = format!("catalogue@{last}");
    let retry = |id: &str, wait: &str| {
        let arguments = ["dead-letters", "retry", id, "--wait", wait, "--actor", "anna"];
        arguments.map(str::to_owned)
    };
    let finished = run(&retry(&last, "0").each_ref().map(String::as_str), &environment).await;
    let first_line = format!("{last} waits behind {name}, and is tried from there on\n");
    assert!(finished.stdout.starts_with(&first_line), "{}", finished.stdout);
    let nobody = finished.refused();
    assert!(nobody.contains(&format!("no status processor took {name} up yet")), "{nobody}");
    let stream = "subscription/projector.catalogue";
    let decided = decision(stream, "ParkedEventRetried", "user/anna: -");
    assert_eq!(decisions(&database).await, std::slice::from_ref(&decided));
    let shown = run(&["dead-letters", "show", &name], &environment).await.done();
    assert!(
        shown.contains("to be tried again since") && shown.contains("ParkedEventRetried"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_is_tried_until_it_is_repaired_and_then_all_is_as_if_nothing_had_happened() {
    let system = System::start().await;
    let environment = environment(&system.database.url(), Some(&system.broker));
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    eventually("it runs", async || status_of(&system.database).await == "RUNNING").await;
    let poison =
        "ALTER TABLE read_models.workers ADD CONSTRAINT poison CHECK (status <> 'COMPLETE')";
    sqlx::raw_sql(poison).execute(&system.database.pool).await.unwrap();
    worker.report("COMPLETE").await;
    eventually("it is parked", async || listed(&environment, &[]).await.len() == 1).await;
    let parked = listed(&environment, &[]).await;
    let name = id(&parked[0]);
    assert_eq!(parked[0]["entity"], "worker/1");
    it_is_told(&system.processor, "1 of projector.workers: see manman dead-letters list", 1).await;

    let retry = ["dead-letters", "retry", &name, "--wait", "30", "--reason", "it is repaired"];
    let failed = run(&retry, &environment).await.refused();
    assert!(failed.contains(&format!("{name} failed again: ")), "{failed}");
    assert!(failed.contains("poison"), "the reason: {failed}");
    let repair = "ALTER TABLE read_models.workers DROP CONSTRAINT poison";
    sqlx::raw_sql(repair).execute(&system.database.pool).await.unwrap();
    assert_eq!(run(&retry, &environment).await.done(), "1 parked events handled\n");

    assert_eq!(listed(&environment, &[]).await, [] as [Value; 0]);
    assert_eq!(status_of(&system.database).await, "COMPLETE");
    let shown = run(&["dead-letters", "retry", "--all"], &environment).await.done();
    assert!(shown.starts_with("0 parked events handled\n"), "{shown}");
    run(&["projections", "verify", "--quiet"], &environment).await.done();
    it_is_told(&system.processor, "", 0).await;
    system.stop().await;
}

/// By readiness, which it does not end, and by the metrics.
async fn it_is_told(processor: &Api, warning: &str, parked: u32) {
    let readiness = processor.get("/readyz").await.ok();
    assert!(readiness["log"]["head"].as_i64() >= readiness["log"]["published"].as_i64());
    assert!(readiness["log"]["projections"]["workers"].is_i64(), "{readiness}");
    let told = readiness["warnings"][0]["detail"].as_str().unwrap_or_default();
    assert_eq!(told, warning, "{readiness}");
    let gauge = format!("manman_projection_parked_events{{projection=\"workers\"}} {parked}");
    eventually("the metrics tell it", async || {
        processor.get("/metrics").await.text.lines().any(|line| line == gauge)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_skipped_event_is_shown_as_if_that_had_never_been() {
    let system = System::start().await;
    let environment = environment(&system.database.url(), Some(&system.broker));
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    eventually("it runs", async || status_of(&system.database).await == "RUNNING").await;
    let poison =
        "ALTER TABLE read_models.workers ADD CONSTRAINT poison CHECK (status <> 'COMPLETE')";
    sqlx::raw_sql(poison).execute(&system.database.pool).await.unwrap();
    worker.report("COMPLETE").await;
    eventually("it is parked", async || listed(&environment, &[]).await.len() == 1).await;
    worker.shut_down().await.ok();
    let waiting = async || listed(&environment, &[]).await[0]["waiting"].clone();
    eventually("its end waits behind", async || waiting().await == 1).await;
    let name = id(&listed(&environment, &[]).await[0]);

    let skip = ["dead-letters", "skip", &name, "--reason", "we know", "--actor", "anna"];
    let skipped = run(&skip, &environment).await.done();
    assert_eq!(skipped, format!("{name} skipped; 1 behind it to be tried now\n"));
    eventually("nothing is parked", async || listed(&environment, &[]).await.is_empty()).await;
    assert_eq!(status_of(&system.database).await, "RUNNING");
    let ended = "SELECT count(*) FROM read_models.workers WHERE end_date IS NOT NULL";
    assert_eq!(system.database.value::<i64>(ended).await, 1);
    // A rebuild leaves out what was skipped, too.
    run(&["projections", "verify", "--quiet"], &environment).await.done();
    system.stop().await;
}

async fn status_of(database: &Database) -> String {
    database.value("SELECT coalesce(max(status), '') FROM read_models.workers").await
}

#[tokio::test]
async fn a_skipped_parked_event_is_listed_with_who_and_why() {
    let (database, environment) = migrated().await;
    let (head, last) = park(&database).await;
    let name = format!("catalogue@{head}");
    let last = format!("catalogue@{last}");
    let because = ["--reason", "nobody needs it", "--actor", "anna"];
    let skip = |id| [&["dead-letters", "skip", id][..], &because].concat();
    let refused = run(&skip(&last), &environment).await.refused();
    let only = format!("{last} waits behind {name}: only that one can be skipped");
    assert!(refused.contains(&only), "{refused}");

    let skipped = run(&skip(&name), &environment).await.done();
    assert_eq!(skipped, format!("{name} skipped; 2 behind it to be tried now\n"));
    let decided = decision(
        "subscription/projector.catalogue",
        "ParkedEventSkipped",
        "user/anna: nobody needs it",
    );
    assert_eq!(decisions(&database).await, [decided]);
    let listed = listed(&environment, &["--kind", "parked", "--skipped"]).await;
    assert_eq!((listed.len(), id(&listed[0])), (1, name.clone()));
    assert_eq!(listed[0]["skipped"]["reason"], "nobody needs it");
    let shown = run(&["dead-letters", "show", &name], &environment).await.done();
    assert!(shown.contains("nobody needs it"), "{shown}");
    let again = run(&skip(&name), &environment).await.refused();
    assert!(again.contains(&format!("there is no parked event {name}")), "{again}");
}
