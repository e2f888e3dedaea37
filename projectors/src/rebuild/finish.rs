//! What is left to do after a switch: to tell the log, and to drop the tables that were replaced. A note on
//! those says what to tell; so a crash right after the switch is made up for by whoever comes next.

use domain::Subscription;
use domain::subscription::SubscriptionCommand;
use event_store::{Actor, ActorKind, CommandContext, Log, Repository};
use serde::{Deserialize, Serialize};
use sqlx::Connection;
use uuid::Uuid;

use super::twin::tables;
use super::{RebuildError, schema, session};
use crate::projection::ProjectionInfo;

/// Who wants rebuilt rows shown, and why.
#[derive(Debug, Clone)]
pub struct SwitchedBy {
    /// Who.
    pub actor: Actor,
    /// Why, in words.
    pub reason: Option<String>,
}

/// What the log is to be told of a switch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) from_version: Option<u32>,
    pub(super) version: u32,
    pub(super) position: i64,
    pub(super) actor_kind: ActorKind,
    pub(super) actor_id: String,
    pub(super) reason: Option<String>,
    pub(super) correlation_id: Uuid,
}

/// Finishes switches of these projections, if there are any to be finished.
pub(super) async fn finish(log: &Log, projections: &[ProjectionInfo]) -> Result<(), RebuildError> {
    let mut connection = session(log.pool(), "public").await?;
    for projection in projections {
        let Some(table) = projection.tables.first() else { continue };
        if let Some(note_text) = schema::note_on(&mut connection, schema::OLD, table).await? {
            // Without a note, or with one of another program, there is nothing to tell.
            if let Ok(note) = serde_json::from_str(&note_text) {
                record(log, projection, note).await?;
            }
            let mut transaction = connection.begin().await?;
            schema::lock(&mut transaction).await?;
            // Another one may have finished this, and switched again since.
            if schema::note_on(&mut transaction, schema::OLD, table).await?.as_ref()
                == Some(&note_text)
            {
                schema::drop_tables(&mut transaction, schema::OLD, &tables(&[*projection])).await?;
            }
            transaction.commit().await?;
        }
    }
    // And the other schema, if nobody else rebuilds.
    let mut transaction = connection.begin().await?;
    schema::drop_tables(&mut transaction, schema::NEXT, &[]).await?;
    Ok(transaction.commit().await?)
}

async fn record(log: &Log, projection: &ProjectionInfo, note: Note) -> Result<(), RebuildError> {
    let Note { from_version, version, position, actor_kind, actor_id, reason, correlation_id } =
        note;
    let context = CommandContext {
        correlation_id,
        reason,
        ..CommandContext::new(Actor { kind: actor_kind, id: actor_id }, Uuid::now_v7())
    };
    let command = SubscriptionCommand::RecordSwitch { from_version, version, position };
    let subscriptions = Repository::<Subscription>::new(log);
    let recorded = subscriptions.execute(&projection.checkpoint(), command, &context).await;
    recorded.map(drop).map_err(|source| RebuildError::Unrecorded {
        projection: projection.name,
        source: Box::new(source),
    })
}
