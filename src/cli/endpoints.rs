//! `aftercall endpoints`: who is sent results.

use std::path::Path;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::ask::Yes;
use super::client::{Client, Remote};
use super::output::{self, Format, field};
use super::table::{Column, Table};
use super::{Globals, WrongUsage};
use crate::outbound::preset::Preset;

mod change;

/// `aftercall endpoints`
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  aftercall endpoints add https://crm.example.com/hooks/aftercall
  aftercall endpoints test ep_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) enum Command {
    /// List the endpoints, newest first
    List(List),
    /// Make an endpoint; its secret is shown this once
    Add(Add),
    /// Change an endpoint: where it is, what it gets, how fast
    Change(change::Change),
    /// Give an endpoint a new secret; the old one signs beside it for a while
    RotateSecret(Rotate),
    /// Send a test event, now and once
    Test(Named),
    /// Send to an endpoint again
    Enable(Enable),
    /// Send an endpoint nothing more; what waits for it goes on waiting
    Disable(Named),
    /// Remove an endpoint; what it was not sent yet is cancelled
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall endpoints list")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Thin,
    Full,
}

impl Shape {
    fn as_str(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::Full => "full",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall endpoints add https://crm.example.com/hooks --event conversation.completed --payload full
  aftercall endpoints add --preset hubspot --header \"Authorization: Bearer $HUBSPOT_TOKEN\"
  aftercall endpoints add https://acme.zendesk.com/api/v2/tickets/update_many.json --preset zendesk \\
      --header \"Authorization: Basic $ZENDESK_CREDENTIALS\"")]
