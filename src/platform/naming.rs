//! Whose agent a call is held by: never nobody (product contract §6).

use crate::config::SourceConfig;
use crate::conversation::{Conversation, Transport};
use crate::id::{AgentId, ConversationId};
use crate::time::Timestamp;

/// What the source's settings add to the platform's word.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    /// The platform's name in settings.
    pub(super) platform: &'static str,
    /// The source's name.
    pub(super) source: String,
    /// `agent` of the source.
    pub(super) agent: Option<String>,
}

impl Naming {
    /// What this source says, for records of `platform`.
    pub(super) fn of(source: &SourceConfig, platform: &'static str) -> Self {
        Self {
            platform,
            source: source.name.clone(),
            agent: source.agent.clone(),
        }
    }

    /// A call with nothing in it but who and when. Its agent is the source until
    /// [`Naming::agent_id`] says better.
    pub(super) fn blank(&self, id: ConversationId, created_at: Timestamp) -> Option<Conversation> {
        let source = AgentId::given(&self.source).ok()?;
        Some(Conversation {
            platform: self.platform.to_owned(),
            source: self.source.clone(),
            ..Conversation::blank(id, source, created_at)
        })
    }

    /// The agent: the platform's, the source's `agent`, the workspace's number, the source's name.
    pub(super) fn agent_id(&self, said: Option<&str>, call: &Conversation) -> Option<AgentId> {
        let number = match call.transport {
            Transport::SipOutbound => call.from_number.as_deref(),
            Transport::SipInbound | Transport::Phone => call.to_number.as_deref(),
            _ => None,
        };
        [
            said,
            self.agent.as_deref(),
            number.filter(|number| number.starts_with('+')),
            Some(&self.source),
        ]
        .into_iter()
        .flatten()
        .find_map(|id| AgentId::given(id.trim()).ok())
    }
}
