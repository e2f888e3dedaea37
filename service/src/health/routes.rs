//! The health endpoints.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;

use super::Health;
use crate::telemetry::Metrics;

/// `/health` as v1 has it: 200 and the JSON string `"OK"`, whatever the state of the process
/// (the v1 wire contract).
pub fn v1_router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let answer = || async { ([(header::CONTENT_TYPE, "application/json")], "\"OK\"") };
    Router::new().route("/health", get(answer))
}

/// `/livez`, `/readyz`, `/metrics` and v1's `/health`.
///
/// `/livez` answers 503 once a background task has died: a restart is called for. `/readyz` answers
/// 503 with the failing checks while work sent here would fail, and from the moment shutdown
/// begins. With either it tells warnings, which do not end readiness, and facts.
pub fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route("/metrics", get(async move || expose(&metrics)))
        .merge(v1_router())
}

async fn livez(State(health): State<Health>) -> Response {
    let deaths = health.deaths();
    if deaths.is_empty() {
        return Json(json!({"status": "alive"})).into_response();
    }
    let body = json!({"status": "dead", "tasks": deaths});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn readyz(State(health): State<Health>) -> Response {
    let (failing, warnings, facts) =
        tokio::join!(health.failing(), health.warnings(), health.facts());
    let (code, mut body) = if failing.is_empty() {
        (StatusCode::OK, json!({"status": "ready"}))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "unready", "failing": failing}))
    };
    if !warnings.is_empty() {
        body["warnings"] = json!(warnings);
    }
    for (name, fact) in facts {
        body[name] = fact;
    }
    (code, Json(body)).into_response()
}

fn expose(metrics: &Metrics) -> Response {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::{Health, Metrics, Router, StatusCode, header, router};
    use crate::http::testing::{Answer, send};
    use crate::http::{Limits, defaults};

    fn process() -> (Health, CancellationToken, Router) {
        let shutdown = CancellationToken::new();
        let health = Health::new(shutdown.clone());
        let router = router(health.clone(), Metrics::detached());
        let router = defaults(router, &Limits::default());
        (health, shutdown, router)
    }

    async fn get(router: &Router, path: &str) -> Answer {
        send(router, Method::GET, path, "").await
    }

    #[tokio::test]
    async fn health_is_v1s_four_bytes() {
        let (_, _, router) = process();
        let answer = get(&router, "/health").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.text, "\"OK\"");
        let head = send(&router, Method::HEAD, "/health", "").await;
        assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(head.headers[header::ALLOW], "GET");
    }

    #[tokio::test]
    async fn readiness_names_the_failing_checks_until_they_pass() {
        let (health, _, router) = process();
        let flag = health.flag("projections");
        health.check("database", || async { Ok::<_, String>(()) });
        let answer = get(&router, "/readyz").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let failing = json!([{"check": "projections", "detail": "not started yet"}]);
        assert_eq!(answer.json(), json!({"status": "unready", "failing": failing}));

        flag.pass();
        let answer = get(&router, "/readyz").await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "ready"})));

        flag.fail("12 s behind");
        assert_eq!(health.failing().await[0].detail, "12 s behind");
    }

    #[tokio::test]
    async fn warnings_and_facts_are_told_and_do_not_end_readiness() {
        let (health, _, router) = process();
        health.warn("parked events", || async { Err::<(), _>("1 of workers") });
        health.warn("disk", || async { Ok::<_, String>(()) });
        health.fact("log", || async { Some(json!({"head": 7})) });
        health.fact("moon", || async { None });
        let answer = get(&router, "/readyz").await;
        assert_eq!(answer.status, StatusCode::OK);
        let warnings = json!([{"check": "parked events", "detail": "1 of workers"}]);
        let expected = json!({"status": "ready", "warnings": warnings, "log": {"head": 7}});
        assert_eq!(answer.json(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_does_not_answer_fails() {
        let (health, _, _) = process();
        health.check("database", std::future::pending::<Result<(), String>>);
        assert_eq!(health.failing().await[0].detail, "no answer within 2 seconds");
    }

    #[tokio::test]
    async fn readiness_ends_when_shutdown_begins_and_liveness_does_not() {
        let (_, shutdown, router) = process();
        assert_eq!(get(&router, "/readyz").await.status, StatusCode::OK);
        shutdown.cancel();
        assert_eq!(get(&router, "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(get(&router, "/livez").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn liveness_ends_with_a_task() {
        let (health, _, router) = process();
        assert_eq!(get(&router, "/livez").await.status, StatusCode::OK);
        health.task_died("relay", "it panicked".to_owned());
        let answer = get(&router, "/livez").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let tasks = json!([{"task": "relay", "detail": "it panicked"}]);
        assert_eq!(answer.json(), json!({"status": "dead", "tasks": tasks}));
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let (_, _, router) = process();
        let answer = get(&router, "/metrics").await;
        assert_eq!(answer.status, StatusCode::OK);
        let format = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
        assert!(format.starts_with("text/plain; version=0.0.4"));
    }
}
