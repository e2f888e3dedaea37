//! Every name on the broker. The v1 names are fixed by the wire contract of today's workers and
//! subscribers; the `manman.*` names are ours.

use crate::contract::EntityType;

/// v1 topic exchange: commands to workers, statuses from them.
pub const INTERNAL_EXCHANGE: &str = "internal_service_events";
/// v1 topic exchange: statuses for subscribers.
pub const EXTERNAL_EXCHANGE: &str = "external_service_events";
/// Topic exchange of the domain events, see [`event_key`].
pub const EVENTS_EXCHANGE: &str = "manman.events";
/// Fanout exchange for messages given up on.
pub const DEAD_LETTER_EXCHANGE: &str = "manman.dead-letters";
/// Durable queue behind [`DEAD_LETTER_EXCHANGE`].
pub const DEAD_LETTER_QUEUE: &str = "manman.dead-letters";
/// Durable queue of the dead letters that an operator decided not to try again; kept with the decision.
pub const SKIPPED_LETTER_QUEUE: &str = "manman.skipped-letters";
/// v1 queue from which the status processor takes what workers report.
pub const INTERNAL_STATUS_QUEUE: &str = "status-processor-internal-queue";
/// v1 queue through which the v1 status processor logs what it published itself.
pub const EXTERNAL_STATUS_QUEUE: &str = "status-processor-external-queue";
/// Start of every command queue's name. The `dev` is constant, it is not the environment.
pub const COMMAND_QUEUE_PREFIX: &str = "dev-queue-name";

/// Dead letter header: why it was given up on.
pub const REASON_HEADER: &str = "x-manman-reason";
/// Dead letter header: the exchange the message first came through.
pub const EXCHANGE_HEADER: &str = "x-manman-exchange";
/// Dead letter header: the routing key it first had.
pub const ROUTING_KEY_HEADER: &str = "x-manman-routing-key";
/// Dead letter header: the queue it was consumed from; a redrive goes there.
pub const QUEUE_HEADER: &str = "x-manman-queue";
/// Dead letter header: when we first saw it, as in [`crate::contract::time`].
pub const FIRST_SEEN_HEADER: &str = "x-manman-first-seen";
/// Dead letter header: how often it was tried, over all redrives.
pub const ATTEMPTS_HEADER: &str = "x-manman-attempts";

/// Header of a message that was a dead letter: who last had it tried again.
pub const RETRIED_BY_HEADER: &str = "x-manman-retried-by";
/// When, as in [`crate::contract::time`].
pub const RETRIED_AT_HEADER: &str = "x-manman-retried-at";
/// Why, where a reason was given.
pub const RETRY_REASON_HEADER: &str = "x-manman-retry-reason";
/// Header of a skipped dead letter: who decided so.
pub const SKIPPED_BY_HEADER: &str = "x-manman-skipped-by";
/// When, as in [`crate::contract::time`].
pub const SKIPPED_AT_HEADER: &str = "x-manman-skipped-at";
/// Why.
pub const SKIP_REASON_HEADER: &str = "x-manman-skip-reason";

/// Command header: the id of the request it carries out, a UUID. The outcome names it.
pub const REQUEST_ID_HEADER: &str = "x-manman-request-id";
/// Command header: by when an outcome is due, RFC 3339. Not worth carrying out afterwards.
pub const DEADLINE_HEADER: &str = "x-manman-deadline";
/// Command header: the instance that console words are for, decimal, where the sender named one.
pub const INSTANCE_ID_HEADER: &str = "x-manman-instance-id";

/// `<entity>.<id>.command`, on [`INTERNAL_EXCHANGE`].
#[must_use]
pub fn command_key(entity: EntityType, id: i32) -> String {
    format!("{}.{id}.command", entity.as_str())
}

/// `<entity>.<id>.status`, on [`INTERNAL_EXCHANGE`] and [`EXTERNAL_EXCHANGE`].
///
/// v1 published external statuses under a literal asterisk; the concrete id matches every binding
/// that matched the asterisk, and those to one entity as well.
#[must_use]
pub fn status_key(entity: EntityType, id: i32) -> String {
    format!("{}.{id}.status", entity.as_str())
}

/// `<entity>.*.status`, the binding for the statuses of all entities of a type.
#[must_use]
pub fn status_pattern(entity: EntityType) -> String {
    format!("{}.*.status", entity.as_str())
}

/// `dev-queue-name-<ENTITY>-<id>`, the queue from which one worker or instance takes its commands.
#[must_use]
pub fn command_queue(entity: EntityType, id: i32) -> String {
    format!("{COMMAND_QUEUE_PREFIX}-{}-{id}", entity.queue_word())
}

/// `<aggregate_type>.<id>.<EventType>`, on [`EVENTS_EXCHANGE`].
#[must_use]
pub fn event_key(aggregate_type: &str, aggregate_id: &str, event_type: &str) -> String {
    format!("{aggregate_type}.{aggregate_id}.{event_type}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_worker_are_those_of_the_v1_wire() {
        assert_eq!(command_key(EntityType::Worker, 6), "worker.6.command");
        assert_eq!(status_key(EntityType::Worker, 6), "worker.6.status");
        assert_eq!(status_pattern(EntityType::Worker), "worker.*.status");
        assert_eq!(command_queue(EntityType::Worker, 6), "dev-queue-name-WORKER-6");
    }

    #[test]
    fn names_of_an_instance_are_those_of_the_v1_wire() {
        let instance = EntityType::GameServerInstance;
        assert_eq!(command_key(instance, 12), "game_server_instance.12.command");
        assert_eq!(status_key(instance, 12), "game_server_instance.12.status");
        assert_eq!(status_pattern(instance), "game_server_instance.*.status");
        assert_eq!(command_queue(instance, 12), "dev-queue-name-GAME_SERVER_INSTANCE-12");
    }
}
