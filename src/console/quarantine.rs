//! Quarantine: deliveries whose signature was wrong, and their release once the secret is mended.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{Posted, Refused, Session};
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, next, number, page, request};
use crate::flow::Flow;
use crate::receive::release::Released;
use crate::receive::{Answer, Receiver};
use crate::store::audit;
use crate::store::quarantine::{self, Filter};
use crate::store::tokens::Scope;

const PATH: &str = "/console/quarantine";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(show))
        .route("/console/quarantine/release", post(release_source))
        .route("/console/quarantine/{id}/release", post(release))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    source: String,
    reason: String,
    cursor: String,
    done: String,
    released: i64,
    still_refused: i64,
    failed: i64,
}

impl Asked {
    /// What was done, in words; empty where it was nothing.
    fn told(&self) -> String {
        match self.done.as_str() {
            "release" => "The delivery is released, and taken like a fresh one.".to_owned(),
            "many" => {
                let parts = [
                    (self.released, "released, and taken like fresh ones"),
                    (self.still_refused, "still refused"),
                    (self.failed, "to be released again in a moment"),
                ];
                let parts = parts.into_iter().filter(|(count, _)| *count > 0);
                let parts: Vec<_> = parts
                    .map(|(count, what)| format!("{} {what}", number(count)))
                    .collect();
                if parts.is_empty() {
                    return "Nothing of this source was in quarantine any more.".to_owned();
                }
                format!("Of its deliveries: {}.", parts.join(", "))
            }
            _ => String::new(),
        }
    }
}

struct Row {
    id: String,
    at: Moment,
    source: String,
    reason: String,
    detail: String,
    size: String,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct Page {
    frame: Frame,
    source: String,
    reason: String,
    is_filtered: bool,
    is_deep: bool,
    may_release: bool,
    /// The sources of the rows.
    sources: Vec<String>,
    told: String,
    rows: Vec<Row>,
    next: String,
}

async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Quarantine)?;
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = Filter {
        source: text(&asked.source),
        reason: text(&asked.reason),
    };
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { quarantine::list(&mut conn, &filter, &wanted).await })
        })
        .await?;
    let now = flow.host.now();
    let parameters = [
        ("source", asked.source.as_str()),
        ("reason", asked.reason.as_str()),
    ];
    let sources: BTreeSet<String> = found
        .rows
        .iter()
        .map(|kept| kept.refused.source.clone())
        .collect();
    Ok(page(&Page {
        frame: session.frame("Quarantine", Section::Quarantine),
        sources: sources.into_iter().collect(),
        told: asked.told(),
        next: next(PATH, &parameters, found.next.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        is_deep: !asked.cursor.is_empty(),
        may_release: session.token.allows(Scope::OpsWrite),
        rows: found
            .rows
            .into_iter()
            .map(|kept| Row {
                at: Moment::of(kept.received_at, now),
                size: number(kept.refused.size),
                id: kept.refused.id,
                source: kept.refused.source,
                reason: kept.refused.reason,
                detail: kept.refused.detail,
            })
            .collect(),
        source: asked.source,
        reason: asked.reason,
    })?)
}

/// Verifies a delivery by the secrets of now, and takes it.
async fn release(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Quarantine)?;
    session.require(Scope::OpsWrite)?;
    let entry = session.did(&flow, "quarantine.release", &id, "");
    audit::note(&flow.db, entry).await?;
    match Receiver::new(Arc::clone(&flow)).release(&id).await? {
        Released::Taken(Answer::Unavailable) => {
            let why = "It can't be made durable now; release it again in a moment.".to_owned();
            Err(Failure::Conflict(why).into())
        }
        Released::Taken(_) => Ok(Redirect::to("/console/quarantine?done=release").into_response()),
        Released::Not(why) => {
            Err(Failure::Conflict(format!("It stays where it is: {why}.")).into())
        }
    }
}

/// The same with all deliveries of a source.
async fn release_source(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Quarantine)?;
    session.require(Scope::OpsWrite)?;
    let source = posted.field("source").unwrap_or_default();
    if flow.sources.get(source).is_none() {
        let why = "No such source is configured any more; add it again.".to_owned();
        return Err(Failure::Invalid(why).into());
    }
    let target = format!("source {source}");
    let entry = session.did(&flow, "quarantine.release", &target, "");
    audit::note(&flow.db, entry).await?;
    let done = Receiver::new(Arc::clone(&flow))
        .release_source(source)
        .await?;
    let back = format!(
        "{PATH}?done=many&released={}&still_refused={}&failed={}",
        done.released, done.still_refused, done.failed
    );
    Ok(Redirect::to(&back).into_response())
}
