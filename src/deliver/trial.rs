//! Templates tried before they are kept, and endpoints tried when somebody asks.

use serde_json::json;

use super::body::Facts;
use super::send::{Unsealable, send_facts};
use super::{COMPLETED, result};
use crate::endpoint::{ENDPOINT_TEST, Template};
use crate::flow::Flow;
use crate::id::fresh;
use crate::outbound::template::{self, BadTemplate};
use crate::page::PageRequest;
use crate::store::Result;
use crate::store::conversations::list::{self, Filter};
use crate::store::endpoints::Endpoint;
use crate::store::results::ResultEvent;

use super::verdict::{Ended, judge};

/// Renders a template over the newest conversation of these agents (of all, when there are none), or
/// over a made-up one where none is stored yet.
pub(super) async fn try_template(
    flow: &Flow,
    template: Template,
    agents: Vec<String>,
) -> Result<std::result::Result<(), BadTemplate>> {
    let facts = newest(flow, agents, None).await?;
    let context = facts.context();
    let rendered = flow
        .host
        .compute(move || template::render(&template, &context))
        .await;
    Ok(rendered.map(drop))
}

/// How a test of an endpoint went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Whether the endpoint took it.
    pub delivered: bool,
    /// What HTTP status it answered.
    pub status: Option<u16>,
    /// How long that took, in milliseconds.
    pub latency_ms: i64,
    /// Why it failed, as a stable code.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// The first 8 KiB of the answer.
    pub response: String,
}

/// Sends a test event to an endpoint, now and once, enabled or not. With a template, the event has
/// the newest conversation beside it. None when its secret can't be opened.
pub async fn test(flow: &Flow, endpoint: &Endpoint) -> Result<Option<Tested>> {
    let began = flow.host.now();
    let event = ResultEvent {
        id: fresh("evt_", began, flow.host.dice.bytes()),
        kind: ENDPOINT_TEST.to_owned(),
        agent_id: String::new(),
        key: None,
        data: json!({
            "endpoint_id": endpoint.id,
            "message": "aftercall can reach this endpoint",
        }),
        created_at: began,
    };
    let facts = if endpoint.template.is_some() {
        newest(flow, endpoint.subscription.agents.clone(), Some(event)).await?
    } else {
        Facts::thin(event)
    };
    let ended = match send_facts(flow, endpoint, &facts, began).await {
        Ok(ended) => ended,
        Err(Unsealable) => return Ok(None),
    };
    let latency = flow.host.now().since(began);
    let why = judge(&ended, 1, 0.5).why;
    let (status, response) = match ended {
        Ended::Answered(answer) => (Some(answer.status), answer.body),
        Ended::Unanswered(_) | Ended::Unmade(_) | Ended::Nothing => (None, String::new()),
    };
    let (code, message) = why.map(|why| (why.code, why.message)).unzip();
    Ok(Some(Tested {
        delivered: status.is_some_and(|status| (200..300).contains(&status)),
        status,
        latency_ms: i64::try_from(latency.as_millis()).unwrap_or(i64::MAX),
        code,
        message,
        response,
    }))
}

/// The newest conversation with an event, its own completion unless another is given.
async fn newest(flow: &Flow, agents: Vec<String>, event: Option<ResultEvent>) -> Result<Facts> {
    let now = flow.host.now();
    let filter = Filter {
        agents,
        ..Filter::default()
    };
    let first = PageRequest {
        size: 1,
        after: None,
    };
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let newest = list::list(&mut conn, &filter, &first).await?.rows.pop();
                let Some(record) = newest else {
                    let event = event
                        .unwrap_or_else(|| result(&super::body::sample(now), COMPLETED, &[], now));
                    return Ok(Facts::sample(event, now));
                };
                let mut event = event.unwrap_or_else(|| result(&record, COMPLETED, &[], now));
                event.key = Some(record.key());
                Facts::whole(&mut conn, event).await
            })
        })
        .await
}
