//! `/v1/conversations`: calls as settled, their transcripts, memories and timelines.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{
    ConversationBody, ConversationList, MessageBody, MessageList, Queued, Receipt, StepBody,
    StepList, View,
};
use self::filter::{ListParams, ListQuery};
use self::the_one::{OneParams, OneQuery, PartQuery};
use super::Api;
use super::auth::Bearer;
use super::deliveries::DeliveryList;
use super::error::ApiError;
use super::memories::MemoryList;
use super::query::{PageParams, Path, Query};
use crate::erasure;
use crate::page::Cursor;
use crate::replay;
use crate::store::conversations::{self, list as listing};
use crate::store::deliveries::list as deliveries;
use crate::store::tokens::Scope;
use crate::store::{memories, timeline};

pub(super) mod body;
mod filter;
mod the_one;

pub(super) use filter::prefix;
pub(super) use the_one::the_one;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(messages))
        .routes(routes!(facts))
        .routes(routes!(steps))
        .routes(routes!(sent))
        .routes(routes!(reprocess))
}

/// List conversations
///
/// Newest first. Every filter narrows the list further.
#[utoipa::path(
    get, path = "/v1/conversations", operation_id = "list_conversations", tag = "conversations", params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of conversations.", body = ConversationList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let query = query.read()?;
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

/// Read a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}", operation_id = "get_conversation", tag = "conversations",
    params(("id" = String, Path, description = "The platform's id; our own in any case."), OneParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "The conversation.", body = ConversationBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<OneQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let OneQuery { source } = query.read()?;
    let record = the_one(&api, &bearer, id, source).await?;
    let view = View {
        sensitive: bearer.reads_sensitive(),
        row: false,
        summary: true,
    };
    Ok(axum::Json(ConversationBody::new(record, view)))
}

/// Erase a conversation
///
/// With its transcript, its results, and what memory had from it alone; and keep it from coming
/// back. Platforms and CRMs keep their own copies.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}", operation_id = "erase_conversation", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 200, description = "What was erased.", body = Receipt), ApiError),
)]
async fn delete(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<OneQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    let OneQuery { source } = query.read()?;
    let key = the_one(&api, &bearer, id, source).await?.key();
    let id = key.id.to_string();
    let entry = bearer.did(&api, "conversation.erase", &id, "");
    let receipt = erasure::erase_conversation(&api.flow, key, entry).await?;
    Ok(axum::Json(Receipt::new(id, &receipt)))
}

/// Read a conversation's transcript
///
/// Without the scope `conversations:read_sensitive`: who spoke when, not what was said.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages", operation_id = "list_messages", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, PageParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of messages.", body = MessageList), ApiError),
)]
async fn messages(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let PartQuery { source, page } = query.read()?;
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
    get, path = "/v1/conversations/{id}/memories", operation_id = "list_conversation_memories", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, PageParams),
    security(("bearer" = ["memories:read"]), ("key" = ["memories:read"])),
    responses((status = 200, description = "A page of memories.", body = MemoryList), ApiError),
)]
async fn facts(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::MemoriesRead)?;
    let PartQuery { source, page } = query.read()?;
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
    get, path = "/v1/conversations/{id}/timeline", operation_id = "get_timeline", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, PageParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of steps.", body = StepList), ApiError),
)]
async fn steps(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let PartQuery { source, page } = query.read()?;
    let key = the_one(&api, &bearer, id, source).await?.key();
    let page = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { timeline::list(&mut conn, &key, &page).await }))
        .await?;
    Ok(axum::Json(StepList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        timeline: page.rows.into_iter().map(StepBody::from).collect(),
    }))
}

/// Read what was sent of a conversation
///
/// Every event of it, to every endpoint, with the attempts.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/deliveries", operation_id = "list_conversation_deliveries", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams, PageParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList), ApiError),
)]
async fn sent(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<PartQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let PartQuery { source, page } = query.read()?;
    let filter = deliveries::Filter {
        key: Some(the_one(&api, &bearer, id, source).await?.key()),
        agents: bearer.0.agents.clone(),
        ..deliveries::Filter::default()
    };
    let now = api.flow.host.now();
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { deliveries::with_attempts(&mut conn, &filter, &page, now).await })
        })
        .await?;
    Ok(axum::Json(DeliveryList::new(
        page,
        bearer.reads_sensitive(),
    )))
}

/// Reprocess a conversation
///
/// It is fetched, settled, remembered and, where it differs, delivered anew. What does not differ
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/reprocess", operation_id = "reprocess_conversation", tag = "conversations",
    params(("id" = String, Path, description = "The conversation's id."), OneParams),
    security(("bearer" = ["ops:write"]), ("key" = ["ops:write"])),
    responses((status = 202, description = "It is in the queue.", body = Queued), ApiError),
)]
async fn reprocess(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<OneQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsWrite)?;
    let OneQuery { source } = query.read()?;
    let record = the_one(&api, &bearer, id, source).await?;
    let id = record.conversation.id.to_string();
    let entry = bearer.did(&api, "conversation.reprocess", &id, "");
    match replay::reprocess(&api.flow, &record, entry).await? {
        Ok(()) => Ok((
            StatusCode::ACCEPTED,
            axum::Json(Queued { id, queued: true }),
        )),
        Err(why) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "cannot_reprocess",
            why.to_string(),
        )),
    }
}
