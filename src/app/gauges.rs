//! How much waits, sampled for `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::timeout;

use super::process;
use crate::circuit::CircuitState;
use crate::event::Stage;
use crate::flow::Flow;
use crate::queue::rabbit::BrokerState;
use crate::store::endpoints::Off;
use crate::store::{
    self, Sizes, dead_letters, deliveries, endpoints, known_calls, quarantine, reconcile,
};
use crate::time::Timestamp;

/// How often the gauges are brought up to date: whoever looks after an incident wants what is so now.
const EVERY: Duration = Duration::from_secs(1);

/// How often is asked how large the database is.
const MEASURED_EVERY: Duration = Duration::from_mins(1);

/// How long the database is waited for before it is said to be away: longer than a connection is.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long its answers are waited for, so that whether it is there is told again before that is old.
const LONGEST: Duration = Duration::from_secs(20);

/// Keeps all of them. What can't be asked is told no more after a while (`telemetry.rs`), and holds up
/// nothing else: what this process itself knows, the broker and the database are asked side by side.
pub(super) async fn keep(flow: Arc<Flow>) {
    super::begun::begin(&flow.sources);
    tokio::join!(own(&flow), waiting(&flow), kept(&flow));
}

/// What is told while a process that can't do without its database waits for it.
pub(super) fn without_database() {
    version();
    set(&metrics::gauge!("aftercall_database_up"), 0);
}

