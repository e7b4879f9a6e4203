//! `/v1/endpoints`: who is sent results, of what, and in which shape.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{
    EndpointBody, EndpointList, MadeEndpoint, QueuedBody, RetriedBody, RotatedBody, TestedBody,
};
use self::form::{Changes, NewEndpoint, Overlap, Since, Window};
use super::Api;
use super::auth::Bearer;
use super::error::{ApiError, Fields};
use super::query::{Json, PageParams, Path, Query};
use crate::deliver;
use crate::deliver::endpoints::{self as life, Unfit};
use crate::page::{Cursor, PageRequest};
use crate::store::audit;
use crate::store::endpoints::{self, Endpoint};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

mod body;
mod form;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .routes(routes!(retry_failed))
        .routes(routes!(send_missed))
}

/// List the endpoints
#[utoipa::path(
    get, path = "/v1/endpoints", operation_id = "list_endpoints", tag = "endpoints", params(PageParams),
    security(
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
        ("bearer" = ["ops:read"]), ("key" = ["ops:read"]),
    ),
    responses((status = 200, description = "A page of endpoints.", body = EndpointList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<PageRequest>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require_either(Scope::EndpointsWrite, Scope::OpsRead)?;
    let page = query.read()?;
    let agents = bearer.0.agents.clone();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { endpoints::list(&mut conn, &agents, &page).await })
        })
        .await?;
    Ok(axum::Json(EndpointList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        endpoints: page
            .rows
            .into_iter()
            .map(|endpoint| EndpointBody::new(endpoint, &api))
            .collect(),
    }))
}

/// Make an endpoint
///
/// The answer is the only one that ever shows its secret. A URL that leads to a private or local
/// address is refused; one whose name can't be looked up now is taken, and the answer says so. A
/// template is tried first, over the newest conversation that has messages and over a made-up one: it
/// must make a body of one of them.
///
/// Whoever has one sent everything (`full`, or a template) must be allowed to read that:
/// `conversations:read_sensitive` and `memories:read`.
#[utoipa::path(
    post, path = "/v1/endpoints", operation_id = "create_endpoint", tag = "endpoints", request_body = NewEndpoint,
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 201, description = "The endpoint.", body = MadeEndpoint), ApiError),
)]
async fn create(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<NewEndpoint>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    let new = body.read()?;
    let (made, key) = life::make(&api.flow, new.into());
    let judged = life::judge(&api.flow, &bearer.0, None, &made).await?;
    let resolved = judged.map_err(refused)?;
    let entry = bearer.did(&api, "endpoint.create", &made.id, "");
    life::keep(&api.flow, &made, entry).await?;
    let about = EndpointBody::new(made, &api);
    let body = MadeEndpoint::new(key.to_text(), resolved, about);
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Read an endpoint
#[utoipa::path(
    get, path = "/v1/endpoints/{id}", operation_id = "get_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
        ("bearer" = ["ops:read"]), ("key" = ["ops:read"]),
    ),
    responses((status = 200, description = "The endpoint.", body = EndpointBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require_either(Scope::EndpointsWrite, Scope::OpsRead)?;
    query.read()?;
    let endpoint = the_endpoint(&api, &bearer, &id).await?;
    Ok(axum::Json(EndpointBody::new(endpoint, &api)))
}

/// Change an endpoint
///
/// Fields that are left out stay; null takes an optional one away. Headers do not go along to another
/// scheme, host or port: where the URL is changed so, they are given anew, or null.
#[utoipa::path(
    patch, path = "/v1/endpoints/{id}", operation_id = "change_endpoint", tag = "endpoints", request_body = Changes,
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "The endpoint, as it is now.", body = EndpointBody), ApiError),
)]
async fn change(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
    body: Json<Changes>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    let changes = body.read()?;
    let current = the_endpoint(&api, &bearer, &id).await?;
    let headers = changes.headers.as_ref();
    let headers = headers.map(|headers| life::sealed_headers(&api.flow, headers));
    let entry = bearer.did(&api, "endpoint.change", &id, "");
    let wanted = move |endpoint| changes.applied(endpoint, headers.clone());
    let kept = life::change(&api.flow, &bearer.0, &current, wanted, entry).await?;
    shown(&api, kept.map_err(refused)?)
}

/// Remove an endpoint
///
/// What it has not been sent yet is cancelled; what it was sent stays on the list of deliveries.
#[utoipa::path(
    delete, path = "/v1/endpoints/{id}", operation_id = "remove_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 204, description = "It is removed."), ApiError),
)]
async fn remove(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<StatusCode, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    let id = the_endpoint(&api, &bearer, &id).await?.id;
    let entry = bearer.did(&api, "endpoint.remove", &id, "");
    life::remove(&api.flow, &id, entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable an endpoint
///
/// What waited for it is sent; for what it missed meanwhile, see `send-missed`.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/enable", operation_id = "enable_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "The endpoint, as it is now.", body = EndpointBody), ApiError),
)]
async fn enable(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    the_endpoint(&api, &bearer, &id).await?;
    let entry = bearer.did(&api, "endpoint.enable", &id, "");
    shown(&api, life::enable(&api.flow, &id, entry).await?)
}

/// Disable an endpoint
///
/// What waits for it goes on waiting, and new events are not kept for it.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/disable", operation_id = "disable_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "The endpoint, as it is now.", body = EndpointBody), ApiError),
)]
async fn disable(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    the_endpoint(&api, &bearer, &id).await?;
    let entry = bearer.did(&api, "endpoint.disable", &id, "");
    shown(&api, life::disable(&api.flow, &id, entry).await?)
}

