//! `aftercall dead`: what was given up, by cause, one by one, and back to work.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use self::filter::Filter;
use super::ask::{self, Yes};
use super::client::{Client, Remote};
use super::output::{self, Format, counted, field, grouped};
use super::table::{Column, Table};
use super::{Globals, WrongUsage, terminal};

mod filter;
mod replay;

/// `aftercall dead`
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  aftercall dead groups                          what is wrong, by cause
  aftercall dead replay --code platform_unavailable --dry-run")]
pub(super) enum Command {
    /// List dead letters; those that something happened to last come first
    List(List),
    /// List the causes of dead letters, those with the most letters first
    Groups(Groups),
    /// One letter with its attempts
    Show(Show),
    /// Put letters back to work: named ones, or all of a filter
    Replay(replay::Replay),
    /// Decide against letters: named ones, or all of a filter
    Discard(Discard),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall dead list --source acme-voice --since 2026-02-01T00:00:00Z
  aftercall dead list --state dead --output json | jq -r '.dead_letters[].id'")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    filter: Filter,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall dead groups --platform speechify")]
pub(super) struct Groups {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall dead show dl_3k9q0v5e2m8x1c7b4n6z0a2s4d")]
pub(super) struct Show {
    #[command(flatten)]
    remote: Remote,
    /// The letter's id
    id: String,
    /// Its body, too; the audit log says who asked
    #[arg(long)]
    body: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall dead discard dl_3k9q0v5e2m8x1c7b4n6z0a2s4d
  aftercall dead discard --fault poison --until 2026-02-01T00:00:00Z --yes")]
pub(super) struct Discard {
    #[command(flatten)]
    remote: Remote,
    /// These letters
    #[arg(value_name = "ID")]
    named: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// At most so many, those that have waited longest first
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only say how many there are, and of which causes
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, args).await?,
        Command::Groups(args) => {
            let client = Client::new(globals, &args.remote)?;
            let found = groups(&client, &args.filter).await?;
            match args.remote.output.format() {
                Format::Json => output::json(&found)?,
                Format::Table => causes(&found)?,
            }
        }
        Command::Show(args) => show(globals, &args).await?,
        Command::Replay(args) => return replay::run(globals, args).await,
        Command::Discard(args) => discard(globals, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals, args: List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "dead-letters"];
    let found = client
        .list(
            &path,
            "dead_letters",
            &args.filter.query(),
            args.limit as usize,
        )
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::time("last at").spare(1),
        Column::word("state").spare(4),
        Column::word("stage").spare(2),
        Column::word("source").spare(5),
        Column::word("conversation").spare(3),
        Column::word("code"),
        Column::number("attempts").spare(6),
    ]);
    for letter in found["dead_letters"].as_array().into_iter().flatten() {
        table.row([
            field(letter, "id"),
            field(letter, "last_at"),
            field(letter, "state"),
            field(letter, "stage"),
            field(letter, "source"),
            field(letter, "conversation_id"),
            field(letter, "code"),
            letter["attempts"]
                .as_array()
                .map_or(0, Vec::len)
                .to_string(),
        ]);
    }
    table.say("No dead letters.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(())
}

async fn groups(client: &Client, filter: &Filter) -> anyhow::Result<Value> {
    let path = ["v1", "dead-letters", "groups"];
    Ok(client.get(&path, &filter.query()).await?)
}

/// How many letters of how many causes, and the causes.
fn causes(found: &Value) -> anyhow::Result<()> {
    let groups = &found["groups"];
    if groups.as_array().is_none_or(Vec::is_empty) {
        output::say("No dead letters.")?;
        return Ok(());
    }
    output::say(&format!("{}\n", summary(found)))?;
    by_cause(groups).say("")?;
    Ok(())
}

/// Causes, with how many letters each has.
pub(super) fn by_cause(causes: &Value) -> Table {
    let mut table = Table::new([
        Column::number("count"),
        Column::word("stage").spare(2),
        Column::word("code"),
        Column::word("fault").spare(3),
        Column::text("message"),
        Column::word("example").spare(1),
    ]);
    for cause in causes.as_array().into_iter().flatten() {
        let cells = ["count", "stage", "code", "fault", "message", "example_id"];
        table.row_of(cause, &cells);
    }
    table
}

/// As `4,012 letters, 3 causes`.
fn summary(found: &Value) -> String {
    let groups = found["groups"].as_array().map_or(0, Vec::len);
    format!(
        "{}, {}",
        counted(letters_of(found), "letter", "letters"),
        counted(groups as u64, "cause", "causes")
    )
}

