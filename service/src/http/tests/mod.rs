//! What every route gets, through a router.

mod server;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::routing::{get, post};
use serde_json::json;

use super::testing::{ask, send};
use super::{Limits, RequestId, defaults};
use crate::problem::Problem;
use crate::v1::{JsonBody, V1Error};

fn routes() -> Router {
    Router::new()
        .route("/server/{id}", get(|| async { "server" }))
        .route("/gameserver/types", get(|| async { "types" }).post(|| async { "created" }))
        .route("/gameserver/types/{id}/command", post(|| async { "command" }))
        .route("/id", get(|id: RequestId| async move { id.as_str().to_owned() }))
        .route("/panic", get(|| async { panic!("a bug") as &str }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/bytes", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/json", post(|_: JsonBody| async { "read" }))
        .route(
            "/problem",
            get(|| async { Problem::unavailable("PostgreSQL is away.", Duration::from_millis(1)) }),
        )
        .route(
            "/away",
            get(|| async { V1Error::unavailable("try later", Duration::from_secs(3), "refused") }),
        )
}

fn router() -> Router {
    defaults(routes(), &Limits::default())
}

#[tokio::test]
async fn an_unknown_path_is_404_in_v1s_shape() {
    for path in ["/", "/nope", "/server", "/server/", "/server/1/x", "//", "/nope/"] {
        let answer = send(&router(), Method::GET, path, "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json(), json!({"detail": "Not Found"}), "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_names_the_first_right_one() {
    for (method, path, allow) in [
        (Method::GET, "/gameserver/types/1/command", "POST"),
        (Method::PUT, "/gameserver/types", "GET"),
        (Method::OPTIONS, "/server/1", "GET"),
        (Method::DELETE, "/bytes", "POST"),
    ] {
        let answer = send(&router(), method, path, "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.json(), json!({"detail": "Method Not Allowed"}));
        assert_eq!(answer.headers[header::ALLOW], allow, "{path}");
    }
}

#[tokio::test]
async fn head_is_405_on_routes_with_get() {
    let answer = send(&router(), Method::HEAD, "/gameserver/types", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers[header::ALLOW], "GET");
    let answer = send(&router(), Method::HEAD, "/nope", "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_trailing_slash_leads_to_the_path_without_it_for_any_method() {
    for (method, path, location) in [
        (Method::GET, "/server/1/", "/server/1"),
        (Method::GET, "/gameserver/types//", "/gameserver/types"),
        (Method::PUT, "/gameserver/types/?a=b%20c&d", "/gameserver/types?a=b%20c&d"),
        (Method::GET, "/gameserver/types/1/command/", "/gameserver/types/1/command"),
    ] {
        let answer = send(&router(), method, path, "").await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(answer.headers[header::LOCATION], location);
        assert_eq!(answer.text, "");
    }
}

#[tokio::test]
async fn a_redirect_never_leaves_the_host() {
    let open = Router::new().route("/{a}/{b}", get(|| async { "" }));
    let open = defaults(open.route("//{a}/{b}", get(|| async { "" })), &Limits::default());
    let answer = send(&open, Method::GET, "//evil.example/x/", "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let with = |id: &str| Request::get("/id").header("X-Request-Id", id).body(Body::empty());
    let answer = ask(&router(), with("trace-1:7").unwrap()).await;
    assert_eq!(
        (answer.text.as_str(), &answer.headers["x-request-id"]),
        ("trace-1:7", &"trace-1:7".parse().unwrap())
    );
    for bad in ["", "two words", "a\"b", &"x".repeat(129)] {
        let answer = ask(&router(), with(bad).unwrap()).await;
        let id = uuid::Uuid::parse_str(&answer.text).unwrap();
        assert_eq!(id.get_version_num(), 7, "{bad}");
    }
}

#[tokio::test]
async fn answers_without_a_handler_have_a_request_id_too() {
    let answer = send(&router(), Method::GET, "/nope", "").await;
    assert!(answer.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_panic_is_500_in_plain_text_and_tells_nothing() {
    let answer = send(&router(), Method::GET, "/panic", "").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(answer.text, "Internal Server Error");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_408() {
    let answer = send(&router(), Method::GET, "/slow", "").await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.json(), json!({"detail": "Request Timeout"}));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_whether_announced_or_not_and_however_read() {
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let router = defaults(routes(), &limits);
    let chunked = |size: usize| {
        let chunks = [Ok::<_, std::io::Error>("x".repeat(size))];
        Body::from_stream(futures::stream::iter(chunks))
    };
    for path in ["/bytes", "/json", "/gameserver/types"] {
        let answer = send(&router, Method::POST, path, "x".repeat(11)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.json(), json!({"detail": "Content Too Large"}));
    }
    for path in ["/bytes", "/json"] {
        let answer = send(&router, Method::POST, path, chunked(11)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.json(), json!({"detail": "Content Too Large"}));
    }
    assert_eq!(send(&router, Method::POST, "/bytes", chunked(10)).await.text, "10");
}

#[tokio::test]
async fn a_problem_knows_its_request() {
    let request = Request::get("/problem").header("X-Request-Id", "r1");
    let answer = ask(&router(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    insta::assert_json_snapshot!(answer.json(), @r#"
    {
      "code": "unavailable",
      "detail": "PostgreSQL is away.",
      "request_id": "r1",
      "status": 503,
      "title": "Service Unavailable",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn something_away_is_503_in_v1s_shape_with_retry_after() {
    let answer = send(&router(), Method::GET, "/away", "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "3");
    assert_eq!(answer.json(), json!({"detail": "try later"}));
}

#[test]
fn requests_are_counted_by_route_not_by_path() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let router = router();
            for path in ["/server/1", "/server/2", "/nope/1", "/nope/2"] {
                send(&router, Method::GET, path, "").await;
            }
            send(&router, Method::PUT, "/server/3", "").await;
        });
    });
    let text = recorder.handle().render();
    for line in [
        r#"http_requests_total{method="GET",route="/server/{id}",status="2xx"} 2"#,
        r#"http_requests_total{method="GET",route="unmatched",status="4xx"} 2"#,
        r#"http_requests_total{method="PUT",route="/server/{id}",status="4xx"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/server/{id}"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
