//! A page that can't be shown, and what to do instead.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::store;

/// Why a page can't be shown.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing, or the session may not see it.
    NotFound(&'static str),
    /// The session's token lacks a scope.
    Forbidden(&'static str),
    /// A form was sent that this server did not give out, or too late.
    Forged,
    /// The input can't be understood; says what to do.
    Invalid(String),
    /// It can't be done as things stand.
    Conflict(String),
    /// The database is away.
    Away,
    /// A defect.
    Broken,
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        if error.is_unavailable() {
            tracing::warn!(error = %error, "The database is away");
            Self::Away
        } else {
            tracing::error!(error = %error, "The database failed a page");
            Self::Broken
        }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(error = %error, "A page could not be made");
        Self::Broken
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Forbidden(_) | Self::Forged => StatusCode::FORBIDDEN,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn told(self) -> (String, String) {
        let (title, advice) = match self {
            Self::NotFound(what) => (
                format!("No such {what}"),
                "It may have been erased, or belongs to an agent that your token does not see."
                    .to_owned(),
            ),
            Self::Forbidden(what) => ("Not with this token".to_owned(), what.to_owned()),
            Self::Forged => (
                "This form is out of date".to_owned(),
                "Go back, reload the page, and send it again.".to_owned(),
            ),
            Self::Invalid(why) => ("That can't be understood".to_owned(), why),
            Self::Conflict(why) => ("That can't be done now".to_owned(), why),
            Self::Away => (
                "The database can't be reached".to_owned(),
                "Calls are still taken while the broker is up. Try again in a moment.".to_owned(),
            ),
            Self::Broken => (
                "aftercall failed to make this page".to_owned(),
                "Its log says more.".to_owned(),
            ),
        };
        (title, advice)
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    title: String,
    advice: String,
    assets: &'static str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let (title, advice) = self.told();
        let page = FailurePage {
            title,
            advice,
            assets: super::assets::VERSION,
        };
        (status, Html(page.render().unwrap_or_default())).into_response()
    }
}
