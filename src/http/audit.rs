//! `/v1/audit`: who did what to what.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromParams, PageParams, Params, Query};
use crate::page::{Cursor, PageRequest};
use crate::store::audit::{self, Filter};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(list))
}

/// One thing that somebody did.
#[derive(Debug, Serialize, ToSchema)]
struct EntryBody {
    /// The entry's id.
    id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who: a token's id, or `system`.
    actor: String,
    /// What, as `token.create`.
    action: String,
    /// The id it was done to.
    target: String,
    /// More about it.
    detail: String,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
struct AuditList {
    /// Newest first.
    audit: Vec<EntryBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// What a query for the log asks for.
#[derive(Debug)]
struct ListQuery {
    filter: Filter,
    page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            filter: Filter {
                action: params.word("action"),
                actor: params.word("actor"),
                target: params.word("target"),
                since: params.time("since"),
                until: params.time("until"),
            },
            page: params.page(),
        }
    }
}

/// The parameters of the log, for its documentation.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Only of this action, as `replay.create`.
    #[param(min_length = 1)]
    action: Option<String>,
    /// Only by this token's id, or by `system`.
    #[param(min_length = 1)]
    actor: Option<String>,
    /// Only done to this id.
    #[param(min_length = 1)]
    target: Option<String>,
    /// Only done then or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only done before.
    #[param(format = DateTime)]
    until: Option<String>,
}

/// Read the audit log
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "list_audit", tag = "tokens",
    params(ListParams, PageParams),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 200, description = "A page of the log.", body = AuditList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    bearer.require_unbound()?;
    let asked = query.read()?;
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { audit::list(&mut conn, &asked.filter, &asked.page).await })
        })
        .await?;
    Ok(axum::Json(AuditList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        audit: page
            .rows
            .into_iter()
            .map(|entry| EntryBody {
                id: entry.id,
                at: entry.at,
                actor: entry.actor,
                action: entry.action,
                target: entry.target,
                detail: entry.detail,
            })
            .collect(),
    }))
}
