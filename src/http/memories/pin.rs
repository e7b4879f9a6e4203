//! Pins: what a person says about a caller, before every extractor.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::body::MemoryBody;
use super::{Api, ApiError, Bearer, somebody};
use crate::http::error::Fields;
use crate::http::query::{FromObject, FromParams, Json, Object, Params, Path, Query};
use crate::memory::redact::redact_text;
use crate::memory::slot::{Cardinality, Slot};
use crate::remember::pin::{Said, pin as keep};
use crate::store::tokens::Scope;

/// Characters of a pinned value at the most.
const MAX_VALUE: usize = 500;

/// What a person says about a caller.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documents what `NewPin::from_object` reads")]
struct PinBody {
    /// The caller, in any of the forms that platforms give; or in the query.
    caller_identity: Option<String>,
    /// Where it belongs, as `identity.name`; `fact` for free text. Consents are said at `/v1/consents`.
    #[schema(example = "identity.name")]
    slot: String,
    /// The value: text, or for `appointment` an object of date, time and title.
    value: Option<Value>,
    /// Sets several facts of one slot apart: the topic, the action, the ticket.
    object: Option<String>,
    /// Takes the value back instead, or whatever stands there when no value is given; no extractor
    /// says it again.
    #[schema(default = false)]
    suppress: Option<bool>,
}

#[derive(Debug)]
pub(super) struct NewPin {
    caller_identity: Option<String>,
    said: Said,
}

impl FromObject for NewPin {
    fn from_object(object: &mut Object) -> Self {
        let caller_identity = object.optional("caller_identity");
        let slot = Slot::from(object.required::<String>("slot").as_str());
        if !object.is_wrong("slot") {
            refuse_slot(object, &slot);
        }
        let value: Option<Value> = object.optional("value");
        let suppress = object.optional("suppress").unwrap_or(false);
        let topic: String = object.optional("object").unwrap_or_default();
        match &value {
            Some(value) => {
                if let Err(why) = check(&slot, value) {
                    object.refuse("value", why);
                }
            }
            None if !suppress => object.refuse("value", "is required, unless suppress is true"),
            None if slot.cardinality() == Cardinality::Many && topic.is_empty() => {
                object.refuse("value", "say which: there can be several of this slot");
            }
            None => {}
        }
        if let Err(why) = check(&Slot::Fact, &Value::from(format!("{topic} "))) {
            object.refuse("object", why);
        }
        Self {
            caller_identity,
            said: Said {
                slot,
                object_key: topic.trim().to_owned(),
                value: value.map_or(Value::Null, trimmed),
                suppress,
            },
        }
    }
}

fn refuse_slot(object: &mut Object, slot: &Slot) {
    if let Slot::Other(text) = slot {
        let known = Slot::KNOWN.join(", ");
        object.refuse("slot", &format!("{text:?} is none; must be one of {known}"));
    } else if slot.is_consent() {
        object.refuse("slot", "consents are said by POST /v1/consents");
    }
}

fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.trim()),
        other => other,
    }
}

/// Whether a value can be kept in a slot, or why not. Says nothing of the value itself.
fn check(slot: &Slot, value: &Value) -> Result<(), &'static str> {
    let texts: Vec<&str> = match value {
        Value::String(text) if *slot != Slot::Appointment => vec![text],
        Value::Object(parts) if *slot == Slot::Appointment => {
            let known = ["date", "time", "title"];
            let has_date = parts
                .get("date")
                .and_then(Value::as_str)
                .is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok());
            if !has_date || parts.keys().any(|name| !known.contains(&name.as_str())) {
                return Err("must be {\"date\":\"YYYY-MM-DD\",\"time\":\"HH:MM\",\"title\":…}");
            }
            parts.values().filter_map(Value::as_str).collect()
        }
        _ if *slot == Slot::Appointment => {
            return Err("must be {\"date\":\"YYYY-MM-DD\",\"time\":\"HH:MM\",\"title\":…}");
        }
        _ => return Err("must be text"),
    };
    for text in texts {
        if text.is_empty() || text.chars().count() > MAX_VALUE {
            return Err("must be 1 to 500 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("must be one line");
        }
        if redact_text(text) != text {
            return Err("holds what must never be kept: a card number, a password or the like");
        }
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct PinQuery {
    caller_identity: Option<String>,
}

impl FromParams for PinQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            caller_identity: params.caller("caller_identity"),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `PinQuery` reads")]
struct PinParams {
    /// The caller, unless the body names them.
    caller_identity: Option<String>,
}

/// What a person took back.
#[derive(Debug, Serialize, ToSchema)]
struct TakenBack {
    /// The pin's id.
    id: String,
    /// Where it belongs.
    slot: String,
    /// What is not to be said; null: whatever stands there.
    value: Value,
    /// Always true.
    suppressed: bool,
}

/// Pin a fact about a caller
///
/// A person's word goes before every extractor's, and survives every replay. Another pin replaces it.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/memories", operation_id = "pin_memory", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), PinParams), request_body = PinBody,
    security(("bearer" = ["memories:write"]), ("key" = ["memories:write"])),
    responses(
        (status = 201, description = "The fact as memory holds it now.", body = MemoryBody),
        (status = 200, description = "What is not said any more.", body = TakenBack),
        ApiError,
    ),
)]
pub(super) async fn pin(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    Query(query): Query<PinQuery>,
    Json(new): Json<NewPin>,
) -> Result<Response, ApiError> {
    bearer.require(Scope::MemoriesWrite)?;
    let identity = one_of(query.caller_identity, new.caller_identity)?;
    let subject = somebody(&agent_id, &identity)?;
    bearer.require_agent(&subject.agent_id)?;
    let entry = bearer.did(
        &api,
        "memory.pin",
        &subject.agent_id,
        new.said.slot.as_str(),
    );
    let said = new.said.clone();
    let (id, held) = keep(&api.flow, subject, identity, said, entry).await?;
    let sensitive = bearer.reads_sensitive();
    match held {
        Some(stored) => {
            let body = MemoryBody::new(stored, sensitive);
            Ok((StatusCode::CREATED, axum::Json(body)).into_response())
        }
        None => Ok(axum::Json(TakenBack {
            id,
            slot: new.said.slot.as_str().to_owned(),
            value: new.said.value,
            suppressed: true,
        })
        .into_response()),
    }
}

/// The caller whom query or body names: one of them must, and both the same.
fn one_of(query: Option<String>, body: Option<String>) -> Result<String, ApiError> {
    let why = match (query, body) {
        (Some(one), Some(other)) if one != other => "differs between the query and the body",
        (Some(one), _) | (None, Some(one)) if !one.trim().is_empty() => return Ok(one),
        _ => "is required, and must name a caller",
    };
    let wrong = ("caller_identity".to_owned(), why.to_owned());
    Err(ApiError::invalid(Fields::from([wrong])))
}
