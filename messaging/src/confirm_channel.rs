//! A channel with confirms: what was sent in order is answered for, message by message.

use std::pin::Pin;

use crash_points::Point;
use futures::{
    future::{MaybeDone, maybe_done},
    poll,
};
use lapin::{
    Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};

use crate::{
    Broker, BrokerError, PublishError, Published, QueueSpec, Topology, outgoing::Encoded,
    session::Session,
};

/// An open connection with one channel for publishing.
#[derive(Debug)]
pub(crate) struct ConfirmChannel {
    channel: Channel,
    session: Session,
}

impl ConfirmChannel {
    pub(crate) async fn open(broker: &Broker, topology: &Topology) -> Result<Self, BrokerError> {
        let session = broker.connect().await?;
        let channel = session.channel().await?;
        topology.declare(&session, &channel).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        session.within("confirm publishing", select).await?;
        Ok(Self { channel, session })
    }

    /// Declares on a channel of its own: a refused declaration closes its channel.
    pub(crate) async fn declare(&self, queue: &QueueSpec) -> Result<(), BrokerError> {
        let channel = self.session.channel().await?;
        queue.declare(&self.session, &channel).await
    }

    /// Deletes on a channel of its own: a refused deletion closes its channel.
    pub(crate) async fn delete_unless_used(&self, queue: &QueueSpec) -> Result<bool, BrokerError> {
        let channel = self.session.channel().await?;
        queue.delete_unless_used(&self.session, &channel).await
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.session.is_alive() && self.channel.status().connected()
    }

    /// Whether the broker has asked us to stop publishing.
    pub(crate) fn is_blocked(&self) -> bool {
        self.session.is_blocked()
    }

    /// Says goodbye to the broker.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    /// Sends all in order, then awaits all confirms. Whoever drops the future must drop the
    /// channel too: its late confirms would be counted for the next messages.
    pub(crate) async fn send(
        &self,
        window: &[Encoded<'_>],
    ) -> Result<Vec<Published>, PublishError> {
        let unknown = |source| {
            PublishError::Unknown(BrokerError::Operation {
                operation: "confirm a batch".to_owned(),
                source: Box::new(source),
            })
        };
        let mut sending: Vec<Pin<Box<MaybeDone<_>>>> = Vec::with_capacity(window.len());
        for encoded in window {
            let mut send = Box::pin(maybe_done(self.publish(encoded)));
            // The first poll puts the message into the connection's buffer; polling one after the
            // other is what keeps the order, while the socket is written to in large pieces.
            let _ = poll!(send.as_mut());
            sending.push(send);
        }
        let mut confirms = Vec::with_capacity(window.len());
        for mut send in sending {
            send.as_mut().await;
            if let Some(confirm) = send.as_mut().take_output() {
                confirms.push(confirm.map_err(unknown)?);
            }
        }
        crash_points::reach(Point::PublishBetween);
        let mut returned = Vec::new();
        for (confirm, encoded) in confirms.into_iter().zip(window) {
            match confirm.await.map_err(unknown)? {
                Confirmation::Ack(message) => returned.extend(message),
                Confirmation::Nack(_) | Confirmation::NotRequested => {
                    return Err(PublishError::Refused(encoded.message.message_id.clone()));
                }
            }
        }
        Ok(outcomes(window, returned))
    }

    async fn publish(&self, encoded: &Encoded<'_>) -> lapin::Result<PublisherConfirm> {
        self.channel
            .basic_publish(
                encoded.exchange.clone(),
                encoded.routing_key.clone(),
                BasicPublishOptions {
                    mandatory: encoded.message.mandatory,
                    ..BasicPublishOptions::default()
                },
                &encoded.message.body,
                encoded.properties.clone(),
            )
            .await
    }
}

/// Matches what was returned with what was sent. The library attaches a returned message to the
/// next confirm it sees, which may be that of another message, so only the message itself counts.
fn outcomes(window: &[Encoded<'_>], returned: Vec<BasicReturnMessage>) -> Vec<Published> {
    let mut outcomes = vec![Published::Routed; window.len()];
    for message in returned {
        let sent = window
            .iter()
            .zip(&mut outcomes)
            .find(|(encoded, outcome)| **outcome == Published::Routed && encoded.is(&message));
        if let Some((_, outcome)) = sent {
            *outcome = Published::Unroutable {
                reply: format!("{} {}", message.reply_code, message.reply_text),
            };
        }
    }
    outcomes
}
