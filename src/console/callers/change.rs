//! What a person says about a caller: pins, facts taken back, and consents.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use serde_json::Value;

use crate::consent::{self, Change, Consents};
use crate::console::access::{Posted, Refused};
use crate::console::failure::Failure;
use crate::console::show::Moment;
use crate::erasure::named_in_audit;
use crate::flow::Flow;
use crate::memory::slot::Slot;
use crate::remember::pin::{Said, pin as keep};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route("/console/callers/pin", post(pin))
        .route("/console/callers/consent", post(set_consent))
}

/// What a caller refuses or not, with the button that changes it.
pub(super) struct Consent {
    /// The field of the form.
    pub(super) kind: &'static str,
    /// What it is about.
    pub(super) title: &'static str,
    pub(super) is_refused: bool,
    pub(super) since: Option<Moment>,
}

impl Consent {
    pub(super) fn all(consents: Consents, now: Timestamp) -> Vec<Self> {
        let since = consents.since.map(|at| Moment::of(at, now));
        let one = |kind, title, is_refused, since| Self {
            kind,
            title,
            is_refused,
            since,
        };
        vec![
            one("do_not_call", "Calls", consents.do_not_call, since),
            one("opt_out_sms", "Text messages", consents.opt_out_sms, None),
            one(
                "recording_refused",
                "Recording",
                consents.recording_refused,
                None,
            ),
        ]
    }
}

/// Where a pin can belong: consents have a form of their own, and an appointment has parts.
pub(super) fn slots() -> Vec<&'static str> {
    let is_text = |name: &&&str| {
        let slot = Slot::from(**name);
        !slot.is_consent() && slot != Slot::Appointment
    };
    Slot::KNOWN.iter().filter(is_text).copied().collect()
}

/// What the page says of what was done.
pub(super) fn notice(done: &str) -> &'static str {
    match done {
        "pin" => "It is pinned: a person's word goes before every extractor's.",
        "take_back" => "It is taken back, and no extractor says it again.",
        "consent" => "What the caller refuses is written down, over all agents.",
        _ => "",
    }
}

/// Pins a fact, or takes one back.
async fn pin(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::MemoriesWrite)?;
    let field = |name| posted.field(name).unwrap_or_default();
    let (agent_id, identity) = (field("agent_id"), field("caller_identity"));
    let subject = super::subject(session, agent_id, identity)?;
    let suppress = posted.field("suppress").is_some();
    let value = match posted.field("value_json") {
        Some(text) => serde_json::from_str(text).unwrap_or_default(),
        None => posted.field("value").map(Value::from).unwrap_or_default(),
    };
    let said = Said {
        slot: Slot::from(field("slot")),
        object_key: field("object").to_owned(),
        value,
        suppress,
    };
    if let Some((name, why)) = said.refusals().into_iter().next() {
        return Err(Failure::Invalid(format!("{name}: {why}.")).into());
    }
    let entry = session.did(&flow, "memory.pin", &subject.agent_id, said.slot.as_str());
    let said = said.normal(&flow.region);
    keep(&flow, subject, identity.to_owned(), said, entry).await?;
    let done = if suppress { "take_back" } else { "pin" };
    Ok(back(&posted, done))
}

/// Refuses or grants, over all agents.
async fn set_consent(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::MemoriesWrite)?;
    session.require_unbound()?;
    let field = |name| posted.field(name).unwrap_or_default();
    let (agent_id, identity) = (field("agent_id"), field("caller_identity"));
    let subject = super::subject(session, agent_id, identity)?;
    let refused = match field("stance") {
        "refuse" => Some(true),
        "grant" => Some(false),
        _ => None,
    };
    let of = |kind| refused.filter(|_| field("kind") == kind);
    let change = Change {
        do_not_call: of("do_not_call"),
        opt_out_sms: of("opt_out_sms"),
        recording_refused: of("recording_refused"),
    };
    if change == Change::default() {
        let why = "Say what is refused or granted.".to_owned();
        return Err(Failure::Invalid(why).into());
    }
    let target = named_in_audit(&flow.seal, &subject.caller);
    let entry = session.did(&flow, "consent.set", &target, &change.told());
    consent::set(&flow, subject.caller, identity.to_owned(), change, entry).await?;
    Ok(back(&posted, "consent"))
}

/// To the page that the form stood on.
fn back(posted: &Posted, done: &str) -> Response {
    let field = |name| posted.field(name).unwrap_or_default();
    let to = super::address(field("agent_id"), field("caller_identity"));
    Redirect::to(&format!("{to}&done={done}")).into_response()
}
