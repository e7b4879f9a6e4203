//! `/v1/deliveries`: what was sent to whom, attempt by attempt, and once more.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::DeliveryBody;
pub(super) use self::body::DeliveryList;
use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromParams, PageParams, Params, Path, Query};
use crate::deliver::Reach;
use crate::page::PageRequest;
use crate::store::audit;
use crate::store::deliveries::list::{self as listing, Filter};
use crate::store::deliveries::{self, Attempt, Status, Told};
use crate::store::tokens::Scope;

mod body;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(retry))
}

#[derive(Debug)]
struct ListQuery {
    filter: Filter,
    page: PageRequest,
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct FilterParams {
    /// Only to this endpoint.
    #[param(min_length = 1)]
    endpoint_id: Option<String>,
    /// Only of this event.
    #[param(min_length = 1)]
    event_id: Option<String>,
    /// Only of this type, as `conversation.completed`.
    #[param(min_length = 1)]
    r#type: Option<String>,
    /// Only `pending`, `delivered`, `failed` or `cancelled` ones.
    #[param(min_length = 1)]
    status: Option<String>,
    /// Only of this conversation.
    #[param(min_length = 1)]
    conversation_id: Option<String>,
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only made then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Only made before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// A delivery in the queue is pending for everybody else.
const SHOWN: [&str; 4] = ["pending", "delivered", "failed", "cancelled"];

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        let statuses = match params.one_of("status", &SHOWN).as_deref() {
            Some("pending") => vec![Status::Pending, Status::Queued],
            Some(status) => Status::parse(status).into_iter().collect(),
            None => Vec::new(),
        };
        let canonical = |id: String| crate::id::canonical(&id);
        Self {
            filter: Filter {
                endpoint_id: params.word("endpoint_id"),
                event_id: params.word("event_id"),
                kind: params.word("type"),
                statuses,
                conversation_id: params.word("conversation_id").map(canonical),
                agent_id: params.word("agent_id").map(canonical),
                since: params.time("since"),
                until: params.time("until"),
                ..Filter::default()
            },
            page: params.page(),
        }
    }
}

/// List deliveries
///
/// Newest first, each with its attempts. Every filter narrows the list further. A token that is bound to
/// agents and may write endpoints sees those of its own endpoints without `ops:read`, too.
#[utoipa::path(
    get, path = "/v1/deliveries", operation_id = "list_deliveries", tag = "deliveries",
    params(FilterParams, PageParams),
    security(
        ("bearer" = ["ops:read"]), ("key" = ["ops:read"]),
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
    ),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let reach = bearer.reach(&api, Scope::OpsRead).await?;
    let ListQuery { mut filter, page } = query.read()?;
    reach.narrow(&mut filter);
    filter.agents.clone_from(&bearer.0.agents);
    let now = api.flow.host.now();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { listing::with_attempts(&mut conn, &filter, &page, now).await })
        })
        .await?;
    Ok(axum::Json(DeliveryList::new(
        page,
        bearer.reads_sensitive(),
    )))
}

/// Read a delivery
#[utoipa::path(
    get, path = "/v1/deliveries/{id}", operation_id = "get_delivery", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id.")),
    security(
        ("bearer" = ["ops:read"]), ("key" = ["ops:read"]),
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
    ),
    responses((status = 200, description = "The delivery.", body = DeliveryBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    let reach = bearer.reach(&api, Scope::OpsRead).await?;
    query.read()?;
    let (told, attempts) = the_delivery(&api, &bearer, &reach, id).await?;
    let body = DeliveryBody::new(told, attempts, bearer.reads_sensitive());
    Ok(axum::Json(body))
}

/// Send once more
///
/// At once, whatever became of it, and by the schedule from its beginning. The receiver knows it by
/// its id, which stays the same. To an endpoint of its own, a token that is bound to agents and may write
/// endpoints has it sent without `ops:write`, too.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/retry", operation_id = "retry_delivery", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id.")),
    security(
        ("bearer" = ["ops:write"]), ("key" = ["ops:write"]),
        ("bearer" = ["endpoints:write"]), ("key" = ["endpoints:write"]),
    ),
    responses((status = 202, description = "The delivery, as it is now.", body = DeliveryBody), ApiError),
)]
async fn retry(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    let reach = bearer.reach(&api, Scope::OpsWrite).await?;
    query.read()?;
    let (told, _) = the_delivery(&api, &bearer, &reach, id).await?;
    let conflict = |code, why: &'static str| ApiError::new(StatusCode::CONFLICT, code, why);
    let delivery = told.delivery;
    match told.endpoint {
        None => return Err(conflict("endpoint_removed", "its endpoint was removed")),
        Some(endpoint) if !endpoint.enabled => {
            let why = "its endpoint is disabled; enable it first";
            return Err(conflict("endpoint_disabled", why));
        }
        Some(_) => {}
    }
    let now = api.flow.host.now();
    let entry = bearer.did(&api, "delivery.retry", &delivery.id, "");
    let (id, again) = (delivery.id.clone(), delivery.id);
    let due = api
        .flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let due = deliveries::retry(&mut conn, &id, now).await?;
                if due {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(due)
            })
        })
        .await?;
    if !due {
        let why = "it is on its way already, or was cancelled";
        return Err(conflict("cannot_retry", why));
    }
    let (told, attempts) = the_delivery(&api, &bearer, &reach, again).await?;
    api.flow.news.tell();
    let body = DeliveryBody::new(told, attempts, bearer.reads_sensitive());
    Ok((StatusCode::ACCEPTED, axum::Json(body)))
}

/// The delivery of an id, with its attempts, if the token may see its agent and its endpoint's.
async fn the_delivery(
    api: &Api,
    bearer: &Bearer,
    reach: &Reach,
    id: String,
) -> Result<(Told, Vec<Attempt>), ApiError> {
    let now = api.flow.host.now();
    let found = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { listing::one(&mut conn, &id, now).await }))
        .await?;
    found
        .filter(|(Told { delivery, .. }, _)| {
            bearer.0.sees(&delivery.agent_id) && reach.holds(&delivery.endpoint_id)
        })
        .ok_or_else(|| ApiError::not_found("delivery"))
}
