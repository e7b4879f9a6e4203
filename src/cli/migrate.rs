//! `aftercall migrate`: create or upgrade the database.

use std::process::ExitCode;

use super::{Globals, output};
use crate::app::App;
use crate::config::Config;
use crate::host::{Clock, Host};

/// `aftercall migrate`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  AFTERCALL_DATABASE_URL=postgres://aftercall@db/aftercall aftercall migrate")]
pub(super) struct Args {}

pub(super) async fn run(globals: &Globals, _: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&globals.overrides())?;
    let host = Host::new(Clock::System);
    App::migrate(&config, &host).await?;
    host.drained().await;
    output::say("The database is up to date.")?;
    Ok(ExitCode::SUCCESS)
}
