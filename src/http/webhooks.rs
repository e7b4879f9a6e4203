//! `POST /webhooks/{source}`: a delivery's raw bytes in, the receiver's answer out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::error::ApiError;
use super::query::Path;
use crate::platform::Delivery;
use crate::receive::Answer;

/// How long a sender may take over its body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take once the body is here (product contract §5).
const ANSWER_PATIENCE: Duration = Duration::from_secs(4);

/// How much of a body that is refused is still read, and thrown away: a sender in the middle of
/// writing would else see its connection reset instead of the answer.
const DISCARDED: usize = 64 << 20;

/// How long that may take.
const DISCARD_PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(webhook, webhook_in_query))
}

/// What a delivery was taken for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Taken {
    /// It is durable. A duplicate gets the same answer.
    Accepted {
        /// The event's id.
        event_id: String,
    },
    /// It is authentic, but of a kind that nothing needs.
    Ignored {
        /// The kind.
        reason: String,
    },
    /// It is authentic but unreadable, and kept for people to look at.
    Parked {
        /// The dead letter.
        dead_letter_id: String,
    },
}

/// Take a platform's webhook
///
/// The body must be signed as the source's platform signs. The answer is sent once the event is
/// durable, and within 4 s.
#[utoipa::path(
    post, path = "/webhooks/{source}", operation_id = "receive_webhook", tag = "webhooks", security(()),
    params(("source" = String, Path, description = "The source's name in the settings.")),
    request_body(content = serde_json::Value, description = "The platform's own body, signed."),
    responses(
        (status = 200, description = "Taken.", body = Taken),
        (status = 401, description = "Signature missing, wrong or too old.", body = super::error::ErrorBody),
        (status = 404, description = "No such source.", body = super::error::ErrorBody),
        (status = 413, description = "Larger than the source may send.", body = super::error::ErrorBody),
        (status = 503, description = "It can't be made durable now; `Retry-After` says when to try again.", body = super::error::ErrorBody),
    ),
)]
async fn webhook(
    State(api): State<Arc<Api>>,
    Path(source): Path<String>,
    request: Request,
) -> Response {
    let known = api.receiver.source(&source).map(|source| source.max_body);
    let answer = if let Some(limit) = known {
        take(&api, &source, limit, request).await
    } else {
        discard(request.into_body().into_data_stream()).await;
        Ok(Answer::UnknownSource)
    };
    let (name, response) = match answer {
        Ok(answer) => respond(answer),
        Err(error) => ("unread", error.into_response()),
    };
    // Only names from the settings become labels, of which there are few.
    let label = known.map_or_else(|| "unknown".to_owned(), |_| source);
    metrics::counter!("aftercall_webhooks_total", "source" => label, "answer" => name).increment(1);
    response
}

/// Take a platform's webhook that comes in the query
///
/// The same for platforms whose customer may choose `GET` (Twilio, Vonage and Plivo); all others are
/// answered 405.
#[utoipa::path(
    get, path = "/webhooks/{source}", operation_id = "receive_webhook_in_query", tag = "webhooks", security(()),
    params(("source" = String, Path, description = "The source's name in the settings.")),
    responses(
        (status = 200, description = "Taken.", body = Taken),
        (status = 401, description = "Signature missing, wrong or too old.", body = super::error::ErrorBody),
        (status = 404, description = "No such source.", body = super::error::ErrorBody),
        (status = 405, description = "The source's platform posts.", body = super::error::ErrorBody),
        (status = 503, description = "It can't be made durable now; `Retry-After` says when to try again.", body = super::error::ErrorBody),
    ),
)]
async fn webhook_in_query(
    State(api): State<Arc<Api>>,
    Path(source): Path<String>,
    request: Request,
) -> Response {
    let known = api.receiver.source(&source);
    let posts = known
        .and_then(|source| source.webhooks.as_ref())
        .is_some_and(|webhooks| !webhooks.takes_get());
    // A `HEAD` comes here, too: it is a probe, and no delivery.
    if posts || request.method() != Method::GET {
        let allow = [(header::ALLOW, "POST")];
        return (allow, ApiError::method_not_allowed()).into_response();
    }
    webhook(State(api), Path(source), request).await
}

async fn take(api: &Api, source: &str, limit: usize, request: Request) -> Result<Answer, ApiError> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_PATIENCE, read(body, limit, &head.headers)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(Unread::TooLarge)) => return Ok(Answer::TooLarge),
        Ok(Err(Unread::Broken)) => {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "incomplete_body",
                "the body ended before it was whole",
            ));
        }
        Err(_) => {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body took too long to arrive",
            ));
        }
    };
    let delivery = Delivery {
        method: &head.method,
        target: &head.uri,
        headers: &head.headers,
        body: &body,
    };
    let answer = api.receiver.receive(source, delivery);
    Ok(tokio::time::timeout(ANSWER_PATIENCE, answer)
        .await
        .unwrap_or(Answer::Unavailable))
}

/// The body could not be had.
#[derive(Debug)]
enum Unread {
    TooLarge,
    Broken,
}

/// Reads a body of at most `limit` bytes, whether its length was announced or not.
async fn read(body: Body, limit: usize, headers: &HeaderMap) -> Result<Vec<u8>, Unread> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    if announced.is_some_and(|length| length > limit) {
        discard(stream).await;
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(64 << 10));
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if bytes.len() + chunk.len() > limit {
            discard(stream).await;
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn discard(mut stream: BodyDataStream) {
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            seen += chunk.len();
            if seen > DISCARDED {
                break;
            }
        }
    };
    // Whether it ended or not, the answer goes out now.
    drop(tokio::time::timeout(DISCARD_PATIENCE, reading).await);
}

/// What a source's webhooks can be answered, by name.
pub(crate) const ANSWERS: [&str; 7] = [
    "accepted",
    "ignored",
    "parked",
    "refused",
    "too_large",
    "unavailable",
    "unread",
];

/// The answer's name in the metrics, and its response. Success is exactly 200: some platforms count
/// any other 2xx as failure.
fn respond(answer: Answer) -> (&'static str, Response) {
    let ok = |taken| (StatusCode::OK, axum::Json::<Taken>(taken)).into_response();
    match answer {
        Answer::Accepted { event_id } => {
            let event_id = event_id.to_string();
            ("accepted", ok(Taken::Accepted { event_id }))
        }
        Answer::Ignored { reason } => ("ignored", ok(Taken::Ignored { reason })),
        Answer::Parked { dead_letter_id } => ("parked", ok(Taken::Parked { dead_letter_id })),
        Answer::Refused => {
            // Which part failed is for the source's owner (`aftercall verify`), not for a forger.
            let why = "the signature is missing, wrong, or out of its time";
            ("refused", ApiError::unauthorized(why).into_response())
        }
        Answer::UnknownSource => (
            "unknown_source",
            ApiError::not_found("source").into_response(),
        ),
        Answer::TooLarge => ("too_large", ApiError::too_large().into_response()),
        Answer::Unavailable => {
            let why = "the event can't be made durable now; send it again";
            let error = ApiError::unavailable("unavailable", why);
            ("unavailable", error.into_response())
        }
    }
}
