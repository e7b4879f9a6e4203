//! One conversation: why it ended, its way through aftercall, its words, and what memory took of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::fields::{Field, fields};
use super::transcript::{Turn, turns};
use crate::console::access::{Posted, Refused, Session};
use crate::console::callers;
use crate::console::deliveries as deliveries_page;
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, clock, counted, latency, next, page, request};
use crate::conversation::{Message, Status};
use crate::deliver::Reach;
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::page::{Page, PageRequest};
use crate::replay;
use crate::store::conversations::{self, Record};
use crate::store::deliveries::{self, Attempt, Told};
use crate::store::memories::{self, Stored};
use crate::store::timeline::{self, Step};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

/// Turns of a page.
const TURNS: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    source: String,
    cursor: String,
    done: String,
}

struct Link {
    name: String,
    title: &'static str,
    at: Moment,
    /// Since the step before.
    later: String,
    attempt: i64,
    detail: String,
    is_bad: bool,
}

/// An event of the call that an endpoint has not taken yet.
struct Untaken {
    /// The delivery's page, for who may see it; else empty.
    href: String,
    at: Moment,
    detail: String,
    is_bad: bool,
}

#[derive(Template)]
#[template(path = "conversations/one.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question that the template asks"
)]
struct One {
    frame: Frame,
    id: String,
    source: String,
    address: String,
    caller: String,
    /// What is remembered of the caller, for who may see it; else empty.
    caller_href: String,
    agent: String,
    at: Moment,
    duration: String,
    status: String,
    is_failed: bool,
    reason: String,
    by: &'static str,
    summary: String,
    sensitive: bool,
    recording: String,
    is_playable: bool,
    has_anchor: bool,
    chain: Vec<Link>,
    untaken: Vec<Untaken>,
    turns: Vec<Turn>,
    is_deep: bool,
    next: String,
    fields: Vec<Field>,
    may_reprocess: bool,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Conversations)?;
    let record = match the_one(&flow, &session, &id, &asked.source).await? {
        Found::One(record) => *record,
        Found::Several(sources) => return several(&session, id, sources),
    };
    let wanted = request(&asked.cursor, TURNS);
    let reads_facts = session.token.allows(Scope::MemoriesRead);
    let now = flow.host.now();
    let agents = session.token.agents.clone();
    let around = around(&flow, record.key(), agents, wanted, reads_facts, now).await?;
    let reach = if around.untaken.is_empty() {
        None
    } else {
        Reach::of(&flow, &session.token, Scope::OpsRead).await?
    };
    let one = One::new(&session, reach.as_ref(), &record, around, &asked, now);
    let mut response = page(&one)?;
    if let Some(policy) = origin(&one.recording).and_then(|origin| policy(&origin)) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// What is kept beside a call.
struct Around {
    messages: Page<Message>,
    steps: Vec<Step>,
    untaken: Vec<(Told, Vec<Attempt>)>,
    facts: Vec<Stored>,
}

async fn around(
    flow: &Flow,
    key: ConversationKey,
    agents: Vec<String>,
    wanted: PageRequest,
    with_facts: bool,
    now: Timestamp,
) -> Result<Around, crate::store::Error> {
    let waiting = deliveries::list::Filter {
        key: Some(key.clone()),
        agents,
        statuses: vec![deliveries::Status::Pending, deliveries::Status::Queued],
        ..deliveries::list::Filter::default()
    };
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let all = PageRequest {
                    size: PageRequest::MAX_SIZE,
                    after: None,
                };
                Ok(Around {
                    messages: conversations::messages(&mut conn, &key, &wanted).await?,
                    steps: timeline::list(&mut conn, &key, &all).await?.rows,
                    untaken: deliveries::list::with_attempts(&mut conn, &waiting, &all, now)
                        .await?
                        .rows,
                    facts: if with_facts {
                        memories::of_conversation(&mut conn, &key, &all).await?.rows
                    } else {
                        Vec::new()
                    },
                })
            })
        })
        .await
}

