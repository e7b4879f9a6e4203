//! `/v1/stats`: how the calls fare, in numbers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromParams, Params, Query};
use crate::circuit::CircuitState;
use crate::flow::SourceState;
use crate::queue::rabbit::BrokerState;
use crate::stats::{self, Crms, Stats, Waiting, Window};
use crate::store::passages::Passage;
use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(show))
}

/// How far back is looked.
#[derive(Debug)]
struct StatsQuery(Window);

impl FromParams for StatsQuery {
    fn from_params(params: &mut Params) -> Self {
        let named = params.one_of("window", &Window::ALL.map(Window::as_str));
        Self(
            named
                .and_then(|name| Window::parse(&name))
                .unwrap_or_default(),
        )
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `StatsQuery` reads")]
struct StatsParams {
    /// How far back is looked: `1h`, `24h` (the default), `7d` or `30d`.
    #[param(pattern = "^(1h|24h|7d|30d)$")]
    window: Option<String>,
}

/// Calls that passed each stage.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    /// Came in.
    received: i64,
    /// Were settled.
    finalized: i64,
    /// Were remembered, or had nothing to remember.
    remembered: i64,
    /// Arrived at an endpoint: their `conversation.completed`.
    delivered: i64,
}

/// The same, in one span of the window.
#[derive(Debug, Serialize, ToSchema)]
struct Span {
    /// When the span begins.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(flatten)]
    counts: Counts,
}

/// From the end of a call to the delivery of its result, in milliseconds; of the latest 2,000.
#[derive(Debug, Serialize, ToSchema)]
struct LatencyBody {
    /// Half of the calls were faster; null where none was delivered.
    #[schema(required = true)]
    p50: Option<i64>,
    /// 95 of 100 were faster.
    #[schema(required = true)]
    p95: Option<i64>,
    /// 99 of 100 were faster.
    #[schema(required = true)]
    p99: Option<i64>,
    /// Of so many calls.
    calls: usize,
}

/// What waits at a stage.
#[derive(Debug, Serialize, ToSchema)]
struct WaitingBody {
    /// `finalize`, `remember` or `deliver`.
    stage: &'static str,
    /// Messages; null while the broker can't be asked.
    #[schema(required = true)]
    messages: Option<i64>,
    /// When the oldest was made durable.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    oldest_at: Option<Timestamp>,
}

impl From<&Waiting> for WaitingBody {
    fn from(waiting: &Waiting) -> Self {
        Self {
            stage: waiting.stage.as_str(),
            messages: waiting.messages,
            oldest_at: waiting.oldest_at,
        }
    }
}

/// What CRMs have not got yet, and how their endpoints stand.
#[derive(Debug, Serialize, ToSchema)]
struct CrmsBody {
    /// Endpoints that are enabled.
    enabled: i64,
    /// Those of them that have taken nothing since they failed.
    failing: i64,
    /// Endpoints that are disabled.
    disabled: i64,
    /// Deliveries to enabled endpoints that have not got them yet.
    waiting: i64,
    /// When the oldest of those was made.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    oldest_at: Option<Timestamp>,
    /// Deliveries that wait until somebody enables their endpoint.
    held: i64,
}

impl From<Crms> for CrmsBody {
    fn from(Crms { endpoints, backlog }: Crms) -> Self {
        Self {
            enabled: endpoints.enabled,
            failing: endpoints.failing,
            disabled: endpoints.off.iter().sum(),
            waiting: backlog.waiting,
            oldest_at: backlog.oldest_at,
            held: backlog.held,
        }
    }
}

/// A source, and what its API does to us.
#[derive(Debug, Serialize, ToSchema)]
struct SourceBody {
    /// Its name.
    name: String,
    /// Whose records its conversations are.
    platform: &'static str,
    /// `closed`: it answers; `open`: it refuses our token, or shows too little by it; `paused`: it
    /// asked us to rest.
    circuit: &'static str,
    /// Until when it asked us to rest.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    paused_until: Option<Timestamp>,
    /// What keeps its list from being read now.
    #[schema(required = true)]
    error: Option<String>,
}

impl SourceBody {
    fn new(source: SourceState, error: Option<String>) -> Self {
        Self {
            error,
            circuit: source.circuit.as_str(),
            paused_until: match source.circuit {
                CircuitState::Paused(until) => Some(until),
                CircuitState::Closed | CircuitState::Open | CircuitState::Lacking(_) => None,
            },
            name: source.name,
            platform: source.platform,
        }
    }
}

/// How the calls fare.
#[derive(Debug, Serialize, ToSchema)]
struct StatsBody {
    /// What was looked at: `1h`, `24h`, `7d` or `30d`.
    window: &'static str,
    /// Its beginning.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Over the whole window.
    passed: Counts,
    /// Span by span, oldest first.
    spans: Vec<Span>,
    /// From call end to delivery.
    latency_ms: LatencyBody,
    /// What waits now, by stage; empty for a token that is bound to agents.
    queues: Vec<WaitingBody>,
    /// When the oldest message that no stage has worked off was made durable.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    oldest_unprocessed_at: Option<Timestamp>,
    /// The CRMs; null for a token that is bound to agents.
    #[schema(required = true)]
    crms: Option<CrmsBody>,
    /// Letters that are dead now.
    dead_letters: i64,
    /// Deliveries in quarantine; null for a token that is bound to agents.
    #[schema(required = true)]
    quarantined: Option<i64>,
    /// The sources; empty for a token that is bound to agents.
    sources: Vec<SourceBody>,
    /// `up`, `blocked` or `away`; null without a broker.
    #[schema(required = true)]
    broker: Option<&'static str>,
}

impl StatsBody {
    fn new(mut stats: Stats) -> Self {
        let at = |passage: Passage, n: usize| {
            let counts = stats.passed.iter().find(|(one, _)| *one == passage);
            counts
                .and_then(|(_, counts)| counts.get(n))
                .copied()
                .unwrap_or_default()
        };
        let counts = |count: &dyn Fn(Passage) -> i64| Counts {
            received: count(Passage::Received),
            finalized: count(Passage::Finalized),
            remembered: count(Passage::Remembered),
            delivered: count(Passage::Delivered),
        };
        let mut from = stats.since;
        let spans = (0..stats.window.spans()).map(|n| {
            let span = Span {
                at: from,
                counts: counts(&|passage| at(passage, n)),
            };
            from = from.plus(stats.window.span());
            span
        });
        Self {
            spans: spans.collect(),
            window: stats.window.as_str(),
            since: stats.since,
            passed: counts(&|passage| stats.total(passage)),
            latency_ms: LatencyBody {
                p50: stats.latency.p50,
                p95: stats.latency.p95,
                p99: stats.latency.p99,
                calls: stats.latency.sorted.len(),
            },
            queues: stats.waiting.iter().map(WaitingBody::from).collect(),
            oldest_unprocessed_at: stats.oldest_unprocessed_at(),
            crms: stats.crms.map(CrmsBody::from),
            dead_letters: stats.dead_letters,
            quarantined: stats.quarantined,
            sources: stats
                .sources
                .into_iter()
                .map(|source| {
                    let error = stats.unread.remove(&source.name);
                    SourceBody::new(source, error)
                })
                .collect(),
            broker: stats.broker.map(BrokerState::as_str),
        }
    }
}

/// Read how the calls fare
///
/// Counts, latencies, what waits, and how the sources stand: for all calls that the token may see.
#[utoipa::path(
    get, path = "/v1/stats", operation_id = "get_stats", tag = "operation", params(StatsParams),
    security(("bearer" = ["ops:read"]), ("key" = ["ops:read"])),
    responses((status = 200, description = "How they fare.", body = StatsBody), ApiError),
)]
async fn show(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<StatsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::OpsRead)?;
    let StatsQuery(window) = query.read()?;
    let stats = stats::gather(&api.flow, window, &bearer.0.agents).await?;
    Ok(axum::Json(StatsBody::new(stats)))
}
