//! How fresh answers are, and waiting until they are.

use futures::future::join;
use insta::assert_json_snapshot;
use query_api::{Freshness, Position};

use crate::support::{
    NewWorker, eventually, experience, get, get_with, status, with_database, worker_dal,
};

#[tokio::test]
async fn every_answer_names_a_position_that_all_projectors_have_reached() {
    with_database(async |database| {
        let head = database.append(10).await;
        database.checkpoint("projector.test", head).await;
        database.checkpoint("projector.other", head).await;
        database.checkpoint("relay.external", 1).await;
        for (router, path) in [
            (experience(&database.pool), "/gameserver"),
            (experience(&database.pool), "/worker/current"),
            (worker_dal(&database.pool), "/server/99"),
            (status(&database.pool), "/status/worker/99"),
            (status(&database.pool), "/status/workers?limit=x"),
        ] {
            assert_eq!(position(&router, path).await, head.to_string(), "{path}");
        }

        database.checkpoint("projector.other", head - 1).await;
        let router = status(&database.pool);
        assert_eq!(position(&router, "/status/worker/99").await, (head - 1).to_string());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_wrote_sees_its_write_in_the_next_read() {
    with_database(async |database| {
        let router = experience(&database.pool);
        // Written, and not yet projected.
        let head = database.append(1).await;
        database.count_looks_at_the_log().await;
        let project = async {
            eventually(async || database.looks_at_the_log().await >= 2).await;
            database.worker(NewWorker::default()).await;
            database.checkpoint("projector.test", head).await;
        };
        let (answer, ()) = join(get(&router, "/worker/current"), project).await;
        assert_eq!((answer.status.as_u16(), &answer.body["worker_id"]), (200, &1.into()));
        assert_eq!(answer.header("manman-position"), head.to_string());
    })
    .await;
}

#[tokio::test]
async fn a_projector_that_stands_still_delays_reads_and_does_not_fail_them() {
    with_database(async |database| {
        let shown = database.head().await;
        database.append(1).await;
        let answer = get(&worker_dal(&database.pool), "/server/99").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("manman-position")),
            (404, &*shown.to_string())
        );
    })
    .await;
}

#[tokio::test]
async fn status_reads_do_not_wait_for_what_is_not_yet_projected() {
    with_database(async |database| {
        let shown = database.head().await;
        database.append(1).await;
        assert_eq!(position(&status(&database.pool), "/status/workers").await, shown.to_string());
    })
    .await;
}

#[tokio::test]
async fn a_demanded_position_is_waited_for() {
    with_database(async |database| {
        let next = database.append(1).await;
        let demand = [("Manman-Min-Position", &*next.to_string())];
        let router = status(&database.pool);
        database.count_looks_at_the_log().await;
        let project = async {
            eventually(async || database.looks_at_the_log().await >= 2).await;
            database.worker(NewWorker::default()).await;
            database.checkpoint("projector.test", next).await;
        };
        let answer = get_with(&router, "/status/worker/1", &demand);
        let (answer, ()) = join(answer, project).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("manman-position"), next.to_string());
    })
    .await;
}

#[tokio::test]
async fn a_demanded_position_that_does_not_come_is_503_with_retry_after() {
    with_database(async |database| {
        let demand = [("Manman-Min-Position", "1000")];
        let (experience, status) = (experience(&database.pool), status(&database.pool));
        let (wrote, looked) = join(
            get_with(&experience, "/gameserver", &demand),
            get_with(&status, "/status/system", &demand),
        )
        .await;
        assert_json_snapshot!(wrote.shown(), @r#"
        {
          "body": {
            "detail": "Reads are at position 5 and not yet at 1000"
          },
          "status": 503
        }
        "#);
        assert_eq!(looked.shown(), wrote.shown());
        assert_eq!([wrote.header("retry-after"), looked.header("retry-after")], ["1", "1"]);
    })
    .await;
}

#[tokio::test]
async fn a_demanded_position_that_is_none_is_422() {
    with_database(async |database| {
        for (router, path) in [
            (experience(&database.pool), "/gameserver"),
            (status(&database.pool), "/status/worker/1"),
        ] {
            for demand in ["latest", "1.5", "", "99999999999999999999"] {
                let answer = get_with(&router, path, &[("Manman-Min-Position", demand)]).await;
                assert_eq!(answer.status, 422, "{path} {demand}");
                assert_eq!(answer.body["detail"][0]["input"], demand);
            }
        }
        let demand = [("Manman-Min-Position", "latest")];
        let answer = get_with(&status(&database.pool), "/status/system", &demand).await;
        assert_json_snapshot!(answer.body, @r#"
        {
          "detail": [
            {
              "input": "latest",
              "loc": [
                "header",
                "manman-min-position"
              ],
              "msg": "Input should be a valid integer, unable to parse string as an integer",
              "type": "int_parsing"
            }
          ]
        }
        "#);
    })
    .await;
}

#[tokio::test]
async fn requests_share_their_looks_at_the_log() {
    with_database(async |database| {
        database.count_looks_at_the_log().await;
        let freshness = Freshness::new(database.pool.clone(), None);
        let callers = (0..500).map(|_| freshness.caught_up());
        for position in futures::future::join_all(callers).await {
            assert!(position.unwrap() > Position(0));
        }
        let looks = database.looks_at_the_log().await;
        assert!(looks < 10, "500 callers took {looks} looks");
    })
    .await;
}

#[tokio::test]
async fn a_look_that_began_before_a_request_arrived_does_not_answer_it() {
    with_database(async |database| {
        let before = database.head().await;
        // The answer is decided when the statement begins, and is late.
        database
            .execute(
                "ALTER TABLE log_head RENAME TO head;
                 CREATE VIEW log_head AS
                 SELECT position, recorded_at FROM head CROSS JOIN LATERAL (SELECT pg_sleep(0.2)) pause",
            )
            .await;
        let freshness = Freshness::new(database.pool.clone(), None);
        let early = tokio::spawn({
            let freshness = freshness.clone();
            async move { freshness.caught_up().await.unwrap() }
        });
        eventually(async || {
            let sleepers = "SELECT count(*) = 1 FROM pg_stat_activity
                             WHERE datname = current_database() AND wait_event = 'PgSleep'";
            sqlx::query_scalar(sleepers).fetch_one(&database.pool).await.unwrap()
        })
        .await;
        database.execute("UPDATE head SET position = position + 1").await;
        database.checkpoint("projector.test", before + 1).await;
        assert_eq!(freshness.caught_up().await.unwrap(), Position(before + 1));
        assert_eq!(early.await.unwrap(), Position(before));
    })
    .await;
}

#[tokio::test]
async fn reads_of_a_replica_wait_for_the_replica() {
    with_database(async |log| {
        with_database(async |replica| {
            let freshness = Freshness::new(log.pool.clone(), Some(replica.pool.clone()));
            let head = log.append(1).await;
            log.checkpoint("projector.test", head).await;
            log.count_looks_at_the_log().await;
            let replicate = async {
                eventually(async || log.looks_at_the_log().await >= 2).await;
                replica.checkpoint("projector.test", head).await;
            };
            let (position, ()) = join(freshness.caught_up(), replicate).await;
            assert_eq!(position.unwrap(), Position(head));
        })
        .await;
    })
    .await;
}

async fn position(router: &axum::Router, path: &str) -> String {
    get(router, path).await.header("manman-position").to_owned()
}
