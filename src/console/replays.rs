//! Replays: what one would do, one at work, and what is decided about it.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::flow::Flow;

mod listed;
mod new;
mod one;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route("/console/replays", get(listed::show).post(new::create))
        .route("/console/replays/new", get(new::preview))
        .route("/console/replays/{id}", get(one::show))
        .route("/console/replays/{id}/{decision}", post(one::decide))
}
