//! `/v1/conversations`: calls as settled, their transcripts, memories and timelines.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{
    ConversationBody, ConversationList, MessageBody, MessageList, StepBody, Timeline, View,
};
use self::filter::{ListParams, ListQuery};
use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::memories::MemoryList;
use super::query::{FromParams, Params, Path, Query};
use crate::page::{Cursor, PageRequest};
use crate::store::conversations::{self, Record, list as listing};
use crate::store::tokens::Scope;
use crate::store::{memories, timeline};

mod body;
mod filter;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(messages))
        .routes(routes!(facts))
        .routes(routes!(steps))
}

/// List conversations
///
/// Newest first. Every filter narrows the list further.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "conversations", params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of conversations.", body = ConversationList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Query(query): Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let ListQuery {
        mut filter,
        with_summary,
        page,
    } = query;
    filter.agents.clone_from(&bearer.0.agents);
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { listing::list(&mut conn, &filter, &page).await })
        })
        .await?;
    let view = View {
        sensitive: bearer.reads_sensitive(),
        row: true,
        summary: with_summary,
    };
    Ok(axum::Json(ConversationList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        conversations: page
            .rows
            .into_iter()
            .map(|record| ConversationBody::new(record, view))
            .collect(),
    }))
}

/// Which of several conversations with the same id is meant, and which part of it.
#[derive(Debug)]
struct PartQuery {
    source: Option<String>,
    page: PageRequest,
}

impl FromParams for PartQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            source: params.word("source"),
            page: params.page(),
        }
    }
}

/// Which of several conversations with the same id is meant.
#[derive(Debug)]
struct OneQuery {
    source: Option<String>,
}

impl FromParams for OneQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            source: params.word("source"),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `OneQuery` reads")]
struct OneParams {
    /// The source that it came through, where two platforms gave the same id.
    source: Option<String>,
}

/// The one conversation of an id that the token may see.
async fn the_one(
    api: &Api,
    bearer: &Bearer,
    id: String,
    source: Option<String>,
) -> Result<Record, ApiError> {
    let mut records = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::find(&mut conn, &id, source.as_deref()).await })
        })
        .await?;
    records.retain(|record| bearer.0.sees(record.conversation.agent_id.as_str()));
    match records.pop() {
        Some(_) if !records.is_empty() => Err(ApiError::new(
            StatusCode::CONFLICT,
            "ambiguous_id",
            "several platforms gave this id; say which with ?source=",
        )),
        Some(record) => Ok(record),
        None => Err(ApiError::not_found("conversation")),
    }
}

/// Read a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}", tag = "conversations",
    params(("id" = String, Path, description = "The platform's id; our own in any case."), OneParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "The conversation.", body = ConversationBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(OneQuery { source }): Query<OneQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let record = the_one(&api, &bearer, id, source).await?;
    let view = View {
        sensitive: bearer.reads_sensitive(),
        row: false,
        summary: true,
    };
    Ok(axum::Json(ConversationBody::new(record, view)))
}

/// Read a conversation's transcript
///
/// Without the scope `conversations:read_sensitive`: who spoke when, not what was said.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, super::query::PageParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of messages.", body = MessageList), ApiError),
)]
async fn messages(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(PartQuery { source, page }): Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let key = the_one(&api, &bearer, id, source).await?.key();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::messages(&mut conn, &key, &page).await })
        })
        .await?;
    let sensitive = bearer.reads_sensitive();
    Ok(axum::Json(MessageList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        messages: page
            .rows
            .into_iter()
            .map(|message| MessageBody::new(message, sensitive))
            .collect(),
    }))
}

/// Read what memory has from a conversation
///
/// Every fact that the conversation is evidence for, current or past.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/memories", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, super::query::PageParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "A page of memories.", body = MemoryList), ApiError),
)]
async fn facts(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(PartQuery { source, page }): Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    let key = the_one(&api, &bearer, id, source).await?.key();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { memories::of_conversation(&mut conn, &key, &page).await })
        })
        .await?;
    Ok(axum::Json(MemoryList::new(page, bearer.reads_sensitive())))
}

/// Read a conversation's way through aftercall
///
/// Received, confirmed, fetched, settled, remembered, delivered: with times and attempts.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/timeline", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, super::query::PageParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of steps.", body = Timeline), ApiError),
)]
async fn steps(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(PartQuery { source, page }): Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let key = the_one(&api, &bearer, id, source).await?.key();
    let page = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { timeline::list(&mut conn, &key, &page).await }))
        .await?;
    Ok(axum::Json(Timeline {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        timeline: page.rows.into_iter().map(StepBody::from).collect(),
    }))
}
