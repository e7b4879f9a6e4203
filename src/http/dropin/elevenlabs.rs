//! ElevenLabs' `GET /v1/convai/conversations` and its single read (`platforms.md` §2.3 to §2.5).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::turns::{Turn, turns};
use super::{Original, Refusal, named, one, page, seconds, transcript};
use crate::conversation::{CallSuccess, Conversation, Message, Presence, Status, Transport};
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params, Path, Query, UNKNOWN};
use crate::page::{Cursor, PageRequest};
use crate::store::conversations::Record;
use crate::store::conversations::list::Filter;

/// Whose shapes these are.
pub(super) struct ElevenLabs;

type Answer<T> = Result<T, Refusal<ElevenLabs>>;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
}

impl Original for ElevenLabs {
    /// `{"detail": {"status", "message"}}`, and for parameters FastAPI's list of what is wrong.
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

/// What is wrong with each parameter, as FastAPI says it.
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

/// Its word for where a call stands.
pub(super) fn status(call: &Conversation) -> &'static str {
    match call.status {
        Status::Pending => "initiated",
        Status::Active => "in-progress",
        Status::Completed => "done",
        Status::Failed => "failed",
        Status::Other(_) => "processing",
    }
}

/// Its word for how a call went.
pub(super) fn call_successful(call: &Conversation) -> &str {
    call.call_successful
        .as_ref()
        .map_or("unknown", CallSuccess::as_str)
}

fn direction(call: &Conversation) -> Option<&'static str> {
    match call.transport {
        Transport::SipInbound => Some("inbound"),
        Transport::SipOutbound => Some("outbound"),
        _ => None,
    }
}

/// Unix seconds of the beginning; of the creation where the call never began.
fn start(call: &Conversation) -> i64 {
    call.happened_at().as_secs()
}

/// A row of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Row {
    agent_id: String,
    #[schema(required = true)]
    agent_name: Option<String>,
    #[schema(required = true)]
    branch_id: Option<String>,
    #[schema(required = true)]
    version_id: Option<String>,
    conversation_id: String,
    start_time_unix_secs: i64,
    call_duration_secs: i64,
    message_count: i64,
    /// `initiated`, `in-progress`, `processing`, `done` or `failed`.
    status: &'static str,
    /// Why it ended, in the platform's word.
    #[schema(required = true)]
    termination_reason: Option<String>,
    /// `success`, `failure` or `unknown`.
    call_successful: String,
    /// Only with `summary_mode=include`; absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    transcript_summary: Presence<String>,
    #[schema(required = true)]
    call_summary_title: Option<String>,
    #[schema(required = true)]
    main_language: Option<String>,
    #[schema(required = true)]
    conversation_initiation_source: Option<String>,
    #[schema(required = true)]
    tool_names: Option<Vec<String>>,
    /// `inbound`, `outbound`, or null.
    #[schema(required = true)]
    direction: Option<&'static str>,
    #[schema(required = true)]
    rating: Option<f64>,
}

impl Row {
    pub(super) fn new(call: &Conversation, sensitive: bool, with_summary: bool) -> Self {
        Self {
            agent_id: call.agent_id.to_string(),
            agent_name: call.agent_name.clone(),
            branch_id: None,
            version_id: None,
            conversation_id: call.id.to_string(),
            start_time_unix_secs: start(call),
            call_duration_secs: seconds(call),
            message_count: call.message_count,
            status: status(call),
            termination_reason: reason(call),
            call_successful: call_successful(call).to_owned(),
            transcript_summary: match &call.summary {
                _ if !sensitive => Presence::Absent,
                Some(summary) if with_summary => Presence::Value(summary.clone()),
                _ => Presence::Null,
            },
            call_summary_title: None,
            main_language: None,
            conversation_initiation_source: None,
            tool_names: None,
            direction: direction(call),
            rating: None,
        }
    }
}

fn reason(call: &Conversation) -> Option<String> {
    let settled = || call.end_reason.as_ref().map(ToString::to_string);
    call.end_reason_raw.clone().or_else(settled)
}

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
struct ElevenLabsList {
    conversations: Vec<Row>,
    #[schema(required = true)]
    next_cursor: Option<String>,
    has_more: bool,
}

/// The telephone's side of a call.
#[derive(Debug, Serialize, ToSchema)]
struct PhoneCall {
    /// Always `sip_trunking`.
    #[serde(rename = "type")]
    kind: &'static str,
    direction: &'static str,
    phone_number_id: &'static str,
    agent_number: String,
    external_number: String,
    call_sid: &'static str,
}

