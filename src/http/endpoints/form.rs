//! What clients may say of an endpoint, field by field.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::duration;
use crate::deliver::endpoints::Wanted;
use crate::endpoint::{
    ENDPOINT_DISABLED, EVENT_TYPES, Method, Payload, Subscription, Template, limits,
};
use crate::http::query::{FromObject, Object};
use crate::id::AgentId;
use crate::outbound::preset::{self, Preset};
use crate::outbound::template::MAX_TEMPLATE;
use crate::store::endpoints::Endpoint;
use crate::time::Timestamp;

/// An endpoint to be made.
#[derive(Debug, ToSchema)]
pub(super) struct NewEndpoint {
    /// Where it is: https, and http only to addresses in `endpoints.allow_private`.
    #[schema(max_length = 2000, example = "https://crm.example.com/hooks/aftercall")]
    pub(super) url: String,
    /// Types of events, as `conversation.completed`, or `*`.
    #[schema(min_items = 1, example = json!(["conversation.completed"]))]
    pub(super) events: Vec<String>,
    /// The only agents whose events it gets; all without.
    #[schema(required = false)]
    pub(super) agents: Vec<String>,
    /// `thin`, or `full`; the setting `results.payload` without.
    #[schema(value_type = Option<String>, example = "thin")]
    pub(super) payload: Option<Payload>,
    /// What is sent in place of the payload.
    #[schema(value_type = Option<TemplateForm>, required = false)]
    pub(super) template: Option<Template>,
    /// Headers of its own, as `Authorization`. Their values are kept sealed, and never shown.
    #[schema(value_type = Object, required = false)]
    pub(super) headers: BTreeMap<String, String>,
    /// What it is for, up to 500 characters.
    #[schema(required = false, max_length = 500)]
    pub(super) description: String,
    /// Deliveries a second at the most, 1 to 1000; as fast as they come without.
    #[schema(minimum = 1, maximum = 1000)]
    pub(super) rate_per_second: Option<u32>,
    /// Deliveries at once, 1 to 100.
    #[schema(required = false, default = 10, minimum = 1, maximum = 100)]
    pub(super) max_concurrency: u32,
    /// Whether it is sent anything yet.
    #[schema(required = false, default = true)]
    pub(super) enabled: bool,
}

impl From<NewEndpoint> for Wanted {
    fn from(new: NewEndpoint) -> Self {
        Self {
            url: new.url,
            description: new.description,
            subscription: Subscription {
                events: new.events,
                agents: new.agents,
            },
            payload: new.payload,
            template: new.template,
            headers: new.headers,
            rate: new.rate_per_second,
            concurrency: new.max_concurrency,
            enabled: new.enabled,
        }
    }
}

/// A template: a ready-made one by its name, or one of your own.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documents what `template` reads")]
struct TemplateForm {
    /// `hubspot` or `zendesk`.
    preset: Option<String>,
    /// The body, in MiniJinja, over the event (`id`, `type`, `timestamp`, `data`) and its
    /// `conversation`, `messages`, `memories`, `memory` and `transcript`. Where it makes JSON,
    /// `{{ value }}` writes the value as JSON. What renders to nothing is not sent.
    body: Option<String>,
    /// Its media type.
    #[schema(default = "application/json")]
    content_type: Option<String>,
    /// `POST`, `PUT` or `PATCH`.
    #[schema(default = "POST")]
    method: Option<String>,
}

impl FromObject for NewEndpoint {
    fn from_object(object: &mut Object) -> Self {
        if !object.has("events") {
            object.refuse("events", "is required: a list of types, or [\"*\"]");
        }
        if !object.has("url") {
            object.refuse("url", "is required");
        }
        Self {
            url: url(object).unwrap_or_default(),
            events: events(object).unwrap_or_default(),
            agents: agents(object).unwrap_or_default(),
            payload: payload(object),
            template: template(object),
            headers: headers(object).unwrap_or_default(),
            description: description(object).unwrap_or_default(),
            rate_per_second: number(object, "rate_per_second", limits::MAX_RATE),
            max_concurrency: number(object, "max_concurrency", limits::MAX_CONCURRENCY)
                .unwrap_or(limits::CONCURRENCY),
            enabled: object.optional("enabled").unwrap_or(true),
        }
    }
}

