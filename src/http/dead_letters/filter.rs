//! Which letters are meant: the same filter as a query and as a body.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::event::Stage;
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::query::{FromObject, FromParams, Object, Params};
use crate::page::PageRequest;
use crate::store::dead_letters::State;
use crate::store::dead_letters::list::Filter;
use crate::time::Timestamp;
use crate::verdict::Fault;

/// Letters that one request discards.
const MAX_LIMIT: i64 = 10_000;

/// Letters that one request names: a statement takes so many values on every database.
const MAX_IDS: usize = 1_000;

/// Letters that one request discards unless told.
const DEFAULT_LIMIT: i64 = 1_000;

/// Which letters are meant. Every field narrows them further.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct LetterFilter {
    /// Only these. Leave it out where others are meant, too: a list without an id is refused.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Option<Vec<String>>,
    /// Only of which this has become.
    #[schema(value_type = Option<String>, example = "dead")]
    state: Option<State>,
    /// Only given up by this stage: `receive`, `finalize`, `remember` or `deliver`.
    #[schema(example = "finalize")]
    stage: Option<String>,
    /// Only of this source.
    source: Option<String>,
    /// Only of this platform.
    platform: Option<String>,
    /// Only of this agent.
    agent_id: Option<String>,
    /// Only of this caller.
    caller_identity: Option<String>,
    /// Only of this cause.
    fingerprint: Option<String>,
    /// Only where the fault lies there: `ours`, `platform`, `endpoint` or `poison`.
    #[schema(value_type = Option<String>)]
    fault: Option<Fault>,
    /// Only with this code.
    code: Option<String>,
    /// Only those that failed again in this replay, whatever has become of them since; a `fingerprint`
    /// is then the cause of that failure.
    failed_in: Option<String>,
    /// Only where something happened then or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only where the last that happened was before.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl LetterFilter {
    fn read(params: &mut Params) -> Self {
        let states = State::ALL.map(State::as_str);
        let faults = Fault::ALL.map(Fault::as_str);
        Self {
            ids: params
                .word("ids")
                .map(|ids| ids.split(',').map(|id| id.trim().to_owned()).collect()),
            state: params
                .one_of("state", &states)
                .and_then(|state| State::parse(&state)),
            stage: params.one_of("stage", &stages()),
            source: params.word("source"),
            platform: params.word("platform"),
            agent_id: params.word("agent_id"),
            caller_identity: params.caller("caller_identity"),
            fingerprint: params.word("fingerprint"),
            fault: params
                .one_of("fault", &faults)
                .and_then(|fault| Fault::parse(&fault)),
            code: params.word("code"),
            failed_in: params.word("failed_in"),
            since: params.time("since"),
            until: params.time("until"),
        }
    }

    /// The state that is asked for.
    pub(in crate::http) fn state(&self) -> Option<State> {
        self.state
    }

    /// The filter in a body that something is to be done by. What is no object is refused: it must not
    /// count as one without fields, which means every letter.
    pub(in crate::http) fn required(object: &mut Object) -> Self {
        object.nested(
            "filter",
            "must be an object such as {\"code\":\"not_over\"}",
            Self::of,
        )
    }

    fn of(fields: &mut Object) -> Self {
        // A script whose value came out empty must not mean every letter.
        fields.refuse_nulls("must not be null; leave it out for all");
        let filter = Self {
            ids: fields.list("ids"),
            state: fields.optional("state"),
            stage: fields.optional("stage"),
            source: fields.optional("source"),
            platform: fields.optional("platform"),
            agent_id: fields.either("agent_id", "agent"),
            caller_identity: fields.either("caller_identity", "caller"),
            fingerprint: fields.optional("fingerprint"),
            fault: fields.optional("fault"),
            code: fields.optional("code"),
            failed_in: fields.optional("failed_in"),
            since: fields.optional("since"),
            until: fields.optional("until"),
        };
        filter.judge(fields);
        filter
    }

    /// Notes what is wrong with it as a filter of letters that something is to be done to.
    fn judge(&self, fields: &mut Object) {
        let named = self.ids.as_ref().map(Vec::len);
        if named == Some(0) {
            fields.refuse("ids", "name at least one id, or leave ids out");
        } else if named > Some(MAX_IDS) {
            fields.refuse(
                "ids",
                "name 1,000 ids at the most, or filter in another way",
            );
        }
        let stage = self.stage.as_deref();
        if stage.is_some_and(|stage| !stages().contains(&stage)) {
            fields.refuse("stage", &format!("must be one of {}", stages().join(", ")));
        }
        for (name, text) in self.texts() {
            // No record has one, and PostgreSQL would call it an error.
            if text.contains('\0') {
                fields.refuse(&name, "must not hold U+0000");
            }
        }
        if self.state == Some(State::Resolved) {
            fields.refuse("state", "a resolved letter has nothing left to do");
        }
    }

    /// The free texts in it.
    fn texts(&self) -> impl Iterator<Item = (Cow<'static, str>, &String)> {
        let ids = self.ids.iter().flatten().enumerate();
        let ids = ids.map(|(place, id)| (format!("ids[{place}]").into(), id));
        [
            ("source", &self.source),
            ("platform", &self.platform),
            ("agent_id", &self.agent_id),
            ("caller_identity", &self.caller_identity),
            ("fingerprint", &self.fingerprint),
            ("code", &self.code),
            ("failed_in", &self.failed_in),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name.into(), text.as_ref()?)))
        .chain(ids)
    }

    /// The filter as the audit log tells it: who called stays out of it.
    pub(in crate::http) fn told(&self) -> String {
        let mut told = self.clone();
        told.caller_identity = told.caller_identity.map(|_| "…".to_owned());
        let mut fields = match serde_json::to_value(&told) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.retain(|_, value| !value.is_null());
        Value::Object(fields).to_string()
    }

    /// The same for the store, narrowed to what the token may see.
    pub(in crate::http) fn stored(self, api: &Api, bearer: &Bearer) -> Filter {
        let sources = &api.flow.sources;
        let platform = self.platform.as_deref();
        Filter {
            platform_sources: platform.map_or_else(Vec::new, |name| sources.of_platform(name)),
            agents: bearer.0.agents.clone(),
            ids: self.ids.unwrap_or_default(),
            state: self.state,
            stage: self.stage,
            source: self.source,
            platform: self.platform,
            agent_id: self.agent_id.map(|id| crate::id::canonical(&id)),
            caller_identity: self.caller_identity,
            fingerprint: self.fingerprint,
            fault: self.fault,
            code: self.code,
            failed_in: self.failed_in,
            since: self.since,
            until: self.until,
        }
    }
}

