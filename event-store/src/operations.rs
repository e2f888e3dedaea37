//! What operators decide about parked events: recorded on the log first, then done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::subscription::{SubscriptionCommand, SubscriptionEvent, SubscriptionRefusal};
use domain::{DeadLetter, Event, Subscription};
use sqlx::{PgConnection, PgTransaction};

use crate::parked::{self, ParkedEvent};
use crate::recorded::{self, RecordedEvent};
use crate::{CommandContext, EventStore, ExecuteError, Metadata, Position, rebuilding};

/// Why an operator's decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// There is nothing to decide about: it was applied, or skipped, or never parked.
    #[error("event {position} is not parked for {subscription}")]
    NotParked {
        /// The name of the subscription's checkpoint.
        subscription: String,
        /// The event.
        position: Position,
    },
    /// Without those before it, nobody can tell whether it could be handled.
    #[error("event {position} waits behind event {head}")]
    Waits {
        /// The event.
        position: Position,
        /// The first that is parked of its stream.
        head: Position,
    },
    /// What is shown has it: left out here, rebuilt rows would not be what they replace. And a retry would
    /// take the lease from whoever rebuilds.
    #[error(
        "{subscription} is a rebuild in progress; its rows must be shown before anything is decided about them"
    )]
    OfRebuild {
        /// The name of the rebuild's checkpoint.
        subscription: String,
    },
    /// The decision was not recorded; nothing was done.
    #[error(transparent)]
    Unrecorded(#[from] ExecuteError<SubscriptionRefusal>),
    /// It may be recorded, and was not done. It can be repeated.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// What is to be tried again.
#[derive(Debug, Clone)]
pub struct RetryRequested {
    /// The first of its stream, as it was parked.
    pub head: ParkedEvent,
    /// All that is parked of the stream, from the head on.
    pub positions: Vec<Position>,
}

/// What has become of a retry so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryOutcome {
    /// Nobody took it up yet.
    Pending,
    /// All that was parked of the stream has been handled, or skipped.
    Handled,
    /// This one could not be handled; what stood before it was.
    Failed(ParkedEvent),
}

