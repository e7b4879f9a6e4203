//! Coverage: calls that the platforms know of, and those of them that are not here.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::access::{Refused, Session};
use super::frame::{Frame, Section};
use super::show::{Moment, next, number, page, request};
use crate::flow::Flow;
use crate::reconcile::{self, Covered};
use crate::store::known_calls;
use crate::time::Timestamp;

const PATH: &str = "/console/coverage";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new().route(PATH, get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    source: String,
    cursor: String,
}

struct Row {
    source: String,
    known: String,
    processed: String,
    missing: String,
    is_short: bool,
    oldest: Option<Moment>,
    checked: Option<Moment>,
    error: Option<String>,
}

impl Row {
    fn new(covered: Covered, now: Timestamp) -> Self {
        let counted = covered.coverage;
        Self {
            source: covered.account,
            known: number(counted.known),
            processed: number(counted.known - counted.missing),
            missing: number(counted.missing),
            is_short: counted.missing > 0,
            oldest: counted.oldest_missing_at.map(|at| Moment::of(at, now)),
            checked: covered.checked_at.map(|at| Moment::of(at, now)),
            error: covered.error,
        }
    }
}

struct Missing {
    id: String,
    source: String,
    created: Moment,
    queued: Option<Moment>,
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct Page {
    frame: Frame,
    source: String,
    accounts: Vec<String>,
    rows: Vec<Row>,
    missing: Vec<Missing>,
    is_deep: bool,
    next: String,
}

async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Coverage)?;
    let all: Vec<String> = flow
        .sources
        .accounts()
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let mut wanted = all.clone();
    if !asked.source.is_empty() {
        wanted.retain(|name| *name == asked.source);
    }
    let covered = reconcile::coverage(&flow, wanted.clone(), None).await?;
    let part = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { known_calls::missing(&mut conn, &wanted, None, &part).await })
        })
        .await?;
    let now = flow.host.now();
    Ok(page(&Page {
        frame: session.frame("Coverage", Section::Coverage),
        next: next(PATH, &[("source", &asked.source)], found.next.as_ref()),
        accounts: all,
        rows: covered.into_iter().map(|one| Row::new(one, now)).collect(),
        missing: found
            .rows
            .into_iter()
            .map(|known| Missing {
                id: known.key.id.to_string(),
                source: known.account,
                created: Moment::of(known.created_at, now),
                queued: known.queued_at.map(|at| Moment::of(at, now)),
            })
            .collect(),
        is_deep: !asked.cursor.is_empty(),
        source: asked.source,
    })?)
}
