//! A delivery and its attempts, as clients get them (product contract §14).

use serde::Serialize;
use utoipa::ToSchema;

use crate::page::{Cursor, Page};
use crate::store::deliveries::{Attempt, Held, Next, Status, Told};
use crate::time::Timestamp;

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryBody {
    /// Its id.
    id: String,
    /// Who gets it.
    endpoint_id: String,
    /// What they get: the `webhook-id` of every attempt.
    event_id: String,
    /// The event's type.
    #[serde(rename = "type")]
    kind: String,
    /// Whose agent it concerns.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// The conversation that the event came from.
    #[schema(required = true)]
    conversation_id: Option<String>,
    /// `pending`, `delivered`, `failed` or `cancelled`.
    status: &'static str,
    /// Every attempt, the first one first.
    attempts: Vec<AttemptBody>,
    /// When the next one is due; null when there is none, or nobody knows, for it is held.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    next_attempt_at: Option<Timestamp>,
    /// What it is held by: `disabled`, until somebody enables its endpoint; `order`, until an earlier event
    /// of its call is through (`held_by`); `failing`, for its endpoint takes nothing, and is tried with one
    /// delivery at a time. Null where it is not held.
    #[schema(value_type = Option<String>, required = true)]
    held: Option<&'static str>,
    /// The delivery that must be through first.
    #[schema(required = true)]
    held_by: Option<String>,
    /// When the endpoint took it.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    delivered_at: Option<Timestamp>,
    /// When it was made, with its event.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When something last happened to it.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptBody {
    /// Which one, from 1.
    number: u32,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What HTTP status the endpoint answered; null where it did not.
    #[schema(required = true)]
    status: Option<u16>,
    /// How long it took, in milliseconds.
    latency_ms: i64,
    /// Why it failed, as a stable code; null where it did not.
    #[schema(required = true)]
    code: Option<String>,
    /// The same for people.
    #[schema(required = true)]
    message: Option<String>,
    /// The first 8 KiB of the answer, which may repeat what was sent. Absent without the scope
    /// `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
}

impl DeliveryBody {
    pub(super) fn new(told: Told, attempts: Vec<Attempt>, sensitive: bool) -> Self {
        let Told { delivery, next, .. } = told;
        let (next_attempt_at, held, held_by) = match next {
            Next::Nothing => (None, None, None),
            Next::At(at) => (Some(at), None, None),
            Next::Held(Held::Disabled) => (None, Some("disabled"), None),
            Next::Held(Held::Order(first)) => (None, Some("order"), first),
            Next::Held(Held::Failing) => (None, Some("failing"), None),
        };
        let attempts = attempts.into_iter().map(|attempt| AttemptBody {
            number: attempt.number,
            at: attempt.at,
            status: attempt.status,
            latency_ms: attempt.latency_ms,
            code: Some(attempt.code).filter(|code| !code.is_empty()),
            message: Some(attempt.message).filter(|message| !message.is_empty()),
            response: sensitive.then_some(attempt.response),
        });
        Self {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            event_id: delivery.event_id,
            kind: delivery.kind,
            agent_id: Some(delivery.agent_id).filter(|agent| !agent.is_empty()),
            conversation_id: delivery.key.map(|key| key.id.into()),
            status: match delivery.status {
                // That it waits in another place is ours to know.
                Status::Pending | Status::Queued => Status::Pending.as_str(),
                other => other.as_str(),
            },
            attempts: attempts.collect(),
            next_attempt_at,
            held,
            held_by,
            delivered_at: delivery.delivered_at,
            created_at: delivery.created_at,
            updated_at: delivery.updated_at,
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    /// Newest first.
    deliveries: Vec<DeliveryBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

impl DeliveryList {
    pub(crate) fn new(page: Page<(Told, Vec<Attempt>)>, sensitive: bool) -> Self {
        Self {
            next_cursor: page.next.as_ref().map(Cursor::encode),
            has_more: page.next.is_some(),
            deliveries: page
                .rows
                .into_iter()
                .map(|(told, attempts)| DeliveryBody::new(told, attempts, sensitive))
                .collect(),
        }
    }
}
