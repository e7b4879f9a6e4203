//! A fact as it is shown: the shape that clients rely on (product contract §14).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::memory::fold::Evidence;
use crate::store::memories::Stored;
use crate::time::Timestamp;

/// One fact about a caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryBody {
    /// Stable over re-runs.
    id: String,
    /// Whose agent holds it.
    agent_id: String,
    /// The caller, as the platform names them.
    caller_identity: String,
    /// The fact as one sentence in the third person.
    fact: String,
    /// Where it belongs, as `contact.phone`.
    slot: String,
    /// The normalised value; an appointment's is an object of date, time and title.
    value: Value,
    /// 0 to 1.
    confidence: f64,
    /// Since when it holds.
    #[schema(value_type = String, format = DateTime)]
    valid_from: Timestamp,
    /// Until when it held; null while it does.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    valid_to: Option<Timestamp>,
    /// When the thing promised or booked is due.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    due_at: Option<Timestamp>,
    /// The conversation that said it first; null of what a person pinned.
    #[schema(required = true)]
    source_conversation_id: Option<String>,
    /// Where it was said.
    evidence: Vec<EvidenceBody>,
    /// Whose word it is: `rules/1`, a language model's, or `human`.
    extractor: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Where a fact was said.
#[derive(Debug, Serialize, ToSchema)]
struct EvidenceBody {
    /// The conversation.
    conversation_id: String,
    /// The message.
    message_id: String,
    /// The words. Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<String>,
}

impl EvidenceBody {
    fn new(evidence: Evidence, sensitive: bool) -> Self {
        Self {
            conversation_id: evidence.conversation_id.into(),
            message_id: evidence.message_id.into(),
            quote: sensitive.then_some(evidence.quote),
        }
    }
}

impl MemoryBody {
    pub(crate) fn new(stored: Stored, sensitive: bool) -> Self {
        let fact = stored.fact;
        Self {
            id: fact.id,
            agent_id: stored.agent_id,
            caller_identity: stored.caller_identity,
            fact: fact.fact,
            slot: fact.slot.as_str().to_owned(),
            value: fact.value,
            confidence: fact.confidence,
            valid_from: fact.valid_from,
            valid_to: fact.valid_to,
            due_at: fact.due_at,
            source_conversation_id: fact.source_conversation_id.map(Into::into),
            evidence: fact
                .evidence
                .into_iter()
                .map(|evidence| EvidenceBody::new(evidence, sensitive))
                .collect(),
            extractor: fact.extractor,
            created_at: stored.created_at,
        }
    }
}
