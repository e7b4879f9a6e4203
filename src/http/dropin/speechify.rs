//! Speechify's `GET /v1/agents/conversations` and its parts (`platforms.md` §4.1).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Original, Refusal, one, page, reader};
use crate::conversation::{Status, Transport};
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::conversations::body::{
    ConversationBody, ConversationList, MessageBody, MessageList, View,
};
use crate::http::conversations::prefix;
use crate::http::error::ApiError;
use crate::http::query::{FromParams, Params, Path, Query};
use crate::page::{Cursor, PageRequest};
use crate::store::conversations;
use crate::store::conversations::list::Filter;

/// Whose shapes these are.
pub(super) struct Speechify;

type Answer<T> = Result<T, Refusal<Speechify>>;

/// The fields of the first source document; what we know beyond them is on our own routes.
const FIELDS: [&str; 24] = [
    "id",
    "agent_id",
    "room_name",
    "room_sid",
    "status",
    "transport",
    "created_at",
    "metadata",
    "message_count",
    "started_at",
    "ended_at",
    "duration_ms",
    "cost_cents",
    "recording_url",
    "recording_started_at",
    "end_reason",
    "caller_identity",
    "from_number",
    "to_number",
    "agent_snapshot",
    "dynamic_variables",
    "ivr_menu_id",
    "ivr_path_taken",
    "ivr_surrender_reason",
];

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(messages))
}

impl Original for Speechify {
    /// Its envelope is ours, its codes are not.
    fn word(error: ApiError) -> Response {
        let worded = match error.status() {
            StatusCode::NOT_FOUND => error.worded(
                StatusCode::NOT_FOUND,
                "conversation_not_found",
                "The conversation does not exist or is not accessible to this workspace.",
            ),
            StatusCode::UNPROCESSABLE_ENTITY => {
                let message = error.message().to_owned();
                error.worded(StatusCode::BAD_REQUEST, "validation_failed", message)
            }
            _ => error,
        };
        worded.into_response()
    }
}

#[derive(Debug)]
struct ListQuery {
    filter: Filter,
    page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        let search = prefix(params, "search");
        Self {
            filter: Filter {
                agent_id: params.word("agent_id").map(|id| crate::id::canonical(&id)),
                status: params.one_of("status", Status::KNOWN),
                transport: params.one_of("transport", Transport::KNOWN),
                caller_identity: params.caller("caller_identity"),
                started_from: params.time("started_after"),
                started_before: params.time("started_before"),
                duration_min_ms: params.count("duration_min_ms"),
                duration_max_ms: params.count("duration_max_ms"),
                prefix: prefix(params, "q").or(search),
                ..Filter::default()
            },
            page: limit(params),
        }
    }
}

/// `limit`, 50 unless told and at most 200, and `cursor`.
fn limit(params: &mut Params) -> PageRequest {
    let size = params.read("limit", "must be a whole number from 1 to 200", |text| {
        text.parse().ok().filter(|size| (1..=200).contains(size))
    });
    PageRequest {
        size: size.unwrap_or(50),
        ..params.page_after()
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `limit` reads")]
struct LimitParams {
    /// Rows a page.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
struct ListParams {
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only where the call stands so.
    #[param(pattern = "^(pending|active|completed|failed)$")]
    status: Option<String>,
    /// Only over this transport.
    #[param(pattern = "^(web|phone|whatsapp|sip_inbound|sip_outbound)$")]
    transport: Option<String>,
    /// Only of this caller.
    caller_identity: Option<String>,
    /// Only begun then or later.
    #[param(format = DateTime)]
    started_after: Option<String>,
    /// Only begun before.
    #[param(format = DateTime)]
    started_before: Option<String>,
    /// Only this long, or longer.
    duration_min_ms: Option<u64>,
    /// Only this long, or shorter.
    duration_max_ms: Option<u64>,
    /// What an id, a caller, a number or an agent begins with.
    #[param(max_length = 256)]
    q: Option<String>,
    /// The older name of `q`.
    #[param(max_length = 256)]
    search: Option<String>,
}

#[derive(Debug)]
struct LimitQuery(PageRequest);

impl FromParams for LimitQuery {
    fn from_params(params: &mut Params) -> Self {
        Self(limit(params))
    }
}

fn seed_fields(body: &ConversationBody) -> Value {
    let mut object = fields(json!(body));
    object.retain(|name, _| FIELDS.contains(&name.as_str()));
    Value::Object(object)
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// List conversations, as Speechify does
#[utoipa::path(
    get, path = "/v1/agents/conversations", operation_id = "speechify_list_conversations", tag = "drop-in",
    params(ListParams, LimitParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of conversations.", body = ConversationList), ApiError),
)]
async fn list(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    query: Query<ListQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let query = query.read()?;
    let found = page(&api, &bearer, query.filter, query.page).await?;
    let view = View {
        sensitive: bearer.reads_sensitive(),
        row: true,
        summary: false,
    };
    let next = found.next.as_ref().map(Cursor::encode);
    let rows: Vec<_> = found
        .rows
        .into_iter()
        .map(|record| seed_fields(&ConversationBody::new(record, view)))
        .collect();
    Ok(axum::Json(json!({
        "conversations": rows, "has_more": next.is_some(), "next_cursor": next,
    })))
}

/// Read a conversation, as Speechify does
#[utoipa::path(
    get, path = "/v1/agents/conversations/{id}", operation_id = "speechify_get_conversation", tag = "drop-in",
    params(("id" = String, Path, description = "The conversation's id.")),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "The conversation.", body = ConversationBody), ApiError),
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
    let record = one(&api, &bearer, id, "speechify").await?;
    let view = View {
        sensitive: bearer.reads_sensitive(),
        row: false,
        summary: false,
    };
    Ok(axum::Json(seed_fields(&ConversationBody::new(
        record, view,
    ))))
}

/// Read a conversation's transcript, as Speechify does
#[utoipa::path(
    get, path = "/v1/agents/conversations/{id}/messages", operation_id = "speechify_list_messages", tag = "drop-in",
    params(("id" = String, Path, description = "The conversation's id."), LimitParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of messages.", body = MessageList), ApiError),
)]
async fn messages(
    bearer: Result<Bearer, ApiError>,
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, ApiError>,
    query: Query<LimitQuery>,
) -> Answer<impl IntoResponse> {
    let bearer = reader(bearer)?;
    let Path(id) = path?;
    let LimitQuery(page) = query.read()?;
    let key = one(&api, &bearer, id, "speechify").await?.key();
    let id = key.id.clone();
    let found = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::messages(&mut conn, &key, &page).await })
        })
        .await?;
    let next = found.next.as_ref().map(Cursor::encode);
    let rows: Vec<_> = found
        .rows
        .into_iter()
        .map(|message| {
            let mut row = fields(json!(MessageBody::new(message, bearer.reads_sensitive())));
            row.insert("conversation_id".to_owned(), json!(id));
            Value::Object(row)
        })
        .collect();
    Ok(axum::Json(json!({
        "messages": rows, "has_more": next.is_some(), "next_cursor": next,
    })))
}
