//! `/v1/events`: the feed of results, for whoever would rather fetch than be sent.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::{ApiError, Fields};
use super::query::{FromParams, Params, Query};
use crate::erasure;
use crate::page::{Cursor, Page, PageRequest};
use crate::store::results::{self, ResultEvent};
use crate::store::tokens::Scope;
use crate::time::Timestamp;

/// Members of an event's data that need the scope `conversations:read_sensitive`, wherever they stand.
const SENSITIVE: [&str; 12] = [
    "summary",
    "recording_url",
    "recording_started_at",
    "metadata",
    "agent_snapshot",
    "dynamic_variables",
    "platform_fields",
    "content",
    "tool_name",
    "tool_args",
    "tool_result",
    "quote",
];

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(list))
}

/// One result, as CRMs are sent it.
#[derive(Debug, Serialize, ToSchema)]
struct EventBody {
    /// Stable; the same as the delivery's `webhook-id`.
    id: String,
    /// As `conversation.completed`.
    #[serde(rename = "type")]
    kind: String,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// What it tells.
    data: Value,
}

/// A page of the feed.
#[derive(Debug, Serialize, ToSchema)]
struct EventList {
    /// Oldest first.
    events: Vec<EventBody>,
    /// Where the next page begins; null on the last. From there on, ask `after` the last event.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// Where a reader of the feed stands.
#[derive(Debug)]
enum After {
    Beginning,
    Cursor(Cursor),
    Event(String),
}

#[derive(Debug)]
struct FeedQuery {
    after: After,
    kind: Option<String>,
    agent_id: Option<String>,
    page: PageRequest,
}

impl FromParams for FeedQuery {
    fn from_params(params: &mut Params) -> Self {
        let page = params.page();
        let after = params.word("after");
        if page.after.is_some() && after.is_some() {
            params.refuse("cursor", "means the same as after: give one");
        }
        Self {
            after: match (after, &page.after) {
                (None, None) => After::Beginning,
                (None, Some(cursor)) => After::Cursor(cursor.clone()),
                (Some(text), _) => Cursor::decode(&text).map_or(After::Event(text), After::Cursor),
            },
            kind: params.word("type"),
            agent_id: params.word("agent_id"),
            page,
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `FeedQuery` reads")]
struct FeedParams {
    /// The id of the last event seen, or a `next_cursor`; absent: from the beginning.
    #[param(min_length = 1)]
    after: Option<String>,
    /// Only of this type, as `conversation.completed`.
    #[param(min_length = 1)]
    r#type: Option<String>,
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Events a page, 1 to 100.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// The same as `after`.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Read the feed of results
///
/// Oldest first, in the order in which they were committed: a reader that goes on `after` the last
/// event it saw misses none. Events of memory need the scope `memories:read` too, and are left out
/// without it.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "list_events", tag = "events", params(FeedParams),
    security(("bearer" = ["conversations:read"]), ("key" = ["conversations:read"])),
    responses((status = 200, description = "A page of the feed.", body = EventList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<FeedQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::ConversationsRead)?;
    let query = query.read()?;
    let mut agents = bearer.0.agents.clone();
    if let Some(agent) = query.agent_id.map(|id| crate::id::canonical(&id)) {
        if !bearer.0.sees(&agent) {
            return Ok(axum::Json(EventList::nothing()));
        }
        agents = vec![agent];
    }
    let filter = results::Filter {
        kind: query.kind,
        agents,
    };
    let size = query.page.size;
    let after = query.after;
    let page = api
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let after = match after {
                    After::Beginning => None,
                    After::Cursor(cursor) => Some(cursor),
                    After::Event(id) => match results::place(&mut conn, &id).await? {
                        Some(place) => Some(place),
                        None => return Ok(None),
                    },
                };
                let page = PageRequest { size, after };
                results::list(&mut conn, &filter, &page).await.map(Some)
            })
        })
        .await?;
    let Some(mut page) = page else {
        let why = "there is no such event; it may have grown too old".to_owned();
        return Err(ApiError::invalid(Fields::from([("after".to_owned(), why)])));
    };
    for event in &mut page.rows {
        erasure::reveal(&api.flow.seal, event);
    }
    Ok(axum::Json(EventList::new(page, &bearer)))
}

impl EventList {
    fn nothing() -> Self {
        Self {
            events: Vec::new(),
            next_cursor: None,
            has_more: false,
        }
    }

    fn new(page: Page<ResultEvent>, bearer: &Bearer) -> Self {
        let sees_memory = bearer.0.allows(Scope::MemoriesRead);
        Self {
            next_cursor: page.next.as_ref().map(Cursor::encode),
            has_more: page.next.is_some(),
            events: page
                .rows
                .into_iter()
                .filter(|event| sees_memory || !event.kind.starts_with("memory."))
                .map(|event| EventBody::new(event, bearer.reads_sensitive(), sees_memory))
                .collect(),
        }
    }
}

impl EventBody {
    fn new(event: ResultEvent, sensitive: bool, memory: bool) -> Self {
        let mut data = event.data;
        if !memory && let Value::Object(members) = &mut data {
            members.remove("memories");
        }
        if !sensitive {
            strip(&mut data);
        }
        Self {
            id: event.id,
            kind: event.kind,
            timestamp: event.created_at,
            data,
        }
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !SENSITIVE.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
