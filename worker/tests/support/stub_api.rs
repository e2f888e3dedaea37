//! A Worker DAL API that remembers what it was asked, and can be told to answer badly.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// `POST /server/instance/create`
    pub what: String,
    pub key: Option<String>,
    pub agent: Option<String>,
    pub body: Value,
}

/// How a request is answered badly.
#[derive(Debug, Clone)]
pub enum Mishap {
    /// It is not carried out; this is the answer.
    Instead(u16, &'static str),
    /// It is carried out, and this is the answer all the same.
    After(u16, &'static str),
    /// It is carried out, and the connection breaks before the answer.
    Lost,
    /// It is not carried out, and there is no answer.
    Silence,
}

type Mood = Arc<dyn Fn(&Asked) -> Option<Mishap> + Send + Sync>;

#[derive(Clone)]
struct Shared {
    mood: Arc<Mutex<Mood>>,
    asked: watch::Sender<Vec<Asked>>,
    done: watch::Sender<Vec<Asked>>,
    /// The keys of the instances that were begun; the first is instance 1.
    instances: Arc<Mutex<Vec<Option<String>>>>,
}

pub struct StubApi {
    pub address: SocketAddr,
    shared: Shared,
    serving: AbortHandle,
}

impl StubApi {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            mood: Arc::new(Mutex::new(Arc::new(|_: &Asked| None))),
            asked: watch::Sender::default(),
            done: watch::Sender::default(),
            instances: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, serving: serving.abort_handle() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests are answered so; `None` is as it should be.
    pub fn is(&self, mood: impl Fn(&Asked) -> Option<Mishap> + Send + Sync + 'static) {
        *self.shared.mood.lock().unwrap() = Arc::new(mood);
    }

    pub fn is_well(&self) {
        self.is(|_| None);
    }

    /// What was asked, whatever was answered.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.borrow().clone()
    }

    /// The instance that was begun under a key.
    pub fn instance_of(&self, key: &str) -> Option<usize> {
        let instances = self.shared.instances.lock().unwrap();
        instances.iter().position(|known| known.as_deref() == Some(key)).map(|place| place + 1)
    }

    /// What was carried out.
    pub fn done(&self) -> Vec<Asked> {
        self.shared.done.borrow().clone()
    }

    /// Returns when so much was asked that `enough`.
    pub async fn was_asked(&self, enough: impl Fn(&[Asked]) -> bool) {
        until(&self.shared.asked, enough).await;
    }

    /// Returns when so much was carried out that `enough`.
    pub async fn has_done(&self, enough: impl Fn(&[Asked]) -> bool) {
        until(&self.shared.done, enough).await;
    }
}

async fn until(all: &watch::Sender<Vec<Asked>>, enough: impl Fn(&[Asked]) -> bool) {
    let mut seen = all.subscribe();
    let waiting = timeout(DEADLINE, seen.wait_for(|all| enough(all))).await;
    assert!(waiting.is_ok(), "in vain: {:#?}", all.borrow());
}

impl Drop for StubApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let asked = Asked {
        what: format!("{} {}", parts.method, parts.uri),
        key: text("idempotency-key"),
        agent: text("user-agent"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    shared.asked.send_modify(|all| all.push(asked.clone()));
    let mood = Arc::clone(&shared.mood.lock().unwrap());
    match mood(&asked) {
        Some(Mishap::Instead(status, text)) => respond(status, text),
        Some(Mishap::After(status, text)) => {
            carry_out(&shared, asked);
            respond(status, text)
        }
        Some(Mishap::Lost) => {
            carry_out(&shared, asked);
            let broken = futures::stream::once(async { Err::<Bytes, _>(io::Error::other("cut")) });
            Body::from_stream(broken).into_response()
        }
        Some(Mishap::Silence) => std::future::pending().await,
        None => carry_out(&shared, asked),
    }
}

/// As the API does it: the same key, the same instance.
fn carry_out(shared: &Shared, asked: Asked) -> Response {
    let answer = if asked.what.ends_with("/create") {
        let mut instances = shared.instances.lock().unwrap();
        let place = instances.iter().position(|known| *known == asked.key).unwrap_or_else(|| {
            instances.push(asked.key.clone());
            instances.len() - 1
        });
        respond(200, &json!({"game_server_instance_id": place + 1}).to_string())
    } else if asked.what.starts_with("PUT /v1/") {
        StatusCode::NO_CONTENT.into_response()
    } else {
        respond(200, "{}")
    };
    shared.done.send_modify(|all| all.push(asked));
    answer
}

fn respond(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}
