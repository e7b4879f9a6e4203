//! `/v1/erasures`: receipts of what was erased, and whether anything may still be anywhere.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{Path, Query};
use crate::erased::Receipt;
use crate::store::erasures;
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(show))
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptBody {
    /// The receipt's id (`erasure_…`).
    erasure_id: String,
    /// `conversation`, `memory` or `caller`.
    scope: &'static str,
    /// `complete`, or `pending` while the broker or the database's log may still hold something.
    status: &'static str,
    /// When it will be complete; null when it is.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    complete_after: Option<Timestamp>,
    /// When it was; null before.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    completed_at: Option<Timestamp>,
    /// Calls that ended before this are kept away.
    #[schema(value_type = String, format = DateTime)]
    erased_before: Timestamp,
    /// What was taken away.
    counts: CountsBody,
    /// What this erasure can't reach.
    note: &'static str,
}

/// How many records of each kind were erased.
#[derive(Debug, Serialize, ToSchema)]
struct CountsBody {
    /// Conversations, with their messages and timelines.
    conversations: u64,
    /// Facts, current and past.
    memories: u64,
    /// Results in the feed.
    results: u64,
    /// Messages that waited in the database.
    outbox: u64,
    /// Dead letters.
    dead_letters: u64,
    /// Deliveries with a wrong signature.
    quarantine: u64,
}

impl ReceiptBody {
    pub(crate) fn new(receipt: &Receipt) -> Self {
        let complete = receipt.completed_at.is_some();
        let counts = receipt.counts;
        Self {
            erasure_id: receipt.id.clone(),
            scope: receipt.scope.as_str(),
            status: if complete { "complete" } else { "pending" },
            complete_after: (!complete).then_some(receipt.complete_after),
            completed_at: receipt.completed_at,
            erased_before: receipt.erased_before,
            counts: CountsBody {
                conversations: counts.conversations,
                memories: counts.memories,
                results: counts.results,
                outbox: counts.outbox,
                dead_letters: counts.dead_letters,
                quarantine: counts.quarantine,
            },
            note: "platforms and CRMs keep their own copies",
        }
    }
}

/// Read a receipt
///
/// As it stands now: `pending` becomes `complete` by itself.
#[utoipa::path(
    get, path = "/v1/erasures/{id}", operation_id = "get_erasure", tag = "callers",
    params(("id" = String, Path, description = "The receipt's id.")),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 200, description = "The receipt.", body = ReceiptBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    query.read()?;
    let kept = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { erasures::get(&mut conn, &id).await }))
        .await?;
    let kept = kept.ok_or_else(|| ApiError::not_found("erasure"))?;
    Ok(axum::Json(ReceiptBody::new(&kept.receipt)))
}
