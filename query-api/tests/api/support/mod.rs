//! A database with rows in its read models, and the routers on top of it.

mod database;
mod rows;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use query_api::{Freshness, QueryApi, experience, native, status, worker_dal};
use serde_json::{Value, json};
use service::http::{Limits, defaults};
use sqlx::PgPool;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

pub use database::{Database, with_database};
pub use rows::{NewInstance, NewRequest, NewWorker, at};

/// An answer, comparable as a whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Status and body, for a snapshot. What is different every time is left out.
    pub fn shown(&self) -> Value {
        let mut body = self.body.clone();
        if let Some(problem) = body.as_object_mut() {
            problem.remove("request_id");
        }
        json!({"status": self.status.as_u16(), "body": body})
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn experience(reads: &PgPool) -> Router {
    finished(experience::router(state(reads)))
}

pub fn worker_dal(reads: &PgPool) -> Router {
    finished(worker_dal::router(state(reads)))
}

pub fn status(reads: &PgPool) -> Router {
    finished(status::router(state(reads)))
}

/// As the APIs have it whose clients write.
pub fn native(reads: &PgPool) -> Router {
    finished(native::router(state(reads)))
}

/// As the Status API has it.
pub fn native_as_found(reads: &PgPool) -> Router {
    finished(native::router_as_found(state(reads)))
}

fn state(reads: &PgPool) -> QueryApi {
    QueryApi::new(reads.clone(), Freshness::new(reads.clone(), None))
}

fn finished(router: OpenApiRouter) -> Router {
    let (router, _) = router.split_for_parts();
    defaults(router, &Limits::default())
}

pub async fn get(router: &Router, path: &str) -> Answer {
    get_with(router, path, &[]).await
}

pub async fn get_with(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| request.header(*name, *value))
        .body(Body::empty())
        .unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let text = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&text)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&text))),
    }
}

/// Status and body of several requests by their paths, for one snapshot.
pub async fn get_all(router: &Router, paths: &[&str]) -> Value {
    let mut shown = serde_json::Map::new();
    for path in paths {
        shown.insert((*path).to_owned(), get(router, path).await.shown());
    }
    Value::Object(shown)
}

/// Waits until it is true, up to ten seconds.
pub async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looking).await.expect("it never came to be");
}
