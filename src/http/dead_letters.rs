//! `/v1/dead-letters`: what stages gave up on: by cause, one by one, and back to work.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::body::shown;
use self::body::{Content, DiscardedBody, GroupBody, GroupList, LetterBody, LetterList, OneLetter};
use self::filter::{FilterParams, GroupsQuery, ListQuery, Many, ShowParams, ShowQuery};
use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{Json, PageParams, Path, Query};
use crate::page::Cursor;
use crate::replay;
use crate::store::dead_letters::{self, Kept, State as Fate, list as listing};
use crate::store::tokens::Scope;
use crate::store::{Db, audit};

mod body;
pub(super) mod filter;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(groups))
        .routes(routes!(show))
        .routes(routes!(replay_one))
        .routes(routes!(discard_one))
        .routes(routes!(discard_many))
}

/// List dead letters
///
/// Those that something happened to last come first. Every filter narrows the list further.
#[utoipa::path(
    get, path = "/v1/dead-letters", operation_id = "list_dead_letters", tag = "dead letters",
    params(FilterParams, PageParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "A page of letters.", body = LetterList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    let ListQuery { filter, page } = query.read()?;
    let filter = filter.stored(&api, &bearer);
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { listing::list(&mut conn, &filter, &page).await })
        })
        .await?;
    Ok(axum::Json(LetterList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        dead_letters: page
            .rows
            .into_iter()
            .map(|letter| LetterBody::new(letter, &api))
            .collect(),
    }))
}

/// List the causes of dead letters
///
/// Of the letters that are `dead`, unless `state` says otherwise.
#[utoipa::path(
    get, path = "/v1/dead-letters/groups", operation_id = "list_dead_letter_groups", tag = "dead letters",
    params(FilterParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The causes.", body = GroupList), ApiError),
)]
async fn groups(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<GroupsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    let GroupsQuery(filter) = query.read()?;
    let mut filter = filter.stored(&api, &bearer);
    filter.state.get_or_insert(Fate::Dead);
    let groups = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { listing::groups(&mut conn, &filter).await }))
        .await?;
    Ok(axum::Json(GroupList {
        groups: groups.into_iter().map(GroupBody::from).collect(),
    }))
}

/// Read a dead letter
#[utoipa::path(
    get, path = "/v1/dead-letters/{id}", operation_id = "get_dead_letter", tag = "dead letters",
    params(("id" = String, Path, description = "The letter's id."), ShowParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "The letter.", body = OneLetter), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<ShowQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    let ShowQuery { with_body } = query.read()?;
    if with_body {
        bearer.require(Scope::OpsWrite)?;
    }
    let letter = the_letter(&api.flow.db, &bearer, id).await?;
    let content = if with_body {
        // Written first: what a caller's platform sent is not seen without a trace.
        let entry = bearer.did(&api, "dead_letter.read_body", &letter.id, "");
        audit::note(&api.flow.db, entry).await?;
        Some(Content::open(&letter, &api).map_err(|error| {
            let why = format!("the body can't be opened: it is {error}");
            ApiError::new(StatusCode::CONFLICT, "unsealable", why)
        })?)
    } else {
        None
    };
    Ok(axum::Json(OneLetter {
        letter: LetterBody::new(letter, &api),
        content,
    }))
}

/// Replay a dead letter
///
/// Its message goes back into the queue. Success resolves the letter; failure makes the same letter
/// dead again, with one attempt more. A body that could not be read is read anew; where that still
/// fails, the answer is the letter, still dead, with the cause of today.
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/replay", operation_id = "replay_dead_letter", tag = "dead letters",
    params(("id" = String, Path, description = "The letter's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 202, description = "The letter, as it is now.", body = LetterBody), ApiError),
)]
async fn replay_one(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let letter = the_letter(&api.flow.db, &bearer, id).await?;
    if letter.state == Fate::Resolved {
        let why = "the letter is resolved: its message has succeeded since";
        return Err(ApiError::new(StatusCode::CONFLICT, "already_resolved", why));
    }
    let entry = bearer.did(&api, "dead_letter.replay", &letter.id, "");
    replay::replay_letter(&api.flow, &letter.id, entry).await?;
    let letter = the_letter(&api.flow.db, &bearer, letter.id).await?;
    Ok((
        StatusCode::ACCEPTED,
        axum::Json(LetterBody::new(letter, &api)),
    ))
}

/// Discard a dead letter
///
/// It stays on the list until its retention is over, and can still be replayed.
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/discard", operation_id = "discard_dead_letter", tag = "dead letters",
    params(("id" = String, Path, description = "The letter's id.")),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "The letter, as it is now.", body = LetterBody), ApiError),
)]
async fn discard_one(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let letter = the_letter(&api.flow.db, &bearer, id).await?;
    let entry = bearer.did(&api, "dead_letter.discard", &letter.id, "");
    replay::discard_letter(&api.flow, letter.id.clone(), entry).await?;
    let letter = the_letter(&api.flow.db, &bearer, letter.id).await?;
    if letter.state != Fate::Discarded {
        let why = format!("the letter is {}, not dead", letter.state.as_str());
        return Err(ApiError::new(StatusCode::CONFLICT, "not_dead", why));
    }
    Ok(axum::Json(LetterBody::new(letter, &api)))
}

/// Discard dead letters
///
/// Those of a filter that are `dead`.
#[utoipa::path(
    post, path = "/v1/dead-letters/discard", operation_id = "discard_dead_letters", tag = "dead letters",
    request_body = Many,
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 200, description = "How many they were.", body = DiscardedBody), ApiError),
)]
async fn discard_many(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<Many>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    query.read()?;
    let Many { filter, limit } = body.read()?;
    if filter.state().is_some_and(|state| state != Fate::Dead) {
        let why = "only dead letters can be discarded".to_owned();
        return Err(ApiError::invalid([("filter.state".to_owned(), why)].into()));
    }
    tell(&api, &bearer, "dead_letter.discard", &filter.told()).await?;
    let filter = filter.stored(&api, &bearer);
    let discarded = replay::discard_letters(&api.flow, &filter, limit).await?;
    Ok(axum::Json(DiscardedBody { discarded }))
}

/// The letter of an id, if the token may see it.
async fn the_letter(db: &Db, bearer: &Bearer, id: String) -> Result<Kept, ApiError> {
    let letter = db
        .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
        .await?;
    letter
        .filter(|letter| {
            bearer
                .0
                .sees(letter.agent_id.as_deref().unwrap_or_default())
        })
        .ok_or(ApiError::not_found("dead letter"))
}

/// Written first: what is done to many letters must not be done without an entry.
async fn tell(api: &Api, bearer: &Bearer, action: &str, detail: &str) -> Result<(), ApiError> {
    let entry = bearer.did(api, action, "*", detail);
    audit::note(&api.flow.db, entry).await?;
    Ok(())
}