/// Changes of an endpoint. What is left out stays; null takes an optional field away.
#[derive(Debug, Default, ToSchema)]
#[expect(
    clippy::option_option,
    reason = "left out, null and a value are three things"
)]
pub(super) struct Changes {
    /// Where it is.
    #[schema(required = false, max_length = 2000)]
    url: Option<String>,
    /// Types of events, or `*`.
    #[schema(required = false, min_items = 1)]
    events: Option<Vec<String>>,
    /// The only agents whose events it gets; null or empty: all.
    #[schema(value_type = Option<Vec<String>>, required = false)]
    agents: Option<Vec<String>>,
    /// `thin` or `full`.
    #[schema(value_type = Option<String>, required = false)]
    payload: Option<Payload>,
    /// What is sent in place of the payload; null: the payload again.
    #[schema(value_type = Option<TemplateForm>, required = false)]
    template: Option<Option<Template>>,
    /// All of its headers, in place of those it has.
    #[schema(value_type = Option<Object>, required = false)]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// What it is for.
    #[schema(required = false, max_length = 500)]
    description: Option<String>,
    /// Deliveries a second at the most; null: as fast as they come.
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1000)]
    rate_per_second: Option<Option<u32>>,
    /// Deliveries at once.
    #[schema(required = false, minimum = 1, maximum = 100)]
    max_concurrency: Option<u32>,
}

impl FromObject for Changes {
    fn from_object(object: &mut Object) -> Self {
        let nullable = |object: &Object, name: &str| object.has(name).then_some(());
        let (no_agents, no_template, no_rate, no_headers, no_description) = (
            nullable(object, "agents"),
            nullable(object, "template"),
            nullable(object, "rate_per_second"),
            nullable(object, "headers"),
            nullable(object, "description"),
        );
        Self {
            url: url(object),
            events: events(object),
            agents: no_agents.map(|()| agents(object).unwrap_or_default()),
            payload: payload(object),
            template: no_template.map(|()| template(object)),
            headers: no_headers.map(|()| headers(object).unwrap_or_default()),
            description: no_description.map(|()| description(object).unwrap_or_default()),
            rate_per_second: no_rate.map(|()| number(object, "rate_per_second", limits::MAX_RATE)),
            max_concurrency: number(object, "max_concurrency", limits::MAX_CONCURRENCY),
        }
    }
}

impl Changes {
    /// The endpoint with these changes; `headers` are the new ones as they are kept.
    pub(super) fn applied(&self, endpoint: Endpoint, headers: Option<String>) -> Endpoint {
        let Subscription { events, agents } = endpoint.subscription;
        Endpoint {
            url: self.url.clone().unwrap_or(endpoint.url),
            subscription: Subscription {
                events: self.events.clone().unwrap_or(events),
                agents: self.agents.clone().unwrap_or(agents),
            },
            payload: self.payload.unwrap_or(endpoint.payload),
            template: self.template.clone().unwrap_or(endpoint.template),
            headers: headers.unwrap_or(endpoint.headers),
            description: self.description.clone().unwrap_or(endpoint.description),
            rate: self.rate_per_second.unwrap_or(endpoint.rate),
            concurrency: self.max_concurrency.unwrap_or(endpoint.concurrency),
            ..endpoint
        }
    }
}

/// A field that must not be null, and its text.
fn text(object: &mut Object, name: &str) -> Option<String> {
    if !object.has(name) {
        return None;
    }
    let value = object.optional::<String>(name);
    if value.is_none() && !object.is_wrong(name) {
        object.refuse(name, "must not be null");
    }
    value
}

fn url(object: &mut Object) -> Option<String> {
    let url = text(object, "url")?;
    if url.len() > limits::MAX_URL {
        object.refuse("url", "must be at most 2000 characters");
    }
    Some(url)
}

fn events(object: &mut Object) -> Option<Vec<String>> {
    if !object.has("events") {
        return None;
    }
    let mut events: Vec<String> = object.list("events").unwrap_or_default();
    let known = events.iter().all(|event| limits::is_event(event));
    if !object.is_wrong("events") && (events.is_empty() || !known) {
        let types = EVENT_TYPES.join(", ");
        let why = format!("must be some of *, {types}, {ENDPOINT_DISABLED}");
        object.refuse("events", &why);
    }
    events.sort();
    events.dedup();
    Some(events)
}

fn agents(object: &mut Object) -> Option<Vec<String>> {
    let given: Vec<String> = object.list("agents")?;
    let mut agents: Vec<String> = given
        .iter()
        .filter_map(|id| AgentId::new(id).ok())
        .map(String::from)
        .collect();
    if agents.len() < given.len() {
        object.refuse("agents", "must be agent ids; leave it out for all");
    }
    agents.sort();
    agents.dedup();
    Some(agents)
}

fn payload(object: &mut Object) -> Option<Payload> {
    let word = text(object, "payload")?;
    let payload = Payload::parse(&word);
    if payload.is_none() {
        object.refuse("payload", "must be thin or full");
    }
    payload
}

