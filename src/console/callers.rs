//! Callers: what is held about each, when it came to be held, and the sentence behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::access::{Refused, Session};
use super::conversations;
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, encode, href, next, page, request};
use crate::flow::Flow;
use crate::memory::caller::CallerKey;
use crate::store::callers::remembered;
use crate::store::memories::{self, Stored, Subject};
use crate::time::Timestamp;

const PATH: &str = "/console/callers";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(list))
        .route("/console/callers/memory", get(memory))
}

/// The address of what an agent remembers of a caller; empty where the caller is nobody.
pub(super) fn address(agent_id: &str, caller_identity: &str) -> String {
    href(
        "/console/callers/memory",
        &[("agent_id", agent_id), ("caller_identity", caller_identity)],
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    agent_id: String,
    caller_identity: String,
    cursor: String,
}

struct Row {
    href: String,
    caller: String,
    agent: String,
    facts: i64,
    last: Moment,
}

#[derive(Template)]
#[template(path = "callers/list.html")]
struct List {
    frame: Frame,
    q: String,
    agent_id: String,
    is_filtered: bool,
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

async fn list(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Callers)?;
    let filter = remembered::Filter {
        agents: session.token.agents.clone(),
        agent_id: Some(crate::id::canonical(asked.agent_id.trim())).filter(|id| !id.is_empty()),
        prefix: Some(asked.q.trim().to_owned()).filter(|q| !q.is_empty()),
    };
    let wanted = request(&asked.cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { remembered::list(&mut conn, &filter, &wanted).await })
        })
        .await?;
    let now = flow.host.now();
    let parameters = [
        ("q", asked.q.as_str()),
        ("agent_id", asked.agent_id.as_str()),
    ];
    Ok(page(&List {
        frame: session.frame("Callers", Section::Callers),
        next: next(PATH, &parameters, found.next.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        is_deep: !asked.cursor.is_empty(),
        rows: found
            .rows
            .into_iter()
            .map(|caller| Row {
                href: address(&caller.agent_id, &caller.caller_identity),
                caller: caller.caller_identity,
                agent: caller.agent_id,
                facts: caller.facts,
                last: Moment::of(caller.last_at, now),
            })
            .collect(),
        q: asked.q,
        agent_id: asked.agent_id,
    })?)
}

struct Said {
    quote: String,
    href: String,
    conversation: String,
}

struct FactRow {
    fact: String,
    slot: String,
    value: String,
    confidence: String,
    extractor: String,
    from: Moment,
    due: Option<Moment>,
    said: Vec<Said>,
}

impl FactRow {
    fn new(stored: &Stored, sensitive: bool, now: Timestamp) -> Self {
        let fact = &stored.fact;
        Self {
            fact: fact.fact.clone(),
            slot: fact.slot.as_str().to_owned(),
            value: match &fact.value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            confidence: format!("{:.0} %", fact.confidence * 100.0),
            extractor: fact.extractor.clone(),
            from: Moment::of(fact.valid_from, now),
            due: fact.due_at.map(|at| Moment::of(at, now)),
            said: fact
                .evidence
                .iter()
                .map(|said| Said {
                    quote: if sensitive {
                        said.quote.clone()
                    } else {
                        String::new()
                    },
                    href: format!(
                        "{}#{}",
                        conversations::address(said.conversation_id.as_str(), ""),
                        encode(&conversations::anchor(said.message_id.as_str())),
                    ),
                    conversation: said.conversation_id.to_string(),
                })
                .collect(),
        }
    }
}

/// What came to be held, or ceased to be, on one day.
struct Day {
    date: String,
    events: Vec<Event>,
}

struct Event {
    at: Moment,
    is_end: bool,
    fact: String,
    said: Vec<Said>,
}

#[derive(Template)]
#[template(path = "callers/memory.html")]
struct Memory {
    frame: Frame,
    caller: String,
    agent: String,
    calls_href: String,
    sensitive: bool,
    facts: Vec<FactRow>,
    days: Vec<Day>,
}

async fn memory(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Callers)?;
    let agent = crate::id::canonical(asked.agent_id.trim());
    if agent.is_empty() || !session.token.sees(&agent) {
        return Err(Failure::NotFound("agent").into());
    }
    let Some(key) = CallerKey::of("", &asked.caller_identity) else {
        let why = "Calls of nobody in particular are not remembered together.".to_owned();
        return Err(Failure::Invalid(why).into());
    };
    let subject = Subject {
        agent_id: agent.clone(),
        caller: key,
    };
    let facts = flow
        .db
        .read(move |mut conn| Box::pin(async move { memories::facts(&mut conn, &subject).await }))
        .await?;
    let now = flow.host.now();
    let sensitive = session.reads_sensitive();
    let caller = asked.caller_identity;
    Ok(page(&Memory {
        frame: session.frame(format!("Memory of {caller}"), Section::Callers),
        calls_href: href(
            "/console/conversations",
            &[("q", &caller), ("agent_id", &agent)],
        ),
        sensitive,
        days: days(&facts, sensitive, now),
        facts: facts
            .iter()
            .filter(|stored| stored.fact.is_current())
            .map(|stored| FactRow::new(stored, sensitive, now))
            .collect(),
        caller,
        agent,
    })?)
}

/// Beginnings and ends of facts by day, the latest first.
fn days(facts: &[Stored], sensitive: bool, now: Timestamp) -> Vec<Day> {
    let mut events: Vec<(Timestamp, bool, &Stored)> = Vec::new();
    for stored in facts {
        events.push((stored.fact.valid_from, false, stored));
        events.extend(stored.fact.valid_to.map(|at| (at, true, stored)));
    }
    events.sort_by_key(|(at, is_end, stored)| (*at, !*is_end, stored.fact.id.clone()));
    let mut days: BTreeMap<std::cmp::Reverse<i64>, Day> = BTreeMap::new();
    for (at, is_end, stored) in events.into_iter().rev() {
        let zoned = at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        let day = days
            .entry(std::cmp::Reverse(at.as_secs().div_euclid(86_400)))
            .or_insert_with(|| Day {
                date: zoned.strftime("%A, %-d %B %Y").to_string(),
                events: Vec::new(),
            });
        let row = FactRow::new(stored, sensitive, now);
        day.events.push(Event {
            at: Moment::of(at, now),
            is_end,
            fact: row.fact,
            said: row.said,
        });
    }
    days.into_values().collect()
}
