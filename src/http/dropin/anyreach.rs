//! Anyreach's `GET /core/conversations` and its single read (the second source document and
//! `platforms.md` §3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Original, Refusal, named, one, page, reader, transcript};
use crate::conversation::{Conversation, Message, Status, Transport};
use crate::end_reason::EndReason;
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params, Path, Query};
use crate::page::{Cursor, PageRequest};
use crate::store::conversations::Record;
use crate::store::conversations::list::Filter;
use crate::time::Timestamp;

/// Whose shapes these are.
pub(super) struct Anyreach;

type Answer<T> = Result<T, Refusal<Anyreach>>;

/// The answer is a plain array: where the next page begins stands beside it.
const NEXT: HeaderName = HeaderName::from_static("x-next-cursor");

/// Rows a page unless told, and at the most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

const STATUSES: [&str; 9] = [
    "token_created",
    "triggered",
    "ringing",
    "in_progress",
    "completed",
    "failed",
    "cancelled",
    "transferred",
    "unanswered",
];

/// Those of the states in which a call is over: what the platform's own word may be.
const OVER: [&str; 5] = [
    "completed",
    "failed",
    "cancelled",
    "transferred",
    "unanswered",
];

const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// What cursors are written in.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, PADDING);

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
}

impl Original for Anyreach {
    /// `{"detail": "<sentence>"}`
    fn word(error: ApiError) -> Response {
        let detail = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => wrong(&error),
            StatusCode::NOT_FOUND => "Conversation not found".to_owned(),
            _ => error.message().to_owned(),
        };
        (
            error.status(),
            error.headers(),
            axum::Json(json!({"detail": detail})),
        )
            .into_response()
    }
}

fn wrong(error: &ApiError) -> String {
    let wrong = error.fields().iter();
    let wrong: Vec<_> = wrong.map(|(name, why)| format!("{name} {why}")).collect();
    wrong.join("; ")
}

#[derive(Debug)]
struct ListQuery {
    filter: Filter,
    page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        let direction = params.one_of("direction", &["inbound", "outbound"]);
        let channel = params.one_of("channel", &["telephone", "webrtc", "email", "text"]);
        let secs = |secs: i64| secs.saturating_mul(1_000);
        let size = params.read("limit", "must be a whole number from 1 to 100", |text| {
            text.parse()
                .ok()
                .filter(|size| (1..=MAX_LIMIT).contains(size))
        });
        Self {
            filter: Filter {
                transports: transports(direction.as_deref(), channel.as_deref()),
                anyreach_status: params.one_of("status", &STATUSES),
                caller_part: part(params, "user_id"),
                agent_id: params.word("agent_id").map(|id| crate::id::canonical(&id)),
                line_part: part(params, "agent_number"),
                duration_min_ms: params.count("duration_above").map(secs),
                duration_max_ms: params
                    .count("duration_below")
                    .map(|most| secs(most).saturating_add(999)),
                turns_min: params.count("user_turn_count_above"),
                turns_max: params.count("user_turn_count_below"),
                ..Filter::default()
            },
            page: PageRequest {
                size: size.unwrap_or(LIMIT),
                after: params.read(
                    "cursor",
                    "must be the Base64 of the last item's created_at",
                    cursor,
                ),
            },
        }
    }
}

/// A part of a text; empty, it narrows nothing.
fn part(params: &mut Params, name: &str) -> Option<String> {
    let text = params.caller(name).filter(|text| !text.is_empty())?;
    if text.chars().count() > 256 {
        params.refuse(name, "must be at most 256 characters");
    }
    Some(text)
}

/// Base64 of the last row's `created_at`; with `|` and its id behind, rows created at the same time
/// are neither skipped nor repeated.
fn cursor(text: &str) -> Option<Cursor> {
    let bytes = BASE64.decode(text).or_else(|_| BASE64_URL.decode(text));
    let text = String::from_utf8(bytes.ok()?).ok()?;
    let (at, id) = text.split_once('|').unwrap_or((&text, ""));
    Some(Cursor {
        at: at.parse().ok()?,
        id: crate::id::canonical(id),
    })
}

fn next_cursor(last: &Conversation) -> String {
    BASE64.encode(format!("{}|{}", last.created_at, last.id))
}