pub(super) struct Add {
    #[command(flatten)]
    remote: Remote,
    /// Where it is [default: the preset's, where it has one]
    #[arg(value_name = "ENDPOINT")]
    address: Option<String>,
    /// Types of events, or `*`; may be given more than once [default: *; with a preset: conversation.completed]
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// The only agents whose events it gets [default: all]
    #[arg(long = "agent-id", value_name = "ID")]
    agents: Vec<String>,
    /// How much of a conversation it gets [default: the setting results.payload]
    #[arg(long, value_enum)]
    payload: Option<Shape>,
    /// A header of its own, as `Name: value`; may be given more than once
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// A ready-made template: hubspot or zendesk
    #[arg(long, conflicts_with = "template")]
    preset: Option<String>,
    /// A file with a template of your own, in MiniJinja
    #[arg(long, value_name = "FILE")]
    template: Option<std::path::PathBuf>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Deliveries a second at the most [default: as fast as they come]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Deliveries at once [default: 10]
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall endpoints rotate-secret ep_01jxd5y165f62a0v7gtr6bkg56 --overlap 48h")]
pub(super) struct Rotate {
    #[command(flatten)]
    remote: Remote,
    /// The endpoint's id
    id: String,
    /// How long both secrets sign; 0 ends the old one at once
    #[arg(long, value_name = "TIME", default_value = "24h")]
    overlap: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall endpoints enable ep_01jxd5y165f62a0v7gtr6bkg56 --send-missed")]
pub(super) struct Enable {
    #[command(flatten)]
    remote: Remote,
    /// The endpoint's id
    id: String,
    /// Send what it missed since it was disabled, too
    #[arg(long)]
    send_missed: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall endpoints test ep_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Named {
    #[command(flatten)]
    remote: Remote,
    /// The endpoint's id
    id: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall endpoints remove ep_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Remove {
    #[command(flatten)]
    remote: Remote,
    /// The endpoint's id
    id: String,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, &args).await?,
        Command::Add(args) => add(globals, args).await?,
        Command::Change(args) => {
            let (client, format) = (
                Client::new(globals, &args.remote)?,
                args.remote.output.format(),
            );
            let id = args.id.clone();
            let body = args.body()?;
            let endpoint = client.patch(&["v1", "endpoints", &id], &body).await?;
            told(&endpoint, format, "is changed")?;
        }
        Command::RotateSecret(args) => {
            let client = Client::new(globals, &args.remote)?;
            let path = ["v1", "endpoints", &args.id, "rotate-secret"];
            let body = json!({"overlap": args.overlap});
            let rotated = client.post(&path, &[], &body).await?;
            secret(&rotated, args.remote.output.format())?;
        }
        Command::Test(args) => return test(globals, &args).await,
        Command::Enable(args) => enable(globals, &args).await?,
        Command::Disable(args) => {
            let client = Client::new(globals, &args.remote)?;
            let path = ["v1", "endpoints", &args.id, "disable"];
            let endpoint = client.post(&path, &[], &json!({})).await?;
            told(&endpoint, args.remote.output.format(), "is disabled")?;
        }
        Command::Remove(args) => {
            let question = format!(
                "What the endpoint was not sent yet is cancelled, and its secret is lost.\nRemove {}?",
                args.id
            );
            if !args.yes.or_ask(&question)? {
                return Ok(ExitCode::SUCCESS);
            }
            let client = Client::new(globals, &args.remote)?;
            client.delete(&["v1", "endpoints", &args.id], &[]).await?;
            let removed = json!({"id": args.id, "removed": true});
            told(&removed, args.remote.output.format(), "is removed")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals, args: &List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "endpoints"];
    let all = client.list(&path, "endpoints", &[], usize::MAX).await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&all);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::text("url"),
        Column::text("events").spare(3),
        Column::word("payload").spare(4),
        Column::text("state").spare(1),
        Column::time("failing since").spare(2),
    ]);
    for endpoint in all["endpoints"].as_array().into_iter().flatten() {
        let events = endpoint["events"].as_array().into_iter().flatten();
        let events: Vec<_> = events.filter_map(Value::as_str).collect();
        table.row([
            field(endpoint, "id"),
            field(endpoint, "url"),
            events.join(" "),
            if endpoint["template"].is_null() {
                field(endpoint, "payload")
            } else {
                "template".to_owned()
            },
            if endpoint["enabled"] == true {
                "enabled".to_owned()
            } else {
                format!("disabled ({})", field(endpoint, "disabled_reason"))
            },
            field(endpoint, "failing_since"),
        ]);
    }
    table.say("No endpoints.")?;
    Ok(())
}

async fn add(globals: &Globals, args: Add) -> anyhow::Result<()> {
    let format = args.remote.output.format();
    let client = Client::new(globals, &args.remote)?;
    let body = wanted(args)?;
    let made = client.post(&["v1", "endpoints"], &[], &body).await?;
    if let Some(warning) = made["warning"].as_str() {
        output::note(&format!("Note: {warning}"));
    }
    secret(&made, format)
}

/// The body that makes the endpoint.
fn wanted(args: Add) -> anyhow::Result<Value> {
    let preset = args.preset.as_deref().and_then(Preset::named);
    let url = args
        .address
        .or_else(|| {
            preset
                .map(|preset| preset.url.to_owned())
                .filter(|url| !url.is_empty())
        })
        .ok_or_else(|| {
            let text = "say where the endpoint is, without a flag: aftercall endpoints add \
                        https://crm.example.com/hooks (--url is the aftercall that is asked)";
            WrongUsage(text.to_owned())
        })?;
    let events = match (args.events, &args.preset) {
        (events, _) if !events.is_empty() => events,
        (_, Some(_)) => vec!["conversation.completed".to_owned()],
        (_, None) => vec!["*".to_owned()],
    };
    let mut body = json!({"url": url, "events": events});
    if !args.agents.is_empty() {
        body["agents"] = json!(args.agents);
    }
    if let Some(shape) = args.payload {
        body["payload"] = json!(shape.as_str());
    }
    let headers: Result<Map<String, Value>, WrongUsage> =
        args.headers.iter().map(|header| named(header)).collect();
    let headers = headers?;
    if !headers.is_empty() {
        body["headers"] = Value::Object(headers);
    }
    if let Some(name) = args.preset {
        body["template"] = json!({"preset": name});
    }
    if let Some(path) = args.template {
        body["template"] = template(&path)?;
    }
    for (name, value) in [
        ("description", args.description.map(Value::from)),
        ("rate_per_second", args.rate.map(Value::from)),
        ("max_concurrency", args.concurrency.map(Value::from)),
    ] {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    Ok(body)
}

/// A template of one's own, from its file.
fn template(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow::Error::new(error).context(path.display().to_string()))?;
    Ok(json!({"body": text}))
}

