//! A new endpoint, and its secret, which is shown this once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::address;
use super::form::{Given, Shown};
use crate::console::access::{Posted, Refused, Session};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::page;
use crate::deliver::endpoints as life;
use crate::flow::Flow;
use crate::store::endpoints::Endpoint;
use crate::store::tokens::Scope;

#[derive(Template)]
#[template(path = "endpoints/new.html")]
struct Page {
    frame: Frame,
    form: Shown,
}

/// Asks what it is to be.
pub(super) async fn ask(
    session: Session,
    State(flow): State<Arc<Flow>>,
) -> Result<Response, Refused> {
    session.enter(Section::Endpoints)?;
    session.require(Scope::EndpointsWrite)?;
    Ok(page(&Page {
        frame: session.frame("Add an endpoint", Section::Endpoints),
        form: Shown::blank(&flow),
    })?)
}

/// A secret, on the one page that shows it.
#[derive(Template)]
#[template(path = "endpoints/secret.html")]
pub(super) struct Revealed {
    pub(super) frame: Frame,
    pub(super) address: String,
    pub(super) title: &'static str,
    pub(super) secret: String,
    /// What else is to be known; empty is nothing.
    pub(super) note: String,
}

/// Makes it.
pub(super) async fn create(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Endpoints)?;
    session.require(Scope::EndpointsWrite)?;
    let (endpoint, key) = life::make(&flow, Given::read(&posted)?.wanted());
    let resolved = fit(&flow, session, &endpoint).await?;
    let entry = session.did(&flow, "endpoint.create", &endpoint.id, "");
    life::keep(&flow, &endpoint, entry).await?;
    let note = if resolved {
        ""
    } else {
        "Its host's name can't be looked up now: deliveries fail until it can."
    };
    Ok(page(&Revealed {
        frame: session.frame("The endpoint's secret", Section::Endpoints),
        address: address(&endpoint.id),
        title: "The endpoint is there",
        secret: key.to_text(),
        note: note.to_owned(),
    })?)
}

/// Insists that an endpoint may be kept; says whether its host's name can be looked up now.
pub(super) async fn fit(
    flow: &Flow,
    session: &Session,
    endpoint: &Endpoint,
) -> Result<bool, Failure> {
    let judged = life::judge(flow, &session.token.agents, endpoint).await?;
    judged.map_err(|unfit| Failure::Invalid(format!("The {} {unfit}.", unfit.field())))
}
