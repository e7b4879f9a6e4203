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
use crate::consent;
use crate::flow::Flow;
use crate::memory::caller::CallerKey;
use crate::store::callers::remembered;
use crate::store::memories::{self, Stored, Subject};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

mod change;
mod gone;

const PATH: &str = "/console/callers";

const MEMORY: &str = "/console/callers/memory";

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(list))
        .route(MEMORY, get(memory))
        .merge(change::routes())
        .merge(gone::routes())
}

/// The address of what an agent remembers of a caller; empty where the caller is nobody.
pub(super) fn address(agent_id: &str, caller_identity: &str) -> String {
    about(MEMORY, agent_id, caller_identity)
}

/// The address of another page about a caller and an agent.
fn about(path: &str, agent_id: &str, caller_identity: &str) -> String {
    href(
        path,
        &[("agent_id", agent_id), ("caller_identity", caller_identity)],
    )
}

/// Whom a page or a form is about, as far as the session may see the agent.
fn subject(session: &Session, agent_id: &str, caller_identity: &str) -> Result<Subject, Failure> {
    session.enter(Section::Callers)?;
    let agent_id = crate::id::canonical(agent_id.trim());
    if agent_id.is_empty() {
        let why = "Say which agent's memory is meant: agent_id is empty.";
        return Err(Failure::Invalid(why.to_owned()));
    }
    if !session.token.sees(&agent_id) {
        return Err(Failure::NotFound("agent"));
    }
    let caller = CallerKey::of("", caller_identity).ok_or_else(|| {
        let why = "Calls of nobody in particular are not remembered together.";
        Failure::Invalid(why.to_owned())
    })?;
    Ok(Subject { agent_id, caller })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    agent_id: String,
    caller_identity: String,
    cursor: String,
    done: String,
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
    object: String,
    /// The value as JSON, for a form that takes it back; empty where none may.
    takes_back: String,
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
            object: fact.object_key.clone(),
            takes_back: if fact.slot.is_consent() {
                String::new()
            } else {
                fact.value.to_string()
            },
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
    consents: Vec<change::Consent>,
    facts: Vec<FactRow>,
    days: Vec<Day>,
    /// Whether the session may change what is remembered.
    may_change: bool,
    /// Whether it may change what holds over all agents.
    may_change_all: bool,
    slots: Vec<&'static str>,
    forget_href: String,
    /// Empty where the session may not.
    erase_href: String,
}

async fn memory(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let subject = subject(&session, &asked.agent_id, &asked.caller_identity)?;
    let (agent, seal) = (subject.agent_id.clone(), flow.seal.clone());
    let (facts, consents) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let facts = memories::facts(&mut conn, &subject).await?;
                let consents = consent::of(&mut conn, &seal, &subject.caller).await?;
                Ok((facts, consents))
            })
        })
        .await?;
    let now = flow.host.now();
    let sensitive = session.reads_sensitive();
    let may_change = session.token.allows(Scope::MemoriesWrite);
    let caller = asked.caller_identity;
    let mut frame = session.frame(format!("Memory of {caller}"), Section::Callers);
    frame.notice = change::notice(&asked.done);
    Ok(page(&Memory {
        frame,
        calls_href: href(
            "/console/conversations",
            &[("q", &caller), ("agent_id", &agent)],
        ),
        sensitive,
        consents: change::Consent::all(consents, now),
        days: days(&facts, sensitive, now),
        facts: facts
            .iter()
            .filter(|stored| stored.fact.is_current())
            .map(|stored| FactRow::new(stored, sensitive, now))
            .collect(),
        may_change,
        may_change_all: may_change && session.token.agents.is_empty(),
        slots: change::slots(),
        forget_href: about(gone::FORGET, &agent, &caller),
        erase_href: if session.token.allows(Scope::Admin) {
            about(gone::ERASE, &agent, &caller)
        } else {
            String::new()
        },
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
