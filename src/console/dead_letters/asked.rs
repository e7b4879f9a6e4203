//! Which letters are meant, as a page's address says it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::console::access::{Posted, Session};
use crate::console::failure::Failure;
use crate::console::show::{href, moment};
use crate::flow::Flow;
use crate::store::dead_letters::State;
use crate::store::dead_letters::list::Filter;
use crate::time::Timestamp;
use crate::verdict::Fault;

/// The filter of the page; empty narrows nothing, but for the state, which is `dead` unless told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Asked {
    pub(super) state: String,
    pub(super) fingerprint: String,
    pub(super) stage: String,
    pub(super) source: String,
    pub(super) platform: String,
    pub(super) fault: String,
    pub(super) code: String,
    pub(super) agent_id: String,
    pub(super) caller_identity: String,
    pub(super) since: String,
    pub(super) until: String,
    /// Separated by commas or blanks.
    pub(super) ids: String,
    pub(super) failed_in: String,
    pub(super) cursor: String,
    pub(super) done: String,
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
            platform: field("platform"),
            fault: field("fault"),
            code: field("code"),
            agent_id: field("agent_id"),
            caller_identity: field("caller_identity"),
            since: field("since"),
            until: field("until"),
            ids: field("ids"),
            failed_in: field("failed_in"),
            cursor: String::new(),
            done: String::new(),
        }
    }

    /// As the audit log is told it, in JSON: who called stays out of it.
    pub(in crate::console) fn told(&self) -> String {
        let mut told = Map::new();
        for (name, value) in self.parameters() {
            let value = match name {
                _ if value.is_empty() => continue,
                "caller_identity" => json!("…"),
                "ids" => json!(self.ids()),
                "since" | "until" => json!(moment(value)),
                _ => json!(value),
            };
            told.insert(name.to_owned(), value);
        }
        Value::Object(told).to_string()
    }

    /// The same for the store, narrowed to what the session may see. What can't be understood is refused:
    /// it must not come to mean more letters.
    pub(in crate::console) fn filter(
        &self,
        flow: &Flow,
        session: &Session,
    ) -> Result<Filter, Failure> {
        for (name, value) in self.parameters() {
            let is_blank = value.trim().is_empty() || name == "ids" && self.ids().is_empty();
            if is_blank && !value.is_empty() {
                return Err(Failure::Invalid(format!(
                    "{name}: there is nothing in it; leave it empty to mean all."
                )));
            }
        }
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let platform = text(&self.platform);
        Ok(Filter {
            agents: session.token.agents.clone(),
            ids: self.ids(),
            state: match self.state.as_str() {
                "any" => None,
                "" => Some(State::Dead),
                other => Some(State::parse(other).ok_or_else(|| no("state"))?),
            },
            fingerprint: text(&self.fingerprint),
            stage: text(&self.stage),
            source: text(&self.source),
            platform_sources: platform
                .as_deref()
                .map_or_else(Vec::new, |name| flow.sources.of_platform(name)),
            platform,
            fault: match self.fault.as_str() {
                "" => None,
                other => Some(Fault::parse(other).ok_or_else(|| no("fault"))?),
            },
            code: text(&self.code),
            agent_id: text(&self.agent_id).map(|id| crate::id::canonical(&id)),
            caller_identity: text(&self.caller_identity),
            since: at("since", &self.since)?,
            until: at("until", &self.until)?,
            failed_in: text(&self.failed_in),
        })
    }

    fn ids(&self) -> Vec<String> {
        self.ids
            .split([',', ' ', '\n', '\r', '\t'])
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(in crate::console) fn parameters(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("state", &self.state),
            ("fingerprint", &self.fingerprint),
            ("stage", &self.stage),
            ("source", &self.source),
            ("platform", &self.platform),
            ("fault", &self.fault),
            ("code", &self.code),
            ("agent_id", &self.agent_id),
            ("caller_identity", &self.caller_identity),
            ("since", &self.since),
            ("until", &self.until),
            ("ids", &self.ids),
            ("failed_in", &self.failed_in),
        ]
    }

    /// Whether it narrows the letters of a state at all.
    pub(super) fn is_narrow(&self) -> bool {
        let parameters = self.parameters();
        parameters
            .iter()
            .any(|(name, value)| *name != "state" && !value.is_empty())
    }

    /// The address of another page about the same letters.
    pub(in crate::console) fn href(&self, path: &str) -> String {
        href(path, &self.parameters())
    }
}

fn at(name: &str, text: &str) -> Result<Option<Timestamp>, Failure> {
    match text.trim() {
        "" => Ok(None),
        text => moment(text).map(Some).ok_or_else(|| {
            Failure::Invalid(format!("{name}: give a time such as 2026-01-31T09:30."))
        }),
    }
}

fn no(name: &str) -> Failure {
    Failure::Invalid(format!("{name}: choose one of those that are offered."))
}