impl PhoneCall {
    fn of(call: &Conversation) -> Option<Self> {
        let direction = direction(call)?;
        let (agent, external) = if call.is_outbound() {
            (&call.from_number, &call.to_number)
        } else {
            (&call.to_number, &call.from_number)
        };
        Some(Self {
            kind: "sip_trunking",
            direction,
            phone_number_id: "",
            agent_number: agent.clone().unwrap_or_default(),
            external_number: external.clone().unwrap_or_default(),
            call_sid: "",
        })
    }
}

/// When and how a call was held.
#[derive(Debug, Serialize, ToSchema)]
struct Metadata {
    start_time_unix_secs: i64,
    #[schema(required = true)]
    accepted_time_unix_secs: Option<i64>,
    call_duration_secs: i64,
    #[schema(required = true)]
    cost: Option<i64>,
    #[schema(required = true)]
    phone_call: Option<PhoneCall>,
    termination_reason: String,
    #[schema(required = true)]
    main_language: Option<String>,
}

/// What is thought of a call.
#[derive(Debug, Serialize, ToSchema)]
struct Analysis {
    call_successful: String,
    transcript_summary: String,
    #[schema(value_type = Object)]
    evaluation_criteria_results: Map<String, Value>,
    #[schema(value_type = Object)]
    data_collection_results: Map<String, Value>,
}

/// What the call began with.
#[derive(Debug, Serialize, ToSchema)]
struct InitiationData {
    #[schema(value_type = Object)]
    dynamic_variables: Map<String, Value>,
    #[schema(required = true)]
    user_id: Option<String>,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    agent_id: String,
    #[schema(required = true)]
    agent_name: Option<String>,
    conversation_id: String,
    /// `initiated`, `in-progress`, `processing`, `done` or `failed`.
    status: &'static str,
    #[schema(required = true)]
    user_id: Option<String>,
    /// Empty without the scope `conversations:read_sensitive`.
    transcript: Vec<Turn>,
    metadata: Metadata,
    has_audio: bool,
    has_user_audio: bool,
    has_response_audio: bool,
    /// Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<Analysis>, required = false)]
    analysis: Presence<Analysis>,
    /// Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<InitiationData>, required = false)]
    conversation_initiation_client_data: Presence<InitiationData>,
}

impl Detail {
    /// A call with its transcript; none of what is sensitive without one.
    pub(super) fn new(call: &Conversation, messages: Option<Vec<Message>>) -> Self {
        let sensitive = messages.is_some();
        let has_audio = call.recording_url.is_some();
        Self {
            agent_id: call.agent_id.to_string(),
            agent_name: call.agent_name.clone(),
            conversation_id: call.id.to_string(),
            status: status(call),
            user_id: named(&call.caller_identity),
            transcript: turns(messages.unwrap_or_default(), call.happened_at()),
            metadata: Metadata {
                start_time_unix_secs: start(call),
                accepted_time_unix_secs: call.started_at.map(|at| at.as_secs()),
                call_duration_secs: seconds(call),
                cost: call.cost_cents,
                phone_call: PhoneCall::of(call),
                termination_reason: reason(call).unwrap_or_default(),
                main_language: None,
            },
            has_audio,
            has_user_audio: has_audio,
            has_response_audio: has_audio,
            analysis: if sensitive {
                analysis(call)
            } else {
                Presence::Absent
            },
            conversation_initiation_client_data: if sensitive {
                Presence::Value(InitiationData {
                    dynamic_variables: variables(call),
                    user_id: named(&call.caller_identity),
                })
            } else {
                Presence::Absent
            },
        }
    }
}

/// The customer's variables of this call, without those that the platform makes.
fn variables(call: &Conversation) -> Map<String, Value> {
    let mut variables = call.dynamic_variables.value().cloned().unwrap_or_default();
    variables.retain(|name, _| !name.starts_with("system__"));
    variables
}

fn analysis(call: &Conversation) -> Presence<Analysis> {
    if call.summary.is_none() && call.call_successful.is_none() {
        return Presence::Null;
    }
    Presence::Value(Analysis {
        call_successful: call_successful(call).to_owned(),
        transcript_summary: call.summary.clone().unwrap_or_default(),
        evaluation_criteria_results: Map::new(),
        data_collection_results: Map::new(),
    })
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
    query: Result<Query<ListQuery>, ApiError>,
) -> Answer<impl IntoResponse> {
    let bearer = bearer?;
    let Query(query) = query?;
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
    query: Result<Query<FormatQuery>, ApiError>,
) -> Answer<impl IntoResponse> {
    let bearer = bearer?;
    let (Path(id), Query(FormatQuery)) = (path?, query?);
    let record = one(&api, &bearer, id, "elevenlabs").await?;
    Ok(axum::Json(detail(&api, &bearer, &record).await?))
}
