//! The simulated Speechify REST API (`platforms.md` §4.1): conversations and their messages behind a
//! bearer token, in pages, with the platform's error envelope.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::Account;
use super::book::{Asked, Book};
use super::crm::Crm;
use super::foreign::Desk;
use super::load::Lot;
use crate::id::canonical;

mod query;
pub mod webhook;

use query::{ListFilter, MessagesQuery};

/// The platform: its calls, its token, and how it misbehaves as a whole.
#[derive(Debug)]
pub struct Platform {
    /// The calls.
    pub book: Book,
    /// The other platforms' calls, which are answered for at the same address.
    pub desk: Arc<Desk>,
    /// The CRM, which takes results at the same address.
    pub crm: Arc<Crm>,
    /// The bearer token that it asks for.
    pub token: String,
    /// The largest pages that it gives, whatever is asked for.
    pub largest: Largest,
    /// The share of requests answered 503, from 0 to 1.
    pub failure_rate: f64,
    requests: AtomicU64,
    lot: Lot,
}

/// The largest pages.
#[derive(Clone, Copy, Debug)]
pub struct Largest {
    /// Of the list.
    pub conversations: usize,
    /// Of a call's messages.
    pub messages: usize,
}

impl Largest {
    /// What Speechify documents.
    pub const DOCUMENTED: Self = Self {
        conversations: 200,
        messages: 200,
    };
    /// Small enough that a dozen scripted calls need several pages.
    pub const SMALL: Self = Self {
        conversations: 5,
        messages: 4,
    };
}

impl Platform {
    /// A platform without calls.
    pub fn new(token: &str, largest: Largest) -> Self {
        Self {
            book: Book::default(),
            desk: Arc::new(Desk::new(&Account::simulated().api_token)),
            crm: Arc::default(),
            token: token.to_owned(),
            largest,
            failure_rate: 0.0,
            requests: AtomicU64::new(0),
            lot: Lot::new(0),
        }
    }

    /// How many requests its API has had.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// An answer that is no success. The envelope is put around it where the request's id is known.
#[derive(Clone, Debug)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_s: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after_s: None,
        }
    }

    fn later(mut self, retry_after_s: Option<u64>) -> Self {
        self.retry_after_s = retry_after_s;
        self
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_failed", message)
    }

    fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "upstream_failure",
            "The service is temporarily unavailable.",
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The API's routes.
pub fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/v1/agents/conversations", get(list))
        .route("/v1/agents/conversations/{id}", get(detail))
        .route("/v1/agents/conversations/{id}/messages", get(messages))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "not_found", "No such route."))
        .method_not_allowed_fallback(async || {
            Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This route only answers GET.",
            )
        })
        .layer(from_fn_with_state(Arc::clone(&platform), frame))
        .with_state(platform)
}

/// What every answer has in common: the token, the request's id, and the envelope around failures.
async fn frame(State(platform): State<Arc<Platform>>, request: Request, next: Next) -> Response {
    let number = platform.requests.fetch_add(1, Ordering::Relaxed);
    let request_id = format!("{number:016x}");
    let authorized = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|token| token == platform.token);
    let mut response = if !authorized {
        let message = "The API key is missing or invalid.";
        Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message).into_response()
    } else if platform
        .lot
        .falls("api failure", number, platform.failure_rate)
    {
        Failure::unavailable().into_response()
    } else {
        next.run(request).await
    };
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let envelope = json!({
            "error": {"code": failure.code, "message": failure.message},
            "request_id": request_id,
        });
        response = (failure.status, Json(envelope)).into_response();
        if let Some(seconds) = failure.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

async fn list(
    State(platform): State<Arc<Platform>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let filter = ListFilter::parse(query.as_deref().unwrap_or_default(), platform.largest)
        .map_err(Failure::invalid)?;
    let page = platform.book.list(
        |record| filter.wants(record),
        filter.after.as_ref(),
        filter.limit,
    );
    let next = page.next.map(|cursor| cursor.encode());
    Ok(Json(json!({
        "has_more": next.is_some(),
        "next_cursor": next,
        "conversations": page.rows,
    })))
}

async fn detail(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    answer(platform.book.detail(&canonical(&id))).map(Json)
}

async fn messages(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let asked = MessagesQuery::parse(query.as_deref().unwrap_or_default(), platform.largest)
        .map_err(Failure::invalid)?;
    let (rows, next) = answer(
        platform
            .book
            .messages(&canonical(&id), asked.from, asked.limit),
    )?;
    let next = next.map(query::message_cursor);
    Ok(Json(json!({
        "has_more": next.is_some(),
        "next_cursor": next,
        "messages": rows,
    })))
}

fn answer<T>(asked: Asked<T>) -> Result<T, Failure> {
    match asked {
        Asked::Answer(answer) => Ok(answer),
        Asked::Unknown => Err(Failure::new(
            StatusCode::NOT_FOUND,
            "conversation_not_found",
            "The conversation does not exist or is not accessible to this workspace.",
        )),
        Asked::Unavailable(after) => Err(Failure::unavailable().later(after)),
        Asked::Throttled(after) => Err(Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests.",
        )
        .later(after)),
    }
}

#[cfg(test)]
mod tests;
