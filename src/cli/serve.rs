//! `aftercall serve`: run the roles until asked to stop.

use std::process::ExitCode;
use std::sync::Arc;

use super::{Globals, output};
use crate::app::{App, Role, Running};
use crate::config::{Config, Overrides};
use crate::host::{Clock, Host};
use crate::shutdown::Signals;

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
    /// The address to serve HTTP on [env: AFTERCALL_SERVER__LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub(super) async fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let overrides = Overrides {
        listen: args.listen,
        ..globals.overrides()
    };
    let config = Config::load(&overrides)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
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
        let app = App::build(config.clone(), host).await?;
        Running::start(Arc::clone(&app), &roles).await
    };
    let running = tokio::select! {
        running = starting => running?,
        // A database that is away is waited for, until somebody has had enough of it.
        () = signals.first(&stop) => return Ok(ExitCode::SUCCESS),
    };
    output::say(&greeting(&config, &roles, &running))?;
    signals.first(&stop).await;
    let in_time = tokio::select! {
        in_time = running.stop() => in_time,
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once; what was in flight is taken up again at the next start");
            false
        }
    };
    if !in_time {
        // Runtime and tasks are not waited for: everything that matters is durable.
        tracing::warn!("stopped before everything in flight was finished");
        leave();
    }
    Ok(ExitCode::SUCCESS)
}
