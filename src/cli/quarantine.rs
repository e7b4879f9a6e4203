//! `aftercall quarantine`: deliveries whose signature was wrong, looked at and released.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Remote};
use super::output::{self, Format, field};
use super::table::{Column, Table};
use super::{Globals, WrongUsage, terminal};

/// `aftercall quarantine`
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  aftercall quarantine list --source acme-voice
  aftercall quarantine release --source acme-voice      after its secret was mended")]
pub(super) enum Command {
    /// List the deliveries, newest first
    List(List),
    /// One delivery, and why it was refused
    Show(Show),
    /// Verify deliveries by the secrets of now, and take those that are right
    Release(Release),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall quarantine list --source acme-voice --output json | jq -r '.quarantine[].reason'")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Posted to this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Refused for this reason
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall quarantine show qr_3k9q0v5e2m8x1c7b4n6z0a2s4d --body")]
pub(super) struct Show {
    #[command(flatten)]
    remote: Remote,
    /// The delivery's id
    id: String,
    /// Its head and body, too; the audit log says who asked
    #[arg(long)]
    body: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall quarantine release qr_3k9q0v5e2m8x1c7b4n6z0a2s4d
  aftercall quarantine release --source acme-voice")]
pub(super) struct Release {
    #[command(flatten)]
    remote: Remote,
    /// These deliveries
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this source
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    source: Option<String>,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, &args).await?,
        Command::Show(args) => show(globals, &args).await?,
        Command::Release(args) => return release(globals, &args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals, args: &List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let filter: Vec<_> = [("source", &args.source), ("reason", &args.reason)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    let path = ["v1", "quarantine"];
    let most = args.limit as usize;
    let found = client.list(&path, "quarantine", &filter, most).await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::time("received at").spare(1),
        Column::word("source").spare(3),
        Column::word("reason"),
        Column::text("detail").spare(2),
        Column::number("bytes").spare(4),
    ]);
    for refused in found["quarantine"].as_array().into_iter().flatten() {
        let cells = ["id", "received_at", "source", "reason", "detail", "size"];
        table.row_of(refused, &cells);
    }
    table.say("Nothing is in quarantine.")?;
    Ok(())
}

async fn show(globals: &Globals, args: &Show) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let query: Vec<_> = args
        .body
        .then(|| ("body", "include".to_owned()))
        .into_iter()
        .collect();
    let mut refused = client.get(&["v1", "quarantine", &args.id], &query).await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&refused);
    }
    let (headers, body) = (refused["headers"].take(), refused["body"].take());
    let first = [
        "id",
        "source",
        "platform",
        "received_at",
        "reason",
        "detail",
    ];
    Table::of_fields(&refused, &first).say("")?;
    if args.body {
        output::say("")?;
        for header in headers.as_array().into_iter().flatten() {
            let text = |at: usize| output::printable(header[at].as_str().unwrap_or_default());
            terminal::say(0, &format!("{}: {}", text(0), text(1)))?;
        }
        output::say("")?;
        terminal::say(0, &output::printable(body.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

/// Fails when something stays in quarantine that was to leave it.
async fn release(globals: &Globals, args: &Release) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    if let Some(source) = &args.source {
        let path = ["v1", "quarantine", "release"];
        let done = client.post(&path, &[], &json!({"source": source})).await?;
        match format {
            Format::Json => output::json(&done)?,
            Format::Table => output::say(&told(&done))?,
        }
        return Ok(exit(done["still_refused"] == 0 && done["failed"] == 0));
    }
    if args.ids.is_empty() {
        let why = "say which: ids of deliveries, or all of a source with --source";
        return Err(WrongUsage(why.to_owned()).into());
    }
    for id in &args.ids {
        let path = ["v1", "quarantine", id, "release"];
        let done = client.post(&path, &[], &json!({})).await?;
        match format {
            Format::Json => output::json(&done)?,
            Format::Table => output::say(&format!(
                "{} is {}",
                field(&done, "id"),
                field(&done, "status")
            ))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn exit(done: bool) -> ExitCode {
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn told(done: &Value) -> String {
    let parts: Vec<_> = [
        ("released", "released"),
        ("still_refused", "still refused"),
        ("failed", "could not be released now"),
    ]
    .into_iter()
    .filter_map(|(name, words)| {
        let number = done[name].as_u64().filter(|number| *number > 0)?;
        Some(format!("{number} {words}"))
    })
    .collect();
    if parts.is_empty() {
        "Nothing of this source is in quarantine.".to_owned()
    } else {
        parts.join(", ")
    }
}