/// An event that a subscription leaves out.
#[derive(Debug, Clone)]
pub struct SkippedEvent {
    /// The name of the subscription's checkpoint.
    pub subscription: String,
    /// The event that is left out.
    pub event: RecordedEvent,
    /// Who decided so, and why.
    pub decision: Metadata,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// Has a parked event tried again, and all that is parked of its stream, from its head on: in any other
/// order it would not be what the log says. Recorded for the head.
///
/// # Errors
/// See [`OperationError`].
pub async fn retry_parked(
    store: &EventStore,
    subscription: &str,
    position: Position,
    context: &CommandContext,
) -> Result<RetryRequested, OperationError> {
    let mut held = store.log.pool().begin().await?;
    let (_, stream) = parked_stream(&mut held, subscription, position).await?;
    let positions = stream.iter().map(|parked| parked.position).collect();
    let head = stream.into_iter().next().ok_or_else(|| not_parked(subscription, position))?;
    let command =
        SubscriptionCommand::RetryParked { position: head.position.0, event_id: head.event_id };
    store.subscriptions.execute(subscription, command, context).await?;
    parked::request_retry(&mut held, &head).await?;
    held.commit().await?;
    Ok(RetryRequested { head, positions })
}

/// Leaves a parked event out, for good; what waits behind it is tried. How many that are.
///
/// Nobody tries it while the decision is on its way to the log: it would be applied here, and left out
/// of every rebuild.
///
/// # Errors
/// See [`OperationError`].
pub async fn skip_parked(
    store: &EventStore,
    subscription: &str,
    position: Position,
    context: &CommandContext,
) -> Result<usize, OperationError> {
    let (mut held, parked, stream) = loop {
        let mut held = store.log.pool().begin().await?;
        let (parked, stream) = parked_stream(&mut held, subscription, position).await?;
        if let Some(head) = stream.first().filter(|head| head.position != position) {
            return Err(OperationError::Waits { position, head: head.position });
        }
        if parked.retry_requested_at.is_none() {
            break (held, parked, stream);
        }
        // So that nobody tries it either when this process dies with the decision on the log and not done.
        parked::withdraw_retry(&mut held, &parked).await?;
        held.commit().await?;
    };
    let command =
        SubscriptionCommand::SkipParked { position: position.0, event_id: parked.event_id };
    store.subscriptions.execute(subscription, command, context).await?;
    parked::skip(&mut held, &parked).await?;
    held.commit().await?;
    Ok(stream.len().saturating_sub(1))
}

/// A parked event and all that is parked of its stream, held for this transaction.
async fn parked_stream(
    transaction: &mut PgTransaction<'_>,
    subscription: &str,
    position: Position,
) -> Result<(ParkedEvent, Vec<ParkedEvent>), OperationError> {
    if subscription.starts_with(rebuilding::PREFIX) {
        return Err(OperationError::OfRebuild { subscription: subscription.to_owned() });
    }
    parked::hold(transaction, subscription).await?;
    let parked = parked::show(transaction, subscription, position).await?;
    let parked = parked.ok_or_else(|| not_parked(subscription, position))?;
    let stream = parked::of_stream(transaction, &parked).await?;
    Ok((parked, stream))
}

fn not_parked(subscription: &str, position: Position) -> OperationError {
    OperationError::NotParked { subscription: subscription.to_owned(), position }
}

/// What has become of a retry so far.
///
/// # Errors
/// When the database does not answer.
pub async fn outcome_of(
    connection: &mut PgConnection,
    requested: &RetryRequested,
) -> sqlx::Result<RetryOutcome> {
    let head = &requested.head;
    let stream = parked::of_stream(connection, head).await?;
    // What was parked since is another story.
    let is_asked = |parked: &ParkedEvent| requested.positions.contains(&parked.position);
    let Some(first) = stream.into_iter().find(is_asked) else {
        return Ok(RetryOutcome::Handled);
    };
    let was_tried = if first.position == head.position {
        first.attempts > head.attempts
    } else {
        first.error.is_some()
    };
    Ok(if was_tried { RetryOutcome::Failed(first) } else { RetryOutcome::Pending })
}

/// The positions that a subscription leaves out: a rebuild does likewise, to end up with the same rows.
///
/// # Errors
/// When the database does not answer, or what was decided cannot be read.
pub async fn skipped_positions(
    connection: &mut PgConnection,
    subscription: &str,
) -> sqlx::Result<BTreeSet<Position>> {
    let decisions =
        recorded::read_streams(connection, Subscription::TYPE, Some(subscription)).await?;
    let mut skipped = BTreeSet::new();
    for decision in &decisions {
        skipped.extend(skipped_by(decision)?);
    }
    Ok(skipped)
}

/// All events that any subscription leaves out, the first decided first.
///
/// # Errors
/// When the database does not answer, or what was decided cannot be read.
pub async fn skipped_events(connection: &mut PgConnection) -> sqlx::Result<Vec<SkippedEvent>> {
    let mut decisions = Vec::new();
    for decision in recorded::read_streams(connection, Subscription::TYPE, None).await? {
        decisions.extend(skipped_by(&decision)?.map(|position| (position, decision)));
    }
    let positions: Vec<_> = decisions.iter().map(|(position, _)| *position).collect();
    let events = recorded::read_at(connection, &positions).await?;
    let events: BTreeMap<_, _> = events.into_iter().map(|event| (event.position, event)).collect();
    let skipped = decisions.into_iter().filter_map(|(position, decision)| {
        let event = events.get(&position)?.clone();
        let read = |metadata| SkippedEvent {
            subscription: decision.aggregate_id.clone(),
            event,
            decision: metadata,
            decided_at: decision.recorded_at,
        };
        Some(decision.metadata().map(read).map_err(|error| sqlx::Error::Decode(error.into())))
    });
    skipped.collect()
}

/// What was decided about a parked event, oldest first.
///
/// # Errors
/// When the database does not answer, or what was decided cannot be read.
pub async fn decisions_about_parked(
    connection: &mut PgConnection,
    subscription: &str,
    position: Position,
) -> sqlx::Result<Vec<RecordedEvent>> {
    let mut about = Vec::new();
    let decisions =
        recorded::read_streams(connection, Subscription::TYPE, Some(subscription)).await?;
    for decision in decisions {
        if decided_about(&decision)?.is_some_and(|decided| decided.position() == position) {
            about.push(decision);
        }
    }
    Ok(about)
}

/// What was decided about a dead letter of the broker, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn decisions_about_message(
    connection: &mut PgConnection,
    message_id: &str,
) -> sqlx::Result<Vec<RecordedEvent>> {
    let id = DeadLetter::id_of(message_id);
    recorded::read_streams(connection, DeadLetter::TYPE, Some(&id)).await
}

/// What an event of a subscription's stream decides about a parked event.
enum Decided {
    Retry(Position),
    Skip(Position),
}

impl Decided {
    fn position(&self) -> Position {
        match self {
            Self::Retry(position) | Self::Skip(position) => *position,
        }
    }
}

fn decided_about(decision: &RecordedEvent) -> sqlx::Result<Option<Decided>> {
    let event = decision.event().map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(match event {
        Event::Subscription(event) => match event {
            SubscriptionEvent::ParkedEventRetried { position, .. } => {
                Some(Decided::Retry(Position(position)))
            }
            SubscriptionEvent::ParkedEventSkipped { position, .. } => {
                Some(Decided::Skip(Position(position)))
            }
            SubscriptionEvent::ProjectionSwitched { .. } => None,
        },
        Event::Worker(_)
        | Event::Instance(_)
        | Event::GameServer(_)
        | Event::Config(_)
        | Event::DeadLetter(_) => None,
    })
}

fn skipped_by(decision: &RecordedEvent) -> sqlx::Result<Option<Position>> {
    Ok(match decided_about(decision)? {
        Some(Decided::Skip(position)) => Some(position),
        Some(Decided::Retry(_)) | None => None,
    })
}
