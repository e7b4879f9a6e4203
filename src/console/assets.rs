//! The files that pages load: style, two scripts and an icon, all our own.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::Failure;

/// Named in every link, so that a new version is loaded anew.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A file stays fresh for an hour: a development build changes it under the same version.
const FRESH: &str = "private, max-age=3600";

const FILES: [(&str, &str, &str); 4] = [
    (
        "console.css",
        "text/css; charset=utf-8",
        include_str!("console.css"),
    ),
    (
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("console.js"),
    ),
    // htmx 2, 0BSD: https://htmx.org
    (
        "htmx.min.js",
        "text/javascript; charset=utf-8",
        include_str!("htmx.min.js"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// A file. No session is needed: there is nothing of anybody's in them.
pub(super) async fn serve(Path(wanted): Path<String>) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == wanted) else {
        return Failure::NotFound("file").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, FRESH),
    ];
    (headers, *text).into_response()
}
