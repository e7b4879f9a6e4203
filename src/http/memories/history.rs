//! `…/history`: what held of a caller, and what memory said of it when.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::MemoryBody;
use super::{Api, ApiError, Bearer, CallerParams, Subject};
use crate::http::query::{FromParams, PageParams, Params, Path, Query};
use crate::page::{Cursor, Page, PageRequest};
use crate::store::memories::log::{self, AsOf, Version};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(history))
        .routes(routes!(history_of_memories))
}

/// A fact, and from when to when memory said so.
#[derive(Debug, Serialize, ToSchema)]
struct VersionBody {
    #[serde(flatten)]
    memory: MemoryBody,
    /// Since when memory says so.
    #[schema(value_type = String, format = DateTime)]
    recorded_from: Timestamp,
    /// Until when it did; null while it does.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    recorded_to: Option<Timestamp>,
}

impl VersionBody {
    fn new(version: Version, sensitive: bool) -> Self {
        Self {
            recorded_from: version.stored.recorded_at,
            recorded_to: version.recorded_to,
            memory: MemoryBody::new(version.stored, sensitive),
        }
    }
}

/// A page of a history.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    /// Newest first.
    memories: Vec<VersionBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

#[derive(Debug)]
struct HistoryQuery {
    caller_identity: String,
    as_of: AsOf,
    page: PageRequest,
}

impl FromParams for HistoryQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            caller_identity: params.required_caller(),
            as_of: AsOf {
                world: params.time("as_of"),
                recorded: params.time("recorded_as_of"),
            },
            page: params.page(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `HistoryQuery` reads")]
struct HistoryParams {
    /// Only what held at this moment; everything that ever did without.
    as_of: Option<String>,
    /// As memory saw it at this moment; as it sees it now without.
    recorded_as_of: Option<String>,
}

/// Read what held of a caller, and when
///
/// Current and past facts. `as_of` asks by the time of the world, `recorded_as_of` by that of the
/// record: what was known then. Both together: what was known then of that moment.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/history", operation_id = "get_history", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams, HistoryParams, PageParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "A page of the history.", body = History), ApiError),
)]
async fn history(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(agent_id): Path<String>,
    query: Query<HistoryQuery>,
) -> Result<axum::Json<History>, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    bearer.require_agent(&crate::id::canonical(&agent_id))?;
    let query = query.read()?;
    let versions = match Subject::of(&agent_id, &query.caller_identity) {
        Some(subject) => {
            let db = &api.flow.db;
            db.read(move |mut conn| {
                Box::pin(async move { log::history(&mut conn, &subject, query.as_of).await })
            })
            .await?
        }
        None => Vec::new(),
    };
    let page = newest_first(versions, &query.page);
    let sensitive = bearer.reads_sensitive();
    Ok(axum::Json(History {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        memories: page
            .rows
            .into_iter()
            .map(|version| VersionBody::new(version, sensitive))
            .collect(),
    }))
}

/// Read what held of a caller, and when
///
/// The same as `/v1/agents/{agent_id}/history`.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/memories/history", operation_id = "get_memory_history", tag = "memories",
    params(("agent_id" = String, Path, description = "The agent."), CallerParams, HistoryParams, PageParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "A page of the history.", body = History), ApiError),
)]
async fn history_of_memories(
    bearer: Bearer,
    state: State<Arc<Api>>,
    agent_id: Path<String>,
    query: Query<HistoryQuery>,
) -> Result<impl IntoResponse, ApiError> {
    history(bearer, state, agent_id, query).await
}

fn newest_first(mut versions: Vec<Version>, page: &PageRequest) -> Page<Version> {
    let key = |version: &Version| {
        let fact = &version.stored.fact;
        let recorded = version.stored.recorded_at.as_millis();
        (fact.valid_from, format!("{} {recorded}", fact.id))
    };
    versions.sort_by_key(|version| std::cmp::Reverse(key(version)));
    if let Some(after) = &page.after {
        versions.retain(|version| key(version) < (after.at, after.id.clone()));
    }
    versions.truncate(page.size.saturating_add(1));
    Page::cut(versions, page.size, |version| {
        let (at, id) = key(version);
        Cursor { at, id }
    })
}
