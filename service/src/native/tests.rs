//! Requests that fit and requests that do not, through a router.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Id, JsonBody, PathText, QueryText};
use crate::http::testing::{Answer, ask, send};
use crate::http::{Limits, defaults};
use crate::problem::Problem;

#[derive(Deserialize)]
struct Named {
    id: Id,
    name: Option<String>,
}

async fn echo(path: PathText, JsonBody(named): JsonBody<Named>) -> Result<Json<Value>, Problem> {
    let path = (path.id("id")?, path.uuid("run")?);
    Ok(Json(json!({"path": path, "id": named.id, "name": named.name})))
}

async fn list(query: QueryText) -> Result<Json<Value>, Problem> {
    Ok(Json(json!([
        query.id("worker_id")?,
        query.number("limit", 1..=100)?,
        query.flag("open")?,
        query.word("outcome", &["pending", "failed"])?,
    ])))
}

fn router() -> Router {
    let routes = Router::new()
        .route("/v1/things/{id}/runs/{run}", put(echo))
        .route("/v1/things", get(list))
        .route("/v1/slow", get(std::future::pending::<()>))
        .route("/v1/panic", get(|| async { panic!("a bug") as &str }));
    let nested = Router::new().nest("/status", routes.clone());
    let limits = Limits { body_bytes: 100, ..Limits::default() };
    defaults(routes.merge(nested), &limits)
}

const RUN: &str = "/v1/things/7/runs/00000000-0000-0000-0000-00000000000a";

async fn put_body(path: &str, body: impl Into<Body>) -> Answer {
    send(&router(), Method::PUT, path, body).await
}

async fn query(text: &str) -> Answer {
    send(&router(), Method::GET, &format!("/v1/things?{text}"), "").await
}

/// Status and code, and whether the whole is a problem.
fn code(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status.as_u16());
    assert_eq!(problem["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    (answer.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn ids_are_text_and_unknown_keys_are_ignored() {
    let answer = put_body(RUN, r#"{"id":"12","more":[]}"#).await;
    let run = "00000000-0000-0000-0000-00000000000a";
    assert_eq!(answer.json(), json!({"path": [7, run], "id": "12", "name": null}));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_400_and_one_of_another_shape_422() {
    for body in ["", "{", "nope", "{\"id\":\"1\"} x", "{\"id\": \"\u{1}\"}"] {
        let answer = put_body(RUN, body).await;
        assert_eq!(code(&answer), (400, "unreadable_body".to_owned()), "{body}");
    }
    for body in ["null", "{}", r#"{"id":1}"#, r#"{"id":"x"}"#, r#"{"id":"2147483648"}"#] {
        let answer = put_body(RUN, body).await;
        assert_eq!(code(&answer), (422, "invalid_body".to_owned()), "{body}");
    }
    let answer = put_body(RUN, r#"{"id":"+1"}"#).await.json();
    let detail = r#"The body does not fit: invalid value: string "+1", expected an id as a string of digits at line 1 column 10."#;
    assert_eq!(answer["detail"], detail);
}

#[tokio::test]
async fn a_body_of_another_media_type_is_415_and_json_needs_none() {
    let typed = |kind: &str| {
        let request = Request::put(RUN).header("Content-Type", kind);
        request.body(Body::from(r#"{"id":"1"}"#)).unwrap()
    };
    for kind in ["application/json", "application/merge-patch+json; charset=utf-8"] {
        assert_eq!(ask(&router(), typed(kind)).await.status, StatusCode::OK, "{kind}");
    }
    let answer = ask(&router(), typed("text/plain")).await;
    assert_eq!(code(&answer), (415, "unsupported_media_type".to_owned()));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let chunks = [Ok::<_, std::io::Error>("x".repeat(101))];
    let unannounced = Body::from_stream(futures::stream::iter(chunks));
    for body in [Body::from("x".repeat(101)), unannounced] {
        let answer = put_body(RUN, body).await;
        assert_eq!(code(&answer), (413, "body_too_large".to_owned()));
    }
}

#[tokio::test]
async fn a_path_parameter_that_does_not_fit_is_422_and_named() {
    let run = &RUN["/v1/things/7".len()..];
    for (path, parameter) in [
        (format!("/v1/things/x{run}"), "id"),
        (format!("/v1/things/-1{run}"), "id"),
        ("/v1/things/7/runs/8".to_owned(), "run"),
    ] {
        let answer = put_body(&path, r#"{"id":"1"}"#).await;
        assert_eq!(code(&answer), (422, "invalid_parameter".to_owned()), "{path}");
        assert_eq!(answer.json()["parameter"], parameter, "{path}");
    }
    let large = put_body(&format!("/v1/things/99999999999999999999{run}"), r#"{"id":"1"}"#).await;
    assert_eq!(large.json()["path"][0], Value::Null);
}

#[tokio::test]
async fn query_parameters_are_typed_and_may_be_absent() {
    assert_eq!(query("").await.json(), json!([null, null, null, null]));
    let all = query("worker_id=6&limit=1&limit=100&open=false&outcome=failed&more=1").await;
    assert_eq!(all.json(), json!([6, 100, false, "failed"]));
}

#[tokio::test]
async fn a_query_parameter_that_does_not_fit_is_422_and_named() {
    for (text, parameter) in [
        ("worker_id=", "worker_id"),
        ("worker_id=x", "worker_id"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1.5", "limit"),
        ("open=yes", "open"),
        ("outcome=PENDING", "outcome"),
    ] {
        let answer = query(text).await;
        assert_eq!(code(&answer), (422, "invalid_parameter".to_owned()), "{text}");
        assert_eq!(answer.json()["parameter"], parameter, "{text}");
    }
    let answer = query("limit=0").await.json();
    assert_eq!(answer["detail"], "The parameter limit must be a whole number from 1 to 100.");
}

#[tokio::test]
async fn what_no_handler_answers_is_a_problem_too() {
    for (method, path, expected) in [
        (Method::GET, "/v1", (404, "not_found")),
        (Method::GET, "/v1/nope", (404, "not_found")),
        (Method::GET, "/status/v1/nope", (404, "not_found")),
        (Method::POST, "/v1/things", (405, "method_not_allowed")),
        (Method::POST, "/status/v1/things", (405, "method_not_allowed")),
        (Method::GET, "/v1/panic", (500, "internal")),
        (Method::GET, "/status/v1/panic", (500, "internal")),
    ] {
        let answer = send(&router(), method, path, "").await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{path}");
    }
    let answer = send(&router(), Method::POST, "/v1/things", "").await;
    assert_eq!(answer.headers[header::ALLOW], "GET");
    let answer = send(&router(), Method::HEAD, "/v1/things", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_408() {
    let answer = send(&router(), Method::GET, "/v1/slow", "").await;
    assert_eq!(code(&answer), (408, "request_timeout".to_owned()));
}
