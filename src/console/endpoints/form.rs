//! The form of an endpoint: what it shows of one, and what is read from it.

use std::collections::BTreeMap;

use crate::console::access::Posted;
use crate::console::failure::Failure;
use crate::deliver::endpoints::{Wanted, header_names};
use crate::endpoint::{
    ENDPOINT_DISABLED, EVENT_TYPES, EVERYTHING, Payload, Subscription, Template, limits,
};
use crate::flow::Flow;
use crate::id::AgentId;
use crate::outbound::preset;
use crate::store::endpoints::Endpoint;

/// The shape that leaves a template as it is.
const OWN: &str = "own";

/// One of several that can be chosen.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) told: String,
    pub(super) is_chosen: bool,
}

/// What the form shows.
pub(super) struct Shown {
    pub(super) url: String,
    pub(super) description: String,
    pub(super) events: Vec<Choice>,
    pub(super) agents: String,
    pub(super) shapes: Vec<Choice>,
    pub(super) rate: String,
    pub(super) max_rate: u32,
    pub(super) concurrency: String,
    pub(super) max_concurrency: u32,
    /// The names of the headers that it has; empty for none.
    pub(super) header_names: String,
    /// What is wrong with it; empty is nothing.
    pub(super) wrong: String,
    /// Whether headers were filled in that are not shown again.
    pub(super) lost_headers: bool,
}

impl Shown {
    /// Of an endpoint that is not there yet.
    pub(super) fn blank(flow: &Flow) -> Self {
        Self {
            url: String::new(),
            description: String::new(),
            events: events(&[EVERYTHING.to_owned()]),
            agents: String::new(),
            shapes: shapes(flow.payload.as_str(), false),
            rate: String::new(),
            max_rate: limits::MAX_RATE,
            concurrency: limits::CONCURRENCY.to_string(),
            max_concurrency: limits::MAX_CONCURRENCY,
            header_names: String::new(),
            wrong: String::new(),
            lost_headers: false,
        }
    }

    /// Of one that is.
    pub(super) fn of(flow: &Flow, endpoint: &Endpoint) -> Self {
        let has_template = endpoint.template.is_some();
        let shape = if has_template {
            OWN
        } else {
            endpoint.payload.as_str()
        };
        Self {
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            events: events(&endpoint.subscription.events),
            agents: endpoint.subscription.agents.join(" "),
            shapes: shapes(shape, has_template),
            rate: endpoint
                .rate
                .map(|rate| rate.to_string())
                .unwrap_or_default(),
            concurrency: endpoint.concurrency.to_string(),
            header_names: header_names(flow, endpoint).join(", "),
            ..Self::blank(flow)
        }
    }

    /// The same form as somebody filled it in, to be mended. Headers are not shown again: their values
    /// are secrets.
    pub(super) fn again(mut self, posted: &Posted, wrong: String) -> Self {
        let text = |name| posted.field(name).unwrap_or_default().to_owned();
        for one in &mut self.events {
            one.is_chosen = posted.all("event").any(|event| event == one.value);
        }
        for one in &mut self.shapes {
            one.is_chosen = posted.field("shape") == Some(one.value);
        }
        Self {
            url: text("url"),
            description: text("description"),
            agents: text("agents"),
            rate: text("rate"),
            concurrency: text("concurrency"),
            wrong,
            lost_headers: posted.field("headers").is_some(),
            ..self
        }
    }
}

fn events(chosen: &[String]) -> Vec<Choice> {
    let every = (
        EVERYTHING,
        "every event of calls, memory and consent".to_owned(),
    );
    let types = EVENT_TYPES.map(|name| (name, name.to_owned()));
    let disabled = (ENDPOINT_DISABLED, ENDPOINT_DISABLED.to_owned());
    [every]
        .into_iter()
        .chain(types)
        .chain([disabled])
        .map(|(value, told)| Choice {
            value,
            told,
            is_chosen: chosen.iter().any(|one| one == value),
        })
        .collect()
}

fn shapes(chosen: &str, has_template: bool) -> Vec<Choice> {
    let payloads = [
        (
            Payload::Thin.as_str(),
            "thin: ids, how it ended, and links".to_owned(),
        ),
        (
            Payload::Full.as_str(),
            "full: the conversation, its messages and memories".to_owned(),
        ),
    ];
    let presets = preset::ALL
        .iter()
        .map(|preset| (preset.name, format!("the template for {}", preset.name)));
    let own = has_template.then(|| (OWN, "the template that it has".to_owned()));
    payloads
        .into_iter()
        .chain(presets)
        .chain(own)
        .map(|(value, told)| Choice {
            value,
            told,
            is_chosen: value == chosen,
        })
        .collect()
}

