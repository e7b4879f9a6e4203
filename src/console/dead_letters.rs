//! Dead letters: by cause, one by one, looked into, and back to work.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::flow::Flow;

mod asked;
mod listed;
mod one;

pub(super) use asked::Asked;
pub(super) use one::address;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route("/console/dead-letters", get(listed::show))
        .route("/console/dead-letters/discard", post(listed::discard))
        .route("/console/dead-letters/{id}", get(one::show).post(one::read))
        .route("/console/dead-letters/{id}/replay", post(one::replay))
        .route("/console/dead-letters/{id}/discard", post(one::discard))
}
