//! `aftercall audit`: who did what to what.

use std::process::ExitCode;

use clap::Subcommand;

use super::Globals;
use super::client::{Client, Remote};
use super::moment::moment;
use super::output::{self, Format};
use super::table::{Column, Table};
use crate::time::Timestamp;

/// `aftercall audit`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall audit list --since 24h --action replay.create")]
pub(super) enum Command {
    /// List what people and programs did, newest first
    List(List),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall audit list --actor token_01jxd5y165f62a0v7gtr6bkg56
  aftercall audit list --target ep_01jxd5y165f62a0v7gtr6bkg56 --since 7d")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Only this, as replay.create
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only by this token, or by system
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only done to this
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only before, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    let Command::List(args) = command;
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let filter: Vec<_> = [
        ("action", args.action),
        ("actor", args.actor),
        ("target", args.target),
        ("since", moment(args.since)),
        ("until", moment(args.until)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let client = Client::new(globals, &args.remote)?;
    let found = client
        .list(&["v1", "audit"], "audit", &filter, args.limit as usize)
        .await?;
    if args.remote.output.format() == Format::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new([
        Column::time("at"),
        Column::word("action"),
        Column::word("target").spare(1),
        Column::word("actor").spare(3),
        Column::text("detail").spare(2),
    ]);
    for entry in found["audit"].as_array().into_iter().flatten() {
        table.row_of(entry, &["at", "action", "target", "actor", "detail"]);
    }
    table.say("Nobody has done anything.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(ExitCode::SUCCESS)
}