/// Give an endpoint a new secret
///
/// The answer is the only one that ever shows it. Until `overlap` is over, the old one signs beside
/// it, so that the receiver can change over whenever it likes.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/rotate-secret", operation_id = "rotate_endpoint_secret", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")), request_body = Overlap,
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "The secret.", body = RotatedBody), ApiError),
)]
async fn rotate_secret(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
    body: Json<Overlap>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    let Overlap { overlap } = body.read()?;
    the_endpoint(&api, &bearer, &id).await?;
    let entry = bearer.did(&api, "endpoint.rotate_secret", &id, "");
    let rotated = life::rotate(&api.flow, &id, overlap, entry).await?;
    let (endpoint, key) = rotated.ok_or_else(|| ApiError::not_found("endpoint"))?;
    Ok(axum::Json(RotatedBody::new(key.to_text(), endpoint)))
}

/// Send a test event
///
/// Now, once, and whether the endpoint is enabled or not. With a template, it is rendered over the
/// newest conversation that has messages.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/test", operation_id = "test_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "How it went.", body = TestedBody), ApiError),
)]
async fn test(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    query.read()?;
    let endpoint = the_endpoint(&api, &bearer, &id).await?;
    let entry = bearer.did(&api, "endpoint.test", &endpoint.id, "");
    audit::note(&api.flow.db, entry).await?;
    match deliver::test(&api.flow, &endpoint).await? {
        Some(tested) => Ok(axum::Json(TestedBody::from(tested))),
        None => Err(ApiError::new(
            StatusCode::CONFLICT,
            "unsealable",
            "the endpoint's secret was sealed under another key; set secret_key_previous, or \
             rotate the secret",
        )),
    }
}

/// Send again what failed
///
/// Every delivery to this endpoint that was given up, of events since a time, begins anew. A token that
/// is bound to agents and may write endpoints needs no `ops:write` for those of its own.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/retry", operation_id = "retry_failed_deliveries", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")), request_body = Since,
    security(
        ("bearer" = ["ops:write"]), ("key" = ["ops:write"]),
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
    ),
    responses((status = 202, description = "How many.", body = RetriedBody), ApiError),
)]
async fn retry_failed(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
    body: Json<Since>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.reach(&api, Scope::OpsWrite).await?;
    query.read()?;
    let Since { since } = body.read()?;
    let id = the_endpoint(&api, &bearer, &id).await?.id;
    let since_then = format!("since {since}");
    let entry = bearer.did(&api, "endpoint.retry_failed", &id, &since_then);
    let retried = life::retry_failed(&api.flow, &id, since, entry).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(RetriedBody { retried })))
}

/// Send what was missed
///
/// Every event that the endpoint would have been sent, had it been there and enabled: since it was
/// disabled last, unless `since` says otherwise. What it has is not sent twice. A token that is bound to
/// agents and may write endpoints needs no `ops:write` for its own.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/send-missed", operation_id = "send_missed_events", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")), request_body = Window,
    security(
        ("bearer" = ["ops:write"]), ("key" = ["ops:write"]),
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
    ),
    responses((status = 202, description = "How many.", body = QueuedBody), ApiError),
)]
async fn send_missed(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
    body: Json<Window>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.reach(&api, Scope::OpsWrite).await?;
    query.read()?;
    let Window { since, until } = body.read()?;
    let endpoint = the_endpoint(&api, &bearer, &id).await?;
    let Some(since) = since.or(endpoint.disabled.as_ref().map(|(at, _)| *at)) else {
        let why = "is required for an endpoint that is not disabled".to_owned();
        return Err(ApiError::invalid(Fields::from([("since".to_owned(), why)])));
    };
    let until = until.unwrap_or(Timestamp::from_millis(i64::MAX));
    let entry = bearer.did(
        &api,
        "endpoint.send_missed",
        &endpoint.id,
        &format!("since {since}"),
    );
    audit::note(&api.flow.db, entry).await?;
    let missed = deliver::send_missed(&api.flow, &endpoint.id, since, until).await?;
    let missed = missed.ok_or_else(|| ApiError::not_found("endpoint"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(QueuedBody::from(missed))))
}

/// The endpoint of an id, if the token may see it.
async fn the_endpoint(api: &Api, bearer: &Bearer, id: &str) -> Result<Endpoint, ApiError> {
    let found = life::find(&api.flow, &bearer.0.agents, id).await?;
    found.ok_or_else(|| ApiError::not_found("endpoint"))
}

/// An endpoint as it is now, unless it was removed meanwhile.
fn shown(api: &Api, endpoint: Option<Endpoint>) -> Result<axum::Json<EndpointBody>, ApiError> {
    let endpoint = endpoint.ok_or_else(|| ApiError::not_found("endpoint"))?;
    Ok(axum::Json(EndpointBody::new(endpoint, api)))
}

/// Why an endpoint is not kept: 403 where the token lacks a scope, 422 where a field is wrong.
fn refused(unfit: Unfit) -> ApiError {
    let why = unfit.to_string();
    match unfit {
        Unfit::Unseen(_) => ApiError::forbidden(format!("the endpoint {why}")),
        unfit => ApiError::invalid(Fields::from([(unfit.field().to_owned(), why)])),
    }
}