/// Everything that gives letters up: receiving, and the stages.
fn stages() -> [&'static str; 4] {
    let [finalize, remember, deliver] = Stage::ALL.map(Stage::as_str);
    ["receive", finalize, remember, deliver]
}

/// A page of the letters.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: LetterFilter,
    pub(super) page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            filter: LetterFilter::read(params),
            page: params.page(),
        }
    }
}

/// The causes of the letters.
#[derive(Debug)]
pub(super) struct GroupsQuery(pub(super) LetterFilter);

impl FromParams for GroupsQuery {
    fn from_params(params: &mut Params) -> Self {
        Self(LetterFilter::read(params))
    }
}

/// Whether a letter's body is wanted, too.
#[derive(Debug)]
pub(super) struct ShowQuery {
    pub(super) with_body: bool,
}

impl FromParams for ShowQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            with_body: params
                .one_of("body", &["include", "exclude"])
                .is_some_and(|body| body == "include"),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ShowQuery` reads")]
pub(super) struct ShowParams {
    /// `include` shows the body, with the scope `ops:write` and an entry in the audit log;
    /// `exclude` is the default.
    #[param(pattern = "^(include|exclude)$")]
    body: Option<String>,
}

/// Many letters at once.
#[derive(Debug, ToSchema)]
pub(super) struct Many {
    /// Which; `{}` is all that are dead.
    pub(super) filter: LetterFilter,
    /// At most so many, those that have waited longest first.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 10_000, default = 1_000)]
    pub(super) limit: i64,
}

impl FromObject for Many {
    fn from_object(object: &mut Object) -> Self {
        let many = Self {
            filter: LetterFilter::required(object),
            limit: object.optional("limit").unwrap_or(DEFAULT_LIMIT),
        };
        if !(1..=MAX_LIMIT).contains(&many.limit) {
            object.refuse("limit", "must be a whole number from 1 to 10000");
        }
        many
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `LetterFilter` reads")]
pub(super) struct FilterParams {
    /// Only these, separated by commas.
    #[param(min_length = 1)]
    ids: Option<String>,
    /// `dead`, `replaying`, `resolved` or `discarded`.
    #[param(pattern = "^(dead|replaying|resolved|discarded)$")]
    state: Option<String>,
    /// Only given up by this stage: `receive`, `finalize`, `remember` or `deliver`.
    #[param(pattern = "^(receive|finalize|remember|deliver)$")]
    stage: Option<String>,
    /// Only of this source.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Only of this platform.
    #[param(min_length = 1)]
    platform: Option<String>,
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only of this caller.
    caller_identity: Option<String>,
    /// Only of this cause.
    #[param(min_length = 1)]
    fingerprint: Option<String>,
    /// Only where the fault lies there: `ours`, `platform`, `endpoint` or `poison`.
    #[param(pattern = "^(ours|platform|endpoint|poison)$")]
    fault: Option<String>,
    /// Only with this code.
    #[param(min_length = 1)]
    code: Option<String>,
    /// Only those that failed again in this replay, whatever has become of them since; a `fingerprint`
    /// is then the cause of that failure.
    #[param(min_length = 1)]
    failed_in: Option<String>,
    /// Only where something happened then or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only where the last that happened was before.
    #[param(format = DateTime)]
    until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ListQuery, crate::http::error::Fields> {
        let uri = format!("/v1/dead-letters?{query}").parse().unwrap();
        crate::http::query::read(&uri)
    }

    #[test]
    fn what_is_documented_is_what_is_read() {
        for parameter in FilterParams::into_params(|| None) {
            let query = format!("{}=%00", parameter.name);
            if let Err(fields) = read(&query) {
                let why = &fields[&parameter.name];
                assert!(!why.contains("not a parameter"), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn every_wrong_value_is_named() {
        let fields = read("state=gone&stage=x&fault=mine&since=today&source=&nonsense=1");
        let names: Vec<_> = fields.unwrap_err().into_keys().collect();
        assert_eq!(
            names,
            ["fault", "nonsense", "since", "source", "stage", "state"]
        );
    }

    #[test]
    fn the_audit_log_is_not_told_who_called() {
        let filter = LetterFilter {
            code: Some("not_over".to_owned()),
            caller_identity: Some("planted".to_owned()),
            ..LetterFilter::default()
        };
        assert_eq!(
            filter.told(),
            r#"{"caller_identity":"…","code":"not_over"}"#
        );
    }
}
