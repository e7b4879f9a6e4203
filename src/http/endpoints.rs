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
use self::terms::{check, sealed};
use super::Api;
use super::auth::Bearer;
use super::error::{ApiError, Fields};
use super::query::{Json, PageParams, Path, Query};
use crate::deliver;
use crate::page::{Cursor, PageRequest};
use crate::signature::standard::Key;
use crate::store::endpoints::{self, Endpoint};
use crate::store::tokens::Scope;
use crate::store::{audit, deliveries};
use crate::time::Timestamp;

mod body;
mod form;
mod terms;

/// Failed deliveries that one request sends again.
const MOST: i64 = 100_000;

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
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "A page of endpoints.", body = EndpointList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Query(page): Query<PageRequest>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
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
/// address is refused; one whose name can't be looked up now is taken, and the answer says so.
#[utoipa::path(
    post, path = "/v1/endpoints", operation_id = "create_endpoint", tag = "endpoints", request_body = NewEndpoint,
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 201, description = "The endpoint.", body = MadeEndpoint), ApiError),
)]
async fn create(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Query(()): Query<()>,
    Json(new): Json<NewEndpoint>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    let host = &api.flow.host;
    let now = host.now();
    let key = Key::of_random(host.dice.bytes());
    let subscription = new.subscription();
    let made = Endpoint {
        id: crate::id::fresh("ep_", now, host.dice.bytes()),
        url: new.url,
        description: new.description,
        subscription,
        payload: new.payload.unwrap_or(api.flow.payload),
        template: new.template,
        headers: sealed(
            &api,
            &serde_json::to_string(&new.headers).unwrap_or_default(),
        ),
        secret: sealed(&api, &key.to_text()),
        previous: None,
        rate: new.rate_per_second,
        concurrency: new.max_concurrency,
        enabled: new.enabled,
        disabled: (!new.enabled).then(|| (now, "by_hand".to_owned())),
        failing_since: None,
        slow: false,
        ready_at: Timestamp::from_millis(0),
        created_at: now,
        updated_at: now,
    };
    let resolved = check(&api, &bearer, &made).await?;
    let entry = bearer.did(&api, "endpoint.create", &made.id, "");
    let kept = made.clone();
    api.flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::save(&mut conn, &kept).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    let about = EndpointBody::new(made, &api);
    let body = MadeEndpoint::new(key.to_text(), resolved, about);
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Read an endpoint
#[utoipa::path(
    get, path = "/v1/endpoints/{id}", operation_id = "get_endpoint", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")),
    security(("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"])),
    responses((status = 200, description = "The endpoint.", body = EndpointBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(()): Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    let endpoint = the_endpoint(&api, &bearer, &id).await?;
    Ok(axum::Json(EndpointBody::new(endpoint, &api)))
}

/// Change an endpoint
///
/// Fields that are left out stay; null takes an optional one away.
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
    Query(()): Query<()>,
    Json(changes): Json<Changes>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    let current = the_endpoint(&api, &bearer, &id).await?;
    let names = changes.names();
    let headers = changes
        .headers
        .as_ref()
        .map(|headers| sealed(&api, &serde_json::to_string(headers).unwrap_or_default()));
    // Judged before anything is written: looking a name up must not hold a transaction open.
    check(&api, &bearer, &changes.applied(current, headers.clone())).await?;
    let rewritten = rewrite(
        &api,
        &bearer,
        id,
        "endpoint.change",
        names,
        move |endpoint, _| {
            *endpoint = changes.applied(endpoint.clone(), headers);
        },
    );
    Ok(axum::Json(EndpointBody::new(rewritten.await?, &api)))
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
    Query(()): Query<()>,
) -> Result<StatusCode, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    let id = the_endpoint(&api, &bearer, &id).await?.id;
    let now = api.flow.host.now();
    let entry = bearer.did(&api, "endpoint.remove", &id, "");
    api.flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::hold(&mut conn, &id).await?;
                if endpoints::remove(&mut conn, &id).await? {
                    deliveries::cancel_of_endpoint(&mut conn, &id, now).await?;
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(())
            })
        })
        .await?;
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
    Query(()): Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    the_endpoint(&api, &bearer, &id).await?;
    let enabled = rewrite(
        &api,
        &bearer,
        id,
        "endpoint.enable",
        String::new(),
        |endpoint, _| {
            endpoint.enabled = true;
            endpoint.disabled = None;
            endpoint.failing_since = None;
            endpoint.ready_at = Timestamp::from_millis(0);
        },
    );
    let enabled = enabled.await?;
    api.flow.news.tell();
    Ok(axum::Json(EndpointBody::new(enabled, &api)))
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
    Query(()): Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    the_endpoint(&api, &bearer, &id).await?;
    let disabled = rewrite(
        &api,
        &bearer,
        id,
        "endpoint.disable",
        String::new(),
        |endpoint, now| {
            if endpoint.enabled {
                endpoint.enabled = false;
                endpoint.disabled = Some((now, "by_hand".to_owned()));
            }
        },
    );
    Ok(axum::Json(EndpointBody::new(disabled.await?, &api)))
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
    Query(()): Query<()>,
    Json(Overlap { overlap }): Json<Overlap>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    the_endpoint(&api, &bearer, &id).await?;
    let key = Key::of_random(api.flow.host.dice.bytes());
    let new = sealed(&api, &key.to_text());
    let action = "endpoint.rotate_secret";
    let rotated = rewrite(
        &api,
        &bearer,
        id,
        action,
        String::new(),
        move |endpoint, now| {
            let old = std::mem::replace(&mut endpoint.secret, new);
            endpoint.previous = (!overlap.is_zero()).then(|| (old, now.plus(overlap)));
        },
    );
    Ok(axum::Json(RotatedBody::new(key.to_text(), rotated.await?)))
}

