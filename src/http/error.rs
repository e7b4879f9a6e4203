//! What a request that fails is answered: `{"error":{"code","message","fields"?},"request_id"}`.
//!
//! A handler answers an [`ApiError`]; `request::observe` writes it out, for only there the request's
//! id is known. Nothing here carries what a caller said or why the database failed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{Content, RefOr, ResponseBuilder, Responses, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::store;

/// What was wrong with each field or parameter.
pub(crate) type Fields = BTreeMap<String, String>;

/// Seconds after which a client should ask again while the database is away.
const RETRY_AFTER: u32 = 5;

/// A failed request, as its client learns of it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    fields: Fields,
    retry_after: Option<u32>,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Fields::new(),
            retry_after: None,
        }
    }

    pub(crate) fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 405 for a route that does not know the method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "the route does not know this method",
        )
    }

    /// 404 for a thing (`conversation`) that is not there, or that the token may not see.
    pub(crate) fn not_found(what: &str) -> Self {
        let message = format!("no such {what}");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 422 for unknown parameters and bad values.
    pub(crate) fn invalid(fields: Fields) -> Self {
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        let message = format!("these can't be understood: {}", names.join(", "));
        Self {
            fields,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
        }
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is larger than this route takes",
        )
    }

    /// 429: too many wrong tokens came from this address.
    pub(crate) fn too_many_guesses(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        Self {
            retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "too many wrong tokens came from this address; one that works is taken all the same",
            )
        }
    }

    /// 503: the same request may work in a moment.
    pub(crate) fn unavailable(code: &'static str, message: &'static str) -> Self {
        Self {
            retry_after: Some(RETRY_AFTER),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "aftercall failed to answer this; its log says more under the request id",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The same failure under another status, code and message.
    pub(crate) fn worded(
        self,
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            ..self
        }
    }

    /// The headers that go with it, whatever the body is.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers
    }

    /// The answer's body.
    pub(crate) fn body(self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code,
                message: self.message.into_owned(),
                fields: self.fields,
            },
            request_id: request_id.to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.headers()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        if error.is_unavailable() {
            tracing::warn!(error = %error, "The database is away");
            Self::unavailable("database_unavailable", "the database can't be reached now")
        } else {
            tracing::error!(error = %error, "The database failed a request");
            Self::internal()
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::not_found("path")
    }
}

/// Every failed request is answered like this.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
    /// The same as in `X-Request-Id`, and in aftercall's log.
    request_id: String,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// For programs: `unauthorized`, `forbidden`, `not_found`, `ambiguous_id`, `invalid_request`, …
    code: &'static str,
    /// For people.
    message: String,
    /// What is wrong with each parameter or field that can't be understood.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    fields: Fields,
}

/// Documents that every route may answer an [`ErrorBody`].
impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let body = Content::new(Some(RefOr::Ref(utoipa::openapi::Ref::from_schema_name(
            ErrorBody::name(),
        ))));
        let error = ResponseBuilder::new()
            .description("The request failed.")
            .content("application/json", body)
            .build();
        let responses: Responses = ResponsesBuilder::new().response("default", error).build();
        responses.responses.into_iter().collect()
    }
}
