//! Voiceable's `GET /api/v1/conversations` and its single read (`platforms.md` §3b): ElevenLabs' list
//! under other names.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::elevenlabs::{self, Detail, Row, call_successful, detail, wrong_parameters};
use super::{Original, Refusal, one, page, reader};
use crate::conversation::{Conversation, Presence};
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params, Path, Query};
use crate::page::Cursor;
use crate::time::Timestamp;

/// Whose shapes these are.
pub(super) struct Voiceable;

type Answer<T> = Result<T, Refusal<Voiceable>>;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
}

impl Original for Voiceable {
    /// `{"detail": …}`: a sentence, and for parameters `FastAPI`'s list of what is wrong.
    fn word(error: ApiError) -> Response {
        let detail = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => wrong_parameters(&error),
            StatusCode::UNAUTHORIZED => json!("Invalid API key"),
            StatusCode::NOT_FOUND => json!("Conversation not found"),
            _ => json!(error.message()),
        };
        (
            error.status(),
            error.headers(),
            axum::Json(json!({"detail": detail})),
        )
            .into_response()
    }
}

#[derive(Debug)]
struct ListQuery(elevenlabs::ListQuery);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self(elevenlabs::ListQuery::shared(params))
    }
}

/// A row of the list.
#[derive(Debug, Serialize, ToSchema)]
struct VoiceableRow {
    #[serde(flatten)]
    row: Row,
    /// When the conversation started.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
struct VoiceableList {
    conversations: Vec<VoiceableRow>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    cursor: Option<String>,
    has_more: bool,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
struct VoiceableDetail {
    #[serde(flatten)]
    detail: Detail,
    /// When the conversation started.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// `success`, `failure` or `unknown`.
    call_successful: String,
    /// Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    transcript_summary: Presence<String>,
}

impl VoiceableDetail {
    fn new(call: &Conversation, detail: Detail, sensitive: bool) -> Self {
        Self {
            detail,
            created_at: call.created_at,
            call_successful: call_successful(call).to_owned(),
            transcript_summary: match &call.summary {
                _ if !sensitive => Presence::Absent,
                Some(summary) => Presence::Value(summary.clone()),
                None => Presence::Null,
            },
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only with this success.
    #[param(pattern = "^(success|failure|unknown)$")]
    call_successful: Option<String>,
    /// Only begun then or later, in Unix seconds.
    call_start_after_unix: Option<i64>,
    /// Only begun before, in Unix seconds.
    call_start_before_unix: Option<i64>,
    /// Only of this caller.
    user_id: Option<String>,
    /// `exclude` leaves summaries out.
    #[param(default = "include", pattern = "^(include|exclude)$")]
    summary_mode: Option<String>,
    /// Rows a page.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// `cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List conversations, as Voiceable does
#[utoipa::path(
    get, path = "/api/v1/conversations", operation_id = "voiceable_list_conversations", tag = "drop-in",
    params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses(
        (status = 200, description = "A page of conversations.", body = VoiceableList),
        (status = "default", description = "The request failed, as Voiceable says it.", body = serde_json::Value),
    ),
)]
async fn list(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let ListQuery(query) = query.read()?;
    let with_summary = query.with_summary.unwrap_or(true);
    let found = page(&api, &bearer, query.filter, query.page).await?;
    let sensitive = bearer.reads_sensitive();
    Ok(axum::Json(VoiceableList {
        cursor: found.next.as_ref().map(Cursor::encode),
        has_more: found.next.is_some(),
        conversations: found
            .rows
            .iter()
            .map(|record| VoiceableRow {
                row: Row::new(&record.conversation, sensitive, with_summary),
                created_at: record.conversation.created_at,
            })
            .collect(),
    }))
}

/// Read a conversation, as Voiceable does
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", operation_id = "voiceable_get_conversation", tag = "drop-in",
    params(("id" = String, Path, description = "The conversation's id.")),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses(
        (status = 200, description = "The conversation.", body = VoiceableDetail),
        (status = "default", description = "The request failed, as Voiceable says it.", body = serde_json::Value),
    ),
)]
async fn show(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, ApiError>,
    query: Query<()>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let Path(id) = path?;
    query.read()?;
    let record = one(&api, &bearer, id, "voiceable").await?;
    let found = detail(&api, &bearer, &record).await?;
    let sensitive = bearer.reads_sensitive();
    let call = &record.conversation;
    Ok(axum::Json(VoiceableDetail::new(call, found, sensitive)))
}
