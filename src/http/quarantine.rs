//! `/v1/quarantine`: deliveries whose signature was wrong, until they are released or expire.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromObject, FromParams, Json, Object, PageParams, Params, Path, Query};
use crate::page::{Cursor, PageRequest};
use crate::receive::Answer;
use crate::receive::release::{self, Content, NotReleased, Released};
use crate::store::audit;
use crate::store::quarantine::{self, Filter, Kept};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(release_one))
        .routes(routes!(release_many))
}

/// A refused delivery.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedBody {
    /// Its id.
    id: String,
    /// The source that it was posted to.
    source: String,
    /// That source's platform; null where the source is gone from the settings.
    #[schema(required = true)]
    platform: Option<String>,
    /// Why it was refused, as a stable code.
    reason: String,
    /// Why, for people.
    detail: String,
    /// Head and body, in bytes.
    size: i64,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

impl RefusedBody {
    fn new(kept: Kept, api: &Api) -> Self {
        let refused = kept.refused;
        let sender = api.flow.sources.get(&refused.source);
        let webhooks = sender.and_then(|source| source.webhooks.as_ref());
        Self {
            platform: webhooks.map(|webhooks| webhooks.platform().to_owned()),
            id: refused.id,
            source: refused.source,
            reason: refused.reason,
            detail: refused.detail,
            size: refused.size,
            received_at: kept.received_at,
        }
    }
}

/// A page of refused deliveries.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedList {
    /// Newest first.
    quarantine: Vec<RefusedBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// What was posted.
#[derive(Debug, Serialize, ToSchema)]
struct ContentBody {
    /// The headers, as name and value.
    headers: Vec<(String, String)>,
    /// The raw body, as `body_encoding` says.
    body: String,
    /// `text`, or `base64` where it is no text.
    body_encoding: &'static str,
}

impl From<Content> for ContentBody {
    fn from(content: Content) -> Self {
        let (body, body_encoding) = super::dead_letters::shown(content.body);
        Self {
            headers: content.headers,
            body,
            body_encoding,
        }
    }
}

/// A refused delivery, and what was posted where that was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct OneRefused {
    #[serde(flatten)]
    refused: RefusedBody,
    #[serde(flatten)]
    content: Option<ContentBody>,
}

/// What a released delivery was taken for.
#[derive(Debug, Serialize, ToSchema)]
struct ReleasedBody {
    /// The delivery, which is not in quarantine any more.
    id: String,
    /// `accepted`, `ignored` or `parked`, as a fresh delivery would be answered.
    status: &'static str,
    /// The event, where one was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// The kind that was ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The dead letter of a body that can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_id: Option<String>,
}

impl ReleasedBody {
    fn new(id: String, answer: Answer) -> Result<Self, ApiError> {
        let mut body = Self {
            id,
            status: "",
            event_id: None,
            reason: None,
            dead_letter_id: None,
        };
        match answer {
            Answer::Accepted { event_id } => {
                body.status = "accepted";
                body.event_id = Some(event_id.into());
            }
            Answer::Ignored { reason } => {
                body.status = "ignored";
                body.reason = Some(reason);
            }
            Answer::Parked { dead_letter_id } => {
                body.status = "parked";
                body.dead_letter_id = Some(dead_letter_id);
            }
            _ => {
                let why = "the event can't be made durable now; release it again";
                return Err(ApiError::unavailable("unavailable", why));
            }
        }
        Ok(body)
    }
}

/// What became of many.
#[derive(Debug, Serialize, ToSchema)]
struct ReleasedManyBody {
    /// Taken like fresh deliveries.
    released: u64,
    /// Still refused, each with its reason of today.
    still_refused: u64,
    /// Could not be made durable now, or not be opened; they are still there.
    failed: u64,
}

impl From<release::Many> for ReleasedManyBody {
    fn from(done: release::Many) -> Self {
        Self {
            released: done.released,
            still_refused: done.still_refused,
            failed: done.failed,
        }
    }
}

