//! The state of a subscription and its rules.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::SubscriptionCommand;
use super::event::SubscriptionEvent;
use super::refusal::SubscriptionRefusal;

/// A subscription as its events tell it. There is nothing to be born: every name is one about which
/// nothing was decided yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The positions of the events that it leaves out.
    pub skipped: BTreeSet<i64>,
    /// The last switch to rebuilt rows.
    pub last_switch: Option<ProjectionSwitch>,
}

/// To what a projection was switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionSwitch {
    /// The version of the rows.
    pub version: u32,
    /// Up to where they showed the log.
    pub position: i64,
}

impl Subscription {
    /// What a command changes, as events; nothing is changed yet.
    ///
    /// # Errors
    /// The refusal, when the state forbids it.
    pub fn decide(
        &self,
        command: SubscriptionCommand,
    ) -> Result<Vec<SubscriptionEvent>, SubscriptionRefusal> {
        match command {
            SubscriptionCommand::RetryParked { position, event_id } => {
                self.retry(position, event_id)
            }
            SubscriptionCommand::SkipParked { position, event_id } => {
                Ok(self.skip(position, event_id))
            }
            SubscriptionCommand::RecordSwitch { from_version, version, position } => {
                Ok(self.record_switch(from_version, ProjectionSwitch { version, position }))
            }
        }
    }

    fn retry(
        &self,
        position: i64,
        event_id: Uuid,
    ) -> Result<Vec<SubscriptionEvent>, SubscriptionRefusal> {
        if self.skipped.contains(&position) {
            return Err(SubscriptionRefusal::Skipped { position });
        }
        Ok(vec![SubscriptionEvent::ParkedEventRetried { position, event_id }])
    }

    fn skip(&self, position: i64, event_id: Uuid) -> Vec<SubscriptionEvent> {
        if self.skipped.contains(&position) {
            return Vec::new();
        }
        vec![SubscriptionEvent::ParkedEventSkipped { position, event_id }]
    }

    fn record_switch(
        &self,
        from_version: Option<u32>,
        to: ProjectionSwitch,
    ) -> Vec<SubscriptionEvent> {
        if self.last_switch == Some(to) {
            return Vec::new();
        }
        let ProjectionSwitch { version, position } = to;
        vec![SubscriptionEvent::ProjectionSwitched { from_version, version, position }]
    }
}

impl Aggregate for Subscription {
    const TYPE: &'static str = "subscription";
    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;
    type Error = SubscriptionRefusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            SubscriptionEvent::ParkedEventRetried { .. } => {}
            SubscriptionEvent::ParkedEventSkipped { position, .. } => {
                self.skipped.insert(position);
            }
            SubscriptionEvent::ProjectionSwitched { version, position, .. } => {
                self.last_switch = Some(ProjectionSwitch { version, position });
            }
        }
    }
}
