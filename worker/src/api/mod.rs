//! The Worker DAL API as the agent uses it: one method per call, no retries.
//!
//! Whether a call is made again is up to who makes it, by [`ApiError::is_worth_retrying`]. Every call that changes
//! something may be repeated: creating and closing an instance carries an `Idempotency-Key`, the rest are PUTs, or say
//! the same as before.

mod bodies;
mod error;
mod http;
mod ids;

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::bodies::parts;
pub use self::bodies::{
    Attachment, CommandKind, InstanceBeat, OpenInstance, OutcomeBody, OutcomeWord, PendingCommand,
    Registration, RestartPolicy, ServerConfig, ServerType, Supervision,
};
pub use self::error::ApiError;
use self::http::{Http, ask, tell};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// A heartbeat that takes longer is given up for the next one: after 5 s of silence the worker is lost, so that one which
/// hangs must leave room for another.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What instances printed, in bytes, in one heartbeat call. The server reads a mebibyte, and JSON may double the text.
const HEARTBEAT_TEXT: usize = 400_000;

const CONFLICT: u16 = 409;

/// The Worker DAL API. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Api {
    http: Http,
}

impl Api {
    /// The API at this address, whose path is kept: `/v1/workers` is asked for below it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ApiError::Address`].
    pub fn try_new(base: &str, verify_tls: bool) -> Result<Self, ApiError> {
        Ok(Self { http: Http::try_new(base, verify_tls)? })
    }

    /// Registers as the worker of this name, new or not.
    ///
    /// # Errors
    /// Refused with code `worker_name_in_use` while another agent of this name lives.
    pub async fn register(
        &self,
        name: &str,
        agent_id: Uuid,
        version: &str,
    ) -> Result<Registration, ApiError> {
        let body = json!({"name": name, "agent_id": agent_id, "agent_version": version});
        ask(self.post("/v1/workers").json(&body)).await
    }

    /// Says that the agent and these instances live: in one call, unless they have printed too much for one.
    ///
    /// # Errors
    /// Refused with code `worker_not_found`, `worker_taken_over` or `worker_closed`: then there is no use in going on as
    /// this worker.
    pub async fn heartbeat(
        &self,
        worker_id: i32,
        agent_id: Uuid,
        instances: &[InstanceBeat],
    ) -> Result<(), ApiError> {
        for part in parts(instances, HEARTBEAT_TEXT) {
            let body = json!({"agent_id": agent_id, "game_server_instances": part});
            let request = self.post(&format!("/v1/workers/{worker_id}/heartbeat"));
            tell(request.timeout(HEARTBEAT).json(&body)).await?;
        }
        Ok(())
    }

    /// The commands that have no outcome yet, oldest first.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn pending_commands(&self, worker_id: i32) -> Result<Vec<PendingCommand>, ApiError> {
        #[derive(Deserialize)]
        struct Page {
            commands: Vec<PendingCommand>,
        }
        let path = format!("/v1/workers/{worker_id}/commands?outcome=pending");
        let page: Page = ask(self.get(&path)).await?;
        Ok(page.commands)
    }

    /// The worker's instances that have not ended, as ManMan sees it.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn open_instances(&self, worker_id: i32) -> Result<Vec<OpenInstance>, ApiError> {
        #[derive(Deserialize)]
        struct Page {
            game_server_instances: Vec<OpenInstance>,
            #[serde(with = "ids::optional")]
            next: Option<i32>,
        }
        let path = format!("/v1/game-server-instances?worker_id={worker_id}&open=true");
        let mut open = Vec::new();
        let mut after = 0;
        loop {
            let page: Page = ask(self.get(&format!("{path}&after={after}"))).await?;
            open.extend(page.game_server_instances);
            match page.next {
                Some(next) if next > after => after = next,
                Some(_) | None => return Ok(open),
            }
        }
    }

    /// A config.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn config(&self, config_id: i32) -> Result<ServerConfig, ApiError> {
        ask(self.get(&format!("/v1/game-server-configs/{config_id}"))).await
    }

    /// Begins an instance and returns its id; the same one for the same key.
    ///
    /// # Errors
    /// Refused with 404 when there is no such worker or config, 410 when the worker is closed.
    pub async fn create_instance(
        &self,
        key: Uuid,
        worker_id: i32,
        config_id: i32,
    ) -> Result<i32, ApiError> {
        #[derive(Deserialize)]
        struct Created {
            game_server_instance_id: i32,
        }
        let body = json!({"game_server_config_id": config_id, "worker_id": worker_id});
        let request = self.post("/server/instance/create").header(IDEMPOTENCY_KEY, key.to_string());
        let created: Created = ask(request.json(&body)).await?;
        Ok(created.game_server_instance_id)
    }

    /// Ends an instance. One that has ended is fine as it is.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn close_instance(&self, key: Uuid, instance_id: i32) -> Result<(), ApiError> {
        let body = json!({"game_server_instance_id": instance_id});
        let request =
            self.put("/server/instance/shutdown").header(IDEMPOTENCY_KEY, key.to_string());
        unless_done_before(tell(request.json(&body)).await)
    }

    /// Ends the worker's registration. One that has ended is fine as it is.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn close_worker(&self, worker_id: i32) -> Result<(), ApiError> {
        let request = self.put("/worker/shutdown").json(&json!({"worker_id": worker_id}));
        unless_done_before(tell(request).await)
    }

    /// Has all other workers that speak v1 closed.
    ///
    /// # Errors
    /// Refused with 404 when there is no such worker, 410 when it is closed itself.
    pub async fn shut_down_others(&self, worker_id: i32) -> Result<(), ApiError> {
        tell(self.put("/worker/shutdown/other").json(&json!({"worker_id": worker_id}))).await
    }

    /// Says how a command ended. The first outcome stays; a later one is fine and changes nothing.
    ///
    /// # Errors
    /// Refused with 404 when there is no such command.
    pub async fn resolve(
        &self,
        worker_id: i32,
        command_id: Uuid,
        outcome: &OutcomeBody,
    ) -> Result<(), ApiError> {
        let path = format!("/v1/workers/{worker_id}/commands/{command_id}/outcome");
        tell(self.put(&path).json(outcome)).await
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.request(Method::POST, path)
    }

    fn put(&self, path: &str) -> RequestBuilder {
        self.http.request(Method::PUT, path)
    }
}

/// v1 answers 409 to an end that it knows of already.
fn unless_done_before(answer: Result<(), ApiError>) -> Result<(), ApiError> {
    match answer {
        Err(ApiError::Refused { status: CONFLICT, .. }) => Ok(()),
        answer => answer,
    }
}
