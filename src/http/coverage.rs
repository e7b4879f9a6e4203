//! `/v1/coverage`: the calls that the platforms know of, against those that were processed here.

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
use super::reconciliations::accounts;
use crate::page::{Cursor, PageRequest};
use crate::reconcile::{self, Comparison, Covered};
use crate::store::known_calls::{self, Known};
use crate::store::reconcile as listings;
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(coverage))
        .routes(routes!(missing))
}

/// How much of an account is here.
#[derive(Debug, Serialize, ToSchema)]
struct CoverageBody {
    /// The account: the name of its first source.
    source: String,
    /// Finished calls that the platform knows of.
    known: i64,
    /// Those of them that were finalized, erased or deleted.
    processed: i64,
    /// Those that were not. Null as long as `comparison` is `never`: what is missing is not known then.
    #[schema(required = true)]
    missing: Option<i64>,
    /// How far the platform's list and what is here were compared: `never`, for the list was never read to
    /// its end, and the counts are of what was read so far; `failing`, for it can't be read whole now; else
    /// `current`.
    comparison: &'static str,
    /// The creation of the oldest missing call.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    oldest_missing_at: Option<Timestamp>,
    /// When the platform's list was read to its end last.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    checked_at: Option<Timestamp>,
    /// What keeps the list, or rows of it, from being read now: then calls may be missing that are not
    /// counted.
    #[schema(required = true)]
    error: Option<String>,
}

impl From<Covered> for CoverageBody {
    fn from(covered: Covered) -> Self {
        let (counted, comparison) = (covered.coverage, covered.comparison());
        let is_known = comparison != Comparison::Never;
        Self {
            comparison: comparison.as_str(),
            source: covered.account,
            known: counted.known,
            processed: counted.known - counted.missing,
            missing: is_known.then_some(counted.missing),
            oldest_missing_at: counted.oldest_missing_at,
            checked_at: covered.checked_at,
            error: covered.error,
        }
    }
}

/// How much of each account is here.
#[derive(Debug, Serialize, ToSchema)]
struct CoverageList {
    /// The accounts, in the order of the settings.
    sources: Vec<CoverageBody>,
}

/// A call that its platform knows and that is not here.
#[derive(Debug, Serialize, ToSchema)]
struct MissingBody {
    /// The account.
    source: String,
    /// The call.
    conversation_id: String,
    /// When the platform made its record.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
    /// When it was put into the queue last.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    queued_at: Option<Timestamp>,
}

impl From<Known> for MissingBody {
    fn from(known: Known) -> Self {
        Self {
            source: known.account,
            conversation_id: known.key.id.into(),
            created_at: known.created_at,
            ended_at: known.ended_at,
            queued_at: known.queued_at,
        }
    }
}

/// A page of missing calls.
#[derive(Debug, Serialize, ToSchema)]
struct MissingList {
    /// Newest first.
    missing: Vec<MissingBody>,
    /// Accounts whose lists were never read to their end: of those nobody knows what is missing.
    not_compared: Vec<String>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// Which calls are counted.
#[derive(Debug)]
struct CoverageQuery {
    source: Option<String>,
    since: Option<Timestamp>,
}

impl FromParams for CoverageQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            source: params.word("source"),
            since: params.time("since"),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `CoverageQuery` reads")]
struct CoverageParams {
    /// Only this source's account.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Only calls created then or later.
    #[param(format = DateTime)]
    since: Option<String>,
}

/// Which missing calls are listed.
#[derive(Debug)]
struct MissingQuery {
    which: CoverageQuery,
    page: PageRequest,
}

impl FromParams for MissingQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            which: CoverageQuery::from_params(params),
            page: params.page(),
        }
    }
}

/// Count the calls that are here, and those that are missing
///
/// For each account: sources that ask the same API with the same token are one.
#[utoipa::path(
    get, path = "/v1/coverage", operation_id = "get_coverage", tag = "coverage", params(CoverageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The counts.", body = CoverageList), ApiError),
)]
async fn coverage(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<CoverageQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    let CoverageQuery { source, since } = query.read()?;
    let accounts = of(&api, source.as_deref())?;
    let covered = reconcile::coverage(&api.flow, accounts, since).await?;
    Ok(axum::Json(CoverageList {
        sources: covered.into_iter().map(CoverageBody::from).collect(),
    }))
}

/// List the calls that are missing
#[utoipa::path(
    get, path = "/v1/coverage/missing", operation_id = "list_missing_calls", tag = "coverage",
    params(CoverageParams, PageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "A page of calls.", body = MissingList), ApiError),
)]
async fn missing(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<MissingQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    let MissingQuery { which, page } = query.read()?;
    let accounts = of(&api, which.source.as_deref())?;
    let (page, not_compared) = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let page = known_calls::missing(&mut conn, &accounts, which.since, &page).await?;
                Ok((page, listings::not_compared(&mut conn, &accounts).await?))
            })
        })
        .await?;
    Ok(axum::Json(MissingList {
        not_compared,
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        missing: page.rows.into_iter().map(MissingBody::from).collect(),
    }))
}

/// The accounts that are meant. Where none has an API there is nothing to count, and that is no error.
fn of(api: &Api, source: Option<&str>) -> Result<Vec<String>, ApiError> {
    if source.is_none() && api.flow.sources.accounts().is_empty() {
        return Ok(Vec::new());
    }
    accounts(api, source)
}
