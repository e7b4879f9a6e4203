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
use crate::memory::slot::Slot;
use crate::remember::pin::{Said, pin as keep};
use crate::store::tokens::Scope;

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
        let said = Said {
            slot: Slot::from(object.required::<String>("slot").as_str()),
            object_key: object.optional("object").unwrap_or_default(),
            value: object.optional("value").unwrap_or_default(),
            suppress: object.optional("suppress").unwrap_or(false),
        };
        for (field, why) in said.refusals() {
            if !object.is_wrong(field) {
                object.refuse(field, &why);
            }
        }
        Self {
            caller_identity,
            said,
        }
    }
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
    query: Query<PinQuery>,
    body: Json<NewPin>,
) -> Result<Response, ApiError> {
    bearer.require(Scope::MemoriesWrite)?;
    let query = query.read()?;
    let new = body.read()?;
    let identity = one_of(query.caller_identity, new.caller_identity)?;
    let subject = somebody(&agent_id, &identity)?;
    bearer.require_agent(&subject.agent_id)?;
    let entry = bearer.did(
        &api,
        "memory.pin",
        &subject.agent_id,
        new.said.slot.as_str(),
    );
    let said = new.said.normal(&api.flow.region);
    let (slot, value) = (said.slot.clone(), said.value.clone());
    let (id, held) = keep(&api.flow, subject, identity, said, entry).await?;
    let sensitive = bearer.reads_sensitive();
    match held {
        Some(stored) => {
            let body = MemoryBody::new(stored, sensitive);
            Ok((StatusCode::CREATED, axum::Json(body)).into_response())
        }
        None => Ok(axum::Json(TakenBack {
            id,
            slot: slot.as_str().to_owned(),
            value,
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
