//! `POST /v1/initiation/elevenlabs`: what is held about a caller, at the moment their call begins.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use crate::memory::caller::CallerKey;
use crate::memory::context::{DEFAULT_FACTS, context};
use crate::memory::fold::Fact;
use crate::memory::slot::Slot;
use crate::store::memories::{self, Subject};
use crate::store::tokens::Scope;

/// The caller hears the ringing meanwhile: the answer is out within 300 ms (product contract §8).
const PATIENCE: Duration = Duration::from_millis(250);

/// The platform's body is a handful of short texts.
const MAX_BODY: usize = 64 << 10;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(elevenlabs))
}

/// What ElevenLabs sends when a call begins.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documents what `read` reads")]
struct CallStart {
    /// The caller's number.
    #[schema(required = false)]
    caller_id: String,
    /// The agent that is called.
    #[schema(required = false)]
    agent_id: String,
    /// The number that was called.
    #[schema(required = false)]
    called_number: String,
    /// The carrier's id of the call.
    #[schema(required = false)]
    call_sid: String,
}

/// What the agent's prompt gets to know. The names are always there; empty for a stranger.
#[derive(Debug, Default, Serialize, ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are the prompt's (product contract §8)"
)]
struct DynamicVariables {
    /// A numbered list of sentences, one a line.
    #[schema(
        example = "1. The caller's name is Ann Lee.\n2. Prefers to be called in the morning."
    )]
    caller_memory: String,
    /// Their name, where it is known.
    caller_name: String,
    /// `true`, or empty for a stranger.
    caller_known: &'static str,
}

/// What the call begins with.
#[derive(Debug, Serialize, ToSchema)]
struct InitiationBody {
    /// Always `conversation_initiation_client_data`.
    #[serde(rename = "type")]
    kind: &'static str,
    dynamic_variables: DynamicVariables,
}

impl InitiationBody {
    fn new(dynamic_variables: DynamicVariables) -> Self {
        Self {
            kind: "conversation_initiation_client_data",
            dynamic_variables,
        }
    }
}

/// Tell ElevenLabs' agent what is held about its caller
///
/// For the webhook that fetches conversation initiation data. With a token of the scope it always
/// answers 200, within 300 ms: whatever goes wrong, the caller is a stranger, and the call begins.
#[utoipa::path(
    post, path = "/v1/initiation/elevenlabs", operation_id = "initiate_elevenlabs", tag = "memories",
    request_body = CallStart,
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"]), ("xi" = ["memories:read"])),
    responses((status = 200, description = "The variables.", body = InitiationBody), ApiError),
)]
async fn elevenlabs(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<impl IntoResponse, ApiError> {
    let known = match timeout(PATIENCE, known(&api, request)).await {
        Ok(Ok(known)) => known,
        // A token that is wrong is told so; all else must not keep the call from beginning.
        Ok(Err(error)) if !error.status().is_server_error() => return Err(error),
        Ok(Err(_)) | Err(_) => {
            metrics::counter!("aftercall_initiations_missed_total").increment(1);
            DynamicVariables::default()
        }
    };
    Ok(axum::Json(InitiationBody::new(known)))
}

async fn known(api: &Arc<Api>, request: Request) -> Result<DynamicVariables, ApiError> {
    let (head, body) = request.into_parts();
    let bearer = Bearer::of(api, &head.headers).await?;
    bearer.require(Scope::MemoriesRead)?;
    let start = read(body).await;
    let agent_id = crate::id::canonical(&start.agent_id);
    let Some(caller) = CallerKey::of("elevenlabs", &start.caller_id) else {
        return Ok(DynamicVariables::default());
    };
    if !bearer.0.sees(&agent_id) {
        return Ok(DynamicVariables::default());
    }
    let subject = Subject { agent_id, caller };
    let db = &api.flow.db;
    let stored = db
        .read(move |mut conn| Box::pin(async move { memories::facts(&mut conn, &subject).await }))
        .await?;
    let facts: Vec<Fact> = stored.into_iter().map(|one| one.fact).collect();
    let memory = context(&facts, api.flow.host.now(), DEFAULT_FACTS);
    if memory.is_empty() {
        return Ok(DynamicVariables::default());
    }
    Ok(DynamicVariables {
        caller_memory: memory,
        caller_name: name(&facts),
        caller_known: "true",
    })
}

/// Who called whom, as far as it can be read: a field of another kind makes no stranger of a caller.
#[derive(Default)]
struct Start {
    caller_id: String,
    agent_id: String,
}

async fn read(body: Body) -> Start {
    let Ok(bytes) = to_bytes(body, MAX_BODY).await else {
        return Start::default();
    };
    let read: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        metrics::counter!("aftercall_initiations_missed_total").increment(1);
        Map::new()
    });
    let text = |name: &str| match read.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    Start {
        caller_id: text("caller_id"),
        agent_id: text("agent_id"),
    }
}

fn name(facts: &[Fact]) -> String {
    facts
        .iter()
        .filter(|fact| fact.is_current() && fact.slot == Slot::Name)
        .max_by_key(|fact| fact.valid_from)
        .and_then(|fact| fact.value.as_str())
        .unwrap_or_default()
        .to_owned()
}
