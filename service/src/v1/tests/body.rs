//! The body as a whole.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::*;
use crate::http::testing::ask;

#[tokio::test]
async fn an_absent_body_is_missing_and_so_is_null() {
    for body in ["", "null", " null "] {
        let missing = item("missing", json!(["body"]), "Field required", Value::Null);
        assert_invalid(&post_json("/execute", body).await, json!([missing]));
    }
}

#[tokio::test]
async fn a_missing_field_quotes_the_whole_body() {
    let body = json!({"command_id": 7});
    let missing = item("missing", json!(["body", "command_type"]), "Field required", body.clone());
    assert_invalid(&post_json("/execute", body.to_string()).await, json!([missing]));
}

#[tokio::test]
async fn a_body_that_is_no_object_is_quoted() {
    for body in [json!([]), json!("x"), json!(5), json!(true)] {
        let answer = post_json("/execute", body.to_string()).await;
        let items = json!([item("model_attributes_type", json!(["body"]), OBJECT, body)]);
        assert_invalid(&answer, items);
    }
}

#[tokio::test]
async fn broken_json_is_described_as_python_does() {
    for (body, position, error) in [
        ("{\"name\":", 8, "Expecting value"),
        ("{\"é\": é}", 6, "Expecting value"),
        ("{\"a\":1,}", 7, "Expecting property name enclosed in double quotes"),
        ("{} x", 3, "Extra data"),
    ] {
        let mut broken =
            item("json_invalid", json!(["body", position]), "JSON decode error", json!({}));
        broken["ctx"] = json!({"error": error});
        assert_invalid(&post_json("/command/x", body).await, json!([broken]));
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_400() {
    for body in [&b"{\"name\": \"\xff\"}"[..], b"\xff{", b"{\"name\": NaN}"] {
        let answer = post_json("/command/1", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json(), json!({"detail": "There was an error parsing the body"}));
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_ignored() {
    let answer = post_json("/stdin", "\u{feff}{\"commands\": []}").await;
    assert_accepted(&answer, json!([]));
}

#[tokio::test]
async fn every_problem_is_listed_path_first() {
    let body = json!({"is_visible": "maybe"});
    let items = json!([
        item("int_parsing", json!(["path", "id"]), INT_PARSING, json!("x")),
        item("missing", json!(["body", "name"]), "Field required", body.clone()),
        item("bool_parsing", json!(["body", "is_visible"]), BOOL_PARSING, json!("maybe")),
    ]);
    assert_invalid(&post_json("/command/x", body.to_string()).await, items);
}

async fn post_as(content_type: &str, body: &'static str) -> Answer {
    let request = Request::post("/stdin").header(header::CONTENT_TYPE, content_type);
    ask(&router(), request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn json_is_read_under_every_name_it_goes_by() {
    for content_type in [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        "application/vnd.api+json",
        "application/geo+JSON",
        "",
    ] {
        let answer = post_as(content_type, "{\"commands\": [\"x\"]}").await;
        assert_accepted(&answer, json!(["x"]));
    }
}

#[tokio::test]
async fn any_other_content_is_quoted_as_text() {
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "text/json", "garbage"]
    {
        let answer = post_as(content_type, "{\"commands\": []}").await;
        let text = json!("{\"commands\": []}");
        let items = json!([item("model_attributes_type", json!(["body"]), OBJECT, text)]);
        assert_invalid(&answer, items);
    }
    let missing = item("missing", json!(["body"]), "Field required", Value::Null);
    assert_invalid(&post_as("text/plain", "").await, json!([missing]));
}

#[tokio::test]
async fn an_endpoint_may_answer_before_anything_is_checked_but_not_before_the_json_is_read() {
    for body in ["", "5", "{}"] {
        let answer = post_json("/without-worker/x", body).await;
        assert_eq!(answer.json(), json!({"detail": "Worker not found"}));
    }
    let answer = post_json("/without-worker/x", "{\"a\":").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}
