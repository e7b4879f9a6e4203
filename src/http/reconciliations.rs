//! `/v1/reconciliations`: reading the platforms' lists, by itself and when somebody asks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromObject, Json, Object, PageParams, Path, Query};
use crate::page::{Cursor, PageRequest};
use crate::reconcile::{self, Wish};
use crate::store::reconcile::{self as listings, Listing, Status};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list, begin))
        .routes(routes!(show))
}

/// The reading of one account's list.
#[derive(Debug, Serialize, ToSchema)]
struct ListingBody {
    /// The account: the name of its first source.
    source: String,
    /// `waiting`, `running`, `completed` or `failed`.
    status: &'static str,
    /// Calls listed so far, of the time asked for.
    listed: i64,
    /// Those of them that are over and unknown here.
    unknown: i64,
    /// Those that differ from what is known here.
    changed: i64,
    /// Those that were put into the queue.
    queued: i64,
    /// The creation of the last call listed: the list is read backwards.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    reached_at: Option<Timestamp>,
    /// Why it waits or failed.
    #[schema(required = true)]
    error: Option<String>,
    /// When the next page may be asked for, or the list again.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// The first conversations that were, or would be, put into the queue.
    examples: Vec<String>,
    /// When its first page was asked for.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    begun_at: Option<Timestamp>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
}

impl From<Listing> for ListingBody {
    fn from(listing: Listing) -> Self {
        Self {
            source: listing.account,
            status: listing.status.as_str(),
            listed: listing.listed,
            unknown: listing.unknown,
            changed: listing.changed,
            queued: listing.queued,
            reached_at: listing.reached_at,
            error: listing.error,
            due_at: listing.due_at,
            examples: listing.examples,
            begun_at: listing.begun_at,
            finished_at: listing.finished_at,
        }
    }
}

/// A reconciliation: the reading of one or more accounts' lists.
#[derive(Debug, Serialize, ToSchema)]
struct ReconciliationBody {
    /// Its id.
    id: String,
    /// `running` until all accounts are done; then `completed`, or `failed` where one failed.
    status: &'static str,
    /// Whether it is the account's own, which begins anew every `reconcile.every`.
    scheduled: bool,
    /// Whether it only says what it would do.
    dry_run: bool,
    /// Calls created then or later.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// And before.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    until: Option<Timestamp>,
    /// Calls listed so far.
    listed: i64,
    /// Those of them that are over and unknown here.
    unknown: i64,
    /// Those that differ from what is known here.
    changed: i64,
    /// Those that were put into the queue.
    queued: i64,
    /// Each account.
    sources: Vec<ListingBody>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the last account was done.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
}

impl ReconciliationBody {
    /// Puts the accounts of one id together; none when there are none.
    fn of(listings: Vec<Listing>) -> Option<Self> {
        let first = listings.first()?.clone();
        let sum = |count: fn(&Listing) -> i64| listings.iter().map(count).sum();
        let is_done = |one: &Listing| matches!(one.status, Status::Completed | Status::Failed);
        let done = listings.iter().all(is_done);
        let failed = listings.iter().any(|one| one.status == Status::Failed);
        Some(Self {
            status: match (done, failed) {
                (false, _) => "running",
                (true, true) => "failed",
                (true, false) => "completed",
            },
            id: first.id,
            scheduled: first.scheduled,
            dry_run: first.dry_run,
            since: first.since,
            until: first.until,
            listed: sum(|one| one.listed),
            unknown: sum(|one| one.unknown),
            changed: sum(|one| one.changed),
            queued: sum(|one| one.queued),
            created_at: first.created_at,
            finished_at: if done {
                listings.iter().filter_map(|one| one.finished_at).max()
            } else {
                None
            },
            sources: listings.into_iter().map(ListingBody::from).collect(),
        })
    }
}

