//! Endpoints: where results are sent, and how each is doing.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::access::{Refused, Session};
use super::frame::{Frame, Section};
use super::show::{Moment, href, next, page, request};
use crate::flow::Flow;
use crate::store::endpoints::{self, Endpoint};
use crate::time::Timestamp;

const PATH: &str = "/console/endpoints";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new().route(PATH, get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: String,
}

struct Row {
    href: String,
    id: String,
    url: String,
    description: String,
    events: String,
    agents: String,
    payload: &'static str,
    state: &'static str,
    is_well: bool,
    since: Option<Moment>,
}

impl Row {
    fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        let (state, since) = match (&endpoint.disabled, endpoint.failing_since) {
            (Some((at, why)), _) if !endpoint.enabled => (
                match why.as_str() {
                    "gone" => "disabled: it answered 410",
                    "failing" => "disabled: it failed for days",
                    _ => "disabled",
                },
                Some(*at),
            ),
            (_, Some(at)) => ("failing", Some(at)),
            _ => ("takes results", None),
        };
        Self {
            href: href("/console/deliveries", &[("endpoint_id", &endpoint.id)]),
            is_well: endpoint.enabled && endpoint.failing_since.is_none(),
            since: since.map(|at| Moment::of(at, now)),
            events: endpoint.subscription.events.join(", "),
            agents: endpoint.subscription.agents.join(", "),
            payload: if endpoint.template.is_some() {
                "template"
            } else {
                endpoint.payload.as_str()
            },
            state,
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
        }
    }
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct Page {
    frame: Frame,
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

async fn show(
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
    Ok(page(&Page {
        frame: session.frame("Endpoints", Section::Endpoints),
        next: next(PATH, &[], found.next.as_ref()),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|one| Row::new(one, now))
            .collect(),
    })?)
}
