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
        table.add_row(row(call));
    }
    output::rows(&table, "No conversations.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(())
}

/// A table of calls, still without a row.
pub(super) fn table() -> comfy_table::Table {
    output::table(&[
        "id",
        "created",
        "agent",
        "caller",
        "status",
        "end reason",
        "length",
    ])
}

/// A call as a row of [`table`].
pub(super) fn row(call: &Value) -> [String; 7] {
    [
        field(call, "id"),
        field(call, "created_at"),
        field(call, "agent_id"),
        field(call, "caller_identity"),
        field(call, "status"),
        reason(call),
        length(call),
    ]
}

/// The reason, and whose word it is when it is not the platform's.
fn reason(call: &Value) -> String {
    let reason = field(call, "end_reason");
    match field(call, "end_reason_source").as_str() {
        "" | "platform" => reason,
        source => format!("{reason} ({source})"),
    }
}

fn length(call: &Value) -> String {
    call["duration_ms"].as_u64().map_or_else(String::new, |ms| {
        let seconds = ms / 1000;
        format!("{}:{:02}", seconds / 60, seconds % 60)
    })
}

async fn show(globals: &Globals, one: &One) -> anyhow::Result<()> {
    let client = Client::new(globals, &one.remote)?;
    let query = one.query();
    let path = ["v1", "conversations", &one.id];
    let mut call = client.get(&path, &query).await?;
    for part in ["messages", "memories", "timeline"] {
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
    fields(&call)?;
    transcript(&call)?;
    memories(&call)?;
    timeline(&call)?;
    Ok(())
}

/// What stands in the conversation itself, but for what is null, empty or shown further down.
fn fields(call: &Value) -> std::io::Result<()> {
    let mut table = output::table(&["field", "value"]);
    for (name, value) in call.as_object().into_iter().flatten() {
        let nothing = match value {
            Value::Null | Value::Array(_) => true,
            Value::String(text) => text.is_empty(),
            Value::Object(inner) => inner.is_empty(),
            _ => false,
        };
        if !nothing {
            table.add_row([name.clone(), field(call, name)]);
        }
    }
    output::rows(&table, "Nothing is known of it.")
}

fn transcript(call: &Value) -> std::io::Result<()> {
    let Some(messages) = call["messages"].as_array() else {
        return output::say("\nThe token may not read the transcript.");
    };
    output::say("\nTranscript")?;
    let mut table = output::table(&["role", "content"]);
    for message in messages {
        table.add_row([field(message, "role"), field(message, "content")]);
    }
    output::rows(&table, "No messages.")
}

fn memories(call: &Value) -> std::io::Result<()> {
    let Some(memories) = call["memories"].as_array() else {
        return Ok(());
    };
    output::say("\nRemembered")?;
    let mut table = output::table(&["slot", "fact", "confidence"]);
    for memory in memories {
        let cells = ["slot", "fact", "confidence"];
        table.add_row(cells.map(|name| field(memory, name)));
    }
    output::rows(&table, "Nothing.")
}

fn timeline(call: &Value) -> std::io::Result<()> {
    let Some(steps) = call["timeline"].as_array() else {
        return Ok(());
    };
    output::say("\nTimeline")?;
    let mut table = output::table(&["at", "step", "attempt", "detail"]);
    for step in steps {
        let cells = ["at", "step", "attempt", "detail"];
        table.add_row(cells.map(|name| field(step, name)));
    }
    output::rows(&table, "Nothing happened to it yet.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_whose_word_the_reason_is() {
        let call = json!({"end_reason": "caller_hangup", "end_reason_source": "fallback"});
        assert_eq!(reason(&call), "caller_hangup (fallback)");
        let call = json!({"end_reason": "transferred", "end_reason_source": "platform"});
        assert_eq!(reason(&call), "transferred");
        assert_eq!(reason(&json!({"end_reason": null})), "");
        assert_eq!(length(&json!({"duration_ms": 125_900})), "2:05");
        assert_eq!(length(&json!({"duration_ms": null})), "");
    }
}
