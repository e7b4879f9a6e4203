//! ElevenLabs' `GET /v1/convai/conversations` and its single read (`platforms.md` §2.3 to §2.5).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::shape::{Detail, Row, call_successful};
use super::{Original, Refusal, one, page, reader, transcript};
use crate::conversation::CallSuccess;
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params, Path, Query, UNKNOWN};
use crate::page::{Cursor, PageRequest};
use crate::store::conversations::Record;
use crate::store::conversations::list::Filter;

mod shape;

/// Whose shapes these are.
pub(super) struct ElevenLabs;

type Answer<T> = Result<T, Refusal<ElevenLabs>>;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
}

impl Original for ElevenLabs {
    /// `{"detail": {"status", "message"}}`, and for parameters `FastAPI`'s list of what is wrong.
    fn word(error: ApiError) -> Response {
        let detail = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => wrong_parameters(&error),
            StatusCode::UNAUTHORIZED => {
                json!({"status": "invalid_api_key", "message": "Invalid API key"})
            }
            StatusCode::FORBIDDEN => {
                json!({"status": "missing_permissions", "message": error.message()})
            }
            StatusCode::NOT_FOUND => json!({
                "status": "conversation_not_found", "message": "Conversation not found.",
            }),
            _ => json!({"status": error.code(), "message": error.message()}),
        };
        (
            error.status(),
            error.headers(),
            axum::Json(json!({"detail": detail})),
        )
            .into_response()
    }
}

/// What is wrong with each parameter, as `FastAPI` says it.
pub(super) fn wrong_parameters(error: &ApiError) -> Value {
    error
        .fields()
        .iter()
        .map(|(name, why)| {
            let (kind, message) = match why.as_str() {
                UNKNOWN => ("extra_forbidden", "Extra inputs are not permitted"),
                why => ("value_error", why),
            };
            json!({"type": kind, "loc": ["query", name], "msg": message})
        })
        .collect()
}

/// What a list asks for.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: Filter,
    pub(super) with_summary: Option<bool>,
    pub(super) page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        let mut read = Self::shared(params);
        let seconds = |secs: i64| secs.saturating_mul(1_000);
        read.filter.duration_min_ms = params.count("call_duration_min_secs").map(seconds);
        let most = params.count("call_duration_max_secs");
        read.filter.duration_max_ms = most.map(|secs| seconds(secs).saturating_add(999));
        for status in params.all("exclude_statuses") {
            match ours(&status) {
                Some(status) => read.filter.not_statuses.extend(status.map(str::to_owned)),
                None => params.refuse(
                    "exclude_statuses",
                    "must be one of initiated, in-progress, processing, done, failed",
                ),
            }
        }
        read
    }
}

impl ListQuery {
    /// The parameters that Voiceable has, too.
    pub(super) fn shared(params: &mut Params) -> Self {
        Self {
            filter: Filter {
                agent_id: params.word("agent_id").map(|id| crate::id::canonical(&id)),
                call_successful: params.one_of("call_successful", CallSuccess::KNOWN),
                started_from: params.unix_time("call_start_after_unix"),
                started_before: params.unix_time("call_start_before_unix"),
                caller_identity: params.caller("user_id"),
                ..Filter::default()
            },
            with_summary: params
                .one_of("summary_mode", &["include", "exclude"])
                .map(|mode| mode == "include"),
            page: params.page(),
        }
    }
}

/// Our words for one of its statuses; it has one that no call here stands in.
fn ours(status: &str) -> Option<std::option::IntoIter<&'static str>> {
    let word = match status {
        "initiated" => Some("pending"),
        "in-progress" => Some("active"),
        "processing" => None,
        "done" => Some("completed"),
        "failed" => Some("failed"),
        _ => return None,
    };
    Some(word.into_iter())
}

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
struct ElevenLabsList {
    conversations: Vec<Row>,
    #[schema(required = true)]
    next_cursor: Option<String>,
    has_more: bool,
}

/// A call with what of it the token may see.
pub(super) async fn detail(
    api: &Api,
    bearer: &Bearer,
    record: &Record,
) -> Result<Detail, ApiError> {
    let messages = if bearer.reads_sensitive() {
        Some(transcript(api, record).await?)
    } else {
        None
    };
    Ok(Detail::new(&record.conversation, messages))
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
    /// Only this long, or longer.
    call_duration_min_secs: Option<u64>,
    /// Only this long, or shorter.
    call_duration_max_secs: Option<u64>,
    /// Only of this caller.
    user_id: Option<String>,
    /// Only where the call does not stand so.
    exclude_statuses: Option<Vec<String>>,
    /// `include` shows summaries.
    #[param(default = "exclude", pattern = "^(include|exclude)$")]
    summary_mode: Option<String>,
    /// Rows a page.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Nothing but `format=json` can be asked for.
#[derive(Debug)]
struct FormatQuery;

impl FromParams for FormatQuery {
    fn from_params(params: &mut Params) -> Self {
        params.one_of("format", &["json"]);
        Self
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `FormatQuery` reads")]
struct FormatParams {
    /// `json`, which is the only one.
    #[param(pattern = "^json$")]
    format: Option<String>,
}

/// List conversations, as ElevenLabs does
#[utoipa::path(
    get, path = "/v1/convai/conversations", operation_id = "elevenlabs_list_conversations", tag = "drop-in",
    params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"]), ("xi" = ["conversations:read"])),
    responses(
        (status = 200, description = "A page of conversations.", body = ElevenLabsList),
        (status = "default", description = "The request failed, as ElevenLabs says it.", body = serde_json::Value),
    ),
)]
async fn list(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let query = query.read()?;
    let with_summary = query.with_summary.unwrap_or(false);
    let found = page(&api, &bearer, query.filter, query.page).await?;
    let sensitive = bearer.reads_sensitive();
    Ok(axum::Json(ElevenLabsList {
        next_cursor: found.next.as_ref().map(Cursor::encode),
        has_more: found.next.is_some(),
        conversations: found
            .rows
            .iter()
            .map(|record| Row::new(&record.conversation, sensitive, with_summary))
            .collect(),
    }))
}

/// Read a conversation, as ElevenLabs does
#[utoipa::path(
    get, path = "/v1/convai/conversations/{id}", operation_id = "elevenlabs_get_conversation", tag = "drop-in",
    params(("id" = String, Path, description = "The conversation's id."), FormatParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"]), ("xi" = ["conversations:read"])),
    responses(
        (status = 200, description = "The conversation.", body = Detail),
        (status = "default", description = "The request failed, as ElevenLabs says it.", body = serde_json::Value),
    ),
)]
async fn show(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, ApiError>,
    query: Query<FormatQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let Path(id) = path?;
    query.read()?;
    let record = one(&api, &bearer, id, "elevenlabs").await?;
    Ok(axum::Json(detail(&api, &bearer, &record).await?))
}
