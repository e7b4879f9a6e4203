//! What happens to every request: an id, one log line, metrics, a time limit, and an answer even
//! when the handler panics.

use std::any::Any;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::dropin;
use super::error::ApiError;
use crate::host::Host;
use crate::id::fresh;

/// The longest that a handler may take. Webhooks have their own, shorter time.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers may hold personal data and are no pages, unless a handler says otherwise.
const DEFAULT_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// Names the request, lets it run, writes errors out, and tells log and metrics how it went: by
/// the route's template, never by path, query or headers.
pub(crate) async fn observe(State(host): State<Host>, request: Request, next: Next) -> Response {
    let id = given_id(&request).unwrap_or_else(|| fresh("req_", host.now(), host.dice.bytes()));
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let began = host.now();
    let span = tracing::info_span!("http.request", route, method);
    let mut response = next.run(request).instrument(span).await;
    let took = host.now().since(began);
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = write_out(response, error, &id);
    }
    dress(&mut response, &id);
    let status = response.status();
    metrics::counter!(
        "aftercall_http_requests_total",
        "route" => route.clone(), "method" => method, "status" => class(status.as_u16()),
    )
    .increment(1);
    metrics::histogram!(
        "aftercall_http_request_duration_seconds",
        "route" => route.clone(), "method" => method,
    )
    .record(took.as_secs_f64());
    // Probes come every few seconds, and say nothing while they succeed.
    if is_probe(&route) && status.is_success() {
        return response;
    }
    tracing::info!(
        route,
        method,
        status = status.as_u16(),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        request_id = id,
        "Answered"
    );
    response
}

/// Ends a request that takes too long.
pub(crate) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable("timeout", "this took too long; ask for less, or later")
            .into_response(),
    }
}

/// What a request is answered whose handler panicked. The panic itself is in the log already.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    metrics::counter!("aftercall_http_panics_total").increment(1);
    ApiError::internal().into_response()
}

/// 404 for paths that are no route.
pub(crate) async fn no_route(uri: Uri) -> Response {
    let error = ApiError::not_found("route; /openapi.json lists them");
    dropin::plainly(uri.path(), error)
}

/// 405 for routes that do not know the method; `Allow` says which they know.
pub(crate) async fn no_method(uri: Uri) -> Response {
    dropin::plainly(uri.path(), ApiError::method_not_allowed())
}

/// The client's own id, when it is one that can stand in a log.
fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let sane = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    sane.then(|| id.to_owned())
}

/// Puts the error's body into its answer, which has status and headers already.
fn write_out(answer: Response, error: ApiError, id: &str) -> Response {
    let (parts, _) = answer.into_parts();
    let (body_parts, body) = axum::Json(error.body(id)).into_response().into_parts();
    let mut response = Response::from_parts(parts, body);
    // axum wrote `Content-Length: 0` for the empty body.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().extend(body_parts.headers);
    response
}

fn dress(response: &mut Response, id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in DEFAULT_HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// A closed set: whatever else a client makes up must not become a metric label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics")
}
