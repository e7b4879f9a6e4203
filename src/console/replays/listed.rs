//! The replays, newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::console::access::{Refused, Session};
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, next, number, page, request};
use crate::flow::Flow;
use crate::store::replays::{self, Job, Status};
use crate::time::Timestamp;

const PATH: &str = "/console/replays";

/// Rows of a page.
const ROWS: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    status: String,
    cursor: String,
}

struct Row {
    href: String,
    id: String,
    at: Moment,
    status: &'static str,
    is_bad: bool,
    done: String,
    total: String,
    failed: String,
    by: String,
}

impl Row {
    fn new(job: Job, now: Timestamp) -> Self {
        Self {
            href: super::one::address(&job.id),
            at: Moment::of(job.created_at, now),
            status: job.status.as_str(),
            is_bad: super::one::went_wrong(&job),
            done: number(job.done()),
            total: number(job.total),
            failed: number(job.failed),
            by: job.created_by,
            id: job.id,
        }
    }
}

#[derive(Template)]
#[template(path = "replays/listed.html")]
struct Listed {
    frame: Frame,
    status: String,
    statuses: [&'static str; 5],
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Replays)?;
    let agents = session.token.agents.clone();
    let status = Status::parse(&asked.status);
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { replays::list(&mut conn, &agents, status, &wanted).await })
        })
        .await?;
    let now = flow.host.now();
    Ok(page(&Listed {
        frame: session.frame("Replays", Section::Replays),
        next: next(PATH, &[("status", &asked.status)], found.next.as_ref()),
        statuses: Status::ALL.map(Status::as_str),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|job| Row::new(job, now))
            .collect(),
        status: asked.status,
    })?)
}