/// Send a test event
///
/// Now, once, and whether the endpoint is enabled or not. With a template, it is rendered over the
/// newest conversation.
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
    Query(()): Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::EndpointsWrite)?;
    let endpoint = the_endpoint(&api, &bearer, &id).await?;
    let entry = bearer.did(&api, "endpoint.test", &endpoint.id, "");
    api.flow
        .db
        .write(move |mut conn| Box::pin(async move { audit::add(&mut conn, &entry).await }))
        .await?;
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
/// Every delivery to this endpoint that was given up, of events since a time, begins anew.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/retry", operation_id = "retry_failed_deliveries", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")), request_body = Since,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 202, description = "How many.", body = RetriedBody), ApiError),
)]
async fn retry_failed(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(()): Query<()>,
    Json(Since { since }): Json<Since>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    let id = the_endpoint(&api, &bearer, &id).await?.id;
    let now = api.flow.host.now();
    let entry = bearer.did(
        &api,
        "endpoint.retry_failed",
        &id,
        &format!("since {since}"),
    );
    let retried = api
        .flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                audit::add(&mut conn, &entry).await?;
                deliveries::retry_failed(&mut conn, &id, since, now, MOST).await
            })
        })
        .await?;
    api.flow.news.tell();
    Ok((StatusCode::ACCEPTED, axum::Json(RetriedBody { retried })))
}

/// Send what was missed
///
/// Every event that the endpoint would have been sent, had it been there and enabled: since it was
/// disabled last, unless `since` says otherwise. What it has is not sent twice.
#[utoipa::path(
    post, path = "/v1/endpoints/{id}/send-missed", operation_id = "send_missed_events", tag = "endpoints",
    params(("id" = String, Path, description = "The endpoint's id.")), request_body = Window,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 202, description = "How many.", body = QueuedBody), ApiError),
)]
async fn send_missed(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(()): Query<()>,
    Json(Window { since, until }): Json<Window>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
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
    api.flow
        .db
        .write(move |mut conn| Box::pin(async move { audit::add(&mut conn, &entry).await }))
        .await?;
    let missed = deliver::send_missed(&api.flow, &endpoint.id, since, until).await?;
    let missed = missed.ok_or_else(|| ApiError::not_found("endpoint"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(QueuedBody::from(missed))))
}

/// The endpoint of an id, if the token may see it: one that is bound to agents sees those of its
/// agents alone.
async fn the_endpoint(api: &Api, bearer: &Bearer, id: &str) -> Result<Endpoint, ApiError> {
    let id = id.to_owned();
    let found = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { endpoints::get(&mut conn, &id).await }))
        .await?;
    found
        .filter(|endpoint| endpoints::is_of(endpoint, &bearer.0.agents))
        .ok_or_else(|| ApiError::not_found("endpoint"))
}

/// Changes an endpoint under its lock, with an entry for the audit log.
async fn rewrite(
    api: &Api,
    bearer: &Bearer,
    id: String,
    action: &str,
    detail: String,
    change: impl FnOnce(&mut Endpoint, Timestamp) + Send + 'static,
) -> Result<Endpoint, ApiError> {
    let now = api.flow.host.now();
    let entry = bearer.did(api, action, &id, &detail);
    let changed = api
        .flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::hold(&mut conn, &id).await?;
                let Some(mut endpoint) = endpoints::get(&mut conn, &id).await? else {
                    return Ok(None);
                };
                change(&mut endpoint, now);
                endpoint.updated_at = now;
                endpoints::save(&mut conn, &endpoint).await?;
                audit::add(&mut conn, &entry).await?;
                Ok(Some(endpoint))
            })
        })
        .await?;
    changed.ok_or_else(|| ApiError::not_found("endpoint"))
}
