//! `aftercall memories`: what is held about a caller.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::Yes;
use super::client::{Client, Remote};
use super::moment::moment;
use super::output::{self, Format, field};
use super::table::{Column, Table};
use super::{Globals, terminal};
use crate::time::Timestamp;

/// `aftercall memories`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall memories show --agent-id agent_01jx… --caller-identity sip_+15551234567")]
pub(super) enum Command {
    /// What is held now, fact by fact
    Show(Show),
    /// What held when, by the time of the world or of the record
    History(History),
    /// What is held now as plain text for the next call's prompt
    Context(Context),
    /// Say a fact yourself: it goes before everything that calls say
    Pin(Pin),
    /// Forget what is held about a caller; the calls stay
    Forget(Forget),
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
#[command(after_help = "Examples:
  aftercall memories history --agent-id front-desk --caller-identity +15551234567
  aftercall memories history --agent-id front-desk --caller-identity +15551234567 \\
      --as-of 2026-03-01T00:00:00Z")]
pub(super) struct History {
    #[command(flatten)]
    pair: Pair,
    /// Only what held at this moment, as 2026-03-01T00:00:00Z, or so long ago, as 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Timestamp>,
    /// As memory saw it at this moment, rather than now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    recorded_as_of: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall memories pin --agent-id front-desk --caller-identity +15551234567 \\
      --slot identity.name --value 'Ann Lee'
  aftercall memories pin --agent-id front-desk --caller-identity +15551234567 \\
      --slot contact.city --suppress")]
pub(super) struct Pin {
    #[command(flatten)]
    pair: Pair,
    /// Where it belongs, as identity.name; fact for free text
    #[arg(long, value_name = "SLOT")]
    slot: String,
    /// The value; of an appointment, JSON with date, time and title
    #[arg(long, value_name = "TEXT", required_unless_present = "suppress")]
    value: Option<String>,
    /// What sets it apart from others of its slot, as a topic
    #[arg(long, value_name = "TEXT")]
    object: Option<String>,
    /// Take the value back, or whatever stands there when none is given
    #[arg(long)]
    suppress: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall memories forget --agent-id front-desk --caller-identity +15551234567")]
pub(super) struct Forget {
    #[command(flatten)]
    pair: Pair,
    #[command(flatten)]
    yes: Yes,
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
        Command::History(args) => history(globals, &args).await?,
        Command::Context(args) => context(globals, &args).await?,
        Command::Pin(args) => pin(globals, args).await?,
        Command::Forget(args) => forget(globals, &args).await?,
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
    for memory in held["memories"].as_array().into_iter().flatten() {
        terminal::say(0, &field(memory, "fact"))?;
        let how = format!(
            "{}, since {}, confidence {}, by {}",
            field(memory, "slot"),
            field(memory, "valid_from"),
            field(memory, "confidence"),
            field(memory, "extractor"),
        );
        terminal::say(2, &how)?;
        explain(memory)?;
    }
    if held["memories"].as_array().is_none_or(Vec::is_empty) {
        output::note("Nothing is held about this caller.");
    }
    Ok(())
}

/// The sentences that say it, each with its call.
fn explain(memory: &Value) -> anyhow::Result<()> {
    for said in memory["evidence"].as_array().into_iter().flatten() {
        let place = format!(
            "{}, {}",
            field(said, "conversation_id"),
            field(said, "message_id")
        );
        let told = match said["quote"].as_str() {
            Some(quote) => format!("“{}” ({place})", output::printable(quote)),
            None => place,
        };
        terminal::say(4, &told)?;
    }
    Ok(())
}

async fn history(globals: &Globals, args: &History) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.pair.remote)?;
    let path = ["v1", "agents", &args.pair.agent_id, "history"];
    let mut query = vec![args.pair.caller()];
    for (name, time) in [
        ("as_of", args.as_of),
        ("recorded_as_of", args.recorded_as_of),
    ] {
        query.extend(time.map(|time| (name, time.to_string())));
    }
    let told = client.list(&path, "memories", &query, usize::MAX).await?;
    if args.pair.remote.output.format() == Format::Json {
        return output::json(&told);
    }
    let mut table = Table::new([
        Column::word("slot"),
        Column::text("fact"),
        Column::time("from").spare(1),
        Column::time("to").spare(2),
        Column::time("recorded").spare(4),
        Column::word("said in").spare(3),
    ]);
    for memory in told["memories"].as_array().into_iter().flatten() {
        let cells = [
            "slot",
            "fact",
            "valid_from",
            "valid_to",
            "recorded_from",
            "source_conversation_id",
        ];
        table.row_of(memory, &cells);
    }
    table.say("Nothing was held about this caller.")?;
    Ok(())
}

async fn pin(globals: &Globals, args: Pin) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.pair.remote)?;
    let path = ["v1", "agents", &args.pair.agent_id, "memories"];
    let value = args.value.map(|text| {
        let parsed = serde_json::from_str::<Value>(&text).ok();
        parsed.filter(Value::is_object).unwrap_or(Value::from(text))
    });
    let body = json!({
        "caller_identity": args.pair.caller_identity,
        "slot": args.slot,
        "value": value,
        "object": args.object,
        "suppress": args.suppress,
    });
    let pinned = client.post(&path, &[], &body).await?;
    if args.pair.remote.output.format() == Format::Json {
        return output::json(&pinned);
    }
    if args.suppress {
        output::say("It is not said any more.")?;
    } else {
        output::say(&field(&pinned, "fact"))?;
    }
    Ok(())
}

async fn forget(globals: &Globals, Forget { pair, yes }: &Forget) -> anyhow::Result<()> {
    let question = format!(
        "This takes away what {} remembers of the caller, with history, quotes and pins; the calls \
         stay. It can't be undone.\nForget {}?",
        pair.agent_id,
        output::printable(&pair.caller_identity)
    );
    if !yes.or_ask(&question)? {
        return Ok(());
    }
    let client = Client::new(globals, &pair.remote)?;
    let path = ["v1", "agents", &pair.agent_id, "memories"];
    let receipt = client.delete(&path, &[pair.caller()]).await?;
    super::callers::receipt(&receipt, pair.remote.output.format())
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
