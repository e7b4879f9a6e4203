//! Deliveries: each event on its way to an endpoint, with every attempt.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{Posted, Refused, Session};
use super::conversations;
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, encode, next, page, request};
use crate::deliver::Reach;
use crate::flow::Flow;
use crate::store::audit;
use crate::store::deliveries::list::{self, Filter};
use crate::store::deliveries::{self, Attempt, Held, Next, Status, Told};
use crate::store::endpoints::{self, Endpoint};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

const PATH: &str = "/console/deliveries";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(listed))
        .route("/console/deliveries/{id}", get(one))
        .route("/console/deliveries/{id}/retry", post(retry))
}

pub(super) fn address(id: &str) -> String {
    format!("{PATH}/{}", encode(id))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    status: String,
    endpoint_id: String,
    kind: String,
    conversation_id: String,
    cursor: String,
    done: String,
}

struct Row {
    href: String,
    at: Moment,
    kind: String,
    call: String,
    endpoint_id: String,
    /// Where it goes; the endpoint's id where that is gone, or not for these eyes.
    endpoint: String,
    status: &'static str,
    is_bad: bool,
    attempts: u32,
    next: Waits,
}

impl Row {
    fn new(told: Told, session: &Session, now: Timestamp) -> Self {
        let next = Waits::of(&told, now);
        let endpoint = destination(&told, session);
        let delivery = told.delivery;
        Self {
            href: address(&delivery.id),
            at: Moment::of(delivery.created_at, now),
            kind: delivery.kind,
            call: delivery
                .key
                .map(|key| key.id.to_string())
                .unwrap_or_default(),
            endpoint,
            endpoint_id: delivery.endpoint_id,
            status: delivery.status.as_str(),
            is_bad: delivery.status == Status::Failed,
            attempts: delivery.attempts,
            next,
        }
    }
}

/// A delivery's endpoint, for who may see it.
fn seen<'a>(told: &'a Told, session: &Session) -> Option<&'a Endpoint> {
    let may_see = Section::Endpoints.is_open_to(&session.token);
    let agents = &session.token.agents;
    let endpoint = told.endpoint.as_ref();
    endpoint.filter(|endpoint| may_see && endpoints::is_of(endpoint, agents))
}

/// Where a delivery goes, for who may see its endpoint; else the endpoint's id.
pub(super) fn destination(told: &Told, session: &Session) -> String {
    let endpoint_id = &told.delivery.endpoint_id;
    seen(told, session)
        .map_or(endpoint_id, |endpoint| &endpoint.url)
        .clone()
}

/// What a delivery waits for, in words.
pub(super) struct Waits {
    /// Empty is nothing.
    pub(super) told: String,
    /// When it goes, where that is known.
    pub(super) at: Option<Moment>,
    /// The page of the delivery that must be through first; empty is none.
    pub(super) behind: String,
}

impl Waits {
    pub(super) fn of(told: &Told, now: Timestamp) -> Self {
        let plain = |told: &str| Self {
            told: told.to_owned(),
            at: None,
            behind: String::new(),
        };
        match &told.next {
            Next::Nothing => plain(""),
            Next::At(at) if *at <= now => plain("now"),
            Next::At(at) => {
                let at = Moment::of(*at, now);
                Self {
                    told: at.ago.clone(),
                    at: Some(at),
                    behind: String::new(),
                }
            }
            Next::Held(Held::Disabled) => plain("when its endpoint is enabled"),
            Next::Held(Held::Failing) => plain("when its endpoint takes something again"),
            Next::Held(Held::Order(first)) => Self {
                behind: first.as_deref().map_or_else(String::new, address),
                ..plain("behind an earlier event of its call")
            },
        }
    }
}

#[derive(Template)]
#[template(path = "deliveries/listed.html")]
struct Listed {
    frame: Frame,
    asked: Asked,
    statuses: [&'static str; 5],
    is_filtered: bool,
    rows: Vec<Row>,
    next: String,
}

async fn listed(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Deliveries)?;
    let reach = session.reach(&flow, Scope::OpsRead).await?;
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut filter = Filter {
        agents: session.token.agents.clone(),
        endpoint_id: text(&asked.endpoint_id),
        kind: text(&asked.kind),
        conversation_id: text(&asked.conversation_id).map(|id| crate::id::canonical(&id)),
        statuses: Status::parse(&asked.status).into_iter().collect(),
        ..Filter::default()
    };
    reach.narrow(&mut filter);
    let wanted = request(&asked.cursor, ROWS);
    let now = flow.host.now();
    let (rows, further) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let found = list::list(&mut conn, &filter, &wanted).await?;
                let rows = deliveries::tell(&mut conn, found.rows, now).await?;
                Ok((rows, found.next))
            })
        })
        .await?;
    let parameters = [
        ("status", asked.status.as_str()),
        ("endpoint_id", &asked.endpoint_id),
        ("kind", &asked.kind),
        ("conversation_id", &asked.conversation_id),
    ];
    Ok(page(&Listed {
        frame: session.frame("Deliveries", Section::Deliveries),
        next: next(PATH, &parameters, further.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        statuses: Status::ALL.map(Status::as_str),
        rows: rows
            .into_iter()
            .map(|one| Row::new(one, &session, now))
            .collect(),
        asked,
    })?)
}

