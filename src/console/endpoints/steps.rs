//! What is done with an endpoint by one button: tested, switched, given a new secret, sent again what
//! failed or what it missed, removed.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::new::Revealed;
use super::one::the_endpoint;
use super::{PATH, address};
use crate::config::duration;
use crate::console::access::{Posted, Refused};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{latency, page};
use crate::deliver::{self, Tested, endpoints as life};
use crate::endpoint::limits;
use crate::flow::Flow;
use crate::store::audit;
use crate::store::tokens::Scope;
use crate::time::Timestamp;

/// Enables, disables or removes.
pub(super) async fn switch(
    State(flow): State<Arc<Flow>>,
    Path((id, step)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    the_endpoint(&flow, session, &id).await?;
    session.require(Scope::EndpointsWrite)?;
    let entry = |action| session.did(&flow, action, &id, "");
    match step.as_str() {
        "enable" => drop(life::enable(&flow, &id, entry("endpoint.enable")).await?),
        "disable" => drop(life::disable(&flow, &id, entry("endpoint.disable")).await?),
        "remove" => {
            life::remove(&flow, &id, entry("endpoint.remove")).await?;
            return Ok(Redirect::to(&format!("{PATH}?done=remove")).into_response());
        }
        _ => return Err(Failure::NotFound("page").into()),
    }
    Ok(Redirect::to(&format!("{}?done={step}", address(&id))).into_response())
}

#[derive(Template)]
#[template(path = "endpoints/tested.html")]
struct TestedPage {
    frame: Frame,
    address: String,
    url: String,
    tested: Tested,
    latency: String,
}

/// Sends a test event.
pub(super) async fn test(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    let endpoint = the_endpoint(&flow, session, &id).await?;
    session.require(Scope::EndpointsWrite)?;
    let entry = session.did(&flow, "endpoint.test", &id, "");
    audit::note(&flow.db, entry).await?;
    let Some(tested) = deliver::test(&flow, &endpoint).await? else {
        let why = "Its secret was sealed under another key: give it a new one.".to_owned();
        return Err(Failure::Conflict(why).into());
    };
    Ok(page(&TestedPage {
        frame: session.frame("Test of an endpoint", Section::Endpoints),
        address: address(&id),
        url: endpoint.url,
        latency: latency(tested.latency_ms),
        tested,
    })?)
}

/// Gives it a new secret.
pub(super) async fn rotate(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    the_endpoint(&flow, session, &id).await?;
    session.require(Scope::EndpointsWrite)?;
    let overlap = span(&posted, "overlap")?.unwrap_or(limits::OVERLAP);
    if overlap > limits::MAX_OVERLAP {
        return Err(Failure::Invalid("Two secrets sign for 30 days at most.".to_owned()).into());
    }
    let entry = session.did(&flow, "endpoint.rotate_secret", &id, "");
    let rotated = life::rotate(&flow, &id, overlap, entry).await?;
    let (endpoint, key) = rotated.ok_or(Failure::NotFound("endpoint"))?;
    let note = endpoint.previous.map_or_else(
        || "The old secret signs no more.".to_owned(),
        |(_, until)| format!("The old secret signs beside it until {until}."),
    );
    Ok(page(&Revealed {
        frame: session.frame("The endpoint's secret", Section::Endpoints),
        address: address(&id),
        title: "It has a new secret",
        secret: key.to_text(),
        note,
    })?)
}

/// Sends again what failed.
pub(super) async fn retry(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    the_endpoint(&flow, session, &id).await?;
    session.reach(&flow, Scope::OpsWrite).await?;
    let since = since(&flow, &posted)?.ok_or_else(say_since)?;
    let detail = format!("since {since}");
    let entry = session.did(&flow, "endpoint.retry_failed", &id, &detail);
    let count = life::retry_failed(&flow, &id, since, entry).await?;
    let to = format!("{}?done=retry&count={count}", address(&id));
    Ok(Redirect::to(&to).into_response())
}

/// Sends what it missed.
pub(super) async fn missed(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    let endpoint = the_endpoint(&flow, session, &id).await?;
    session.reach(&flow, Scope::OpsWrite).await?;
    let disabled = endpoint.disabled.map(|(at, _)| at);
    let since = since(&flow, &posted)?.or(disabled).ok_or_else(say_since)?;
    let detail = format!("since {since}");
    let entry = session.did(&flow, "endpoint.send_missed", &id, &detail);
    audit::note(&flow.db, entry).await?;
    let until = Timestamp::from_millis(i64::MAX);
    let missed = deliver::send_missed(&flow, &id, since, until).await?;
    let missed = missed.ok_or(Failure::NotFound("endpoint"))?;
    let done = if missed.complete {
        "missed"
    } else {
        "missed-in-part"
    };
    let to = format!("{}?done={done}&count={}", address(&id), missed.deliveries);
    Ok(Redirect::to(&to).into_response())
}

fn say_since() -> Failure {
    Failure::Invalid("Say since when.".to_owned())
}

/// So long before now, where that was chosen.
fn since(flow: &Flow, posted: &Posted) -> Result<Option<Timestamp>, Failure> {
    let span = span(posted, "since")?;
    Ok(span.map(|span| flow.host.now().minus(span)))
}

fn span(posted: &Posted, name: &str) -> Result<Option<Duration>, Failure> {
    let read = posted.field(name).map(duration).transpose();
    read.map_err(|_| Failure::Invalid("A span of time such as 24h is wanted.".to_owned()))
}
