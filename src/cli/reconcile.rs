//! `aftercall reconcile` and `aftercall coverage`: the platforms' lists, against what is here.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::Globals;
use super::client::{Client, Remote};
use super::moment::moment;
use super::output::{self, Format, field};
use super::progress::Bar;
use super::table::{Column, Table};
use crate::host::Clock;
use crate::time::Timestamp;

/// Between one look at a reconciliation and the next.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall reconcile --since 24h --dry-run
  aftercall reconcile --source acme-voice --since 2026-02-01T00:00:00Z --until 2026-02-03T00:00:00Z")]
pub(super) struct Reconcile {
    #[command(flatten)]
    remote: Remote,
    /// Only this source's account [default: all]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Calls created since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Timestamp,
    /// And before, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only count what would be put into the queue
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall coverage
  aftercall coverage --since 7d --missing")]
pub(super) struct Coverage {
    #[command(flatten)]
    remote: Remote,
    /// Only this source's account
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Calls created since then, as 2026-02-01T00:00:00Z, or for how long, as 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// List the missing calls
    #[arg(long)]
    missing: bool,
}

/// Asks for a reconciliation, and waits until it has come to its end.
pub(super) async fn reconcile(globals: &Globals, args: Reconcile) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let (since, until) = (args.since, args.until);
    let newest = until.unwrap_or_else(|| Clock::System.now());
    let wish = json!({"source": args.source, "since": since, "until": until,
                      "dry_run": args.dry_run});
    let path = ["v1", "reconciliations"];
    let mut found = client.post(&path, &[], &wish).await?;
    let id = field(&found, "id");
    let mut bar = Bar::new();
    while found["status"] == "running" {
        let told = format!(
            "{} listed, {} missing, {} changed",
            found["listed"], found["unknown"], found["changed"]
        );
        bar.draw(share(&found, since, newest), 0, 100, &told);
        Clock::System.sleep(LOOK_AGAIN).await;
        found = client.get(&["v1", "reconciliations", &id], &[]).await?;
    }
    bar.end();
    match args.remote.output.format() {
        Format::Json => output::json(&found)?,
        Format::Table => listings(&found)?,
    }
    Ok(if found["status"] == "completed" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn listings(found: &Value) -> anyhow::Result<()> {
    let queued = if found["dry_run"] == true {
        "would queue"
    } else {
        "queued"
    };
    let mut table = Table::new([
        Column::word("source"),
        Column::word("status"),
        Column::number("listed").spare(1),
        Column::number("unknown").spare(3),
        Column::number("changed").spare(4),
        Column::number(queued).spare(2),
        Column::text("error"),
    ]);
    for one in found["sources"].as_array().into_iter().flatten() {
        let count = |name: &str| one[name].as_i64().unwrap_or(0);
        table.row([
            field(one, "source"),
            field(one, "status"),
            field(one, "listed"),
            field(one, "unknown"),
            field(one, "changed"),
            if found["dry_run"] == true {
                (count("unknown") + count("changed")).to_string()
            } else {
                field(one, "queued")
            },
            field(one, "error"),
        ]);
    }
    table.say("")?;
    Ok(())
}

/// What the platforms know, what is here, and what is missing.
pub(super) async fn coverage(globals: &Globals, args: Coverage) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.source.map(|name| ("source", name)));
    query.extend(args.since.map(|at| ("since", at.to_string())));
    let format = args.remote.output.format();
    if args.missing {
        let path = ["v1", "coverage", "missing"];
        let found = client.list(&path, "missing", &query, usize::MAX).await?;
        if format == Format::Json {
            output::json(&found)?;
        } else {
            missing(&found)?;
        }
        let all = found["not_compared"].as_array().is_none_or(Vec::is_empty);
        return Ok(exit(all));
    }
    let found = client.get(&["v1", "coverage"], &query).await?;
    if format == Format::Json {
        output::json(&found)?;
    } else {
        counts(&found)?;
    }
    let mut sources = found["sources"].as_array().into_iter().flatten();
    Ok(exit(sources.all(|one| one["comparison"] != "never")))
}

