//! One endpoint: how it is doing, what it gets, and the form that changes it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::address;
use super::form::{Given, Shown};
use super::listed::{Health, shape};
use super::new::{refused, unprocessable};
use crate::console::access::{Posted, Refused, Session};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, counted, href, page};
use crate::deliver::endpoints as life;
use crate::flow::Flow;
use crate::store::endpoints::Endpoint;
use crate::store::tokens::Scope;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: String,
    count: i64,
}

#[derive(Template)]
#[template(path = "endpoints/one.html")]
struct Page {
    frame: Frame,
    address: String,
    /// Where its deliveries are; empty for who may not follow them.
    deliveries: String,
    endpoint: Endpoint,
    health: Health,
    shape: &'static str,
    made: Moment,
    /// Until when the secret before this one signs, too.
    previous: Option<Moment>,
    form: Shown,
    may_write: bool,
    may_send: bool,
    /// What a step has come to; empty is nothing.
    told: String,
}

impl Page {
    fn new(session: &Session, flow: &Flow, endpoint: Endpoint, form: Shown) -> Self {
        let now = flow.host.now();
        let previous = endpoint.previous.as_ref().map(|(_, until)| *until);
        Self {
            frame: session.frame("Endpoint", Section::Endpoints),
            address: address(&endpoint.id),
            deliveries: if Section::Deliveries.is_open_to(&session.token) {
                href("/console/deliveries", &[("endpoint_id", &endpoint.id)])
            } else {
                String::new()
            },
            health: Health::of(&endpoint, now),
            shape: shape(&endpoint),
            made: Moment::of(endpoint.created_at, now),
            previous: previous
                .filter(|until| *until > now)
                .map(|until| Moment::of(until, now)),
            form,
            may_write: session.token.allows(Scope::EndpointsWrite),
            may_send: session.may_send(),
            told: String::new(),
            endpoint,
        }
    }
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let endpoint = the_endpoint(&flow, &session, &id).await?;
    let form = Shown::of(&flow, &endpoint);
    let deliveries = counted(asked.count, "delivery", "deliveries");
    let told = match asked.done.as_str() {
        "change" => "The endpoint is changed.",
        "enable" => "It is sent results again, beginning with what waited for it.",
        "disable" => "It is sent nothing more. What waits for it goes on waiting.",
        "retry" => &format!("{deliveries} that had failed begin anew."),
        "missed" => &format!("{deliveries} that were missed are sent."),
        "missed-in-part" => {
            &format!("{deliveries} that were missed are sent; ask again for the rest.")
        }
        _ => "",
    };
    Ok(page(&Page {
        told: told.to_owned(),
        ..Page::new(&session, &flow, endpoint, form)
    })?)
}

/// Changes it to what was filled in, or shows what is wrong with that.
pub(super) async fn change(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    let endpoint = the_endpoint(&flow, session, &id).await?;
    session.require(Scope::EndpointsWrite)?;
    match rewrite(&flow, &posted, endpoint.clone()).await {
        Err(Failure::Invalid(why)) => {
            let form = Shown::of(&flow, &endpoint).again(&posted, why);
            let again = page(&Page::new(session, &flow, endpoint, form))?;
            Ok(unprocessable(again))
        }
        done => Ok(done?),
    }
}

async fn rewrite(flow: &Flow, posted: &Posted, endpoint: Endpoint) -> Result<Response, Failure> {
    let (session, id) = (&posted.session, endpoint.id.clone());
    let given = Given::read(posted)?;
    let headers = given.headers.as_ref();
    let headers = headers.map(|headers| life::sealed_headers(flow, headers));
    let entry = session.did(flow, "endpoint.change", &id, "");
    let wanted = move |endpoint| given.applied(endpoint, headers.clone());
    let changed = life::change(flow, &session.token, &endpoint, wanted, entry).await?;
    let changed = changed.map_err(|unfit| refused(&unfit))?;
    changed.ok_or(Failure::NotFound("endpoint"))?;
    Ok(Redirect::to(&format!("{}?done=change", address(&id))).into_response())
}

/// The endpoint of an id, if the session may see it.
pub(super) async fn the_endpoint(
    flow: &Flow,
    session: &Session,
    id: &str,
) -> Result<Endpoint, Failure> {
    session.enter(Section::Endpoints)?;
    let found = life::find(flow, &session.token.agents, id).await?;
    found.ok_or(Failure::NotFound("endpoint"))
}
