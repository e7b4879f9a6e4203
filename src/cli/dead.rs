//! `aftercall dead`: what was given up, by cause, one by one, and back to work.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use self::filter::Filter;
use super::client::{Client, Remote};
use super::output::{self, Format, field};
use super::{Globals, WrongUsage};

mod filter;

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
    Replay(Many),
    /// Decide against letters: named ones, or all of a filter
    Discard(Many),
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
  aftercall dead replay dl_3k9q0v5e2m8x1c7b4n6z0a2s4d
  aftercall dead replay --code platform_unavailable --dry-run
  aftercall dead discard --fault poison --until 2026-02-01T00:00:00Z --yes")]
pub(super) struct Many {
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
    /// Don't ask whether that is meant
    #[arg(long)]
    yes: bool,
}

/// What is done to letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Replay,
    Discard,
}

impl Deed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
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
        Command::Replay(args) => many(globals, args, Deed::Replay).await?,
        Command::Discard(args) => many(globals, args, Deed::Discard).await?,
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
    let mut table = output::table(&[
        "id",
        "last at",
        "state",
        "stage",
        "source",
        "conversation",
        "code",
        "attempts",
    ]);
    for letter in found["dead_letters"].as_array().into_iter().flatten() {
        table.add_row([
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
    output::rows(&table, "No dead letters.")?;
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
    let groups: Vec<_> = found["groups"].as_array().into_iter().flatten().collect();
    if groups.is_empty() {
        output::say("No dead letters.")?;
        return Ok(());
    }
    output::say(&format!("{}\n", summary(found)))?;
    let mut table = output::table(&["count", "stage", "code", "fault", "message", "example"]);
    for group in groups {
        let cells = ["count", "stage", "code", "fault", "message", "example_id"];
        table.add_row(cells.map(|name| field(group, name)));
    }
    output::rows(&table, "")?;
    Ok(())
}

/// As `4,012 letters, 3 causes`.
fn summary(found: &Value) -> String {
    let groups = found["groups"].as_array().map_or(0, Vec::len);
    let letters = letters_of(found);
    format!(
        "{} {}, {} {}",
        grouped(letters),
        if letters == 1 { "letter" } else { "letters" },
        grouped(groups as u64),
        if groups == 1 { "cause" } else { "causes" },
    )
}

fn letters_of(found: &Value) -> u64 {
    let groups = found["groups"].as_array().into_iter().flatten();
    groups.filter_map(|group| group["count"].as_u64()).sum()
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

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
    let mut table = output::table(&["field", "value"]);
    for (name, value) in letter.as_object().into_iter().flatten() {
        if !value.is_null() {
            table.add_row([name.clone(), field(&letter, name)]);
        }
    }
    output::rows(&table, "")?;
    output::say("\nAttempts")?;
    let mut table = output::table(&["at", "code", "message", "counts"]);
    for attempt in attempts.as_array().into_iter().flatten() {
        let cells = ["at", "code", "message", "spent"];
        table.add_row(cells.map(|name| field(attempt, name)));
    }
    output::rows(&table, "None.")?;
    if let Some(body) = body.as_str() {
        output::say(&format!("\nBody\n{}", output::printable(body)))?;
    }
    Ok(())
}

async fn many(globals: &Globals, mut args: Many, deed: Deed) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    if let ([id], true, false) = (&args.named[..], args.filter.is_empty(), args.dry_run) {
        let letter = client
            .post(&["v1", "dead-letters", id, deed.as_str()], &[], &json!({}))
            .await?;
        return match format {
            Format::Json => output::json(&letter),
            Format::Table => Ok(output::say(&fate(&letter))?),
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
    if !named && !args.yes && !is_meant(&client, &args.filter, deed).await? {
        output::note("Nothing was done.");
        return Ok(());
    }
    let body = json!({"filter": args.filter.body(), "limit": args.limit});
    let done = client
        .post(&["v1", "dead-letters", deed.as_str()], &[], &body)
        .await?;
    match format {
        Format::Json => output::json(&done),
        Format::Table => Ok(output::say(&told(&done))?),
    }
}

/// Asks whoever sits at the terminal. Where nobody does, the answer must be in the command.
async fn is_meant(client: &Client, filter: &Filter, deed: Deed) -> anyhow::Result<bool> {
    let deed = deed.as_str();
    if !io::stdin().is_terminal() {
        return Err(WrongUsage(format!(
            "this would {deed} every letter of the filter: say --yes, or look first with --dry-run"
        ))
        .into());
    }
    let found = groups(client, filter).await?;
    if letters_of(&found) == 0 {
        return Ok(false);
    }
    causes(&found)?;
    let mut error = io::stderr().lock();
    write!(error, "\n{deed} {}? [y/N] ", summary(&found))?;
    error.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What became of one letter.
fn fate(letter: &Value) -> String {
    let (id, state) = (field(letter, "id"), field(letter, "state"));
    match state.as_str() {
        "dead" => format!("{id} is still dead: {}", field(letter, "message")),
        "replaying" => format!("{id} is back in the queue"),
        _ => format!("{id} is {state}"),
    }
}

/// What became of many.
fn told(done: &Value) -> String {
    let parts: Vec<_> = [
        ("queued", "back in the queue"),
        ("resolved", "resolved"),
        ("still_dead", "still dead"),
        ("passed_over", "gone meanwhile"),
        ("discarded", "discarded"),
    ]
    .into_iter()
    .filter_map(|(name, words)| {
        let number = done[name].as_u64().filter(|number| *number > 0)?;
        Some(format!("{} {words}", grouped(number)))
    })
    .collect();
    if parts.is_empty() {
        "No letters match.".to_owned()
    } else {
        parts.join(", ")
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
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(100), "100");
    }

    #[test]
    fn what_was_done_is_told_in_words() {
        let done = json!({"queued": 1_200, "resolved": 0, "still_dead": 3, "passed_over": 0});
        assert_eq!(told(&done), "1,200 back in the queue, 3 still dead");
        assert_eq!(told(&json!({"discarded": 0})), "No letters match.");
        let letter = json!({"id": "dl_1", "state": "dead", "message": "no JSON"});
        assert_eq!(fate(&letter), "dl_1 is still dead: no JSON");
    }
}
