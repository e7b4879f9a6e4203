//! The audit log: who did what to what.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::access::{Refused, Session};
use super::frame::{Frame, Section};
use super::show::{Moment, next, page, request};
use crate::flow::Flow;
use crate::store::audit;
use crate::time::Timestamp;

const PATH: &str = "/console/audit";

/// Rows of a page.
const ROWS: usize = 50;

const A_DAY: Duration = Duration::from_hours(24);

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new().route(PATH, get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    action: String,
    actor: String,
    target: String,
    since: String,
    until: String,
    cursor: String,
}

/// A day, as the browser's field for one says it; midnight of UTC.
fn day(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_jiff(zoned.timestamp()))
}

struct Row {
    at: Moment,
    actor: String,
    action: String,
    target: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    action: String,
    actor: String,
    target: String,
    since: String,
    until: String,
    is_filtered: bool,
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Audit)?;
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = audit::Filter {
        action: text(&asked.action),
        actor: text(&asked.actor),
        target: text(&asked.target),
        since: day(&asked.since),
        // The day that is named belongs to what is wanted.
        until: day(&asked.until).map(|day| day.plus(A_DAY)),
    };
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { audit::list(&mut conn, &filter, &wanted).await })
        })
        .await?;
    let now = flow.host.now();
    let parameters = [
        ("action", asked.action.as_str()),
        ("actor", asked.actor.as_str()),
        ("target", asked.target.as_str()),
        ("since", asked.since.as_str()),
        ("until", asked.until.as_str()),
    ];
    Ok(page(&Page {
        frame: session.frame("Audit", Section::Audit),
        next: next(PATH, &parameters, found.next.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|entry| Row {
                at: Moment::of(entry.at, now),
                actor: entry.actor,
                action: entry.action,
                target: entry.target,
                detail: entry.detail,
            })
            .collect(),
        action: asked.action,
        actor: asked.actor,
        target: asked.target,
        since: asked.since,
        until: asked.until,
    })?)
}
