//! `/v1/agents/{agent_id}/…`: what is held about a caller, as facts and as text for a prompt.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromParams, PageParams, Params, Path, Query};
use crate::memory;
use crate::memory::caller::CallerKey;
use crate::memory::context::{DEFAULT_FACTS, MAX_FACTS, relevant};
use crate::memory::fold::Evidence;
use crate::page::{Cursor, Page, PageRequest};
use crate::store::memories::{self, Stored, Subject};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(context))
}

/// One fact about a caller.
#[derive(Debug, Serialize, ToSchema)]
struct MemoryBody {
    /// Stable over re-runs.
    id: String,
    /// Whose agent holds it.
    agent_id: String,
    /// The caller, as the platform names them.
    caller_identity: String,
    /// The fact as one sentence in the third person.
    fact: String,
    /// Where it belongs, as `contact.phone`.
    slot: String,
    /// The normalised value; an appointment's is an object of date, time and title.
    value: Value,
    /// 0 to 1.
    confidence: f64,
    /// Since when it holds.
    #[schema(value_type = String, format = DateTime)]
    valid_from: Timestamp,
    /// Until when it held; null while it does.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    valid_to: Option<Timestamp>,
    /// When the thing promised or booked is due.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    due_at: Option<Timestamp>,
    /// The conversation that said it first.
    source_conversation_id: String,
    /// Where it was said.
    evidence: Vec<EvidenceBody>,
    /// Whose word it is, as `rules/1`.
    extractor: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Where a fact was said.
#[derive(Debug, Serialize, ToSchema)]
struct EvidenceBody {
    /// The conversation.
    conversation_id: String,
    /// The message.
    message_id: String,
    /// The words. Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<String>,
}

impl EvidenceBody {
    fn new(evidence: Evidence, sensitive: bool) -> Self {
        Self {
            conversation_id: evidence.conversation_id.into(),
            message_id: evidence.message_id.into(),
            quote: sensitive.then_some(evidence.quote),
        }
    }
}

impl MemoryBody {
    fn new(stored: Stored, sensitive: bool) -> Self {
        let fact = stored.fact;
        Self {
            id: fact.id,
            agent_id: stored.agent_id,
            caller_identity: stored.caller_identity,
            fact: fact.fact,
            slot: fact.slot.as_str().to_owned(),
            value: fact.value,
            confidence: fact.confidence,
            valid_from: fact.valid_from,
            valid_to: fact.valid_to,
            due_at: fact.due_at,
            source_conversation_id: fact.source_conversation_id.into(),
            evidence: fact
                .evidence
                .into_iter()
                .map(|evidence| EvidenceBody::new(evidence, sensitive))
                .collect(),
            extractor: fact.extractor,
            created_at: stored.created_at,
        }
    }
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

/// Whose memory it is; none for callers who are nobody, about whom nothing is held.
fn subject(agent_id: &str, caller_identity: &str) -> Option<Subject> {
    Some(Subject {
        agent_id: crate::id::canonical(agent_id),
        caller: CallerKey::of("", caller_identity)?,
    })
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
    Query(query): Query<FactsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    bearer.require_agent(&crate::id::canonical(&agent_id))?;
    let page = match subject(&agent_id, &query.caller_identity) {
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
struct Context {
    /// A numbered list of sentences, one a line; empty for a stranger.
    #[schema(
        example = "1. The caller's name is Ann Lee.\n2. Prefers to be called in the morning."
    )]
    context: String,
    /// How many.
    facts: usize,
}

/// Read what is held about a caller, for the next call's prompt
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/context", operation_id = "get_context", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams, ContextParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "The text.", body = Context), ApiError),
)]
async fn context(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    Query(query): Query<ContextQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    bearer.require_agent(&crate::id::canonical(&agent_id))?;
    let held = match subject(&agent_id, &query.caller_identity) {
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
    Ok(axum::Json(Context {
        facts: relevant(&facts, now, query.max_facts).len(),
        context: memory::context::context(&facts, now, query.max_facts),
    }))
}
