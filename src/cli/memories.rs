//! `aftercall memories`: what is held about a caller.

use std::process::ExitCode;

use clap::Subcommand;

use super::Globals;
use super::client::{Client, Remote};
use super::output::{self, Format, field};

/// `aftercall memories`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall memories show --agent-id agent_01jx… --caller-identity sip_+15551234567")]
pub(super) enum Command {
    /// What is held now, fact by fact
    Show(Show),
    /// The same as plain text for the next call's prompt
    Context(Context),
}

#[derive(Debug, clap::Args)]
struct Pair {
    #[command(flatten)]
    remote: Remote,
    /// The agent that took the calls
    #[arg(long, value_name = "ID")]
    agent_id: String,
    /// Who called, as the platform names them
    #[arg(long, value_name = "IDENTITY")]
    caller_identity: String,
}

impl Pair {
    fn caller(&self) -> (&'static str, String) {
        ("caller_identity", self.caller_identity.clone())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall memories show --agent-id front-desk --caller-identity +15551234567")]
pub(super) struct Show {
    #[command(flatten)]
    pair: Pair,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall memories context --agent-id front-desk --caller-identity +15551234567 --max-facts 5")]
pub(super) struct Context {
    #[command(flatten)]
    pair: Pair,
    /// At most so many facts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=50))]
    max_facts: u32,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(args) => show(globals, &args.pair).await?,
        Command::Context(args) => context(globals, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(globals: &Globals, pair: &Pair) -> anyhow::Result<()> {
    let client = Client::new(globals, &pair.remote)?;
    let path = ["v1", "agents", &pair.agent_id, "memories"];
    let held = client
        .list(&path, "memories", &[pair.caller()], usize::MAX)
        .await?;
    if pair.remote.output.format() == Format::Json {
        return output::json(&held);
    }
    let mut table = output::table(&["slot", "fact", "since", "confidence", "said in"]);
    for memory in held["memories"].as_array().into_iter().flatten() {
        table.add_row([
            field(memory, "slot"),
            field(memory, "fact"),
            field(memory, "valid_from"),
            field(memory, "confidence"),
            field(memory, "source_conversation_id"),
        ]);
    }
    output::rows(&table, "Nothing is held about this caller.")?;
    Ok(())
}

async fn context(globals: &Globals, args: &Context) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.pair.remote)?;
    let path = ["v1", "agents", &args.pair.agent_id, "context"];
    let query = [
        args.pair.caller(),
        ("max_facts", args.max_facts.to_string()),
    ];
    let answer = client.get(&path, &query).await?;
    // Plain text in a pipe too: it is meant for a prompt.
    if args.pair.remote.output.asked() == Some(Format::Json) {
        return output::json(&answer);
    }
    for line in answer["context"].as_str().unwrap_or_default().lines() {
        output::say(&output::printable(line))?;
    }
    Ok(())
}
