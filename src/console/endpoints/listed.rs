//! Every endpoint, and how it is doing.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::{PATH, address};
use crate::console::access::{Refused, Session};
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, next, page, request};
use crate::flow::Flow;
use crate::store::endpoints::{self, Endpoint, Off};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

/// Rows of a page.
const ROWS: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    cursor: String,
    done: String,
}

/// How an endpoint is doing.
pub(super) struct Health {
    pub(super) told: &'static str,
    pub(super) is_well: bool,
    pub(super) since: Option<Moment>,
}

impl Health {
    pub(super) fn of(endpoint: &Endpoint, now: Timestamp) -> Self {
        let (told, since) = match (endpoint.disabled, endpoint.failing_since) {
            (Some((at, why)), _) if !endpoint.enabled => (
                match why {
                    Off::Gone => "disabled: it answered 410",
                    Off::Failing => "disabled: it failed for days",
                    Off::ByHand => "disabled",
                },
                Some(at),
            ),
            (_, Some(at)) => ("failing", Some(at)),
            _ => ("takes results", None),
        };
        Self {
            told,
            is_well: endpoint.enabled && endpoint.failing_since.is_none(),
            since: since.map(|at| Moment::of(at, now)),
        }
    }
}

/// In which shape it is sent events, in a word.
pub(super) fn shape(endpoint: &Endpoint) -> &'static str {
    if endpoint.template.is_some() {
        "template"
    } else {
        endpoint.payload.as_str()
    }
}

struct Row {
    href: String,
    id: String,
    url: String,
    description: String,
    events: String,
    agents: String,
    shape: &'static str,
    state: Health,
}

impl Row {
    fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        Self {
            href: address(&endpoint.id),
            state: Health::of(&endpoint, now),
            events: endpoint.subscription.events.join(", "),
            agents: endpoint.subscription.agents.join(", "),
            shape: shape(&endpoint),
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
        }
    }
}

#[derive(Template)]
#[template(path = "endpoints/listed.html")]
struct Page {
    frame: Frame,
    is_deep: bool,
    may_write: bool,
    rows: Vec<Row>,
    next: String,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Endpoints)?;
    let agents = session.token.agents.clone();
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { endpoints::list(&mut conn, &agents, &wanted).await })
        })
        .await?;
    let now = flow.host.now();
    let mut frame = session.frame("Endpoints", Section::Endpoints);
    if asked.done == "remove" {
        frame.notice = "The endpoint is removed, and what it was not sent yet is cancelled.";
    }
    Ok(page(&Page {
        frame,
        may_write: session.token.allows(Scope::EndpointsWrite),
        next: next(PATH, &[], found.next.as_ref()),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|one| Row::new(one, now))
            .collect(),
    })?)
}