struct Tried {
    at: Moment,
    title: String,
    is_bad: bool,
    latency: String,
    response: String,
}

impl Tried {
    fn new(attempt: Attempt, sensitive: bool, now: Timestamp) -> Self {
        let failed = !attempt.code.is_empty();
        let status = attempt
            .status
            .map(|status| status.to_string())
            .unwrap_or_default();
        Self {
            at: Moment::of(attempt.at, now),
            title: [status, attempt.message].join(" ").trim().to_owned(),
            is_bad: failed,
            latency: super::show::latency(attempt.latency_ms),
            response: if sensitive {
                attempt.response
            } else {
                String::new()
            },
        }
    }
}

#[derive(Template)]
#[template(path = "deliveries/one.html")]
struct One {
    frame: Frame,
    address: String,
    row: Row,
    id: String,
    event_id: String,
    call_href: String,
    endpoint_href: String,
    tried: Vec<Tried>,
    may_retry: bool,
}

async fn one(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Deliveries)?;
    let reach = session.reach(&flow, Scope::OpsRead).await?;
    let (told, attempts) = the_delivery(&flow, &session, &reach, id).await?;
    let delivery = &told.delivery;
    let now = flow.host.now();
    let sensitive = session.reads_sensitive();
    let mut frame = session.frame("Delivery", Section::Deliveries);
    if asked.done == "retry" {
        frame.notice = "It is sent once more, by the schedule from its beginning.";
    }
    let reads_calls = session.token.allows(Scope::ConversationsRead);
    let call = delivery.key.as_ref().filter(|_| reads_calls);
    Ok(page(&One {
        frame,
        address: address(&delivery.id),
        id: delivery.id.clone(),
        event_id: delivery.event_id.clone(),
        call_href: call
            .map(|key| conversations::address(key.id.as_str(), ""))
            .unwrap_or_default(),
        endpoint_href: seen(&told, &session)
            .map(|endpoint| super::endpoints::address(&endpoint.id))
            .unwrap_or_default(),
        may_retry: session.may_send()
            && !matches!(delivery.status, Status::Queued | Status::Cancelled),
        tried: attempts
            .into_iter()
            .map(|attempt| Tried::new(attempt, sensitive, now))
            .collect(),
        row: Row::new(told, &session, now),
    })?)
}

/// Sends once more.
async fn retry(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Deliveries)?;
    let reach = session.reach(&flow, Scope::OpsWrite).await?;
    let (Told { delivery, .. }, _) = the_delivery(&flow, session, &reach, id).await?;
    let entry = session.did(&flow, "delivery.retry", &delivery.id, "");
    let (id, endpoint_id, now) = (delivery.id.clone(), delivery.endpoint_id, flow.host.now());
    let due = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let endpoint = endpoints::get(&mut conn, &endpoint_id).await?;
                let due = endpoint.is_some_and(|endpoint| endpoint.enabled)
                    && deliveries::retry(&mut conn, &id, now).await?;
                if due {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(due)
            })
        })
        .await?;
    if !due {
        let why = "It is on its way, or its endpoint is disabled or was removed.".to_owned();
        return Err(Failure::Conflict(why).into());
    }
    flow.news.tell();
    Ok(Redirect::to(&format!("{}?done=retry", address(&delivery.id))).into_response())
}

async fn the_delivery(
    flow: &Flow,
    session: &Session,
    reach: &Reach,
    id: String,
) -> Result<(Told, Vec<Attempt>), Failure> {
    let now = flow.host.now();
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { list::one(&mut conn, &id, now).await }))
        .await?;
    found
        .filter(|(Told { delivery, .. }, _)| {
            session.token.sees(&delivery.agent_id) && reach.holds(&delivery.endpoint_id)
        })
        .ok_or(Failure::NotFound("delivery"))
}
