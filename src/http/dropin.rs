//! Other systems' shapes over the same reads, so that clients written for them work unchanged
//! (product contract §8, "Drop-in shapes"). One file an original.
//!
//! What we don't know is null; what is sensitive is absent without its scope. A parameter of the
//! original that we can't honour is answered like one that it does not know: a filter that is
//! passed over would answer with calls that were not asked for.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use super::Api;
use super::auth::Bearer;
use super::conversations::the_one;
use super::error::ApiError;
use crate::page::{Page, PageRequest};
use crate::store::conversations::list::{self, Filter};
use crate::store::conversations::{self, Record};
use crate::store::tokens::Scope;
use crate::{conversation, store};

mod anyreach;
mod elevenlabs;
mod speechify;
mod turns;
mod voiceable;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .merge(speechify::routes())
        .merge(anyreach::routes())
        .merge(voiceable::routes())
        .merge(elevenlabs::routes())
}

/// How an original says that something failed.
trait Original {
    /// The failure in its words.
    fn word(error: ApiError) -> Response;
}

/// Where the originals are that say what failed as a `detail` (`platforms.md` §2.5, §3 and §3b).
/// Speechify says it as we do.
const WITH_DETAIL: [&str; 3] = ["/core", "/api/v1", "/v1/convai"];

/// A failure that no handler answers: of a path, a method or a client that an original has nothing for.
/// Its servers say the status's own phrase; on all other paths it is said as we do.
pub(super) fn plainly(path: &str, error: ApiError) -> Response {
    let is_below = |root: &&str| {
        let rest = path.strip_prefix(*root);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !WITH_DETAIL.iter().any(is_below) {
        return error.into_response();
    }
    let detail = error.status().canonical_reason().unwrap_or_default();
    (
        error.status(),
        error.headers(),
        axum::Json(json!({"detail": detail})),
    )
        .into_response()
}

/// A failed request, as an original's client learns of it.
struct Refusal<O> {
    error: ApiError,
    original: PhantomData<O>,
}

impl<O: Original> IntoResponse for Refusal<O> {
    fn into_response(self) -> Response {
        O::word(self.error)
    }
}

impl<O> From<ApiError> for Refusal<O> {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            original: PhantomData,
        }
    }
}

impl<O> From<store::Error> for Refusal<O> {
    fn from(error: store::Error) -> Self {
        ApiError::from(error).into()
    }
}

/// Who may read calls at all: only they learn what is wrong with their request.
fn reader(bearer: Result<Bearer, ApiError>) -> Result<Bearer, ApiError> {
    let bearer = bearer?;
    bearer.require(Scope::ConversationsRead)?;
    Ok(bearer)
}

/// A page of the calls that the token may see.
async fn page(
    api: &Api,
    bearer: &Bearer,
    mut filter: Filter,
    page: PageRequest,
) -> Result<Page<Record>, ApiError> {
    filter.agents.clone_from(&bearer.0.agents);
    let page = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { list::list(&mut conn, &filter, &page).await }));
    Ok(page.await?)
}

/// The call of an id. Where two platforms gave it, the original's own is meant.
async fn one(api: &Api, bearer: &Bearer, id: String, platform: &str) -> Result<Record, ApiError> {
    let wanted = id.clone();
    let mut records = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::find(&mut conn, &wanted, None).await })
        })
        .await?;
    records.retain(|record| bearer.0.sees(record.conversation.agent_id.as_str()));
    let own = |record: &Record| record.conversation.platform == platform;
    match records.iter().position(own) {
        Some(at) => Ok(records.swap_remove(at)),
        None => the_one(api, bearer, id, None).await,
    }
}

/// A call's whole transcript.
async fn transcript(
    api: &Api,
    record: &Record,
) -> Result<Vec<conversation::Message>, store::Error> {
    let key = record.key();
    api.flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::all_messages(&mut conn, &key).await })
        })
        .await
}

/// Whole seconds of a call, 0 where its length is not known.
fn seconds(call: &conversation::Conversation) -> i64 {
    call.duration_ms.unwrap_or(0) / 1_000
}

/// A name that is not empty.
fn named(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
