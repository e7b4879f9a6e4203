//! Logs on standard error, and the recorder behind `/metrics`.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use self::lines::Lines;

mod described;
mod lines;
#[cfg(feature = "otlp")]
mod otlp;

/// The variables that say what is logged, in the order in which they are asked.
const FILTERS: [&str; 2] = ["AFTERCALL_LOG", "RUST_LOG"];

/// The variables that say where traces go, in the words of OpenTelemetry.
const COLLECTORS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Whether this build makes traces.
pub const TRACES: bool = cfg!(feature = "otlp");

/// How long the end of the process waits for whoever reads the log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines on their way to standard error.
static LINES: OnceLock<Lines> = OnceLock::new();

/// What nobody has brought up to date for so long is not told any more: an old value would look like one
/// of now, as while the database is away.
const FRESH: Duration = Duration::from_secs(30);

/// Seconds, from a durable insert to a platform that takes its time.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The same for what begins when a call ends: the grace, a slow platform, an endpoint that is down.
const CALL_BUCKETS: [f64; 15] = [
    1.0, 2.5, 5.0, 10.0, 11.0, 12.5, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 43_200.0,
];

/// Sends logs to standard error: compact lines for people, JSON for machines. What is below `unless_told`
/// is left out, but for what the variables ask for. A second call changes nothing.
pub fn init(unless_told: LevelFilter) {
    let wanted = FILTERS
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|filter| !filter.trim().is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(unless_told.into())
        .parse_lossy(wanted.unwrap_or_default());
    let lines = LINES.get_or_init(|| Lines::to(std::io::stderr()));
    let lines = fmt::layer().with_writer(move || lines.clone());
    let people = std::io::stdout().is_terminal();
    let lines = if people {
        let colours = std::io::stderr().is_terminal() && no_color().is_none();
        lines.compact().with_ansi(colours).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    // Fails only when a subscriber is there already, as in tests.
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(ours())
        .with(lines);
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(otlp::layer());
    let _ = subscriber.try_init();
}

/// Sends the lines and traces that wait, before the process ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(LAST_LINES);
    }
    #[cfg(feature = "otlp")]
    otlp::flush();
}

/// Has a panic logged by its place alone: its text can quote what a caller said, as the one of a cut
/// through a character quotes the whole string.
pub fn hush_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "A task panicked");
        metrics::counter!("aftercall_panics_total").increment(1);
    }));
}

/// The variable that says where traces go; none where nobody wants any.
pub fn collector() -> Option<&'static str> {
    COLLECTORS.into_iter().find(|name| is_given(name))
}

fn is_given(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// `NO_COLOR`, when it is set to anything (no-color.org).
pub fn no_color() -> Option<std::ffi::OsString> {
    std::env::var_os("NO_COLOR").filter(|value| !value.is_empty())
}

/// Lets everything of ours through, and of dependencies only warnings, whatever `RUST_LOG` says:
/// below that, HTTP clients and database drivers print header values and statements.
fn ours() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        // Prints messages that the broker returns, with their bodies; what else it has to say, our
        // supervisor says.
        .with_target("lapin", LevelFilter::OFF)
        .with_target("aftercall", LevelFilter::TRACE)
}

/// The recorder of this process's metrics, installed at the first call.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        #[expect(
            clippy::expect_used,
            reason = "only an empty list of buckets is refused"
        )]
        let builder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .and_then(|builder| {
                let calls = Matcher::Full("aftercall_call_latency_seconds".to_owned());
                builder.set_buckets_for_metric(calls, &CALL_BUCKETS)
            })
            .expect("there are buckets")
            .idle_timeout(MetricKindMask::GAUGE, Some(FRESH));
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        described::all();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_dependency_speaks_below_a_warning() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("trace,hyper=trace,sqlx::query=trace"))
            .with(ours())
            .with(fmt::layer().with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hyper::client", "authorization: planted");
            tracing::debug!(target: "sqlx::query", "planted");
            tracing::info!(target: "reqwest", "planted");
            tracing::warn!(target: "sqlx::pool", "connection lost");
            tracing::warn!(target: "lapin::returned_messages", "planted");
            tracing::trace!(target: "aftercall::worker", "step taken");
        });
        let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!lines.contains("planted"), "{lines}");
        assert!(lines.contains("connection lost") && lines.contains("step taken"));
    }

    #[test]
    fn metrics_are_rendered_with_buckets() {
        let handle = metrics();
        metrics::histogram!("aftercall_test_seconds").record(0.2);
        assert!(metrics().render().contains("aftercall_test_seconds_bucket"));
        assert!(handle.render().contains("le=\"0.25\""));
    }
}
