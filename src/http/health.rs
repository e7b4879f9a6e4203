//! Whether this process is alive, whether it is ready, and its metrics. No token, no personal data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::{Api, request};
use crate::host::Host;
use crate::store::Db;

/// The longest that the database is waited for before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the process can do its work, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// Each thing it needs: `ok`, or what is wrong with it.
    pub checks: BTreeMap<String, String>,
}

/// Asks whether the process is ready. `App` knows what its roles need.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Readiness> + Send + Sync>;

/// Tells the metrics, in Prometheus' text format. `App` knows where they are recorded.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// The text of a check that found nothing wrong.
pub const OK: &str = "ok";

impl Readiness {
    /// Whether the database is up, and migrated.
    pub async fn of_database(db: &Db) -> Self {
        let found = tokio::time::timeout(PATIENCE, async {
            db.ping().await?;
            db.pending_migrations().await
        })
        .await;
        let (ready, found) = match found {
            Ok(Ok(pending)) if pending.is_empty() => (true, OK.to_owned()),
            Ok(Ok(pending)) => {
                let pending = pending.join(", ");
                (false, format!("lacks {pending}: run `aftercall migrate`"))
            }
            Ok(Err(error)) => (false, error.to_string()),
            Err(_) => (false, "does not answer".to_owned()),
        };
        Self {
            ready,
            checks: BTreeMap::from([("database".to_owned(), found)]),
        }
    }
}

/// The routes of a process that can't serve anything else yet, and says what it waits for.
pub fn waiting(why: &'static str, metrics: Exposition, host: Host) -> Router {
    let not_ready = move || async move {
        let readiness = Readiness {
            ready: false,
            checks: BTreeMap::from([("process".to_owned(), why.to_owned())]),
        };
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(readiness))
    };
    let not_yet = || async { ApiError::unavailable("starting", "the process is not ready yet") };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(not_ready))
        .route("/metrics", get(async move || told(&metrics)))
        .fallback(not_yet)
        .layer(from_fn_with_state(host, request::observe))
}

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// Whether the process is alive
///
/// Always 200 while it answers at all.
#[utoipa::path(
    get, path = "/healthz", operation_id = "get_healthz", tag = "health", security(()),
    responses((status = 200, description = "It is alive.", body = String, content_type = "text/plain")),
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the process can do its work
#[utoipa::path(
    get, path = "/readyz", operation_id = "get_readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It can.", body = Readiness),
        (status = 503, description = "It can't; `checks` says why.", body = Readiness),
    ),
)]
async fn readyz(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let mut readiness = (api.ready)().await;
    if api.flow.host.stop.is_cancelled() {
        readiness.ready = false;
        let stopping = ("process".to_owned(), "stopping".to_owned());
        readiness.checks.extend([stopping]);
    }
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(readiness))
}

/// Prometheus metrics
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "health", security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")),
)]
async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    told(&api.metrics)
}

fn told(metrics: &Exposition) -> impl IntoResponse + use<> {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics())
}
