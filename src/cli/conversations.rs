//! `aftercall conversations`: what is known of calls.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::StatusCode;
use serde_json::{Map, Value};

use super::Globals;
use super::ask::Yes;
use super::client::{self, Client, Remote};
use super::moment::moment;
use super::output::{self, Format, field};
use super::table::{Column, Table};
use crate::time::Timestamp;

/// `aftercall conversations`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall conversations list --end-reason caller_hangup --limit 10")]
pub(super) enum Command {
    /// List conversations, newest first
    List(List),
    /// One conversation with its messages, its memories and its way through aftercall
    Show(Show),
    /// Fetch, settle and remember one conversation anew
    Reprocess(Reprocess),
    /// Forget one conversation, as if it had never been seen
    Forget(Forget),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall conversations list --agent-id front-desk --since 24h
  aftercall conversations list --output json | jq -r '.conversations[].id'")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Of this agent
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    /// Of this caller, however their number is spelled; empty: anonymous calls
    #[arg(long, value_name = "IDENTITY")]
    caller_identity: Option<String>,
    /// Ended for this reason
    #[arg(long, value_name = "REASON")]
    end_reason: Option<String>,
    /// In this state: pending, active, completed or failed
    #[arg(long)]
    status: Option<String>,
    /// Received by this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of this platform
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// Started since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, visible_alias = "since", value_name = "TIME", value_parser = moment)]
    started_after: Option<Timestamp>,
    /// Started before, in the same forms
    #[arg(long, visible_alias = "until", value_name = "TIME", value_parser = moment)]
    started_before: Option<Timestamp>,
    /// Whose id, caller, number or agent begins so
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Which conversation.
#[derive(Debug, clap::Args)]
struct One {
    #[command(flatten)]
    remote: Remote,
    /// The conversation's id
    id: String,
    /// Its source, where two platforms use the same id
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

impl One {
    fn query(&self) -> Vec<(&'static str, String)> {
        let source = self.source.iter();
        source.map(|name| ("source", name.clone())).collect()
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall conversations show conv_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Show {
    #[command(flatten)]
    one: One,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall conversations forget conv_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Forget {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall conversations reprocess conv_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Reprocess {
    #[command(flatten)]
    one: One,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, args).await?,
        Command::Show(args) => show(globals, &args.one).await?,
        Command::Reprocess(args) => reprocess(globals, &args.one).await?,
        Command::Forget(args) => forget(globals, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn reprocess(globals: &Globals, one: &One) -> anyhow::Result<()> {
    let client = Client::new(globals, &one.remote)?;
    let path = ["v1", "conversations", &one.id, "reprocess"];
    let queued = client
        .post(&path, &one.query(), &Value::Object(Map::new()))
        .await?;
    match one.remote.output.format() {
        Format::Json => output::json(&queued)?,
        Format::Table => output::say(&format!("{} is in the queue", one.id))?,
    }
    Ok(())
}

async fn forget(globals: &Globals, Forget { one, yes }: &Forget) -> anyhow::Result<()> {
    let question = format!(
        "This takes the call away, with its transcript and what memory took of it. It can't be \
         undone.\nForget {}?",
        one.id
    );
    if !yes.or_ask(&question)? {
        return Ok(());
    }
    let client = Client::new(globals, &one.remote)?;
    let path = ["v1", "conversations", &one.id];
    let receipt = client.delete(&path, &one.query()).await?;
    super::callers::receipt(&receipt, one.remote.output.format())
}

async fn list(globals: &Globals, args: List) -> anyhow::Result<()> {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let filter: Vec<_> = [
        ("agent_id", args.agent_id),
        ("caller_identity", args.caller_identity),
        ("end_reason", args.end_reason),
        ("status", args.status),
        ("source", args.source),
        ("platform", args.platform),
        ("started_after", moment(args.started_after)),
        ("started_before", moment(args.started_before)),
        ("q", args.q),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "conversations"];
    let found = client
        .list(&path, "conversations", &filter, args.limit as usize)
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = table();
    for call in found["conversations"].as_array().into_iter().flatten() {
        table.row(row(call));
    }
    table.say("No conversations.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(())
}

/// A table of calls, still without a row.
pub(super) fn table() -> Table {
    Table::new([
        Column::word("id"),
        Column::time("created").spare(1),
        Column::word("agent").spare(5),
        Column::word("caller").spare(2),
        Column::word("status").spare(4),
        Column::word("end reason"),
        Column::word("by").spare(3),
        Column::number("length").spare(6),
    ])
}

/// A call as a row of [`table`].
pub(super) fn row(call: &Value) -> [String; 8] {
    [
        field(call, "id"),
        field(call, "created_at"),
        field(call, "agent_id"),
        field(call, "caller_identity"),
        field(call, "status"),
        field(call, "end_reason"),
        field(call, "end_reason_source"),
        length(call),
    ]
}

fn length(call: &Value) -> String {
    call["duration_ms"].as_u64().map_or_else(String::new, |ms| {
        let seconds = ms / 1000;
        format!("{}:{:02}", seconds / 60, seconds % 60)
    })
}

/// What is read beside the conversation, and shown below it.
const PARTS: [&str; 3] = ["messages", "memories", "timeline"];

/// What is asked for first of a conversation; what else it has follows.
const FIELDS: [&str; 16] = [
    "id",
    "status",
    "end_reason",
    "end_reason_source",
    "end_reason_raw",
    "summary",
    "agent_id",
    "agent_name",
    "caller_identity",
    "from_number",
    "to_number",
    "transport",
    "created_at",
    "started_at",
    "ended_at",
    "duration_ms",
];

async fn show(globals: &Globals, one: &One) -> anyhow::Result<()> {
    let client = Client::new(globals, &one.remote)?;
    let query = one.query();
    let path = ["v1", "conversations", &one.id];
    let mut call = client.get(&path, &query).await?;
    for part in PARTS {
        let rows = client
            .list(
                &["v1", "conversations", &one.id, part],
                part,
                &query,
                usize::MAX,
            )
            .await;
        match rows {
            Ok(mut rows) => call[part] = rows[part].take(),
            // What the token may not see is left out, as the API leaves out fields.
            Err(client::Error::Answered { status, .. }) if status == StatusCode::FORBIDDEN => {}
            Err(error) => return Err(error.into()),
        }
    }
    if one.remote.output.format() == Format::Json {
        return output::json(&call);
    }
    let [messages, memories, steps] = PARTS.map(|part| call[part].take());
    Table::of_fields(&call, &FIELDS).say("Nothing is known of it.")?;
    transcript(&messages)?;
    remembered(&memories)?;
    timeline(&steps)?;
    Ok(())
}

fn transcript(messages: &Value) -> std::io::Result<()> {
    let Some(messages) = messages.as_array() else {
        return output::say("\nThe token may not read the transcript.");
    };
    output::say("\nTranscript")?;
    let mut table = Table::new([Column::word("role"), Column::text("content")]);
    for message in messages {
        table.row_of(message, &["role", "content"]);
    }
    table.say("No messages.")
}

fn remembered(memories: &Value) -> std::io::Result<()> {
    let Some(memories) = memories.as_array() else {
        return Ok(());
    };
    output::say("\nRemembered")?;
    let mut table = Table::new([
        Column::word("slot"),
        Column::text("fact"),
        Column::number("confidence").spare(1),
    ]);
    for memory in memories {
        table.row_of(memory, &["slot", "fact", "confidence"]);
    }
    table.say("Nothing.")
}

fn timeline(steps: &Value) -> std::io::Result<()> {
    let Some(steps) = steps.as_array() else {
        return Ok(());
    };
    output::say("\nTimeline")?;
    let mut table = Table::new([
        Column::time("at"),
        Column::word("step"),
        Column::number("attempt").spare(1),
        Column::text("detail"),
    ]);
    for step in steps {
        table.row_of(step, &["at", "step", "attempt", "detail"]);
    }
    table.say("Nothing happened to it yet.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_as_long_as_it_took() {
        assert_eq!(length(&json!({"duration_ms": 125_900})), "2:05");
        assert_eq!(length(&json!({"duration_ms": null})), "");
    }
}
