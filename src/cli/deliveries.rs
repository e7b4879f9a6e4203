//! `aftercall deliveries`: what was sent to whom, attempt by attempt, and once more.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Remote};
use super::moment::moment;
use super::output::{self, Format, counted, field};
use super::table::{Column, Table};
use super::{Globals, WrongUsage};
use crate::time::Timestamp;

/// `aftercall deliveries`
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  aftercall deliveries list --status failed
  aftercall deliveries retry --endpoint-id ep_01jxd5y165f62a0v7gtr6bkg56 --since 24h")]
pub(super) enum Command {
    /// List deliveries, newest first
    List(List),
    /// One delivery with its attempts
    Show(Show),
    /// Send again: one delivery, or all that failed of an endpoint since a time
    Retry(Retry),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall deliveries list --endpoint-id ep_01jxd5y165f62a0v7gtr6bkg56 --status pending
  aftercall deliveries list --conversation-id conv_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Only to this endpoint
    #[arg(long, value_name = "ID")]
    endpoint_id: Option<String>,
    /// Only `pending`, `delivered`, `failed` or `cancelled` ones
    #[arg(long)]
    status: Option<String>,
    /// Only of this type of event
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only of this event
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only of this conversation
    #[arg(long, value_name = "ID")]
    conversation_id: Option<String>,
    /// Only of this agent
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    /// Only made since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only made before, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall deliveries show dlv_3k9q0v5e2m8x1c7b4n6z0a2s4d")]
pub(super) struct Show {
    #[command(flatten)]
    remote: Remote,
    /// The delivery's id
    id: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall deliveries retry dlv_3k9q0v5e2m8x1c7b4n6z0a2s4d
  aftercall deliveries retry --endpoint-id ep_01jxd5y165f62a0v7gtr6bkg56 --since 24h")]
pub(super) struct Retry {
    #[command(flatten)]
    remote: Remote,
    /// This delivery
    id: Option<String>,
    /// All that failed of this endpoint
    #[arg(long, value_name = "ID", conflicts_with = "id", requires = "since")]
    endpoint_id: Option<String>,
    /// Of events since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, value_name = "TIME", requires = "endpoint_id", value_parser = moment)]
    since: Option<Timestamp>,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, &args).await?,
        Command::Show(args) => {
            let client = Client::new(globals, &args.remote)?;
            let delivery = client.get(&["v1", "deliveries", &args.id], &[]).await?;
            match args.remote.output.format() {
                Format::Json => output::json(&delivery)?,
                Format::Table => show(delivery)?,
            }
        }
        Command::Retry(args) => retry(globals, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        [
            ("endpoint_id", self.endpoint_id.clone()),
            ("status", self.status.clone()),
            ("type", self.kind.clone()),
            ("event_id", self.event_id.clone()),
            ("conversation_id", self.conversation_id.clone()),
            ("agent_id", self.agent_id.clone()),
            ("since", moment(self.since)),
            ("until", moment(self.until)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

async fn list(globals: &Globals, args: &List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let (path, most) = (["v1", "deliveries"], args.limit as usize);
    let found = client
        .list(&path, "deliveries", &args.query(), most)
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::time("created at").spare(4),
        Column::word("type").spare(1),
        Column::word("conversation").spare(5),
        Column::word("endpoint").spare(6),
        Column::word("status"),
        Column::number("attempts").spare(3),
        Column::time("next attempt").spare(2),
    ]);
    for delivery in found["deliveries"].as_array().into_iter().flatten() {
        let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
        table.row([
            field(delivery, "id"),
            field(delivery, "created_at"),
            field(delivery, "type"),
            field(delivery, "conversation_id"),
            field(delivery, "endpoint_id"),
            field(delivery, "status"),
            attempts.to_string(),
            next(delivery),
        ]);
    }
    table.say("No deliveries.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(())
}

/// When a delivery goes, or what keeps it.
fn next(delivery: &Value) -> String {
    match delivery["held"].as_str() {
        None => field(delivery, "next_attempt_at"),
        Some("order") if delivery["held_by"].is_string() => {
            format!("behind {}", field(delivery, "held_by"))
        }
        Some(other) => format!("held: {other}"),
    }
}

fn show(mut delivery: Value) -> anyhow::Result<()> {
    let attempts = delivery["attempts"].take();
    let first = [
        "id",
        "status",
        "type",
        "event_id",
        "conversation_id",
        "endpoint_id",
    ];
    Table::of_fields(&delivery, &first).say("")?;
    output::say("\nAttempts")?;
    let mut table = Table::new([
        Column::number("number"),
        Column::time("at"),
        Column::number("status"),
        Column::number("latency ms").spare(2),
        Column::word("code").spare(1),
        Column::text("message"),
    ]);
    for attempt in attempts.as_array().into_iter().flatten() {
        let cells = ["number", "at", "status", "latency_ms", "code", "message"];
        table.row_of(attempt, &cells);
    }
    table.say("None.")?;
    Ok(())
}

async fn retry(globals: &Globals, args: &Retry) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    let (answer, told) = match (&args.id, &args.endpoint_id) {
        (Some(id), _) => {
            let path = ["v1", "deliveries", id, "retry"];
            let answer = client.post(&path, &[], &json!({})).await?;
            (answer, format!("{id} is sent again"))
        }
        (None, Some(id)) => {
            let path = ["v1", "endpoints", id, "retry"];
            let answer = client
                .post(&path, &[], &json!({"since": args.since}))
                .await?;
            let retried = answer["retried"].as_u64().unwrap_or(0);
            let told = counted(retried, "delivery is", "deliveries are");
            (answer, format!("{told} sent again"))
        }
        (None, None) => {
            let why = "name a delivery, or an endpoint with --endpoint-id and --since";
            return Err(WrongUsage(why.to_owned()).into());
        }
    };
    match format {
        Format::Json => output::json(&answer),
        Format::Table => Ok(output::say(&told)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_delivery_is_said_in_words() {
        for (delivery, told) in [
            (json!({"next_attempt_at": null, "held": null}), ""),
            (
                json!({"next_attempt_at": "2026-02-01T00:00:00.000Z", "held": null}),
                "2026-02-01T00:00:00.000Z",
            ),
            (json!({"held": "order", "held_by": "dlv_1"}), "behind dlv_1"),
            (json!({"held": "order", "held_by": null}), "held: order"),
            (json!({"held": "disabled"}), "held: disabled"),
        ] {
            assert_eq!(next(&delivery), told);
        }
    }
}
