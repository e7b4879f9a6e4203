//! Endpoints: where results are sent, how each is doing, and what is decided about it.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::flow::Flow;

mod form;
mod listed;
mod new;
mod one;
mod steps;

const PATH: &str = "/console/endpoints";

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(listed::show).post(new::create))
        .route("/console/endpoints/new", get(new::ask))
        .route("/console/endpoints/{id}", get(one::show).post(one::change))
        .route("/console/endpoints/{id}/test", post(steps::test))
        .route("/console/endpoints/{id}/rotate-secret", post(steps::rotate))
        .route("/console/endpoints/{id}/retry", post(steps::retry))
        .route("/console/endpoints/{id}/send-missed", post(steps::missed))
        .route("/console/endpoints/{id}/{step}", post(steps::switch))
}

/// The address of an endpoint's page.
pub(super) fn address(id: &str) -> String {
    format!("{PATH}/{}", super::show::encode(id))
}
