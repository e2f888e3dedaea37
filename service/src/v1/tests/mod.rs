//! Requests through a router, by what v1's wire contract says about them. The expected answers are
//! those of `FastAPI` and pydantic, taken from running them.

mod body;
mod fields;
mod parameters;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Json;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Check, JsonBody, PathText, QueryText, V1Error};
use crate::http::testing::{Answer, send};
use crate::http::{Limits, defaults};

const INT_PARSING: &str = "Input should be a valid integer, unable to parse string as an integer";
const BOOL_PARSING: &str = "Input should be a valid boolean, unable to interpret input";
const OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";

async fn execute(body: JsonBody) -> Result<Json<Value>, V1Error> {
    let mut check = Check::new();
    let mut fields = check.body(&body);
    let kind = fields.string("command_type");
    let id = fields.int("command_id");
    let value = fields.optional_string("custom_value");
    let (kind, id, value) = check.finish(|| Some((kind?, id?, value?)))?;
    Ok(Json(json!([kind, id.saturated(), value])))
}

async fn command(path: PathText, body: JsonBody) -> Result<Json<Value>, V1Error> {
    let mut check = Check::new();
    let id = check.path_int(&path, "id");
    let mut fields = check.body(&body);
    let name = fields.string("name");
    let visible = fields.bool_or("is_visible", true);
    let (id, name, visible) = check.finish(|| Some((id?, name?, visible?)))?;
    Ok(Json(json!([id.saturated(), name, visible])))
}

async fn stdin(body: JsonBody) -> Result<Json<Value>, V1Error> {
    let mut check = Check::new();
    let commands = check.body(&body).strings("commands");
    check.finish(|| Some(Json(json!(commands?))))
}

async fn worker(body: JsonBody) -> Result<Json<Value>, V1Error> {
    let mut check = Check::new();
    let id = check.body(&body).optional_int("worker_id");
    check.finish(|| Some(Json(json!(id?.and_then(super::Int::id)))))
}

async fn list(query: QueryText) -> Result<Json<Value>, V1Error> {
    let mut check = Check::new();
    let limit = check.query_int(&query, "limit", 10);
    let crashed = check.query_bool(&query, "include_crashed", false);
    let (limit, crashed) = check.finish(|| Some((limit?, crashed?)))?;
    Ok(Json(json!([limit.saturated(), crashed])))
}

async fn one(path: PathText) -> Result<Json<Value>, V1Error> {
    let id = path.int("instance_id")?;
    let id = id.id().ok_or(V1Error::not_found("Instance not found"))?;
    Ok(Json(json!(id)))
}

async fn without_worker(_: PathText, _: JsonBody) -> Result<(), V1Error> {
    Err(V1Error::not_found("Worker not found"))
}

fn router() -> Router {
    let router = Router::new()
        .route("/execute", post(execute))
        .route("/command/{id}", post(command))
        .route("/stdin", post(stdin))
        .route("/worker", post(worker))
        .route("/list", get(list))
        .route("/one/{id}", get(one))
        .route("/without-worker/{id}", post(without_worker));
    defaults(router, &Limits::default())
}

async fn post_json(path: &str, body: impl Into<Body>) -> Answer {
    send(&router(), Method::POST, path, body).await
}

async fn get_json(path: &str) -> Answer {
    send(&router(), Method::GET, path, "").await
}

/// One problem as it is expected in an answer.
#[expect(clippy::needless_pass_by_value, reason = "`json!` in the call is easier to read")]
fn item(kind: &str, loc: Value, msg: &str, input: Value) -> Value {
    json!({"type": kind, "loc": loc, "msg": msg, "input": input})
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "`json!` in the call is easier to read")]
fn assert_invalid(answer: &Answer, items: Value) {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(answer.json(), json!({"detail": items}));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "`json!` in the call is easier to read")]
fn assert_accepted(answer: &Answer, value: Value) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json(), value);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
}
