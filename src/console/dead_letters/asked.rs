//! Which letters are meant, as a page's address says it.

use serde::Deserialize;

use crate::console::access::{Posted, Session};
use crate::console::show::href;
use crate::store::dead_letters::State;
use crate::store::dead_letters::list::Filter;
use crate::verdict::Fault;

/// The filter of the page; empty narrows nothing, but for the state, which is `dead` unless told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Asked {
    pub(super) state: String,
    pub(super) fingerprint: String,
    pub(super) stage: String,
    pub(super) source: String,
    pub(super) fault: String,
    pub(super) code: String,
    pub(super) agent_id: String,
    pub(super) caller_identity: String,
    pub(super) cursor: String,
}

impl Asked {
    /// The same as a form says it.
    pub(in crate::console) fn of(posted: &Posted) -> Self {
        let field = |name: &str| posted.field(name).unwrap_or_default().to_owned();
        Self {
            state: field("state"),
            fingerprint: field("fingerprint"),
            stage: field("stage"),
            source: field("source"),
            fault: field("fault"),
            code: field("code"),
            agent_id: field("agent_id"),
            caller_identity: field("caller_identity"),
            cursor: String::new(),
        }
    }

    /// As the audit log is told it, in JSON: who called stays out of it.
    pub(in crate::console) fn told(&self) -> String {
        let said = |(name, value): (&str, &str)| {
            let value = if name == "caller_identity" {
                "…"
            } else {
                value
            };
            (name.to_owned(), value.into())
        };
        let given = self
            .parameters()
            .into_iter()
            .filter(|(_, value)| !value.is_empty());
        serde_json::Value::Object(given.map(said).collect()).to_string()
    }

    /// The same for the store, narrowed to what the session may see.
    pub(in crate::console) fn filter(&self, session: &Session) -> Filter {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Filter {
            agents: session.token.agents.clone(),
            state: match self.state.as_str() {
                "any" => None,
                other => Some(State::parse(other).unwrap_or(State::Dead)),
            },
            fingerprint: text(&self.fingerprint),
            stage: text(&self.stage),
            source: text(&self.source),
            fault: Fault::parse(&self.fault),
            code: text(&self.code),
            agent_id: text(&self.agent_id).map(|id| crate::id::canonical(&id)),
            caller_identity: text(&self.caller_identity),
            ..Filter::default()
        }
    }

    pub(in crate::console) fn parameters(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("state", &self.state),
            ("fingerprint", &self.fingerprint),
            ("stage", &self.stage),
            ("source", &self.source),
            ("fault", &self.fault),
            ("code", &self.code),
            ("agent_id", &self.agent_id),
            ("caller_identity", &self.caller_identity),
        ]
    }

    /// The address of another page about the same letters.
    pub(in crate::console) fn href(&self, path: &str) -> String {
        href(path, &self.parameters())
    }
}