/// In which shape an endpoint gets its events.
enum Shape {
    Payload(Payload),
    Template(Template),
    AsItIs,
}

/// What somebody filled in.
pub(super) struct Given {
    url: String,
    description: String,
    subscription: Subscription,
    shape: Shape,
    /// None: those that it has.
    pub(super) headers: Option<BTreeMap<String, String>>,
    rate: Option<u32>,
    concurrency: u32,
}

impl Given {
    pub(super) fn read(posted: &Posted) -> Result<Self, Failure> {
        let text = |name| posted.field(name).unwrap_or_default().to_owned();
        let (url, description) = (text("url"), text("description"));
        if url.is_empty() || url.len() > limits::MAX_URL {
            return wrong("The address must be a URL.");
        }
        if description.chars().count() > limits::MAX_DESCRIPTION {
            return wrong("The description is too long.");
        }
        let most = limits::MAX_CONCURRENCY;
        let concurrency = number(posted, "concurrency", most)?.unwrap_or(limits::CONCURRENCY);
        Ok(Self {
            url,
            description,
            subscription: subscription(posted)?,
            shape: shape(posted.field("shape").unwrap_or_default())?,
            headers: headers(posted)?,
            rate: number(posted, "rate", limits::MAX_RATE)?,
            concurrency,
        })
    }

    /// An endpoint to be made.
    pub(super) fn wanted(self) -> Wanted {
        let (payload, template) = match self.shape {
            Shape::Payload(payload) => (Some(payload), None),
            Shape::Template(template) => (None, Some(template)),
            Shape::AsItIs => (None, None),
        };
        Wanted {
            url: self.url,
            description: self.description,
            subscription: self.subscription,
            payload,
            template,
            headers: self.headers.unwrap_or_default(),
            rate: self.rate,
            concurrency: self.concurrency,
            enabled: true,
        }
    }

    /// The endpoint with what was filled in; `headers` are the new ones as they are kept.
    pub(super) fn applied(&self, endpoint: Endpoint, headers: Option<String>) -> Endpoint {
        let (payload, template) = match &self.shape {
            Shape::Payload(payload) => (*payload, None),
            Shape::Template(template) => (endpoint.payload, Some(template.clone())),
            Shape::AsItIs => (endpoint.payload, endpoint.template),
        };
        Endpoint {
            url: self.url.clone(),
            description: self.description.clone(),
            subscription: self.subscription.clone(),
            payload,
            template,
            headers: headers.unwrap_or(endpoint.headers),
            rate: self.rate,
            concurrency: self.concurrency,
            ..endpoint
        }
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Invalid(why.into()))
}

fn subscription(posted: &Posted) -> Result<Subscription, Failure> {
    let mut events: Vec<String> = posted.all("event").map(str::to_owned).collect();
    if events.is_empty() || !events.iter().all(|event| limits::is_event(event)) {
        return wrong("Choose at least one event.");
    }
    let mut agents = Vec::new();
    for id in posted
        .field("agents")
        .unwrap_or_default()
        .split_whitespace()
    {
        match AgentId::new(id) {
            Ok(id) => agents.push(String::from(id)),
            Err(_) => return wrong("The agents must be ids, with blanks between them."),
        }
    }
    for list in [&mut events, &mut agents] {
        list.sort();
        list.dedup();
    }
    Ok(Subscription { events, agents })
}

fn shape(name: &str) -> Result<Shape, Failure> {
    if let Some(payload) = Payload::parse(name) {
        return Ok(Shape::Payload(payload));
    }
    match preset::Preset::named(name) {
        Some(preset) => Ok(Shape::Template(preset.template())),
        None if name == OWN => Ok(Shape::AsItIs),
        None => wrong("Choose a shape."),
    }
}

/// Headers, one a line. None where nothing was said of them.
fn headers(posted: &Posted) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let lines = posted.field("headers").unwrap_or_default();
    if lines.is_empty() {
        let none = posted.field("no_headers").map(|_| BTreeMap::new());
        return Ok(none);
    }
    let mut headers = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return wrong("A header is written Name: value, one a line.");
        };
        match limits::header(name.trim(), value.trim()) {
            Ok((name, value)) => headers.insert(name, value),
            Err(why) => return wrong(format!("Of the headers, {why}.")),
        };
    }
    if headers.len() > limits::MAX_HEADERS {
        return wrong(format!("At most {} headers.", limits::MAX_HEADERS));
    }
    Ok(Some(headers))
}

fn number(posted: &Posted, name: &str, most: u32) -> Result<Option<u32>, Failure> {
    let Some(text) = posted.field(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
        _ => wrong(format!(
            "Of {name}, a whole number from 1 to {most} is wanted."
        )),
    }
}