fn letters_of(found: &Value) -> u64 {
    let groups = found["groups"].as_array().into_iter().flatten();
    groups.filter_map(|group| group["count"].as_u64()).sum()
}

/// What is asked for first of a letter; what else it has follows.
const FIELDS: [&str; 14] = [
    "id",
    "state",
    "stage",
    "code",
    "message",
    "fault",
    "source",
    "platform",
    "conversation_id",
    "agent_id",
    "caller_identity",
    "event_id",
    "first_at",
    "last_at",
];

async fn show(globals: &Globals, args: &Show) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let query: Vec<_> = args
        .body
        .then(|| ("body", "include".to_owned()))
        .into_iter()
        .collect();
    let path = ["v1", "dead-letters", &args.id];
    let mut letter = client.get(&path, &query).await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&letter);
    }
    let attempts = letter["attempts"].take();
    let body = letter["body"].take();
    Table::of_fields(&letter, &FIELDS).say("")?;
    output::say("\nAttempts")?;
    let mut table = Table::new([
        Column::time("at"),
        Column::word("code"),
        Column::text("message"),
        Column::word("counts").spare(1),
    ]);
    for attempt in attempts.as_array().into_iter().flatten() {
        table.row_of(attempt, &["at", "code", "message", "spent"]);
    }
    table.say("None.")?;
    if let Some(body) = body.as_str() {
        output::say("\nBody")?;
        terminal::say(0, &output::printable(body))?;
    }
    Ok(())
}

async fn discard(globals: &Globals, mut args: Discard) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    if let ([id], true, false) = (&args.named[..], args.filter.is_empty(), args.dry_run) {
        let question =
            format!("Only a replay of discarded letters takes it up again.\nDiscard {id}?");
        if !args.yes.or_ask(&question)? {
            return Ok(());
        }
        let letter = client
            .post(&["v1", "dead-letters", id, "discard"], &[], &json!({}))
            .await?;
        return match format {
            Format::Json => output::json(&letter),
            Format::Table => Ok(output::say(&format!(
                "{} is discarded",
                field(&letter, "id")
            ))?),
        };
    }
    let named = !args.named.is_empty();
    args.filter.ids.append(&mut args.named);
    if args.dry_run {
        let found = groups(&client, &args.filter).await?;
        return match format {
            Format::Json => output::json(&found),
            Format::Table => causes(&found),
        };
    }
    if is_to_be_asked(args.yes, named, "discard")? && !is_meant(&client, &args).await? {
        return Ok(());
    }
    let body = json!({"filter": args.filter.body(), "limit": args.limit});
    let done = client
        .post(&["v1", "dead-letters", "discard"], &[], &body)
        .await?;
    match format {
        Format::Json => output::json(&done),
        Format::Table => Ok(output::say(&told(&done))?),
    }
}

/// Whether whoever gave the command is to be asked. Where nobody sits at a terminal, letters that were
/// not named one by one must be meant by the command itself.
fn is_to_be_asked(yes: Yes, named: bool, what: &str) -> Result<bool, WrongUsage> {
    if yes.is_to_be_asked() || yes.is_said() || named {
        return Ok(yes.is_to_be_asked());
    }
    Err(WrongUsage(format!(
        "this would {what} every letter of the filter: say --yes, or look first with --dry-run"
    )))
}

/// Says which letters will be discarded, and asks.
async fn is_meant(client: &Client, args: &Discard) -> anyhow::Result<bool> {
    let found = groups(client, &args.filter).await?;
    causes(&found)?;
    if letters_of(&found) == 0 {
        return Ok(false);
    }
    Ok(ask::ask(&format!("\nDiscard {}?", summary(&found)))?)
}

/// What became of many.
fn told(done: &Value) -> String {
    match done["discarded"].as_u64().unwrap_or(0) {
        0 => "No letters match.".to_owned(),
        number => format!("{} discarded", grouped(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_causes_are_counted() {
        let found = json!({"groups": [{"count": 4_000}, {"count": 11}, {"count": 1}]});
        assert_eq!(summary(&found), "4,012 letters, 3 causes");
        let one = json!({"groups": [{"count": 1}]});
        assert_eq!(summary(&one), "1 letter, 1 cause");
    }

    #[test]
    fn what_was_done_is_told_in_words() {
        assert_eq!(told(&json!({"discarded": 1_200})), "1,200 discarded");
        assert_eq!(told(&json!({"discarded": 0})), "No letters match.");
    }
}
