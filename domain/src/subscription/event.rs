//! What was decided about a subscription.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ClaimChange, Claims};

/// What was decided about a subscription. By whom, when and why is beside each event on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionEvent {
    /// Somebody wants a parked event tried again. The intent; whether it works out is seen by what is
    /// parked afterwards.
    ParkedEventRetried {
        /// Its place on the log.
        position: i64,
        /// Its id.
        event_id: Uuid,
    },
    /// A parked event is never to be applied, by a rebuild neither.
    ParkedEventSkipped {
        /// Its place on the log.
        position: i64,
        /// Its id.
        event_id: Uuid,
    },
    /// A projection's rebuilt rows took the place of those before.
    ProjectionSwitched {
        /// The version of the rows before; `None` when it was never noted.
        from_version: Option<u32>,
        /// The version of the rows that are shown from here on.
        version: u32,
        /// Up to where they show the log.
        position: i64,
    },
}

impl DomainEvent for SubscriptionEvent {
    fn event_type(&self) -> String {
        match self {
            Self::ParkedEventRetried { .. } => "ParkedEventRetried",
            Self::ParkedEventSkipped { .. } => "ParkedEventSkipped",
            Self::ProjectionSwitched { .. } => "ProjectionSwitched",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Claims for SubscriptionEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        Vec::new()
    }
}
