//! One letter: its cause, every attempt, its message for who may read it, and what to do with it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::console::access::{Posted, Refused, Session};
use crate::console::conversations;
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, encode, page};
use crate::flow::Flow;
use crate::replay as replaying;
use crate::store::audit;
use crate::store::dead_letters::{self, Kept, State as Fate};
use crate::store::tokens::Scope;

/// The address of a letter's page.
pub(in crate::console) fn address(id: &str) -> String {
    format!("/console/dead-letters/{}", encode(id))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: String,
}

struct Tried {
    at: Moment,
    code: String,
    message: String,
    is_spent: bool,
}

#[derive(Template)]
#[template(path = "dead_letters/one.html")]
struct One {
    frame: Frame,
    address: String,
    id: String,
    message: String,
    state: &'static str,
    facts: Vec<(&'static str, String)>,
    call_href: String,
    first: Moment,
    last: Moment,
    tried: Vec<Tried>,
    fingerprint: String,
    may_act: bool,
    may_replay: bool,
    may_discard: bool,
    body: Option<String>,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let letter = the_letter(&flow, &session, id).await?;
    let notice = match asked.done.as_str() {
        "replay" => "Its message is back in the queue.",
        "discard" => {
            "The letter is discarded. It can still be replayed until its retention is over."
        }
        _ => "",
    };
    shown(&flow, &session, letter, None, notice)
}

/// Shows the message too, with an entry in the audit log.
pub(super) async fn read(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::OpsWrite)?;
    let letter = the_letter(&flow, session, id).await?;
    // Written first: what a caller's platform sent is not seen without a trace.
    let entry = session.did(&flow, "dead_letter.read_body", &letter.id, "");
    audit::note(&flow.db, entry).await?;
    let body = if letter.stage == "receive" {
        let opened = flow.seal.open(&letter.body);
        opened
            .map_err(|why| Failure::Conflict(format!("The body can't be opened: it is {why}.")))?
    } else {
        letter.body.clone().into_bytes()
    };
    let body = String::from_utf8_lossy(&body);
    let body = match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_default(),
        Err(_) => body.into_owned(),
    };
    shown(
        &flow,
        session,
        letter,
        Some(body),
        "Reading it was written into the audit log.",
    )
}

/// Puts its message back into the queue.
pub(super) async fn replay(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::OpsWrite)?;
    let letter = the_letter(&flow, session, id).await?;
    if letter.state == Fate::Resolved {
        return Err(Failure::Conflict("Its message has succeeded since.".to_owned()).into());
    }
    let entry = session.did(&flow, "dead_letter.replay", &letter.id, "");
    replaying::replay_letter(&flow, &letter.id, entry).await?;
    Ok(Redirect::to(&format!("{}?done=replay", address(&letter.id))).into_response())
}

/// Decides against it.
pub(super) async fn discard(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::OpsWrite)?;
    let letter = the_letter(&flow, session, id).await?;
    let entry = session.did(&flow, "dead_letter.discard", &letter.id, "");
    if !replaying::discard_letter(&flow, letter.id.clone(), entry).await? {
        let why = format!("The letter is {}, not dead.", letter.state.as_str());
        return Err(Failure::Conflict(why).into());
    }
    Ok(Redirect::to(&format!("{}?done=discard", address(&letter.id))).into_response())
}

async fn the_letter(flow: &Flow, session: &Session, id: String) -> Result<Kept, Failure> {
    session.enter(Section::DeadLetters)?;
    let letter = flow
        .db
        .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
        .await?;
    letter
        .filter(|letter| {
            session
                .token
                .sees(letter.agent_id.as_deref().unwrap_or_default())
        })
        .ok_or(Failure::NotFound("dead letter"))
}

fn shown(
    flow: &Flow,
    session: &Session,
    letter: Kept,
    body: Option<String>,
    notice: &'static str,
) -> Result<Response, Refused> {
    let now = flow.host.now();
    let mut frame = session.frame("Dead letter", Section::DeadLetters);
    frame.notice = notice;
    let call = letter.conversation_id.clone().unwrap_or_default();
    let reads_calls = session.token.allows(Scope::ConversationsRead);
    let mut facts = vec![
        ("Stage", letter.stage),
        ("Code", letter.code),
        ("Fault", letter.fault.as_str().to_owned()),
        ("Source", letter.source.unwrap_or_default()),
        ("Platform", letter.platform.unwrap_or_default()),
        ("Event", letter.event_id.unwrap_or_default()),
        ("Agent", letter.agent_id.unwrap_or_default()),
        ("Caller", letter.caller_identity.unwrap_or_default()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    Ok(page(&One {
        frame,
        address: address(&letter.id),
        call_href: if call.is_empty() || !reads_calls {
            String::new()
        } else {
            conversations::address(&call, "")
        },
        message: letter.message,
        state: letter.state.as_str(),
        facts,
        first: Moment::of(letter.first_at, now),
        last: Moment::of(letter.last_at, now),
        tried: letter
            .attempts
            .into_iter()
            .map(|attempt| Tried {
                at: Moment::of(attempt.at, now),
                code: attempt.code,
                message: attempt.message,
                is_spent: attempt.spent,
            })
            .collect(),
        fingerprint: letter.fingerprint,
        may_act: session.token.allows(Scope::OpsWrite),
        may_replay: letter.state != Fate::Resolved,
        may_discard: letter.state == Fate::Dead,
        id: letter.id,
        body,
    })?)
}
