//! Conversations: searched, and each with all that is known of it.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::flow::Flow;

mod fields;
mod listed;
mod one;
mod transcript;

pub(super) use transcript::anchor;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route("/console/conversations", get(listed::show))
        .route("/console/conversations/{id}", get(one::show))
        .route(
            "/console/conversations/{id}/reprocess",
            post(one::reprocess),
        )
}

/// The address of a conversation's page.
pub(super) fn address(id: &str, source: &str) -> String {
    let path = format!("/console/conversations/{}", super::show::encode(id));
    super::show::href(&path, &[("source", source)])
}
