//! The history of workers and instances, read from the log.

use axum::Router;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Database, get, native, with_database};

impl Database {
    /// As if this had happened. Returns where.
    pub async fn event(&self, stream: (&str, i32), event_type: &str, payload: &Value) -> i64 {
        let position = self.append(1).await;
        // The log wants its keys in this order.
        let metadata = format!(
            r#"{{"actor_kind":"user","actor_id":"ada","correlation_id":"{}","command_id":"{}","causation_id":"{}","reason":"patch day"}}"#,
            Uuid::from_u128(1),
            Uuid::from_u128(2),
            Uuid::from_u128(3),
        );
        sqlx::query(
            "INSERT INTO events (position, aggregate_type, aggregate_id, sequence, event_type,
                                 event_version, payload, metadata, event_id, recorded_at)
             SELECT $1, $2, $3,
                    (SELECT count(*) + 1 FROM events WHERE aggregate_type = $2 AND aggregate_id = $3),
                    $4, '2', $5::json, $6::json, $7, '2026-01-02T03:04:05.678901Z'",
        )
        .bind(position)
        .bind(stream.0)
        .bind(stream.1.to_string())
        .bind(event_type)
        .bind(json!({event_type: payload}).to_string())
        .bind(metadata)
        .bind(Uuid::from_u128(u128::try_from(position).unwrap()))
        .execute(&self.pool)
        .await
        .unwrap();
        self.checkpoint("projector.test", position).await;
        position
    }
}

/// The positions of a page, and what it says of the next.
async fn page(router: &Router, path: &str) -> (Vec<String>, Value) {
    let answer = get(router, path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let events = answer.body["events"].as_array().unwrap().iter();
    let positions = events.map(|event| event["position"].as_str().unwrap().to_owned());
    (positions.collect(), answer.body["next"].clone())
}

#[tokio::test]
async fn an_event_is_shown_as_it_was_recorded() {
    with_database(async |database| {
        let closed = json!({"closed_at": "2026-01-02T03:04:05Z", "by": "shutdown", "name": null});
        database.event(("worker", 6), "WorkerClosed", &closed).await;
        let answer = get(&native(&database.pool), "/v1/workers/6/events").await;
        assert_json_snapshot!(answer.body, @r#"
        {
          "events": [
            {
              "actor": {
                "id": "ada",
                "kind": "user"
              },
              "causation_id": "00000000-0000-0000-0000-000000000003",
              "correlation_id": "00000000-0000-0000-0000-000000000001",
              "event_id": "00000000-0000-0000-0000-000000000006",
              "event_type": "WorkerClosed",
              "event_version": "2",
              "payload": {
                "by": "shutdown",
                "closed_at": "2026-01-02T03:04:05Z",
                "name": null
              },
              "position": "6",
              "reason": "patch day",
              "recorded_at": "2026-01-02T03:04:05.678901Z"
            }
          ],
          "next": null
        }
        "#);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_gave_is_null() {
    with_database(async |database| {
        database
            .execute(
                "UPDATE log_head SET position = position + 1;
                 INSERT INTO events
                 SELECT (SELECT position FROM log_head), 'worker', '6', 1, 'WorkerLost', '1', '{\"WorkerLost\":{}}',
                        '{\"actor_kind\":\"system\",\"actor_id\":\"liveness\",\"correlation_id\":\"c\",\"command_id\":\"d\"}',
                        gen_random_uuid(), now()",
            )
            .await;
        database.checkpoint("projector.test", database.head().await).await;
        let events = get(&native(&database.pool), "/v1/workers/6/events").await.body;
        let event = &events["events"][0];
        assert_eq!(event["actor"], json!({"kind": "system", "id": "liveness"}));
        assert_eq!((&event["reason"], &event["causation_id"]), (&json!(null), &json!(null)));
        assert_eq!(event["payload"], json!({}));
    })
    .await;
}

#[tokio::test]
async fn each_has_a_history_of_its_own() {
    with_database(async |database| {
        let nothing = json!({});
        let first = database.event(("worker", 6), "WorkerRegistered", &nothing).await;
        let other = database.event(("worker", 60), "WorkerRegistered", &nothing).await;
        let begun = database.event(("game_server_instance", 6), "InstanceCreated", &nothing).await;
        let second = database.event(("worker", 6), "WorkerLost", &nothing).await;
        let router = native(&database.pool);
        for (path, positions) in [
            ("/v1/workers/6/events", vec![first, second]),
            ("/v1/workers/60/events", vec![other]),
            ("/v1/game-server-instances/6/events", vec![begun]),
        ] {
            let positions = positions.iter().map(i64::to_string).collect();
            assert_eq!(page(&router, path).await, (positions, json!(null)), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps_or_repeats() {
    with_database(async |database| {
        let mut expected = Vec::new();
        for _ in 0..5 {
            let instance = ("game_server_instance", 1);
            let position = database.event(instance, "InstanceLost", &json!({})).await;
            expected.push(position.to_string());
            database.event(("worker", 1), "WorkerLost", &json!({})).await;
        }
        let router = native(&database.pool);
        let path = "/v1/game-server-instances/1/events";
        let (mut found, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let (positions, next) = page(&router, &format!("{path}?limit=2&after={after}")).await;
            assert!(positions.len() <= 2);
            found.extend(positions);
            let Some(next) = next.as_str() else { break };
            next.clone_into(&mut after);
        }
        assert_eq!(found, expected);

        // Any position will do, also that of somebody else's event and one beyond all of them.
        let between = expected[2].parse::<i64>().unwrap() + 1;
        let rest = page(&router, &format!("{path}?after={between}")).await;
        assert_eq!(rest, (expected[3..].to_vec(), json!(null)));
        let beyond = page(&router, &format!("{path}?after={}", i64::MAX)).await;
        assert_eq!(beyond, (vec![], json!(null)));
    })
    .await;
}

#[tokio::test]
async fn a_page_has_a_hundred_events_unless_told_otherwise() {
    with_database(async |database| {
        for _ in 0..102 {
            database.event(("worker", 1), "WorkerLost", &json!({})).await;
        }
        let router = native(&database.pool);
        let (positions, next) = page(&router, "/v1/workers/1/events").await;
        assert_eq!((positions.len(), next), (100, json!(positions[99])));
        assert_eq!(page(&router, "/v1/workers/1/events?limit=102").await.0.len(), 102);
    })
    .await;
}