/// Every transport that we have, and its direction and channel.
const TRANSPORTS: [(&str, &str, &str); 7] = [
    ("sip_inbound", "inbound", "telephone"),
    ("sip_outbound", "outbound", "telephone"),
    ("phone", "inbound", "telephone"),
    ("web", "inbound", "webrtc"),
    ("whatsapp", "inbound", "text"),
    ("text", "inbound", "text"),
    ("email", "inbound", "email"),
];

/// The transports of a direction and a channel; empty where both are open.
fn transports(direction: Option<&str>, channel: Option<&str>) -> Vec<String> {
    if direction.is_none() && channel.is_none() {
        return Vec::new();
    }
    let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
    let mut found: Vec<String> = TRANSPORTS
        .iter()
        .filter(|(_, towards, over)| fits(direction, towards) && fits(channel, over))
        .map(|(transport, _, _)| (*transport).to_owned())
        .collect();
    // An empty list would mean all, where none fits.
    if found.is_empty() {
        found.push(String::new());
    }
    found
}

fn kind(transport: &Transport) -> Option<(&'static str, &'static str)> {
    TRANSPORTS
        .iter()
        .find(|(name, _, _)| *name == transport.as_str())
        .map(|(_, direction, channel)| (*direction, *channel))
}

/// Its word for where a call stands. The list's filter says the same to the database.
fn status(call: &Conversation) -> Option<String> {
    let own = call.end_reason_raw.as_deref();
    let own = own.filter(|raw| call.platform == "anyreach" && OVER.contains(raw));
    if let Some(own) = own {
        return Some(own.to_owned());
    }
    let word = match (&call.status, &call.end_reason) {
        (Status::Pending, _) if call.transport == Transport::Web => "token_created",
        (Status::Pending, _) => "triggered",
        (Status::Active, _) => "in_progress",
        (Status::Completed | Status::Failed, Some(EndReason::Transferred)) => "transferred",
        (Status::Failed, Some(EndReason::DialNoAnswer)) => "unanswered",
        (Status::Completed, _) => "completed",
        (Status::Failed, _) => "failed",
        (Status::Other(_), _) => return None,
    };
    Some(word.to_owned())
}

/// A call, in a list and alone.
#[derive(Debug, Serialize, ToSchema)]
struct AnyreachBody {
    id: String,
    #[schema(required = true)]
    organization_id: Option<String>,
    /// `inbound` or `outbound`.
    #[schema(required = true)]
    direction: Option<&'static str>,
    /// `telephone`, `webrtc`, `email` or `text`.
    #[schema(required = true)]
    channel: Option<&'static str>,
    /// `token_created`, `triggered`, `ringing`, `in_progress`, `completed`, `failed`, `cancelled`,
    /// `transferred` or `unanswered`.
    #[schema(required = true)]
    status: Option<String>,
    #[schema(required = true)]
    user_id: Option<String>,
    agent_id: String,
    #[schema(required = true)]
    agent_version_id: Option<String>,
    #[schema(required = true)]
    agent_number: Option<String>,
    #[schema(required = true)]
    web_widget_id: Option<String>,
    /// Seconds.
    #[schema(required = true)]
    duration: Option<i64>,
    #[schema(required = true)]
    user_turn_count: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[serde(flatten)]
    #[schema(value_type = SensitiveAnyreachBody)]
    sensitive: Option<SensitiveAnyreachBody>,
}

/// Absent without the scope `conversations:read_sensitive`.
#[derive(Debug, Serialize, ToSchema)]
struct SensitiveAnyreachBody {
    /// The agent's id and name.
    #[schema(value_type = Object, required = false)]
    agent: Value,
    #[schema(required = false)]
    summary: Option<String>,
    #[schema(required = false)]
    initial_context: Option<String>,
    #[schema(value_type = Object, required = false)]
    custom_metadata: Map<String, Value>,
    /// The transcript, as `messages`.
    #[schema(value_type = Object, required = false)]
    conversation: Value,
    /// Where the recording lies, and when it began; null without one.
    #[schema(value_type = Option<Object>, required = false)]
    recording_details: Option<Value>,
}

