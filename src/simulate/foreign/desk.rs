//! The desk at which the other platforms' APIs are answered: a book of calls for each, and the token
//! that all of them ask for. A platform is named here as in settings.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::Foreign;
use crate::secret::Secret;
use crate::simulate::book::Book;
use crate::simulate::polled::Polled;
use crate::simulate::record::{Faults, Record};

/// The calls of all other platforms.
#[derive(Debug)]
pub struct Desk {
    books: HashMap<&'static str, Book>,
    token: Secret,
}

impl Desk {
    /// A desk without calls, where `token` is asked for.
    pub fn new(token: &Secret) -> Self {
        let senders = Foreign::ALL.into_iter().map(Foreign::platform);
        let polled = Polled::ALL.into_iter().map(Polled::platform);
        Self {
            books: senders
                .chain(polled)
                .map(|platform| (platform, Book::default()))
                .collect(),
            token: token.clone(),
        }
    }

    /// Enters a call into a platform's book.
    pub fn enter(&self, platform: &str, call: Record) {
        if let Some(book) = self.books.get(platform) {
            book.enter(call, Faults::default());
        }
    }

    /// A call of a platform.
    pub fn call(&self, platform: &str, id: &str) -> Option<Record> {
        self.books.get(platform)?.record(id)
    }

    /// Calls of a platform, newest first.
    pub fn newest(&self, platform: &str, from: usize, limit: usize) -> Vec<Record> {
        self.books
            .get(platform)
            .map(|book| book.newest(from, limit))
            .unwrap_or_default()
    }

    fn admits(&self, shown: &str) -> bool {
        let token = self.token.expose();
        let basic = || {
            let decoded = STANDARD.decode(shown.strip_prefix("Basic ")?).ok()?;
            String::from_utf8(decoded).ok()
        };
        shown == token
            || shown.strip_prefix("Bearer ") == Some(token)
            || basic()
                .is_some_and(|pair| pair.split_once(':').is_some_and(|(_, said)| said == token))
    }
}

/// Every platform's API, each under its name.
pub fn router(desk: &Arc<Desk>) -> Router {
    let mut router = Router::new();
    for platform in Foreign::ALL
        .into_iter()
        .filter(|platform| platform.has_api())
    {
        router = router.nest(&format!("/{}", platform.platform()), platform.routes());
    }
    for platform in Polled::ALL {
        router = router.nest(&format!("/{}", platform.platform()), platform.routes());
    }
    router
        .layer(from_fn_with_state(Arc::clone(desk), authenticated))
        .with_state(Arc::clone(desk))
}

async fn authenticated(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let shown = headers
        .get(AUTHORIZATION)
        .or_else(|| headers.get("xi-api-key"))
        .or_else(|| headers.get("x-api-key"))
        .and_then(|value| value.to_str().ok());
    if shown.is_some_and(|shown| desk.admits(shown)) {
        return next.run(request).await;
    }
    let refused = Json(json!({ "message": "the key is missing or wrong" }));
    (StatusCode::UNAUTHORIZED, refused).into_response()
}

/// The answer about one call: its object, or 404.
pub(in crate::simulate) fn answer(call: Option<serde_json::Value>) -> Response {
    if let Some(call) = call {
        return Json(call).into_response();
    }
    let unknown = Json(json!({ "message": "there is no such call" }));
    (StatusCode::NOT_FOUND, unknown).into_response()
}