/// It is a failure that an account was never compared: that nothing is missing is then not known.
fn exit(compared: bool) -> ExitCode {
    if compared {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn counts(found: &Value) -> anyhow::Result<()> {
    let mut table = Table::new([
        Column::word("source"),
        Column::number("known").spare(3),
        Column::number("processed").spare(4),
        Column::number("missing"),
        Column::time("oldest missing").spare(2),
        Column::time("checked at").spare(1),
    ]);
    for one in found["sources"].as_array().into_iter().flatten() {
        let known = |name: &str, otherwise: &str| match &one[name] {
            Value::Null => otherwise.to_owned(),
            _ => field(one, name),
        };
        table.row([
            field(one, "source"),
            field(one, "known"),
            field(one, "processed"),
            known("missing", "unknown"),
            field(one, "oldest_missing_at"),
            known("checked_at", "not yet"),
        ]);
    }
    table.say("No source has an API: there is no list to compare with.")?;
    for one in found["sources"].as_array().into_iter().flatten() {
        if let Some(told) = told(one) {
            output::say(&told)?;
        }
    }
    Ok(())
}

/// What keeps an account from being compared.
fn told(one: &Value) -> Option<String> {
    let (source, error) = (field(one, "source"), one["error"].as_str());
    if one["comparison"] == "never" {
        let why = error.unwrap_or("its list is being read for the first time");
        return Some(format!("{source} was not compared yet: {why}"));
    }
    Some(format!("{source}: {}", error?))
}

fn missing(found: &Value) -> anyhow::Result<()> {
    let mut table = Table::new([
        Column::word("source"),
        Column::word("conversation"),
        Column::time("created at").spare(1),
        Column::time("ended at").spare(3),
        Column::time("queued at").spare(2),
    ]);
    for call in found["missing"].as_array().into_iter().flatten() {
        let cells = [
            "source",
            "conversation_id",
            "created_at",
            "ended_at",
            "queued_at",
        ];
        table.row_of(call, &cells);
    }
    let never: Vec<_> = (found["not_compared"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .map(output::printable)
        .collect();
    if never.is_empty() {
        table.say("No call is missing.")?;
    } else {
        table.say("No call is known to be missing.")?;
        let never = never.join(", ");
        output::say(&format!(
            "Not compared yet, so that calls may be missing: {never}; `aftercall coverage` says why."
        ))?;
    }
    Ok(())
}

/// How far a reconciliation is, in per cent: a list is read backwards, from `until` to `since`.
fn share(found: &Value, since: Timestamp, until: Timestamp) -> u64 {
    let sources = found["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let done: u64 = sources.iter().map(|one| of_one(one, since, until)).sum();
    done / u64::try_from(sources.len()).unwrap_or(u64::MAX).max(1)
}

fn of_one(listing: &Value, since: Timestamp, until: Timestamp) -> u64 {
    if listing["status"] == "completed" || listing["status"] == "failed" {
        return 100;
    }
    let reached: Option<Timestamp> = listing["reached_at"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let Some(reached) = reached else { return 0 };
    let way = until.since(since).as_millis().max(1);
    let gone = until.since(reached).as_millis();
    u64::try_from(gone * 100 / way).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    #[test]
    fn what_was_not_compared_is_said_with_its_reason() {
        let never = json!({"source": "acme", "comparison": "never", "error": null});
        let why = "acme was not compared yet: its list is being read for the first time";
        assert_eq!(told(&never).as_deref(), Some(why));
        let away = json!({"source": "acme", "comparison": "never", "error": "no answer"});
        let why = "acme was not compared yet: no answer";
        assert_eq!(told(&away).as_deref(), Some(why));
        let failing = json!({"source": "acme", "comparison": "failing", "error": "no answer"});
        assert_eq!(told(&failing).as_deref(), Some("acme: no answer"));
        let current = json!({"source": "acme", "comparison": "current", "error": null});
        assert_eq!(told(&current), None);
    }

    #[test]
    fn a_list_is_read_from_now_to_since() {
        let at = |hours: u64| NOW.minus(Duration::from_hours(hours)).to_string();
        let found = json!({"sources": [
            {"status": "completed", "reached_at": null},
            {"status": "running", "reached_at": at(5)},
            {"status": "waiting", "reached_at": null},
            {"status": "running", "reached_at": at(5)},
        ]});
        let since = NOW.minus(Duration::from_hours(10));
        assert_eq!(share(&found, since, NOW), 50);
        assert_eq!(share(&json!({}), since, NOW), 0);
    }
}
