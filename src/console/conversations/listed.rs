//! The list of conversations, searched and filtered.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::console::access::{Refused, Session};
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, clock, next, page, request};
use crate::conversation::{CallSuccess, Status};
use crate::flow::Flow;
use crate::store::conversations::Record;
use crate::store::conversations::list::{self, Filter};
use crate::time::Timestamp;

const PATH: &str = "/console/conversations";

/// Rows of a page.
const ROWS: usize = 50;

/// The longest text that is searched for, in characters.
const LONGEST_SEARCH: usize = 256;

/// What the form asks for; empty narrows nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    agent_id: String,
    status: String,
    end_reason: String,
    call_successful: String,
    source: String,
    since: String,
    cursor: String,
}

impl Asked {
    fn filter(&self, agents: &[String], now: Timestamp) -> Filter {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Filter {
            agents: agents.to_vec(),
            agent_id: text(&self.agent_id).map(|id| crate::id::canonical(&id)),
            status: text(&self.status),
            end_reason: text(&self.end_reason),
            call_successful: text(&self.call_successful),
            source: text(&self.source),
            started_from: Since::parse(&self.since).map(|since| now.minus(since.span())),
            prefix: text(&self.q).map(|q| q.chars().take(LONGEST_SEARCH).collect()),
            ..Filter::default()
        }
    }

    fn parameters(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", &self.q),
            ("agent_id", &self.agent_id),
            ("status", &self.status),
            ("end_reason", &self.end_reason),
            ("call_successful", &self.call_successful),
            ("source", &self.source),
            ("since", &self.since),
        ]
    }
}

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Hour,
    Day,
    Week,
    Month,
}

impl Since {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Hour, "1h", "the last hour"),
        (Self::Day, "24h", "the last day"),
        (Self::Week, "7d", "the last week"),
        (Self::Month, "30d", "the last 30 days"),
    ];

    fn parse(text: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, name, _)| *name == text);
        found.map(|(since, ..)| since)
    }

    fn span(self) -> Duration {
        match self {
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
            Self::Week => Duration::from_hours(7 * 24),
            Self::Month => Duration::from_hours(30 * 24),
        }
    }
}

/// A value of a choice in the form.
struct Choice {
    value: String,
    title: String,
    is_chosen: bool,
}

fn choices<'a>(chosen: &str, all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Choice> {
    all.map(|(value, title)| Choice {
        value: value.to_owned(),
        title: title.to_owned(),
        is_chosen: value == chosen,
    })
    .collect()
}

struct Row {
    href: String,
    /// When its record was made, which is the list's order.
    at: Moment,
    caller: String,
    agent: String,
    status: String,
    is_failed: bool,
    reason: String,
    by: &'static str,
    duration: String,
    memory: String,
    source: String,
}

impl Row {
    fn new(record: Record, now: Timestamp) -> Self {
        let call = record.conversation;
        Self {
            href: super::address(call.id.as_str(), &call.source),
            at: Moment::of(call.created_at, now),
            caller: call.caller_identity,
            agent: call.agent_name.unwrap_or_else(|| call.agent_id.to_string()),
            is_failed: call.status == Status::Failed,
            status: call.status.as_str().to_owned(),
            reason: call
                .end_reason
                .map(|reason| reason.as_str().to_owned())
                .unwrap_or_default(),
            by: call.end_reason_source.map_or("", |by| by.as_str()),
            duration: call.duration_ms.map(clock).unwrap_or_default(),
            memory: record.memory_status.unwrap_or_default(),
            source: call.source,
        }
    }
}

#[derive(Template)]
#[template(path = "conversations/listed.html")]
struct Listed {
    frame: Frame,
    q: String,
    agent_id: String,
    end_reason: String,
    statuses: Vec<Choice>,
    successes: Vec<Choice>,
    sources: Vec<Choice>,
    times: Vec<Choice>,
    is_filtered: bool,
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Conversations)?;
    let now = flow.host.now();
    let filter = asked.filter(&session.token.agents, now);
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { list::list(&mut conn, &filter, &wanted).await })
        })
        .await?;
    let mut sources: Vec<&str> = flow
        .sources
        .all()
        .map(|source| source.name.as_str())
        .collect();
    sources.sort_unstable();
    let parameters = asked.parameters();
    Ok(page(&Listed {
        frame: session.frame("Conversations", Section::Conversations),
        next: next(PATH, &parameters, found.next.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|record| Row::new(record, now))
            .collect(),
        statuses: choices(&asked.status, Status::KNOWN.iter().map(|one| (*one, *one))),
        successes: choices(
            &asked.call_successful,
            CallSuccess::KNOWN.iter().map(|one| (*one, *one)),
        ),
        sources: choices(&asked.source, sources.into_iter().map(|one| (one, one))),
        times: choices(
            &asked.since,
            Since::ALL.iter().map(|(_, name, title)| (*name, *title)),
        ),
        q: asked.q,
        agent_id: asked.agent_id,
        end_reason: asked.end_reason,
    })?)
}
