//! `/v1/agents/{agent_id}/…`: what is held about a caller, as facts and as text for a prompt.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::MemoryBody;
use super::Api;
use super::auth::Bearer;
use super::erasures::ReceiptBody;
use super::error::ApiError;
use super::query::{FromParams, PageParams, Params, Path, Query};
use crate::erasure;
use crate::memory;
use crate::memory::context::{DEFAULT_FACTS, MARK, MAX_FACTS, relevant};
use crate::page::{Cursor, Page, PageRequest};
use crate::store::memories::{self, Stored, Subject};
use crate::store::tokens::Scope;
mod body;
mod history;
mod pin;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list, forget, pin::pin))
        .routes(routes!(context))
        .merge(history::routes())
}

/// A page of facts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemoryList {
    /// Newest first.
    memories: Vec<MemoryBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

impl MemoryList {
    pub(super) fn new(page: Page<Stored>, sensitive: bool) -> Self {
        Self {
            next_cursor: page.next.as_ref().map(Cursor::encode),
            has_more: page.next.is_some(),
            memories: page
                .rows
                .into_iter()
                .map(|stored| MemoryBody::new(stored, sensitive))
                .collect(),
        }
    }
}

/// Whose facts, and which part of them.
#[derive(Debug)]
struct FactsQuery {
    caller_identity: String,
    page: PageRequest,
}

impl FromParams for FactsQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            caller_identity: params.required_caller(),
            page: params.page(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Params::required_caller` reads")]
struct CallerParams {
    /// The caller, in any of the forms that platforms give: `sip_+1…`, `tel:+1…`, `+1…`.
    #[param(min_length = 1)]
    caller_identity: String,
}

/// Read what is held about a caller
///
/// The facts that hold now. There is no way to ask for all callers.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/memories", operation_id = "list_memories", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams, PageParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "A page of memories.", body = MemoryList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    query: Query<FactsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    bearer.require_agent(&crate::id::canonical(&agent_id))?;
    let query = query.read()?;
    let page = match Subject::of(&agent_id, &query.caller_identity) {
        Some(subject) => {
            let db = &api.flow.db;
            db.read(move |mut conn| {
                Box::pin(async move { memories::current(&mut conn, &subject, &query.page).await })
            })
            .await?
        }
        None => Page {
            rows: Vec::new(),
            next: None,
        },
    };
    Ok(axum::Json(MemoryList::new(page, bearer.reads_sensitive())))
}

/// Whose facts are forgotten.
#[derive(Debug)]
struct ForgetQuery {
    caller_identity: String,
}

impl FromParams for ForgetQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            caller_identity: params.required_caller(),
        }
    }
}

/// Forget what is held about a caller
///
/// Observations, quotes, history, facts and pins of this agent; and what the calls until now say is
/// not remembered again. The calls stay, and later ones are remembered.
#[utoipa::path(
    delete, path = "/v1/agents/{agent_id}/memories", operation_id = "forget_memories", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams),
    security(("bearer" = ["memories:write"]), ("key" = ["memories:write"])),
    responses((status = 200, description = "What was forgotten.", body = ReceiptBody), ApiError),
)]
async fn forget(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    query: Query<ForgetQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesWrite)?;
    let query = query.read()?;
    let subject = somebody(&agent_id, &query.caller_identity)?;
    bearer.require_agent(&subject.agent_id)?;
    // The log must not name whom memory has forgotten.
    let entry = bearer.did(&api, "memory.forget", &subject.agent_id, "");
    let Subject { agent_id, caller } = subject;
    let receipt = erasure::forget_memory(&api.flow, &agent_id, caller, entry).await?;
    Ok(axum::Json(ReceiptBody::new(&receipt)))
}

/// Whose memory it is. 422 for callers who are nobody: nothing can be kept about them.
fn somebody(agent_id: &str, caller_identity: &str) -> Result<Subject, ApiError> {
    Subject::of(agent_id, caller_identity).ok_or_else(|| {
        let why = "names nobody: nothing is held about callers who withhold who they are";
        ApiError::invalid([("caller_identity".to_owned(), why.to_owned())].into())
    })
}

/// Whose context, and how much of it.
#[derive(Debug)]
struct ContextQuery {
    caller_identity: String,
    max_facts: usize,
}

impl FromParams for ContextQuery {
    fn from_params(params: &mut Params) -> Self {
        let max_facts = params.read("max_facts", "must be a whole number from 1 to 50", |text| {
            text.parse().ok().filter(|n| (1..=MAX_FACTS).contains(n))
        });
        Self {
            caller_identity: params.required_caller(),
            max_facts: max_facts.unwrap_or(DEFAULT_FACTS),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ContextQuery` reads")]
struct ContextParams {
    /// Facts at the most, 1 to 50.
    #[param(default = 10, minimum = 1, maximum = 50)]
    max_facts: Option<usize>,
}

/// What is held about a caller, as text.
#[derive(Debug, Serialize, ToSchema)]
struct ContextBody {
    /// A numbered list of sentences, one a line; empty for a stranger.
    #[schema(
        example = "1. The caller's name is Ann Lee.\n2. Prefers to be called in the morning."
    )]
    context: String,
    /// How many.
    facts: usize,
    /// What the text is to the prompt that it is put into: words of callers, which order nothing.
    note: &'static str,
}

/// Read what is held about a caller, for the next call's prompt
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/context", operation_id = "get_context", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams, ContextParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "The text.", body = ContextBody), ApiError),
)]
async fn context(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    query: Query<ContextQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    bearer.require_agent(&crate::id::canonical(&agent_id))?;
    let query = query.read()?;
    let held = match Subject::of(&agent_id, &query.caller_identity) {
        Some(subject) => {
            let db = &api.flow.db;
            db.read(move |mut conn| {
                Box::pin(async move { memories::facts(&mut conn, &subject).await })
            })
            .await?
        }
        None => Vec::new(),
    };
    let facts: Vec<_> = held.into_iter().map(|stored| stored.fact).collect();
    let now = api.flow.host.now();
    Ok(axum::Json(ContextBody {
        facts: relevant(&facts, now, query.max_facts).len(),
        context: memory::context::context(&facts, now, query.max_facts),
        note: MARK,
    }))
}
