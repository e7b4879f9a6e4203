//! The event that a webhook's payload becomes, where the payload names its call.

use super::{Classified, body_id};
use crate::end_reason::Hint;
use crate::event::{CallEvent, EventKind};
use crate::id::{AgentId, ConversationId, EventId};
use crate::time::Timestamp;

/// What a payload says of its call.
#[derive(Debug)]
pub(super) struct Notice<'a> {
    /// The source.
    pub(super) source: &'a str,
    /// What kind of event it is.
    pub(super) kind: EventKind,
    /// What makes a second copy recognisable, out of the payload; else the payload's hash does.
    pub(super) event_id: Option<String>,
    /// When it happened.
    pub(super) occurred_at: Option<Timestamp>,
    /// The call.
    pub(super) call: &'a str,
    /// The agent.
    pub(super) agent: Option<&'a str>,
    /// Why the call ended.
    pub(super) hint: Option<Hint>,
}

impl Notice<'_> {
    /// The event, taken from this payload.
    pub(super) fn event(
        self,
        payload: &[u8],
        received_at: Timestamp,
    ) -> Result<Classified, &'static str> {
        Ok(Classified::Event(Box::new(CallEvent {
            source: self.source.to_owned(),
            event_id: self
                .event_id
                .and_then(|id| EventId::new(&id).ok())
                .unwrap_or_else(|| body_id(payload)),
            kind: self.kind,
            occurred_at: self.occurred_at,
            received_at,
            conversation_id: Some(
                ConversationId::given(self.call).map_err(|_| "the call's id is unusable")?,
            ),
            room: None,
            agent_id: self.agent.and_then(|id| AgentId::given(id).ok()),
            caller_identity: None,
            hint: self.hint,
            body: None,
        })))
    }
}