impl One {
    fn new(
        session: &Session,
        reach: Option<&Reach>,
        record: &Record,
        around: Around,
        asked: &Asked,
        now: Timestamp,
    ) -> Self {
        let sensitive = session.reads_sensitive();
        let call = &record.conversation;
        let address = super::address(call.id.as_str(), &call.source);
        let shown = |text: &Option<String>| {
            let text = text.clone().filter(|_| sensitive);
            text.unwrap_or_default()
        };
        let recording = shown(&call.recording_url);
        let mut frame = session.frame(format!("Call {}", call.id), Section::Conversations);
        if asked.done == "reprocess" {
            frame.notice = "The call is in the queue, to be fetched and settled anew.";
        }
        let path = address.split('?').next().unwrap_or_default();
        let further = around.messages.next.as_ref();
        let agent = call.agent_name.clone();
        let reason = call.end_reason.as_ref().map(ToString::to_string);
        Self {
            frame,
            next: next(path, &[("source", &call.source)], further),
            turns: turns(call, around.messages.rows, &around.facts, sensitive),
            is_deep: !asked.cursor.is_empty(),
            chain: chain(around.steps, now),
            untaken: around
                .untaken
                .into_iter()
                .map(|(told, attempts)| untaken(&told, &attempts, session, reach, now))
                .collect(),
            fields: fields(record, sensitive),
            id: call.id.to_string(),
            source: call.source.clone(),
            caller_href: if Section::Callers.is_open_to(&session.token) {
                callers::address(call.agent_id.as_str(), &call.caller_identity)
            } else {
                String::new()
            },
            caller: call.caller_identity.clone(),
            agent: agent.unwrap_or_else(|| call.agent_id.to_string()),
            at: Moment::of(call.happened_at(), now),
            duration: call.duration_ms.map(clock).unwrap_or_default(),
            status: call.status.to_string(),
            is_failed: call.status == Status::Failed,
            reason: reason.unwrap_or_default(),
            by: call.end_reason_source.map_or("", |by| by.as_str()),
            summary: shown(&call.summary),
            sensitive,
            is_playable: origin(&recording).is_some(),
            recording,
            has_anchor: call.recording_started_at.is_some(),
            may_reprocess: session.token.allows(Scope::OpsWrite),
            address,
        }
    }
}

/// Fetches and settles a call anew.
pub(super) async fn reprocess(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Conversations)?;
    session.require(Scope::OpsWrite)?;
    let source = posted.field("source").unwrap_or_default();
    let Found::One(record) = the_one(&flow, session, &id, source).await? else {
        return Err(
            Failure::Conflict("Several calls have this id; open one of them.".to_owned()).into(),
        );
    };
    let call = &record.conversation;
    let entry = session.did(&flow, "conversation.reprocess", call.id.as_str(), "");
    if let Err(why) = replay::reprocess(&flow, &record, entry).await? {
        return Err(Failure::Conflict(format!("The call can't be settled anew: {why}.")).into());
    }
    let back = super::address(call.id.as_str(), &call.source);
    Ok(Redirect::to(&format!("{back}&done=reprocess")).into_response())
}

enum Found {
    One(Box<Record>),
    /// The sources of several calls with the same id.
    Several(Vec<String>),
}

/// The call of an id that the session may see.
async fn the_one(flow: &Flow, session: &Session, id: &str, source: &str) -> Result<Found, Failure> {
    let (id, source) = (id.to_owned(), source.to_owned());
    let mut records = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let source = Some(source.as_str()).filter(|source| !source.is_empty());
                conversations::find(&mut conn, &id, source).await
            })
        })
        .await?;
    records.retain(|record| session.token.sees(record.conversation.agent_id.as_str()));
    match records.pop() {
        None => Err(Failure::NotFound("conversation")),
        Some(record) if records.is_empty() => Ok(Found::One(Box::new(record))),
        Some(record) => {
            records.push(record);
            let sources = records.into_iter().map(|record| record.conversation.source);
            Ok(Found::Several(sources.collect()))
        }
    }
}

