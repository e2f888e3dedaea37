//! Both APIs over a database of their own, asked without sockets.

mod answer;
mod database;
mod proxy;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, header};
use axum::middleware::from_fn_with_state;
use command_api::heartbeats::written_before_reads;
use command_api::{CommandApi, Heartbeats, RequestTimeouts};
use domain::game_server::GameServerCommand;
use domain::game_server_instance::InstanceCommand;
use domain::{GameServerCommandDefaultId, GameServerCommandId, Instant, StatusReport, StatusType};
use event_store::{Actor, CommandContext, EventStore, LogOptions, RecordedEvent};
use futures::FutureExt;
use query_api::{Freshness, QueryApi};
use serde_json::{Value, json};
use service::http::{Limits, defaults};
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;

pub use answer::Answer;
pub use database::Database;
pub use proxy::Proxy;

/// A process with both APIs, reads included, as programs put them together.
pub struct App {
    pub experience: Router,
    pub worker_dal: Router,
    pub store: EventStore,
    pub heartbeats: Heartbeats,
    pub pool: PgPool,
}

/// Runs a test on a database of its own, and drops that whatever it comes to.
pub async fn with_app(test: impl AsyncFnOnce(&App)) {
    with_database(async |database: &Database| {
        let app = App::on(database.pool.clone());
        test(&app).await;
    })
    .await;
}

/// As [`with_app`], with a way to the database that the test can cut.
pub async fn with_fragile_app(test: impl AsyncFnOnce(&App, &mut Proxy)) {
    with_database(async |database: &Database| {
        let mut proxy = Proxy::to(database.address()).await;
        let app = App::on(database.behind(&proxy).await);
        test(&app, &mut proxy).await;
    })
    .await;
}

async fn with_database(test: impl AsyncFnOnce(&Database)) {
    let database = Database::create().await;
    let outcome = AssertUnwindSafe(test(&database)).catch_unwind().await;
    database.drop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl App {
    /// Starts a process. Nothing is written of heartbeats unless a test asks for it.
    pub fn on(pool: PgPool) -> Self {
        let store = EventStore::start(pool.clone(), LogOptions::default());
        let freshness = Freshness::new(pool.clone(), None);
        let heartbeats = Heartbeats::new(pool.clone());
        let api = CommandApi::start(
            store.clone(),
            pool.clone(),
            freshness.clone(),
            heartbeats.clone(),
            RequestTimeouts::default(),
        );
        let reads = QueryApi::new(pool.clone(), freshness);
        let worker_dal_reads = query_api::worker_dal::router(reads.clone())
            .merge(query_api::native::router(reads.clone()))
            .layer(from_fn_with_state(heartbeats.clone(), written_before_reads));
        let worker_dal = command_api::worker_dal::router(Arc::clone(&api))
            .merge(command_api::native::agents(Arc::clone(&api)))
            .merge(worker_dal_reads);
        let experience = command_api::experience::router(Arc::clone(&api))
            .merge(command_api::native::users(api))
            .merge(query_api::experience::router(reads.clone()))
            .merge(query_api::native::router(reads));
        Self {
            experience: defaults(experience.split_for_parts().0, &Limits::default()),
            worker_dal: defaults(worker_dal.split_for_parts().0, &Limits::default()),
            store,
            heartbeats,
            pool,
        }
    }

    /// Sends JSON to the Experience API.
    pub async fn ask(&self, path: &str, body: &Value) -> Answer {
        send(&self.experience, post(path, body)).await
    }

    /// Sends JSON to the Worker DAL API.
    pub async fn tell(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(&self.worker_dal, json_request(method, path, body)).await
    }

    /// Registers a worker, which is the current one then.
    pub async fn open_worker(&self) -> i32 {
        let request = Request::post("/worker/create").body(Body::empty()).unwrap();
        let answer = send(&self.worker_dal, request).await;
        let id = i32::try_from(answer.json()["worker_id"].as_i64().unwrap()).unwrap();
        self.project_worker(id, "v1").await;
        id
    }

    /// An agent says that it is the worker of a name.
    pub async fn register(&self, name: &str, agent_id: Uuid) -> Answer {
        let body = json!({"name": name, "agent_id": agent_id, "agent_version": "0.1.0"});
        self.tell(Method::POST, "/v1/workers", &body).await
    }

    /// What a projector would make of a worker.
    pub async fn project_worker(&self, worker_id: i32, surface: &str) {
        sqlx::query(
            "INSERT INTO read_models.workers (worker_id, surface, created_date, position)
             VALUES ($1, $2, now(), 0)",
        )
        .bind(worker_id)
        .bind(surface)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Begins an instance of config 1.
    pub async fn begin_instance(&self, worker_id: i32) -> i32 {
        let body = json!({"game_server_config_id": 1, "worker_id": worker_id});
        let answer = self.tell(Method::POST, "/server/instance/create", &body).await;
        i32::try_from(answer.json()["game_server_instance_id"].as_i64().unwrap()).unwrap()
    }

    pub async fn instance(&self, id: i32, command: InstanceCommand) {
        self.store.instances.execute(&id.to_string(), command, &context()).await.unwrap();
    }

    pub async fn report_instance(&self, id: i32, status: StatusType) {
        let report = StatusReport { status, as_of: now(), received_at: now() };
        self.instance(id, InstanceCommand::ReportStatus(report.into())).await;
    }

    /// Adds command template `id` to game server 1.
    pub async fn add_template(&self, id: i32, command: &str) {
        self.game_server(GameServerCommand::AddCommand {
            game_server_command_id: GameServerCommandId(id),
            name: format!("template {id}"),
            command: command.to_owned(),
            description: None,
            is_visible: true,
        })
        .await;
    }

    /// Adds default `id` for a template of game server 1.
    pub async fn add_default(&self, id: i32, template: i32, value: &str, is_visible: bool) {
        self.game_server(GameServerCommand::AddCommandDefault {
            game_server_command_default_id: GameServerCommandDefaultId(id),
            game_server_command_id: GameServerCommandId(template),
            command_value: value.to_owned(),
            description: None,
            is_visible,
        })
        .await;
    }

    async fn game_server(&self, command: GameServerCommand) {
        self.store.game_servers.execute("1", command, &context()).await.unwrap();
    }

    /// Everything on the log that tests wrote, without what the migrations seed.
    pub async fn events(&self) -> Vec<RecordedEvent> {
        let mut connection = self.pool.acquire().await.unwrap();
        let start = event_store::Position(0);
        let mut events = event_store::read_after(&mut connection, start, 10_000).await.unwrap();
        events.retain(|event| event.metadata().unwrap().actor_id != "seed");
        events
    }

    pub async fn last_event(&self) -> RecordedEvent {
        self.events().await.pop().unwrap()
    }

    pub async fn event_types(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event.event_type).collect()
    }
}

/// The payload of an event, without the name around it.
pub fn payload(event: &RecordedEvent) -> Value {
    let payload: Value = serde_json::from_str(&event.payload).unwrap();
    payload[&event.event_type].clone()
}

pub fn context() -> CommandContext {
    CommandContext::new(Actor::system("test"), Uuid::now_v7())
}

pub fn now() -> Instant {
    chrono::Utc::now()
}

pub fn post(path: &str, body: &Value) -> Request<Body> {
    json_request(Method::POST, path, body)
}

pub fn json_request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

/// As the workers of the earlier generations send it: JSON text without saying so.
pub fn untyped(method: Method, path: &str, body: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap()
}

pub fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
    request.headers_mut().insert(HeaderName::from_static(name), value);
    request
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}