/// A page of reconciliations.
#[derive(Debug, Serialize, ToSchema)]
struct ReconciliationList {
    /// Newest first.
    reconciliations: Vec<ReconciliationBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// What is to be reconciled.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documents what `NewReconciliation` reads")]
struct NewReconciliationBody {
    /// Only this source's account; absent: all.
    source: Option<String>,
    /// Calls created then or later.
    #[schema(format = DateTime)]
    since: String,
    /// And before.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Only say what would be done.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

#[derive(Debug)]
struct NewReconciliation {
    source: Option<String>,
    since: Timestamp,
    until: Option<Timestamp>,
    dry_run: bool,
}

impl FromObject for NewReconciliation {
    fn from_object(object: &mut Object) -> Self {
        let new = Self {
            source: object.optional("source"),
            since: object.required("since"),
            until: object.optional("until"),
            dry_run: object.optional("dry_run").unwrap_or(false),
        };
        if !object.is_wrong("since") && new.until.is_some_and(|until| until <= new.since) {
            object.refuse("until", "must be after since");
        }
        new
    }
}

/// List reconciliations
///
/// Each account's own, which begins anew again and again, and those that somebody asked for.
#[utoipa::path(
    get, path = "/v1/reconciliations", operation_id = "list_reconciliations", tag = "coverage", params(PageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "A page of reconciliations.", body = ReconciliationList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<PageRequest>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    let page = query.read()?;
    let page = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { listings::list(&mut conn, &page).await }))
        .await?;
    Ok(axum::Json(ReconciliationList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        reconciliations: page
            .rows
            .into_iter()
            .filter_map(ReconciliationBody::of)
            .collect(),
    }))
}

/// Read a reconciliation
#[utoipa::path(
    get, path = "/v1/reconciliations/{id}", operation_id = "get_reconciliation", tag = "coverage",
    params(("id" = String, Path, description = "The reconciliation's id.")),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The reconciliation.", body = ReconciliationBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    query.read()?;
    let found = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { listings::get(&mut conn, &id).await }))
        .await?;
    let body = ReconciliationBody::of(found).ok_or(ApiError::not_found("reconciliation"))?;
    Ok(axum::Json(body))
}

/// Reconcile now
///
/// Reads the platforms' lists over a time of your choice. Calls that are over and unknown here, or
/// that differ, are put into the queue; with `dry_run` they are only counted. A call that is known
/// already is changed by nothing.
#[utoipa::path(
    post, path = "/v1/reconciliations", operation_id = "begin_reconciliation", tag = "coverage",
    request_body = NewReconciliationBody,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 202, description = "The reconciliation, which has begun.", body = ReconciliationBody), ApiError),
)]
async fn begin(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<NewReconciliation>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    bearer.require_unbound()?;
    query.read()?;
    let new = body.read()?;
    let accounts = accounts(&api, new.source.as_deref())?;
    let wish = Wish {
        accounts,
        since: new.since,
        until: new.until,
        dry_run: new.dry_run,
    };
    let entry = bearer.did(&api, "reconcile", "", "");
    let begun = reconcile::begin(&api.flow, wish, entry).await?;
    let body = ReconciliationBody::of(begun).ok_or_else(no_accounts)?;
    Ok((StatusCode::ACCEPTED, axum::Json(body)))
}

/// The accounts that are meant: all of them, or that of a source.
pub(super) fn accounts(api: &Api, source: Option<&str>) -> Result<Vec<String>, ApiError> {
    let sources = &api.flow.sources;
    let Some(name) = source else {
        let all: Vec<_> = sources
            .accounts()
            .iter()
            .map(|one| one.name.clone())
            .collect();
        return if all.is_empty() {
            Err(no_accounts())
        } else {
            Ok(all)
        };
    };
    let why = match (sources.get(name), sources.account_of(name)) {
        (_, Some(account)) => return Ok(vec![account.name.clone()]),
        (Some(_), None) => "has no API, so that there is no list to read",
        (None, None) => "no such source is configured",
    };
    Err(ApiError::invalid(
        [("source".to_owned(), why.to_owned())].into(),
    ))
}

fn no_accounts() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "no_accounts",
        "no source has an API, so that there is no list to read",
    )
}
