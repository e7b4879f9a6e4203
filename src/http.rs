//! The HTTP face: webhooks in, records out, health beside. One file a subject.
//!
//! Every route is declared once, by its handler's `#[utoipa::path]`, from which both the router and
//! `/openapi.json` are made.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::flow::Flow;
use crate::receive::Receiver;

pub mod admin_token;
mod audit;
mod auth;
mod callers;
mod consents;
mod conversations;
mod coverage;
mod dead_letters;
mod deliveries;
mod docs;
mod dropin;
mod endpoints;
mod erasures;
mod error;
mod events;
pub mod guesses;
pub mod health;
mod initiation;
mod listen;
mod memories;
mod quarantine;
mod query;
mod reconciliations;
mod replays;
mod request;
mod stats;
mod tokens;
mod webhooks;

pub use listen::serve;
pub(crate) use webhooks::ANSWERS;

/// The largest body that an API route takes, in bytes. Webhooks have their source's own limit.
const MAX_BODY: usize = 1 << 20;

/// What handlers work with.
pub struct Api {
    /// The edges and settings.
    pub flow: Arc<Flow>,
    /// Takes webhooks.
    pub receiver: Receiver,
    /// Asks whether the process is ready.
    pub ready: health::Probe,
    /// Tells the metrics.
    pub metrics: health::Exposition,
    /// The wrong tokens of late.
    pub guesses: guesses::Guesses,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

/// Which routes this process serves, beside health and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// `/webhooks/{source}`.
    pub receiver: bool,
    /// `/v1`, `/openapi.json` and `/docs`.
    pub api: bool,
}

/// The routes of the given roles, ready to be served; with the role api, also the console's `pages`.
pub fn router(api: Arc<Api>, roles: Roles, pages: Router) -> Router {
    let mut routes = routes(roles);
    if roles.api {
        routes = routes.merge(pages.with_state(()));
    }
    dress(routes, api)
}

fn routes(roles: Roles) -> Router<Arc<Api>> {
    let mut routes = health::routes();
    if roles.receiver {
        routes = routes.merge(webhooks::routes());
    }
    if roles.api {
        routes = routes.merge(v1()).merge(docs::routes());
    }
    routes.into()
}

/// The routes with everything around them that every request passes.
fn dress(routes: Router<Arc<Api>>, api: Arc<Api>) -> Router {
    routes
        .fallback(request::no_route)
        .method_not_allowed_fallback(request::no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&api), guesses::slow_down))
        .layer(from_fn(request::limit_time))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(from_fn_with_state(api.flow.host.clone(), request::observe))
        .with_state(api)
}

/// Every route of every role, as an OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    docs::blank()
        .merge(health::routes())
        .merge(webhooks::routes())
        .merge(v1())
        .merge(docs::routes())
        .into_openapi()
}

fn v1() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .merge(conversations::routes())
        .merge(memories::routes())
        .merge(callers::routes())
        .merge(consents::routes())
        .merge(erasures::routes())
        .merge(initiation::routes())
        .merge(events::routes())
        .merge(endpoints::routes())
        .merge(deliveries::routes())
        .merge(dead_letters::routes())
        .merge(replays::routes())
        .merge(quarantine::routes())
        .merge(reconciliations::routes())
        .merge(coverage::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
        .merge(dropin::routes())
        .merge(stats::routes())
}

#[cfg(test)]
mod tests;
