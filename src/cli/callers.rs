//! `aftercall callers`: who calls, and erasing one of them.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::Globals;
use super::ask::{self, Yes};
use super::client::{Client, Remote};
use super::output::{self, Format, counted, field};
use super::table::{Column, Table};

mod consents;

/// `aftercall callers`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall callers erase --caller-identity +15551234567")]
pub(super) enum Command {
    /// List callers with the agents that they called, whoever called last first
    List(List),
    /// What a caller refuses, over all agents: read it, or set it by hand
    Consents(consents::Consents),
    /// Erase a caller: memory, conversations, and whatever names them
    Erase(Erase),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall callers list --agent-id front-desk --limit 10")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Only with this agent
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    /// Whose number or name begins so
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall callers erase --caller-identity sip_+15551234567
  aftercall callers erase --caller-identity +15551234567 --agent-id front-desk

What the caller refuses stays known, as a keyed hash. Platforms and CRMs keep their own copies.")]
pub(super) struct Erase {
    #[command(flatten)]
    remote: Remote,
    /// Who called, as the platform names them
    #[arg(long, value_name = "IDENTITY")]
    caller_identity: String,
    /// Only with this agent
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, args).await?,
        Command::Consents(args) => return consents::run(globals, &args).await,
        Command::Erase(args) => erase(globals, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals, args: List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let query: Vec<_> = [("agent_id", args.agent_id), ("q", args.q)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = client
        .list(&["v1", "callers"], "callers", &query, limit)
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = Table::new([
        Column::word("caller"),
        Column::word("agent"),
        Column::number("calls").spare(2),
        Column::number("facts").spare(3),
        Column::time("last call").spare(1),
    ]);
    for caller in found["callers"].as_array().into_iter().flatten() {
        let cells = [
            "caller_identity",
            "agent_id",
            "conversation_count",
            "memory_count",
            "last_call_at",
        ];
        table.row_of(caller, &cells);
    }
    table.say("Nobody has called.")?;
    Ok(())
}

async fn erase(globals: &Globals, args: Erase) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let mut query = vec![("caller_identity", args.caller_identity)];
    query.extend(args.agent_id.map(|agent| ("agent_id", agent)));
    if args.yes.is_to_be_asked() && !ask::ask(&question(&client, &query).await?)? {
        return Ok(());
    }
    let told = client.delete(&["v1", "callers"], &query).await?;
    receipt(&told, args.remote.output.format())
}

/// What an erasure will take away.
async fn question(client: &Client, query: &[(&str, String)]) -> anyhow::Result<String> {
    let path = ["v1", "callers"];
    let found = client.list(&path, "callers", query, usize::MAX).await?;
    Ok(told_before(&query[0].1, &found))
}

fn told_before(caller: &str, found: &Value) -> String {
    let rows: Vec<_> = found["callers"].as_array().into_iter().flatten().collect();
    let sum = |name: &str| rows.iter().filter_map(|row| row[name].as_u64()).sum();
    format!(
        "This takes away {} and {} with {}, and whatever else names the caller. It can't be \
         undone.\nErase {}?",
        counted(sum("conversation_count"), "call", "calls"),
        counted(sum("memory_count"), "fact", "facts"),
        counted(rows.len() as u64, "agent", "agents"),
        output::printable(caller),
    )
}

/// Shows what an erasure took away.
pub(super) fn receipt(receipt: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(receipt);
    }
    let counts = receipt["counts"].as_object();
    let taken: Vec<String> = counts
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() > Some(0))
        .map(|(what, count)| format!("{count} {}", what.replace('_', " ")))
        .collect();
    let taken = if taken.is_empty() {
        "nothing was there".to_owned()
    } else {
        taken.join(", ")
    };
    output::say(&format!("Erased: {taken}."))?;
    match receipt["complete_after"].as_str() {
        Some(after) => output::say(&format!(
            "Pending: the queue or the database's log may hold copies until {after} ({}).",
            field(receipt, "erasure_id")
        ))?,
        None => output::say("Complete: no copy is left here.")?,
    }
    output::say("Platforms and CRMs keep their own copies.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_question_says_what_goes() {
        let found = json!({"callers": [
            {"conversation_count": 1_200, "memory_count": 3},
            {"conversation_count": 2, "memory_count": 4},
        ]});
        let told = told_before("sip_+14155550123", &found);
        assert!(told.starts_with("This takes away 1,202 calls and 7 facts with 2 agents"));
        assert!(told.ends_with("Erase sip_+14155550123?"));
    }
}
