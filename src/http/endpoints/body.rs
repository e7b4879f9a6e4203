//! An endpoint, as clients get it. Its secret is in two answers alone, and its headers' values in none.

use serde::Serialize;
use utoipa::ToSchema;

use crate::deliver::endpoints::header_names;
use crate::deliver::{Missed, Tested};
use crate::endpoint::Template;
use crate::http::Api;
use crate::store::endpoints::{Endpoint, Off};
use crate::time::Timestamp;

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointBody {
    /// Its id.
    id: String,
    /// Where it is.
    url: String,
    /// What it is for.
    description: String,
    /// Types of events, or `*`.
    events: Vec<String>,
    /// The only agents whose events it gets; empty is all.
    agents: Vec<String>,
    /// `thin` or `full`.
    payload: &'static str,
    /// What is sent in place of the payload.
    #[schema(required = true)]
    template: Option<TemplateBody>,
    /// The names of its own headers.
    header_names: Vec<String>,
    /// Deliveries a second at the most; null: as fast as they come.
    #[schema(required = true)]
    rate_per_second: Option<u32>,
    /// Deliveries at once.
    max_concurrency: u32,
    /// Whether it is sent anything.
    enabled: bool,
    /// Since when it is not.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    disabled_at: Option<Timestamp>,
    /// Why not: `by_hand`, `gone` (it answered 410) or `failing` (for five days).
    #[schema(required = true)]
    disabled_reason: Option<&'static str>,
    /// Since when nothing has succeeded; null while something does.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    failing_since: Option<Timestamp>,
    /// Until when the secret before this one signs, too.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    previous_secret_expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its maker changed it last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateBody {
    /// The body, in MiniJinja.
    body: String,
    /// Its media type.
    content_type: String,
    /// `POST`, `PUT` or `PATCH`.
    method: &'static str,
}

impl From<Template> for TemplateBody {
    fn from(template: Template) -> Self {
        Self {
            body: template.body,
            content_type: template.content_type,
            method: template.method.as_str(),
        }
    }
}

impl EndpointBody {
    pub(super) fn new(endpoint: Endpoint, api: &Api) -> Self {
        let header_names = header_names(&api.flow, &endpoint);
        let now = api.flow.host.now();
        let (disabled_at, disabled_reason) = endpoint.disabled.unzip();
        let previous = endpoint.previous.map(|(_, until)| until);
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.subscription.events,
            agents: endpoint.subscription.agents,
            payload: endpoint.payload.as_str(),
            template: endpoint.template.map(TemplateBody::from),
            header_names,
            rate_per_second: endpoint.rate,
            max_concurrency: endpoint.concurrency,
            enabled: endpoint.enabled,
            disabled_at,
            disabled_reason: disabled_reason.map(Off::as_str),
            failing_since: endpoint.failing_since,
            previous_secret_expires_at: previous.filter(|until| *until > now),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// A page of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointList {
    /// Newest first.
    pub(super) endpoints: Vec<EndpointBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
    /// Whether there is one.
    pub(super) has_more: bool,
}

/// A new endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeEndpoint {
    /// What its deliveries are signed with, by Standard Webhooks. Shown this once.
    secret: String,
    /// Whether its host's name can be looked up now.
    resolved: bool,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    #[serde(flatten)]
    about: EndpointBody,
}

impl MadeEndpoint {
    pub(super) fn new(secret: String, resolved: bool, about: EndpointBody) -> Self {
        Self {
            secret,
            resolved,
            warning: (!resolved)
                .then_some("the host's name can't be looked up now; deliveries fail until it can"),
            about,
        }
    }
}

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RotatedBody {
    /// The endpoint's id.
    id: String,
    /// The secret. Shown this once.
    secret: String,
    /// Until when the old one signs, too; null: not any more.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    previous_secret_expires_at: Option<Timestamp>,
}

impl RotatedBody {
    pub(super) fn new(secret: String, endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            secret,
            previous_secret_expires_at: endpoint.previous.map(|(_, until)| until),
        }
    }
}

/// How a test went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestedBody {
    /// Whether the endpoint took it.
    delivered: bool,
    /// What HTTP status it answered; null where it did not.
    #[schema(required = true)]
    status: Option<u16>,
    /// How long that took, in milliseconds.
    latency_ms: i64,
    /// Why it failed.
    #[schema(required = true)]
    code: Option<String>,
    /// The same for people.
    #[schema(required = true)]
    message: Option<String>,
    /// The first 8 KiB of the answer.
    response: String,
}

impl From<Tested> for TestedBody {
    fn from(tested: Tested) -> Self {
        Self {
            delivered: tested.delivered,
            status: tested.status,
            latency_ms: tested.latency_ms,
            code: tested.code,
            message: tested.message,
            response: tested.response,
        }
    }
}

/// How many failed deliveries begin anew.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetriedBody {
    /// So many.
    pub(super) retried: u64,
}

/// What was missed, and is sent now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuedBody {
    /// So many events.
    queued: u64,
    /// Whether that is all; if not, ask again.
    complete: bool,
}

impl From<Missed> for QueuedBody {
    fn from(missed: Missed) -> Self {
        Self {
            queued: missed.deliveries,
            complete: missed.complete,
        }
    }
}
