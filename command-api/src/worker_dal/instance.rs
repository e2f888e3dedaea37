//! Instances begin and end.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::game_server_instance::{InstanceClosedBy, InstanceCommand};
use domain::{GameServerConfigId, GameServerInstance, GameServerInstanceId, WorkerId};
use event_store::Executed;
use query_api::read_models::GameServerInstance as InstanceJson;
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::time::iso;
use service::v1::{Check, JsonBody, V1Error};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::catalogue;
use crate::context::{Caller, agent};
use crate::error;
use crate::failure::Failure;
use crate::heartbeats::Entity;
use crate::reply::{Reply, Written};

/// An instance that began just now. v1 leaves the other keys out.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedInstance {
    /// Its id.
    game_server_instance_id: i32,
    /// What runs.
    game_server_config_id: i32,
    /// Where it runs.
    worker_id: i32,
    /// When it was created.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
}

/// What the server uses of the instance that a worker wants to begin. Its id is a placeholder.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct NewInstance {
    /// What is to run.
    game_server_config_id: i32,
    /// Where it runs.
    worker_id: i32,
}

/// What the server uses of the instance that a worker sends back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct InstanceReference {
    /// Its id.
    game_server_instance_id: Option<i32>,
}

/// Begins an instance on a worker.
#[utoipa::path(
    post,
    path = "/server/instance/create",
    request_body = NewInstance,
    responses(
        (status = 200, description = "The new instance", body = CreatedInstance),
        (status = 404, description = "There is no such worker or config", body = Refusal),
        (status = 410, description = "The worker is closed", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn create(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let mut check = Check::new();
    let mut fields = check.body(&body);
    let config_id = fields.int("game_server_config_id");
    let worker_id = fields.int("worker_id");
    let (config_id, worker_id) = check.finish(|| config_id.zip(worker_id))?;
    let worker_id = worker_id.id().map(WorkerId).ok_or_else(error::worker_not_found)?;
    api.open_worker(worker_id).await.map_err(error::instance_creation)?;
    let config_id = catalogue::config_id(config_id)?;
    api.begin(config_id, worker_id, &caller).await
}

/// Ends an instance.
#[utoipa::path(
    put,
    path = "/server/instance/shutdown",
    request_body = InstanceReference,
    responses(
        (status = 200, description = "The closed instance", body = InstanceJson),
        (status = 404, description = "There is none", body = Refusal),
        (status = 409, description = "Its worker closed it before", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn shutdown(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let mut check = Check::new();
    let id = check.body(&body).optional_int("game_server_instance_id");
    let id = check.finish(|| id)?.and_then(service::v1::Int::id);
    api.end(GameServerInstanceId(id.ok_or_else(error::instance_not_found)?), &caller).await
}

impl CommandApi {
    async fn begin(
        &self,
        game_server_config_id: GameServerConfigId,
        worker_id: WorkerId,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        let config = self.config(game_server_config_id).await?;
        let id = self.ids.game_server_instance.next().await.map_err(Failure::from)?;
        let reply = Reply::of(&CreatedInstance {
            game_server_instance_id: id,
            game_server_config_id: game_server_config_id.0,
            worker_id: worker_id.0,
            created_date: caller.at,
        })?;
        let command = InstanceCommand::Create {
            game_server_instance_id: GameServerInstanceId(id),
            game_server_config_id,
            game_server_id: config.game_server_id,
            worker_id,
            at: caller.at,
        };
        let context = caller.answering(agent(worker_id), &reply)?;
        let done = self.store.instances.create(&id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::instance)?)?)
    }

    async fn end(
        &self,
        instance_id: GameServerInstanceId,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        let id = instance_id.to_string();
        let open = self.store.instances.load(&id).await.map_err(error::instance)?.state;
        let last_heartbeat = self.heartbeats.last(Entity::Instance(instance_id)).await?;
        let open = InstanceJson { last_heartbeat, ..shown(&open)? };
        let worker_id = WorkerId(open.worker_id);
        let reply = Reply::of(&InstanceJson { end_date: Some(caller.at), ..open })?;
        let command = InstanceCommand::Close { at: caller.at, by: InstanceClosedBy::Shutdown };
        let context = caller.answering(agent(worker_id), &reply)?;
        let done = self.store.instances.execute(&id, command, &context).await;
        let done = done.map_err(error::instance)?;
        if let Executed::Done { after, position: None } = &done {
            // It was closed before, and not at this request's time.
            let closed = InstanceJson { last_heartbeat, ..shown(&after.state)? };
            return Ok(Reply::of(&closed)?.to(&done)?);
        }
        Ok(reply.to(&done)?)
    }
}

/// An instance as v1 shows it, without its heartbeat.
pub(super) fn shown(instance: &GameServerInstance) -> Result<InstanceJson, V1Error> {
    let run = instance.run.as_ref().ok_or_else(error::instance_not_found)?;
    Ok(InstanceJson {
        game_server_instance_id: run.game_server_instance_id.0,
        game_server_config_id: run.game_server_config_id.0,
        worker_id: run.worker_id.0,
        created_date: run.created_at,
        end_date: instance.closure.as_ref().map(|closure| closure.closed_at),
        last_heartbeat: None,
    })
}