impl AnyreachBody {
    fn new(record: Record, messages: Option<Vec<Message>>) -> Self {
        let updated_at = record.updated_at;
        let call = record.conversation;
        // What Anyreach said of its own calls beyond our model.
        let own = |name: &str| match call.platform_fields.get(name) {
            Some(Value::String(text)) if call.platform == "anyreach" => Some(text.clone()),
            _ => None,
        };
        let line = if call.is_outbound() {
            &call.from_number
        } else {
            &call.to_number
        };
        Self {
            organization_id: own("organization_id"),
            direction: kind(&call.transport).map(|(direction, _)| direction),
            channel: kind(&call.transport).map(|(_, channel)| channel),
            status: status(&call),
            user_id: named(&call.caller_identity),
            agent_version_id: own("agent_version_id"),
            agent_number: line.clone(),
            web_widget_id: own("web_widget_id"),
            duration: call.duration_ms.map(|ms| ms / 1_000),
            user_turn_count: call.user_turn_count,
            created_at: call.created_at,
            updated_at,
            sensitive: messages.map(|messages| {
                SensitiveAnyreachBody {
                agent: json!({"id": call.agent_id, "name": call.agent_name}),
                initial_context: own("initial_context"),
                conversation: json!({"messages": messages}),
                recording_details: call.recording_url.as_ref().map(|url| {
                    json!({"recording_url": url, "recording_started_at": call.recording_started_at})
                }),
                summary: call.summary.clone(),
                custom_metadata: call.metadata.clone(),
            }
            }),
            id: call.id.into(),
            agent_id: call.agent_id.into(),
        }
    }
}

/// A call with what of it the token may see.
async fn body(api: &Api, bearer: &Bearer, record: Record) -> Result<AnyreachBody, ApiError> {
    let messages = if bearer.reads_sensitive() {
        Some(transcript(api, &record).await?)
    } else {
        None
    };
    Ok(AnyreachBody::new(record, messages))
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Who initiated the conversation.
    #[param(pattern = "^(inbound|outbound)$")]
    direction: Option<String>,
    /// Over what.
    #[param(pattern = "^(telephone|webrtc|email|text)$")]
    channel: Option<String>,
    /// Where it stands.
    #[param(
        pattern = "^(token_created|triggered|ringing|in_progress|completed|failed|cancelled|transferred|unanswered)$"
    )]
    status: Option<String>,
    /// A part of the caller's identity.
    user_id: Option<String>,
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// A part of the agent's number.
    agent_number: Option<String>,
    /// So many seconds at least.
    duration_above: Option<u64>,
    /// So many seconds at most.
    duration_below: Option<u64>,
    /// So many user turns at least.
    user_turn_count_above: Option<u64>,
    /// So many user turns at most.
    user_turn_count_below: Option<u64>,
    /// Rows a page.
    #[param(default = 50, minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Base64 of the last row's `created_at`; with `|` and its id behind, rows created at the same
    /// time are neither skipped nor repeated. `X-Next-Cursor` has it.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List conversations, as Anyreach does
///
/// Newest first. A page of fewer rows than `limit` is the last.
#[utoipa::path(
    get, path = "/core/conversations", operation_id = "anyreach_list_conversations", tag = "drop-in",
    params(ListParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses(
        (status = 200, description = "A page of conversations.", body = Vec<AnyreachBody>,
         headers(("x-next-cursor" = Option<String>, description = "Where the next page begins; absent on the last."))),
        (status = "default", description = "The request failed, as Anyreach says it.", body = serde_json::Value),
    ),
)]
async fn list(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let query = query.read()?;
    let found = page(&api, &bearer, query.filter, query.page).await?;
    let last = found
        .rows
        .last()
        .map(|last| next_cursor(&last.conversation));
    let next = last.filter(|_| found.next.is_some());
    let mut rows = Vec::with_capacity(found.rows.len());
    for record in found.rows {
        rows.push(body(&api, &bearer, record).await?);
    }
    let headers = next.map(|next| [(NEXT, next)]);
    let response = axum::Json(rows).into_response();
    Ok(match headers {
        Some(headers) => (headers, response).into_response(),
        None => response,
    })
}

/// Read a conversation, as Anyreach does
#[utoipa::path(
    get, path = "/core/conversations/{conversation_id}", operation_id = "anyreach_get_conversation", tag = "drop-in",
    params(("conversation_id" = String, Path, description = "The conversation's id.")),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses(
        (status = 200, description = "The conversation.", body = AnyreachBody),
        (status = "default", description = "The request failed, as Anyreach says it.", body = serde_json::Value),
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
    let record = one(&api, &bearer, id, "anyreach").await?;
    Ok(axum::Json(body(&api, &bearer, record).await?))
}