/// A header's name and value. What is wrong with one is told without repeating it.
fn named(header: &str) -> Result<(String, Value), WrongUsage> {
    match header.split_once(':') {
        Some((name, value)) if !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), Value::from(value.trim())))
        }
        _ => Err(WrongUsage("a --header is written `Name: value`".to_owned())),
    }
}

/// The secret alone on standard output, so that it can be caught in a variable.
fn secret(answer: &Value, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(answer),
        Format::Table => {
            output::say(&field(answer, "secret"))?;
            let id = field(answer, "id");
            output::note(&format!(
                "This is the secret of {id}. It is not shown again."
            ));
            Ok(())
        }
    }
}

async fn test(globals: &Globals, args: &Named) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "endpoints", &args.id, "test"];
    let tested = client.post(&path, &[], &json!({})).await?;
    match args.remote.output.format() {
        Format::Json => output::json(&tested)?,
        Format::Table if tested["delivered"] == true => {
            let (status, took) = (field(&tested, "status"), field(&tested, "latency_ms"));
            output::say(&format!("{} answered {status} after {took} ms", args.id))?;
        }
        Format::Table => {
            let why = field(&tested, "message");
            output::say(&format!("{} did not take it: {why}", args.id))?;
        }
    }
    Ok(if tested["delivered"] == true {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn enable(globals: &Globals, args: &Enable) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    let before = client.get(&["v1", "endpoints", &args.id], &[]).await?;
    let path = ["v1", "endpoints", &args.id, "enable"];
    let endpoint = client.post(&path, &[], &json!({})).await?;
    told(&endpoint, format, "is enabled")?;
    let since = before["disabled_at"].as_str().filter(|_| args.send_missed);
    if let Some(since) = since {
        let path = ["v1", "endpoints", &args.id, "send-missed"];
        let missed = client.post(&path, &[], &json!({"since": since})).await?;
        output::note(&format!(
            "{} missed events are sent",
            field(&missed, "queued")
        ));
    }
    Ok(())
}

fn told(endpoint: &Value, format: Format, what: &str) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(endpoint),
        Format::Table => Ok(output::say(&format!("{} {what}", field(endpoint, "id")))?),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn body(words: &[&str]) -> anyhow::Result<Value> {
        wanted(Line::try_parse_from([&["add"], words].concat())?.add)
    }

    #[test]
    fn an_endpoint_is_made_of_what_is_said() {
        assert_eq!(
            body(&["https://crm.example.com/"]).unwrap(),
            json!({"url": "https://crm.example.com/", "events": ["*"]})
        );
        assert_eq!(
            body(&["--preset", "hubspot", "--header", "Authorization: Bearer x"]).unwrap(),
            json!({
                "url": "https://api.hubapi.com/crm/v3/objects/calls",
                "events": ["conversation.completed"],
                "headers": {"Authorization": "Bearer x"},
                "template": {"preset": "hubspot"},
            })
        );
        for wrong in [
            &["--preset", "zendesk"][..],
            &[],
            &["https://x/", "--header", "planted"],
        ] {
            let why = body(wrong).unwrap_err().to_string();
            assert!(!why.contains("planted"), "{why}");
        }
    }
}
