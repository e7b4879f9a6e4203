//! Templates tried before they are kept, and endpoints tried when somebody asks.

use serde_json::json;

use super::body::{Facts, sample};
use super::send::{Hindrance, send_facts};
use super::{COMPLETED, result};
use crate::endpoint::{ENDPOINT_TEST, Template};
use crate::flow::Flow;
use crate::id::fresh;
use crate::outbound::template::{BadTemplate, Unrendered};
use crate::page::PageRequest;
use crate::store::Result;
use crate::store::conversations::Record;
use crate::store::conversations::list::{self, Filter};
use crate::store::endpoints::Endpoint;
use crate::store::results::ResultEvent;

use super::verdict::{Ended, judge};

/// Conversations that one with messages is looked for among.
const LOOKED_THROUGH: usize = 100;

/// Renders a template over the newest conversation of these agents (of all, when there are none) that has
/// messages, or else over a made-up one, in which nothing is missing: a right template may name what the
/// newest call happens to lack.
pub(super) async fn try_template(
    flow: &Flow,
    template: Template,
    agents: Vec<String>,
) -> Result<std::result::Result<(), BadTemplate>> {
    let now = flow.host.now();
    let stored = newest(flow, agents, None).await?;
    let made_up = Facts::sample(result(&sample(now), COMPLETED, &[], now), now);
    let renderer = flow.outbound.renderer();
    let over = async |context| renderer.render(&flow.host, template.clone(), context).await;
    let tried = match over(stored.context()).await {
        // What was wrong with the real one is of more use than what is with the other.
        Err(bad) => over(made_up.context()).await.map_err(|_| bad),
        made => made,
    };
    Ok(tried.map(drop).map_err(Unrendered::into_bad))
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
/// the newest conversation with messages beside it. None when its secret can't be opened.
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
        Err(Hindrance::Unsealable) => return Ok(None),
        Err(Hindrance::Crowded) => Ended::Unmade(Unrendered::Crowded.into_bad()),
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

/// The newest conversation that has messages, or the newest where none has, with an event: its own
/// completion unless another is given.
async fn newest(flow: &Flow, agents: Vec<String>, event: Option<ResultEvent>) -> Result<Facts> {
    let now = flow.host.now();
    let filter = Filter {
        agents,
        ..Filter::default()
    };
    let first = PageRequest {
        size: LOOKED_THROUGH,
        after: None,
    };
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let mut found = list::list(&mut conn, &filter, &first).await?.rows;
                let talked = |record: &Record| record.conversation.message_count > 0;
                found.truncate(found.iter().position(talked).map_or(1, |at| at + 1));
                let Some(record) = found.pop() else {
                    let event = event.unwrap_or_else(|| result(&sample(now), COMPLETED, &[], now));
                    return Ok(Facts::sample(event, now));
                };
                let mut event = event.unwrap_or_else(|| result(&record, COMPLETED, &[], now));
                event.key = Some(record.key());
                Facts::whole(&mut conn, event).await
            })
        })
        .await
}
