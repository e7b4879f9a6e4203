//! Coverage: calls that the platforms know of, those of them that are not here, and their lists read now.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{Posted, Refused, Session};
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, href, next, number, page, request};
use crate::flow::Flow;
use crate::reconcile::{self, Comparison, Covered, Wish};
use crate::store::known_calls;
use crate::store::reconcile::{self as listings, Listing, Status};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

const PATH: &str = "/console/coverage";

/// Rows of a page.
const ROWS: usize = 50;

/// How far back somebody has the lists read: hours, and in words.
const SPANS: [(u64, &str); 4] = [
    (1, "the last hour"),
    (24, "the last day"),
    (7 * 24, "the last week"),
    (30 * 24, "the last 30 days"),
];

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(show))
        .route("/console/coverage/reconcile", post(read_now))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    source: String,
    cursor: String,
    /// A reading that somebody asked for.
    run: String,
}

struct Row {
    source: String,
    known: String,
    processed: String,
    /// Empty is unknown.
    missing: String,
    is_short: bool,
    oldest: Option<Moment>,
    checked: Option<Moment>,
    error: Option<String>,
}

impl Row {
    fn new(covered: Covered, now: Timestamp) -> Self {
        let counted = covered.coverage;
        let is_known = covered.comparison() != Comparison::Never;
        Self {
            missing: if is_known {
                number(counted.missing)
            } else {
                String::new()
            },
            source: covered.account,
            known: number(counted.known),
            processed: number(counted.known - counted.missing),
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

/// How far the reading of an account's list is that somebody asked for.
struct Reading {
    source: String,
    status: &'static str,
    is_bad: bool,
    told: String,
}

impl Reading {
    fn new(listing: Listing) -> Self {
        let mut told = format!(
            "{} listed, {} missing, {} changed, {} put into the queue",
            number(listing.listed),
            number(listing.unknown),
            number(listing.changed),
            number(listing.queued)
        );
        if let Some(error) = listing.error {
            told = format!("{told}; {error}");
        }
        Self {
            source: listing.account,
            status: listing.status.as_str(),
            is_bad: listing.status == Status::Failed,
            told,
        }
    }
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct Page {
    frame: Frame,
    source: String,
    accounts: Vec<String>,
    rows: Vec<Row>,
    /// Accounts that are shown and were never compared, or can't be now.
    unsure: String,
    readings: Vec<Reading>,
    /// The page's own address while a reading is under way; else empty.
    live: String,
    spans: [(u64, &'static str); 4],
    may_reconcile: bool,
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
    let run = asked.run.clone();
    let (found, readings) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let missing = known_calls::missing(&mut conn, &wanted, None, &part).await?;
                Ok((missing, listings::get(&mut conn, &run).await?))
            })
        })
        .await?;
    let now = flow.host.now();
    let unsure = covered
        .iter()
        .filter(|one| one.comparison() != Comparison::Current)
        .map(|one| one.account.as_str());
    let is_going = |one: &Listing| matches!(one.status, Status::Waiting | Status::Running);
    Ok(page(&Page {
        frame: session.frame("Coverage", Section::Coverage),
        unsure: unsure.collect::<Vec<_>>().join(", "),
        live: if readings.iter().any(is_going) {
            href(PATH, &[("source", &asked.source), ("run", &asked.run)])
        } else {
            String::new()
        },
        readings: readings.into_iter().map(Reading::new).collect(),
        spans: SPANS,
        may_reconcile: session.token.allows(Scope::OpsWrite),
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

/// Has the lists read now, of one account or of all.
async fn read_now(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Coverage)?;
    session.require(Scope::OpsWrite)?;
    let source = posted.field("source").unwrap_or_default();
    let accounts = flow.sources.accounts().iter().map(|one| one.name.clone());
    let accounts: Vec<String> = accounts
        .filter(|name| source.is_empty() || name == source)
        .collect();
    if accounts.is_empty() {
        return Err(Failure::NotFound("account").into());
    }
    let hours = posted.field("hours").and_then(|text| text.parse().ok());
    let span = SPANS.iter().find(|(offered, _)| Some(*offered) == hours);
    let Some((hours, _)) = span else {
        return Err(Failure::Invalid("hours: choose one of those offered.".to_owned()).into());
    };
    let wish = Wish {
        accounts,
        since: flow.host.now().minus(Duration::from_hours(*hours)),
        until: None,
        dry_run: false,
    };
    let entry = session.did(&flow, "reconcile", "", "");
    let begun = reconcile::begin(&flow, wish, entry).await?;
    let run = begun.first().map_or("", |listing| listing.id.as_str());
    let back = href(PATH, &[("source", source), ("run", run)]);
    Ok(Redirect::to(&back).into_response())
}
