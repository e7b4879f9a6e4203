//! `aftercall serve`: run the roles until asked to stop.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::ValueEnum as _;

use super::{Globals, output};
use crate::app::{App, Door, Role, Running};
use crate::config::{Config, Overrides, listen};
use crate::host::{Clock, Host};
use crate::shutdown::Signals;
use crate::telemetry;

/// `aftercall serve`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall serve
  aftercall serve --role receiver --listen 0.0.0.0:8080
  AFTERCALL_DATA=/var/lib/aftercall aftercall serve --config /etc/aftercall.toml")]
pub(super) struct Args {
    /// A role to run; may be given more than once [default: all]
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    roles: Vec<Role>,
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = listen,
        help = "The address to serve HTTP on [env: AFTERCALL_SERVER__LISTEN] [default: 127.0.0.1:8080]"
    )]
    listen: Option<String>,
}

/// What to do before anything can happen.
const NO_SOURCES: &str = "
No source is configured, so no call can come in. Write one into aftercall.toml and start again:

  [[sources]]
  name = \"my-voice\"
  platform = \"speechify\"
  webhook.secrets = [{ env = \"SPEECHIFY_WEBHOOK_SECRET\" }]
  api.token = { env = \"SPEECHIFY_API_KEY\" }

Or see it at work first: aftercall demo";

/// A SQLite file has one process: another could not work what this one takes.
const NO_WORKER: &str = "
Nobody works off what comes in: an embedded database belongs to one process. Leave --role out, or
give the roles processes of their own on PostgreSQL.";

pub(super) async fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let overrides = Overrides {
        listen: args.listen,
        ..globals.overrides()
    };
    let config = Config::load(&overrides)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(variable) = telemetry::collector().filter(|_| !telemetry::TRACES) {
        tracing::warn!(
            variable,
            "This build makes no traces: take the image of deploy/Dockerfile, or build with --features otlp"
        );
    }
    let roles = if args.roles.is_empty() {
        Role::ALL.to_vec()
    } else {
        args.roles
    };
    let host = Host::new(Clock::System);
    let mut signals = Signals::listen()?;
    let stop = host.stop.clone();
    let starting = async {
        // First of all, so that whoever asks hears what the process waits for.
        let door = Door::open(&config, &host).await?;
        let app = App::build(config.clone(), host).await?;
        Running::start_behind(door, app, &roles).await
    };
    let running = tokio::select! {
        running = starting => running?,
        // A database that is away is waited for, until somebody has had enough of it.
        () = signals.first(&stop) => return Ok(ExitCode::SUCCESS),
    };
    output::say(&greeting(&config, &roles, running.address()))?;
    signals.first(&stop).await;
    let in_time = tokio::select! {
        in_time = running.stop() => in_time?,
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once");
            false
        }
    };
    if in_time {
        return Ok(ExitCode::SUCCESS);
    }
    tracing::warn!("stopped before everything in flight was finished; the next start takes it up");
    leave()
}

/// Ends the process although tasks still run: what matters is durable, and nobody waits for them.
#[expect(
    clippy::exit,
    reason = "returning would wait for tasks that did not stop in time"
)]
fn leave() -> ! {
    telemetry::flush();
    std::process::exit(1)
}

/// What an operator wants to know first.
fn greeting(config: &Config, roles: &[Role], address: SocketAddr) -> String {
    let names: Vec<_> = roles
        .iter()
        .filter_map(Role::to_possible_value)
        .map(|role| role.get_name().to_owned())
        .collect();
    let mut lines = vec![
        format!(
            "aftercall {} listens on http://{address}",
            env!("CARGO_PKG_VERSION")
        ),
        format!("  roles    {}", names.join(", ")),
        format!("  data     {}", config.data_dir.display()),
    ];
    let receives = roles.contains(&Role::Receiver);
    for source in config.sources.iter().filter(|_| receives) {
        lines.push(format!(
            "  webhook  POST /webhooks/{} ({})",
            source.name,
            source.platform.as_str()
        ));
    }
    if config.database.is_embedded() && !roles.contains(&Role::Worker) {
        lines.push(NO_WORKER.to_owned());
    }
    if config.sources.is_empty() {
        lines.push(NO_SOURCES.to_owned());
    }
    lines.join("\n")
}
