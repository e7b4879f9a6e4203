//! `/v1/consents`: what a caller refuses, over all agents, also after an erasure.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::{ApiError, Fields};
use super::query::{FromObject, FromParams, Json, Object, Params, Query};
use crate::consent::{self, Change, Consents};
use crate::erasure;
use crate::memory::caller::CallerKey;
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(show, set))
}

/// What a caller refuses.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentsBody {
    /// Whether the caller does not want to be called.
    do_not_call: bool,
    /// Since when; null while they may be called.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    since: Option<Timestamp>,
    /// Whether the caller does not want text messages.
    opt_out_sms: bool,
    /// Whether the caller does not want to be recorded.
    recording_refused: bool,
}

impl From<Consents> for ConsentsBody {
    fn from(consents: Consents) -> Self {
        Self {
            do_not_call: consents.do_not_call,
            since: consents.since,
            opt_out_sms: consents.opt_out_sms,
            recording_refused: consents.recording_refused,
        }
    }
}

#[derive(Debug)]
struct ShowQuery {
    caller_identity: String,
}

impl FromParams for ShowQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            caller_identity: params.required_caller(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ShowQuery` reads")]
struct ShowParams {
    /// The caller, in any of the forms that platforms give: `sip_+1…`, `tel:+1…`, `+1…`.
    #[param(min_length = 1)]
    caller_identity: String,
}

/// Read what a caller refuses
///
/// Over all agents, whichever the token may see: a dialler asks this before it calls. A stranger
/// refuses nothing.
#[utoipa::path(
    get, path = "/v1/consents", operation_id = "get_consents", tag = "callers", params(ShowParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "What is refused.", body = ConsentsBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ShowQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    let query = query.read()?;
    let Some(caller) = CallerKey::of("", &query.caller_identity) else {
        return Ok(axum::Json(Consents::default().into()));
    };
    let seal = api.flow.seal.clone();
    let consents = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { consent::of(&mut conn, &seal, &caller).await }))
        .await?;
    Ok(axum::Json(ConsentsBody::from(consents)))
}

/// What is said of a caller's consents: true refuses, false grants again; what is left out stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documents what `NewConsents::from_object` reads")]
struct ConsentsChange {
    /// The caller, in any of the forms that platforms give.
    #[schema(min_length = 1)]
    caller_identity: String,
    /// Calls.
    do_not_call: Option<bool>,
    /// Text messages.
    opt_out_sms: Option<bool>,
    /// Recording.
    recording_refused: Option<bool>,
}

#[derive(Debug)]
struct NewConsents {
    caller_identity: String,
    change: Change,
}

impl FromObject for NewConsents {
    fn from_object(object: &mut Object) -> Self {
        let caller_identity: String = object.required("caller_identity");
        if !object.is_wrong("caller_identity") && CallerKey::of("", &caller_identity).is_none() {
            object.refuse("caller_identity", "must name a caller; this names nobody");
        }
        let change = Change {
            do_not_call: object.optional("do_not_call"),
            opt_out_sms: object.optional("opt_out_sms"),
            recording_refused: object.optional("recording_refused"),
        };
        let wrong = ["do_not_call", "opt_out_sms", "recording_refused"]
            .iter()
            .any(|name| object.is_wrong(name));
        if change == Change::default() && !wrong {
            object.refuse(
                "do_not_call",
                "give at least one of do_not_call, opt_out_sms and recording_refused",
            );
        }
        Self {
            caller_identity,
            change,
        }
    }
}

/// Refuse or grant by hand
///
/// For what a caller said elsewhere: by letter, by mail, to a person. It holds over all agents, until
/// the caller or somebody else says otherwise, and it is in the audit log.
#[utoipa::path(
    post, path = "/v1/consents", operation_id = "set_consents", tag = "callers",
    request_body = ConsentsChange,
    security(("bearer" = ["memories:write"]), ("key" = ["memories:write"])),
    responses((status = 200, description = "What is refused now.", body = ConsentsBody), ApiError),
)]
async fn set(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<NewConsents>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesWrite)?;
    bearer.require_unbound()?;
    query.read()?;
    let new = body.read()?;
    let Some(caller) = CallerKey::of("", &new.caller_identity) else {
        return Err(ApiError::invalid(Fields::new()));
    };
    let target = erasure::named_in_audit(&api.flow.seal, &caller);
    let entry = bearer.did(&api, "consent.set", &target, &new.change.told());
    let consents = consent::set(&api.flow, caller, new.caller_identity, new.change, entry).await?;
    Ok(axum::Json(ConsentsBody::from(consents)))
}
