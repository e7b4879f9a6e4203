//! Which conversation an id means, among those that the token may see.

use axum::http::StatusCode;
use utoipa::IntoParams;

use crate::erasure::bars;
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params};
use crate::id::{ConversationId, ConversationKey};
use crate::page::PageRequest;
use crate::store::barriers::{self, Kind};
use crate::store::conversations::{self, Record};

/// Which of several conversations with the same id is meant, and which part of it.
#[derive(Debug)]
pub(super) struct PartQuery {
    pub(super) source: Option<String>,
    pub(super) page: PageRequest,
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
pub(super) struct OneQuery {
    pub(super) source: Option<String>,
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
pub(super) struct OneParams {
    /// The source that it came through, where two platforms gave the same id.
    #[param(min_length = 1)]
    source: Option<String>,
}

/// The one conversation of an id that the token may see.
pub(in crate::http) async fn the_one(
    api: &Api,
    bearer: &Bearer,
    id: String,
    source: Option<String>,
) -> Result<Record, ApiError> {
    let wanted = id.clone();
    let mut records = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(
                async move { conversations::find(&mut conn, &wanted, source.as_deref()).await },
            )
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
        None if is_erased(api, &id).await? => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "erased",
            "this conversation was erased, and is kept away",
        )),
        None => Err(ApiError::not_found("conversation")),
    }
}

/// Whether an erasure keeps this call away, whichever of the owners vouches for its id.
async fn is_erased(api: &Api, id: &str) -> Result<bool, ApiError> {
    let Ok(id) = ConversationId::new(id) else {
        return Ok(false);
    };
    let mut hashes: Vec<String> = api
        .flow
        .sources
        .all()
        .map(|source| ConversationKey {
            owner: source.owner.clone(),
            id: id.clone(),
        })
        .flat_map(|key| bars::of_conversation(&api.flow.seal, &key))
        .collect();
    hashes.sort();
    hashes.dedup();
    let erased = api.flow.db.read(move |mut conn| {
        Box::pin(async move {
            let barrier = barriers::get(&mut conn, Kind::Conversation, &hashes).await?;
            Ok(barrier.is_some())
        })
    });
    Ok(erased.await?)
}