fn description(object: &mut Object) -> Option<String> {
    let text: String = object.optional("description")?;
    if text.chars().count() > limits::MAX_DESCRIPTION || text.contains('\0') {
        object.refuse("description", "must be at most 500 characters");
    }
    Some(text)
}

fn number(object: &mut Object, name: &str, most: u32) -> Option<u32> {
    let value: u32 = object.optional(name)?;
    if !(1..=most).contains(&value) {
        object.refuse(name, &format!("must be a whole number from 1 to {most}"));
    }
    Some(value)
}

fn headers(object: &mut Object) -> Option<BTreeMap<String, String>> {
    let given: Map<String, Value> = object.optional("headers")?;
    let mut headers = BTreeMap::new();
    let mut wrong = (given.len() > limits::MAX_HEADERS)
        .then(|| format!("must be at most {}", limits::MAX_HEADERS));
    for (name, value) in given {
        match limits::header(&name, value.as_str().unwrap_or_default()) {
            Ok((name, value)) => {
                headers.insert(name, value);
            }
            Err(why) => wrong = Some(why),
        }
    }
    if let Some(why) = wrong {
        object.refuse("headers", &why);
    }
    Some(headers)
}

fn template(object: &mut Object) -> Option<Template> {
    let given: Map<String, Value> = object.optional("template")?;
    match read_template(&given) {
        Ok(template) => Some(template),
        Err(why) => {
            object.refuse("template", &why);
            None
        }
    }
}

fn read_template(given: &Map<String, Value>) -> Result<Template, String> {
    const FIELDS: [&str; 4] = ["preset", "body", "content_type", "method"];
    if let Some(name) = given.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{name} is not a field of it"));
    }
    let text = |name: &str| match given.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} must be text")),
    };
    let ready = text("preset")?.map(|name| {
        let names: Vec<&str> = preset::ALL.iter().map(|preset| preset.name).collect();
        let unknown = || format!("{name:?} is no preset; known are {}", names.join(" and "));
        Preset::named(name)
            .map(Preset::template)
            .ok_or_else(unknown)
    });
    let mut template = match (ready.transpose()?, text("body")?) {
        (Some(template), None) => template,
        (None, Some(body)) => Template {
            body: body.to_owned(),
            content_type: "application/json".to_owned(),
            method: Method::Post,
        },
        _ => return Err("must have either a preset or a body".to_owned()),
    };
    if template.body.len() > MAX_TEMPLATE || template.body.contains('\0') {
        return Err(format!(
            "must be at most {} KiB of text",
            MAX_TEMPLATE >> 10
        ));
    }
    if let Some(media) = text("content_type")? {
        if media.is_empty() || media.len() > 100 || HeaderValue::try_from(media).is_err() {
            return Err("content_type must be a media type".to_owned());
        }
        media.clone_into(&mut template.content_type);
    }
    if let Some(word) = text("method")? {
        template.method = serde_json::from_value(Value::from(word))
            .map_err(|_| "method must be POST, PUT or PATCH".to_owned())?;
    }
    Ok(template)
}

/// How long the old secret signs beside the new one.
#[derive(Debug, ToSchema)]
pub(super) struct Overlap {
    /// A span of time such as `24h`, at most `30d`; `0` ends the old one at once.
    #[schema(value_type = Option<String>, default = "24h", required = false)]
    pub(super) overlap: Duration,
}

impl FromObject for Overlap {
    fn from_object(object: &mut Object) -> Self {
        let text: Option<String> = object.optional("overlap");
        let overlap = match text.as_deref().map(duration) {
            None => limits::OVERLAP,
            Some(Ok(span)) if span <= limits::MAX_OVERLAP => span,
            Some(_) => {
                object.refuse(
                    "overlap",
                    "must be a span of time such as 24h, at most 30d, or 0",
                );
                limits::OVERLAP
            }
        };
        Self { overlap }
    }
}

/// From when on.
#[derive(Debug, ToSchema)]
pub(super) struct Since {
    /// Only events of then or later.
    #[schema(value_type = String, format = DateTime)]
    pub(super) since: Timestamp,
}

impl FromObject for Since {
    fn from_object(object: &mut Object) -> Self {
        Self {
            since: object.required("since"),
        }
    }
}

/// From when until when.
#[derive(Debug, ToSchema)]
pub(super) struct Window {
    /// Only events of then or later; since the endpoint was disabled without.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    /// Only events before; all until now without.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) until: Option<Timestamp>,
}

impl FromObject for Window {
    fn from_object(object: &mut Object) -> Self {
        Self {
            since: object.optional("since"),
            until: object.optional("until"),
        }
    }
}
