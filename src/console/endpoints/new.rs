//! A new endpoint, and its secret, which is shown this once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::address;
use super::form::{Given, Shown};
use crate::console::access::{Posted, Refused, Session, needs};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::page;
use crate::deliver::endpoints::{self as life, Unfit};
use crate::flow::Flow;
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
    Ok(filled_in(&session, Shown::blank(&flow))?)
}

fn filled_in(session: &Session, form: Shown) -> Result<Response, Failure> {
    page(&Page {
        frame: session.frame("Add an endpoint", Section::Endpoints),
        form,
    })
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

/// Makes it, or shows what is wrong with what was filled in.
pub(super) async fn create(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Endpoints)?;
    session.require(Scope::EndpointsWrite)?;
    match make(&flow, &posted).await {
        Err(Failure::Invalid(why)) => {
            let form = Shown::blank(&flow).again(&posted, why);
            Ok(unprocessable(filled_in(session, form)?))
        }
        done => Ok(done?),
    }
}

/// The page with a form that is to be mended.
pub(super) fn unprocessable(mut page: Response) -> Response {
    *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    page
}

async fn make(flow: &Flow, posted: &Posted) -> Result<Response, Failure> {
    let session = &posted.session;
    let (endpoint, key) = life::make(flow, Given::read(posted)?.wanted());
    let judged = life::judge(flow, &session.token, None, &endpoint).await?;
    let resolved = judged.map_err(|unfit| refused(&unfit))?;
    let entry = session.did(flow, "endpoint.create", &endpoint.id, "");
    life::keep(flow, &endpoint, entry).await?;
    let note = if resolved {
        ""
    } else {
        "Its host's name can't be looked up now: deliveries fail until it can."
    };
    page(&Revealed {
        frame: session.frame("The endpoint's secret", Section::Endpoints),
        address: address(&endpoint.id),
        title: "The endpoint is there",
        secret: key.to_text(),
        note: note.to_owned(),
    })
}

/// Why an endpoint is not kept.
pub(super) fn refused(unfit: &Unfit) -> Failure {
    match unfit {
        Unfit::Unseen(scope) => Failure::Forbidden(needs(*scope)),
        Unfit::Headers => {
            let why =
                "Its headers were given for another host: write them anew, or take them away.";
            Failure::Invalid(why.to_owned())
        }
        unfit => Failure::Invalid(format!("The {} {unfit}.", unfit.field())),
    }
}