fn version() {
    metrics::gauge!("aftercall_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// What is known without asking anybody.
async fn own(flow: &Flow) {
    process::describe();
    loop {
        version();
        broker(flow);
        circuits(flow);
        connections(flow);
        process::sample();
        if !flow.host.pause(EVERY).await {
            return;
        }
    }
}

/// What waits in the queue.
async fn waiting(flow: &Flow) {
    loop {
        unless_failed(queues(flow).await);
        if !flow.host.pause(EVERY).await {
            return;
        }
    }
}

/// What the database holds, and whether it answers at all.
async fn kept(flow: &Flow) {
    let started = flow.host.now();
    let mut measured: Option<(Timestamp, Sizes)> = None;
    loop {
        let answers = timeout(PATIENCE, flow.db.ping()).await;
        let is_up = matches!(answers, Ok(Ok(())));
        set(&metrics::gauge!("aftercall_database_up"), is_up.into());
        if is_up {
            let sampled = async {
                unless_failed(records(flow).await);
                unless_failed(coverage(flow, started).await);
                unless_failed(measure(flow, &mut measured).await);
            };
            // What has not come by then comes the next time.
            let _ = timeout(LONGEST, sampled).await;
        }
        if !flow.host.pause(EVERY).await {
            return;
        }
    }
}

fn unless_failed(sampled: crate::queue::Result<()>) {
    if let Err(error) = sampled {
        tracing::debug!(error = %error, "The gauges could not be sampled");
    }
}

fn broker(flow: &Flow) {
    if let Some(state) = flow.queue.broker() {
        let (up, blocked) = (state != BrokerState::Away, state == BrokerState::Blocked);
        set(&metrics::gauge!("aftercall_broker_up"), up.into());
        set(&metrics::gauge!("aftercall_broker_blocked"), blocked.into());
    }
}

async fn queues(flow: &Flow) -> crate::queue::Result<()> {
    let depths = Stage::ALL.map(|stage| flow.queue.depth(stage));
    let depths = try_join_all(depths).await?;
    let now = flow.host.now();
    for (stage, depth) in Stage::ALL.into_iter().zip(depths) {
        let age = depth
            .oldest_at
            .map_or(Duration::ZERO, |oldest| now.since(oldest));
        let name = stage.as_str();
        set(
            &metrics::gauge!("aftercall_queue_messages", "stage" => name),
            depth.messages,
        );
        metrics::gauge!("aftercall_queue_oldest_age_seconds", "stage" => name)
            .set(age.as_secs_f64());
    }
    let delayed = flow.queue.delayed().await?;
    set(&metrics::gauge!("aftercall_delayed_messages"), delayed);
    Ok(())
}

async fn records(flow: &Flow) -> crate::queue::Result<()> {
    let (dead, kept, backlog, standing) = flow
        .db
        .read(|mut conn| {
            Box::pin(async move {
                let dead = dead_letters::count_dead(&mut conn).await?;
                let kept = quarantine::count(&mut conn).await?;
                let backlog = deliveries::backlog(&mut conn).await?;
                Ok((dead, kept, backlog, endpoints::standing(&mut conn).await?))
            })
        })
        .await?;
    let now = flow.host.now();
    let age = backlog
        .oldest_at
        .map_or(Duration::ZERO, |oldest| now.since(oldest));
    set(
        &metrics::gauge!("aftercall_deliveries_waiting"),
        backlog.waiting,
    );
    metrics::gauge!("aftercall_deliveries_oldest_age_seconds").set(age.as_secs_f64());
    set(&metrics::gauge!("aftercall_deliveries_held"), backlog.held);
    set(
        &metrics::gauge!("aftercall_endpoints_failing"),
        standing.failing,
    );
    for (off, count) in Off::ALL.into_iter().zip(standing.off) {
        set(
            &metrics::gauge!("aftercall_endpoints_off", "reason" => off.as_str()),
            count,
        );
    }
    set(&metrics::gauge!("aftercall_dead_letters"), dead);
    set(&metrics::gauge!("aftercall_quarantined_deliveries"), kept);
    Ok(())
}

/// What the sources' APIs do to this process: a closed set of labels, the names in the settings.
fn circuits(flow: &Flow) {
    let sources = flow.sources.states(flow.host.now());
    let refused = sources.iter().filter(|source| source.circuit.is_open());
    let refused = i64::try_from(refused.count()).unwrap_or(i64::MAX);
    set(&metrics::gauge!("aftercall_open_circuits"), refused);
    for source in sources {
        let open = i64::from(source.circuit.is_open());
        let paused = i64::from(matches!(source.circuit, CircuitState::Paused(_)));
        let name = source.name;
        set(
            &metrics::gauge!("aftercall_source_circuit_open", "source" => name.clone()),
            open,
        );
        set(
            &metrics::gauge!("aftercall_source_paused", "source" => name),
            paused,
        );
    }
}

fn connections(flow: &Flow) {
    let (idle, busy) = flow.db.connections();
    set(
        &metrics::gauge!("aftercall_db_connections", "state" => "idle"),
        idle,
    );
    set(
        &metrics::gauge!("aftercall_db_connections", "state" => "busy"),
        busy,
    );
}

/// The calls that the platforms know and that are not here, by account. A list that was never read to its
/// end is as old as this process: one that can't be read must not look like one without a gap.
async fn coverage(flow: &Flow, started: Timestamp) -> crate::queue::Result<()> {
    for account in flow.sources.accounts() {
        let name = account.name.clone();
        let ((missing, oldest_at), standing) = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    let gap = known_calls::gap(&mut conn, &name, None).await?;
                    Ok((gap, reconcile::standing(&mut conn, &name).await?))
                })
            })
            .await?;
        let now = flow.host.now();
        let age = oldest_at.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let source = account.name.clone();
        // Of a list that was never read to its end, nobody knows what is missing.
        if standing.checked_at.is_some() {
            set(
                &metrics::gauge!("aftercall_missing_calls", "source" => source.clone()),
                missing,
            );
            metrics::gauge!("aftercall_oldest_missing_age_seconds", "source" => source.clone())
                .set(age.as_secs_f64());
        }
        let checked_at = standing.checked_at.unwrap_or(started);
        metrics::gauge!("aftercall_coverage_age_seconds", "source" => source)
            .set(now.since(checked_at).as_secs_f64());
    }
    Ok(())
}

/// How large the database is, asked now and then.
async fn measure(
    flow: &Flow,
    measured: &mut Option<(Timestamp, Sizes)>,
) -> crate::queue::Result<()> {
    let now = flow.host.now();
    let (at, sizes) = match measured.take() {
        Some((at, sizes)) if now.since(at) < MEASURED_EVERY => (at, sizes),
        _ => {
            let sizes = flow
                .db
                .read(|mut conn| Box::pin(async move { store::sizes(&mut conn).await }))
                .await?;
            (now, sizes)
        }
    };
    set(&metrics::gauge!("aftercall_database_bytes"), sizes.bytes);
    for size in sizes.tables.iter().filter(|size| size.holds().is_some()) {
        let table = size.table.clone();
        set(
            &metrics::gauge!("aftercall_table_rows", "table" => table.clone()),
            size.rows,
        );
        if let Some(bytes) = size.bytes {
            set(
                &metrics::gauge!("aftercall_table_bytes", "table" => table),
                bytes,
            );
        }
    }
    *measured = Some((at, sizes));
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; counts stay far below 2^52"
)]
fn set(gauge: &metrics::Gauge, value: i64) {
    gauge.set(value as f64);
}