#[derive(Template)]
#[template(path = "conversations/several.html")]
struct Several {
    frame: Frame,
    id: String,
    choices: Vec<(String, String)>,
}

fn several(session: &Session, id: String, sources: Vec<String>) -> Result<Response, Refused> {
    Ok(page(&Several {
        frame: session.frame("Which call?", Section::Conversations),
        choices: sources
            .into_iter()
            .map(|source| (super::address(&id, &source), source))
            .collect(),
        id,
    })?)
}

fn chain(steps: Vec<Step>, now: Timestamp) -> Vec<Link> {
    let mut before: Option<Timestamp> = None;
    steps
        .into_iter()
        .map(|step| {
            let later = before.map(|before| step.at.as_millis() - before.as_millis());
            before = Some(step.at);
            Link {
                title: title(&step.step, step.attempt),
                is_bad: step.step.ends_with("_failed"),
                at: Moment::of(step.at, now),
                later: later
                    .map(|millis| format!("+{}", latency(millis)))
                    .unwrap_or_default(),
                attempt: step.attempt,
                detail: step.detail,
                name: step.step,
            }
        })
        .collect()
}

/// An event that waits for its endpoint, as `conversation.completed to https://…: the endpoint answered 500,
/// 4 attempts; goes in 5 min`.
/// Its page is for those who reach so far among deliveries.
fn untaken(
    told: &Told,
    attempts: &[Attempt],
    session: &Session,
    reach: Option<&Reach>,
    now: Timestamp,
) -> Untaken {
    let delivery = &told.delivery;
    let to = deliveries_page::destination(told, session);
    let mut detail = format!("{} to {to}", delivery.kind);
    let last = attempts.last();
    if let Some(last) = last {
        let count = counted(delivery.attempts.into(), "attempt", "attempts");
        detail = format!("{detail}: {}, {count}", last.message);
    }
    let waits = deliveries_page::Waits::of(told, now);
    let is_seen = reach.is_some_and(|reach| reach.holds(&delivery.endpoint_id));
    Untaken {
        href: if is_seen {
            deliveries_page::address(&delivery.id)
        } else {
            String::new()
        },
        at: Moment::of(last.map_or(delivery.created_at, |last| last.at), now),
        detail: format!("{detail}; goes {}", waits.told),
        is_bad: last.is_some(),
    }
}

/// A step in people's words; empty for those that this version has no words for.
fn title(step: &str, attempt: i64) -> &'static str {
    match step {
        "announced" => "Announced",
        // To the feed alone: nobody subscribed.
        "delivered" if attempt == 0 => "Announced",
        "delivery_failed" => "Could not be delivered",
        "remembered_by_model" => "A model's reading",
        "received" => "Received",
        "confirmed" => "Made durable",
        "waited" => "Waited",
        "attempt_failed" => "Attempt failed",
        "rechecked" => "Looked at again",
        "fetched" => "Fetched",
        "settled" => "Settled",
        "remembered" => "Remembered",
        "remember_skipped" => "Nothing to remember",
        "remember_failed" => "Could not be remembered",
        "delivered" => "Delivered",
        _ => "",
    }
}

/// Where a recording is loaded from. Only http and https addresses are ever links.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let host = uri.authority()?.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    host.chars()
        .all(plain)
        .then(|| format!("{scheme}://{host}"))
}

/// The page's policy, widened by the one place that its recording is loaded from.
fn policy(origin: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}; media-src {origin}", crate::console::POLICY)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_played() {
        assert_eq!(
            origin("https://cdn.example.com:8443/a.ogg?x=1#t").as_deref(),
            Some("https://cdn.example.com:8443")
        );
        for url in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//example.com/a",
            "https://a;script-src *@b/c",
            "https://user:pw@host/a",
            "",
        ] {
            assert_eq!(origin(url), None, "{url}");
        }
    }
}