/// Which deliveries are listed.
#[derive(Debug)]
struct ListQuery {
    filter: Filter,
    page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            filter: Filter {
                source: params.word("source"),
                reason: params.word("reason"),
            },
            page: params.page(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Only posted to this source.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Only refused for this reason.
    #[param(min_length = 1)]
    reason: Option<String>,
}

/// Whether what was posted is shown.
#[derive(Debug)]
struct ShowQuery {
    with_body: bool,
}

impl FromParams for ShowQuery {
    fn from_params(params: &mut Params) -> Self {
        let body = params.one_of("body", &["include", "exclude"]);
        Self {
            with_body: body.is_some_and(|body| body == "include"),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ShowQuery` reads")]
struct ShowParams {
    /// `include` shows head and body, with the scope `ops:write` and an entry in the audit log;
    /// `exclude` is the default.
    #[param(pattern = "^(include|exclude)$")]
    body: Option<String>,
}

/// Whose deliveries are released.
#[derive(Debug, ToSchema)]
struct Many {
    /// The source that they were posted to.
    source: String,
}

impl FromObject for Many {
    fn from_object(object: &mut Object) -> Self {
        Self {
            source: object.required("source"),
        }
    }
}

/// List quarantined deliveries
///
/// What was posted with a signature that was wrong or out of its time.
#[utoipa::path(
    get, path = "/v1/quarantine", operation_id = "list_quarantine", tag = "quarantine", params(ListParams, PageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "A page of deliveries.", body = RefusedList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    let ListQuery { filter, page } = query.read()?;
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { quarantine::list(&mut conn, &filter, &page).await })
        })
        .await?;
    Ok(axum::Json(RefusedList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        quarantine: page
            .rows
            .into_iter()
            .map(|kept| RefusedBody::new(kept, &api))
            .collect(),
    }))
}

/// Read a quarantined delivery
#[utoipa::path(
    get, path = "/v1/quarantine/{id}", operation_id = "get_quarantined", tag = "quarantine",
    params(("id" = String, Path, description = "The delivery's id."), ShowParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The delivery.", body = OneRefused), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<ShowQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    bearer.require_unbound()?;
    let ShowQuery { with_body } = query.read()?;
    if with_body {
        bearer.require(Scope::OpsWrite)?;
    }
    let kept = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { quarantine::get(&mut conn, &id).await }))
        .await?
        .ok_or(ApiError::not_found("quarantined delivery"))?;
    let content = if with_body {
        // Written first: what a caller's platform sent is not seen without a trace.
        tell(&api, &bearer, "quarantine.read_body", &kept.refused.id).await?;
        let content = Content::open(&api.flow.seal, &kept.refused).map_err(unsealable)?;
        Some(ContentBody::from(content))
    } else {
        None
    };
    Ok(axum::Json(OneRefused {
        refused: RefusedBody::new(kept, &api),
        content,
    }))
}

/// Release a quarantined delivery
///
/// Its signature is verified by the secrets of now, at the time at which it came. If it is right, the
/// delivery is taken like a fresh one, and leaves the quarantine.
#[utoipa::path(
    post, path = "/v1/quarantine/{id}/release", operation_id = "release_quarantined", tag = "quarantine",
    params(("id" = String, Path, description = "The delivery's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "What it was taken for.", body = ReleasedBody), ApiError),
)]
async fn release_one(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    bearer.require_unbound()?;
    query.read()?;
    tell(&api, &bearer, "quarantine.release", &id).await?;
    match api.receiver.release(&id).await? {
        Released::Taken(answer) => Ok(axum::Json(ReleasedBody::new(id, answer)?)),
        Released::Not(why) => Err(refusal(&why)),
    }
}

/// Release a source's quarantined deliveries
///
/// All of them, the oldest first. Those that are still refused stay, each with its reason of today.
#[utoipa::path(
    post, path = "/v1/quarantine/release", operation_id = "release_quarantine", tag = "quarantine",
    request_body = Many,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "What became of them.", body = ReleasedManyBody), ApiError),
)]
async fn release_many(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<Many>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    bearer.require_unbound()?;
    query.read()?;
    let Many { source } = body.read()?;
    if api.flow.sources.get(&source).is_none() {
        let why = "no such source is configured".to_owned();
        return Err(ApiError::invalid([("source".to_owned(), why)].into()));
    }
    tell(
        &api,
        &bearer,
        "quarantine.release",
        &format!("source {source}"),
    )
    .await?;
    let done = api.receiver.release_source(&source).await?;
    Ok(axum::Json(ReleasedManyBody::from(done)))
}

/// Written first: what is done to deliveries must not be done without an entry.
async fn tell(api: &Api, bearer: &Bearer, action: &str, target: &str) -> Result<(), ApiError> {
    let entry = bearer.did(api, action, target, "");
    audit::note(&api.flow.db, entry).await?;
    Ok(())
}

fn refusal(why: &NotReleased) -> ApiError {
    let conflict = |code, message: String| ApiError::new(StatusCode::CONFLICT, code, message);
    match why {
        NotReleased::Gone => ApiError::not_found("quarantined delivery"),
        NotReleased::Refused(refusal) => conflict(
            "still_refused",
            format!("the signature is still refused: {refusal}; mend the source's settings first"),
        ),
        NotReleased::NoSource => conflict("unknown_source", why.to_string()),
        NotReleased::Unsealable(_) => conflict("unsealable", why.to_string()),
    }
}

fn unsealable(error: crate::secret::Unsealable) -> ApiError {
    refusal(&NotReleased::Unsealable(error))
}
