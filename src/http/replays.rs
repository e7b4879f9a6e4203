//! `/v1/replays`: letters by filter, back to work as a job: previewed, canary first, at a rate.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{JobBody, JobList, OneJob, PreviewBody};
use self::new::{JobsParams, JobsQuery, NewReplay};
use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{Json, PageParams, Path, Query};
use crate::page::Cursor;
use crate::replay::{self, NotNow};
use crate::store::replays::{self, Job, causes};
use crate::store::tokens::Scope;

mod body;
mod new;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
}

/// List the replays
#[utoipa::path(
    get, path = "/v1/replays", operation_id = "list_replays", tag = "replays",
    params(JobsParams, PageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "A page of replays.", body = JobList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<JobsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    let JobsQuery { status, page } = query.read()?;
    let agents = bearer.0.agents.clone();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { replays::list(&mut conn, &agents, status, &page).await })
        })
        .await?;
    Ok(axum::Json(JobList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        replays: page.rows.into_iter().map(JobBody::from).collect(),
    }))
}

/// Replay dead letters
///
/// Those of a filter that are `dead`, unless it says otherwise, oldest first, and of each caller one
/// after the other. With `dry_run` nothing is written: the answer says what a replay would do. Else a
/// job runs: first the canary, whose verdicts are awaited, then the rest at `rate`; it stops by itself
/// when too many letters fail again.
#[utoipa::path(
    post, path = "/v1/replays", operation_id = "create_replay", tag = "replays",
    request_body = NewReplay,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses(
        (status = 200, description = "What a replay would do (`dry_run`).", body = PreviewBody),
        (status = 202, description = "The job, which runs.", body = JobBody),
        ApiError,
    ),
)]
async fn create(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<NewReplay>,
) -> Result<Response, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let new = body.read()?;
    let (dry_run, plan, told) = (new.dry_run, new.plan(), new.filter.told());
    let usual_canary = new.canary.is_none();
    let filter = new.filter.stored(&api, &bearer);
    if dry_run {
        let preview = replay::preview(&api.flow, filter).await?;
        return Ok(axum::Json(PreviewBody::from(preview)).into_response());
    }
    let host = &api.flow.host;
    let id = crate::id::fresh("replay_", host.now(), host.dice.bytes());
    let entry = bearer.did(&api, "replay.create", &id, "");
    let job = replay::NewJob {
        filter,
        told,
        plan,
        usual_canary,
    };
    let job = replay::create(&api.flow, job, entry).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(JobBody::from(job))).into_response())
}

/// Read a replay
///
/// With what its letters have failed of; `GET /v1/dead-letters?failed_in=` lists the letters themselves.
#[utoipa::path(
    get, path = "/v1/replays/{id}", operation_id = "get_replay", tag = "replays",
    params(("id" = String, Path, description = "The replay's id.")),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The replay, as it is now.", body = OneJob), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    query.read()?;
    let job = the_job(&api, &bearer, id).await?;
    let id = job.id.clone();
    let failed = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { causes::of(&mut conn, &id).await }))
        .await?;
    Ok(axum::Json(OneJob::new(job, failed)))
}

/// Pause a replay
///
/// What is on its way comes to its verdict; nothing more is sent until it is resumed.
#[utoipa::path(
    post, path = "/v1/replays/{id}/pause", operation_id = "pause_replay", tag = "replays",
    params(("id" = String, Path, description = "The replay's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "The replay, as it is now.", body = JobBody), ApiError),
)]
async fn pause(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let job = the_job(&api, &bearer, id).await?;
    let entry = bearer.did(&api, "replay.pause", &job.id, "");
    moved(replay::pause(&api.flow, &job.id, entry).await?)
}

/// Resume a replay
///
/// One that was paused, or that has stopped by itself: then its failures so far are forgiven, and its
/// canary goes first again.
#[utoipa::path(
    post, path = "/v1/replays/{id}/resume", operation_id = "resume_replay", tag = "replays",
    params(("id" = String, Path, description = "The replay's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "The replay, as it is now.", body = JobBody), ApiError),
)]
async fn resume(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let job = the_job(&api, &bearer, id).await?;
    let entry = bearer.did(&api, "replay.resume", &job.id, "");
    moved(replay::resume(&api.flow, &job.id, entry).await?)
}

/// Cancel a replay
///
/// What is on its way comes to its verdict; the rest stays as it is.
#[utoipa::path(
    post, path = "/v1/replays/{id}/cancel", operation_id = "cancel_replay", tag = "replays",
    params(("id" = String, Path, description = "The replay's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "The replay, as it is now.", body = JobBody), ApiError),
)]
async fn cancel(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let job = the_job(&api, &bearer, id).await?;
    let entry = bearer.did(&api, "replay.cancel", &job.id, "");
    moved(replay::cancel(&api.flow, &job.id, entry).await?)
}

/// The job of an id, if the token may see it: one that is bound to agents sees what its like made.
async fn the_job(api: &Api, bearer: &Bearer, id: String) -> Result<Job, ApiError> {
    let job = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { replays::get(&mut conn, &id).await }))
        .await?;
    let bound = &bearer.0.agents;
    job.filter(|job| bound.is_empty() || job.agents == *bound)
        .ok_or(ApiError::not_found("replay"))
}

fn moved(moved: Option<Result<Job, NotNow>>) -> Result<axum::Json<JobBody>, ApiError> {
    match moved {
        Some(Ok(job)) => Ok(axum::Json(JobBody::from(job))),
        Some(Err(why)) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "replay_not_open",
            format!("{why}: nothing of it is left to change"),
        )),
        None => Err(ApiError::not_found("replay")),
    }
}
