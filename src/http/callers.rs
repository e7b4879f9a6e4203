//! `/v1/callers`: who calls, and erasing one of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::erasures::ReceiptBody;
use super::error::ApiError;
use super::query::{FromParams, Params, Query};
use crate::erasure;
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, PageRequest};
use crate::store::callers::{self, Caller, Filter};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(list, erase))
}

/// A caller, with one agent.
#[derive(Debug, Serialize, ToSchema)]
struct CallerBody {
    /// The agent that was called.
    agent_id: String,
    /// The caller, as the latest call names them.
    caller_identity: String,
    /// Calls that are kept.
    conversation_count: i64,
    /// Facts that hold now.
    memory_count: i64,
    /// When the latest call was held.
    #[schema(value_type = String, format = DateTime)]
    last_call_at: Timestamp,
}

impl From<Caller> for CallerBody {
    fn from(caller: Caller) -> Self {
        Self {
            agent_id: caller.agent_id,
            caller_identity: caller.caller_identity,
            conversation_count: caller.conversations,
            memory_count: caller.memories,
            last_call_at: caller.last_call_at,
        }
    }
}

/// A page of callers.
#[derive(Debug, Serialize, ToSchema)]
struct CallerList {
    /// Whoever called last first.
    callers: Vec<CallerBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

#[derive(Debug)]
struct ListQuery {
    agent_id: Option<String>,
    caller: Option<String>,
    prefix: Option<String>,
    page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            agent_id: params.word("agent_id"),
            caller: params.caller("caller_identity"),
            prefix: params.caller("q").filter(|text| !text.is_empty()),
            page: params.page(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Only with this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only this caller, in any of the forms that platforms give.
    caller_identity: Option<String>,
    /// Only whose number or name begins so.
    q: Option<String>,
    /// Rows a page, 1 to 100.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// `next_cursor` of the page before; absent on the first.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List callers
///
/// Each once with every agent that they called. Callers who withhold who they are have no row.
#[utoipa::path(
    get, path = "/v1/callers", operation_id = "list_callers", tag = "callers", params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of callers.", body = CallerList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let query = query.read()?;
    let nothing = CallerList {
        callers: Vec::new(),
        next_cursor: None,
        has_more: false,
    };
    let mut filter = Filter {
        agents: bearer.0.agents.clone(),
        prefix: query.prefix,
        caller: None,
    };
    if let Some(agent_id) = query.agent_id.map(|id| crate::id::canonical(&id)) {
        if !bearer.0.sees(&agent_id) {
            return Ok(axum::Json(nothing));
        }
        filter.agents = vec![agent_id];
    }
    if let Some(identity) = query.caller {
        let Some(caller) = CallerKey::of("", &identity) else {
            return Ok(axum::Json(nothing));
        };
        filter.caller = Some(caller);
    }
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { callers::list(&mut conn, &filter, &query.page).await })
        })
        .await?;
    Ok(axum::Json(CallerList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        callers: page.rows.into_iter().map(CallerBody::from).collect(),
    }))
}

#[derive(Debug)]
struct EraseQuery {
    caller_identity: String,
    agent_id: Option<String>,
}

impl FromParams for EraseQuery {
    fn from_params(params: &mut Params) -> Self {
        let caller_identity = params.required_caller();
        if !caller_identity.is_empty() && CallerKey::of("", &caller_identity).is_none() {
            params.refuse(
                "caller_identity",
                "names nobody: calls of callers who withhold who they are have no caller in common",
            );
        }
        Self {
            caller_identity,
            agent_id: params.word("agent_id").map(|id| crate::id::canonical(&id)),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `EraseQuery` reads")]
struct EraseParams {
    /// The caller, in any of the forms that platforms give: `sip_+1…`, `tel:+1…`, `+1…`.
    #[param(min_length = 1)]
    caller_identity: String,
    /// Only with this agent; with all of them without.
    #[param(min_length = 1)]
    agent_id: Option<String>,
}

/// Erase a caller
///
/// Memory, conversations, transcripts, results, and whatever waits or was given up; and keep it from
/// coming back. What the caller refuses stays known, as a keyed hash. Later calls are kept again.
#[utoipa::path(
    delete, path = "/v1/callers", operation_id = "erase_caller", tag = "callers", params(EraseParams),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 200, description = "What was erased.", body = ReceiptBody), ApiError),
)]
async fn erase(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<EraseQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    let query = query.read()?;
    match &query.agent_id {
        Some(agent_id) => bearer.require_agent(agent_id)?,
        None => bearer.require_unbound()?,
    }
    let Some(caller) = CallerKey::of("", &query.caller_identity) else {
        return Err(ApiError::not_found("caller"));
    };
    let target = erasure::named_in_audit(&api.flow.seal, &caller);
    let detail = query.agent_id.as_deref().unwrap_or_default();
    let entry = bearer.did(&api, "caller.erase", &target, detail);
    let receipt = erasure::erase_caller(&api.flow, query.agent_id.clone(), caller, entry).await?;
    Ok(axum::Json(ReceiptBody::new(&receipt)))
}
