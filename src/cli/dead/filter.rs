//! Which letters are meant, as flags.

use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use crate::cli::moment::moment;
use crate::store::dead_letters::State;
use crate::time::Timestamp;
use crate::verdict::Fault;

/// Flags that narrow the letters down.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Filter {
    #[arg(skip)]
    pub(super) ids: Vec<String>,
    /// Of which this has become
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// Given up by this stage
    #[arg(long, value_parser = ["receive", "finalize", "remember", "deliver"])]
    stage: Option<String>,
    /// Of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of this platform
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// Of this agent
    #[arg(long, alias = "agent", value_name = "ID")]
    agent_id: Option<String>,
    /// Of this caller, as the platform names them
    #[arg(long, alias = "caller", value_name = "IDENTITY")]
    caller_identity: Option<String>,
    /// Of this cause
    #[arg(long, value_name = "ID")]
    fingerprint: Option<String>,
    /// Whose fault it is
    #[arg(long, value_parser = faults())]
    fault: Option<String>,
    /// With this code
    #[arg(long)]
    code: Option<String>,
    /// That failed again in this replay
    #[arg(long, value_name = "REPLAY")]
    failed_in: Option<String>,
    /// Where something happened then or later: a time, or how long ago, as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Where the last that happened was before: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

fn states() -> PossibleValuesParser {
    State::ALL.map(State::as_str).into()
}

fn faults() -> PossibleValuesParser {
    Fault::ALL.map(Fault::as_str).into()
}

impl Filter {
    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        [
            ("state", self.state.clone()),
            ("stage", self.stage.clone()),
            ("source", self.source.clone()),
            ("platform", self.platform.clone()),
            ("agent_id", self.agent_id.clone()),
            ("caller_identity", self.caller_identity.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("fault", self.fault.clone()),
            ("code", self.code.clone()),
            ("failed_in", self.failed_in.clone()),
            ("since", moment(self.since)),
            ("until", moment(self.until)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Whether every letter is meant.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.fields().next().is_none()
    }

    /// As a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query: Vec<_> = self.fields().collect();
        if !self.ids.is_empty() {
            query.push(("ids", self.ids.join(",")));
        }
        query
    }

    /// As a body.
    pub(super) fn body(&self) -> Value {
        let mut body: Map<_, _> = self
            .fields()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        if !self.ids.is_empty() {
            body.insert("ids".to_owned(), json!(self.ids));
        }
        Value::Object(body)
    }
}
