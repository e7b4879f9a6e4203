//! `aftercall export`: settled calls as lines of JSON or CSV, for warehouses and spreadsheets.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::client::{Client, Remote};
use super::moment::moment;
use super::output::Format;
use super::{Globals, conversations, output};
use crate::time::Timestamp;

/// `aftercall export`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall export --since 24h > calls.ndjson
  aftercall export --since 2026-02-01T00:00:00Z --format csv > calls.csv
  aftercall export --since 2026-02-01T00:00:00Z --full | jq -r '.messages[].content'")]
pub(super) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Calls that began since then, as 2026-02-01T00:00:00Z, or for how long, as 24h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Timestamp,
    /// Only calls that began before, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only of this agent
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    /// A line of JSON a call, or CSV with a header [default: ndjson, or a table with --output table]
    #[arg(long, value_enum)]
    format: Option<Lines>,
    /// Messages and memories, too, in the shape of a full event's data
    #[arg(long, conflicts_with = "format")]
    full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lines {
    Ndjson,
    Csv,
}

/// The columns of CSV, in this order.
const COLUMNS: [&str; 22] = [
    "id",
    "source",
    "platform",
    "agent_id",
    "agent_name",
    "status",
    "transport",
    "created_at",
    "started_at",
    "ended_at",
    "duration_ms",
    "end_reason",
    "end_reason_source",
    "call_successful",
    "caller_identity",
    "from_number",
    "to_number",
    "message_count",
    "user_turn_count",
    "cost_cents",
    "recording_url",
    "summary",
];

pub(super) async fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let mut filter = vec![
        ("started_after", args.since.to_string()),
        ("summary_mode", "include".to_owned()),
        ("page_size", "100".to_owned()),
    ];
    filter.extend(
        args.until
            .map(|until| ("started_before", until.to_string())),
    );
    filter.extend(args.agent_id.clone().map(|id| ("agent_id", id)));
    let mut out = io::stdout().lock();
    let chosen = args.format.is_some() || args.full;
    let mut table =
        (!chosen && args.remote.output.asked() == Some(Format::Table)).then(conversations::table);
    let mut header = (args.format == Some(Lines::Csv)).then(|| COLUMNS.join(","));
    let (mut cursor, mut count) = (None::<String>, 0_usize);
    loop {
        let mut query = filter.clone();
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = client.get(&["v1", "conversations"], &query).await?;
        // Nothing is written before the first good answer: a refusal leaves no half file.
        if let Some(header) = header.take()
            && !write(&mut out, &header)?
        {
            return Ok(ExitCode::SUCCESS);
        }
        for call in page["conversations"].as_array().into_iter().flatten() {
            if let Some(table) = &mut table {
                table.row(conversations::row(call));
                continue;
            }
            let line = match args.format {
                Some(Lines::Csv) => csv(call),
                _ if args.full => whole(&client, call).await?.to_string(),
                _ => call.to_string(),
            };
            if !write(&mut out, &line)? {
                return Ok(ExitCode::SUCCESS);
            }
            count += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
        if io::stderr().is_terminal() {
            // A progress line that can't be written is no reason to stop.
            let _ = write!(io::stderr(), "\r  {count} calls");
        }
    }
    if let Some(table) = table {
        drop(out);
        table.say("No conversations.")?;
    } else if io::stderr().is_terminal() {
        output::note(&format!("\r  {count} calls"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a line; says whether somebody still reads.
fn write(out: &mut impl Write, line: &str) -> io::Result<bool> {
    match writeln!(out, "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// A call with its messages and memories.
async fn whole(client: &Client, call: &Value) -> anyhow::Result<Value> {
    let id = call["id"].as_str().unwrap_or_default();
    // Of two platforms' calls with one id, this one.
    let source = [(
        "source",
        call["source"].as_str().unwrap_or_default().to_owned(),
    )];
    let path = ["v1", "conversations", id];
    let conversation = client.get(&path, &source).await?;
    let mut parts = Vec::with_capacity(2);
    for part in ["messages", "memories"] {
        let path = ["v1", "conversations", id, part];
        let mut found = client.list(&path, part, &source, usize::MAX).await?;
        parts.push(found[part].take());
    }
    let [messages, memories] = <[Value; 2]>::try_from(parts).unwrap_or_default();
    Ok(json!({"conversation": conversation, "messages": messages, "memories": memories}))
}

/// A call as a line of CSV (RFC 4180). A text that a spreadsheet would take for a formula is set
/// apart by a quote, as callers choose what their identity says.
fn csv(call: &Value) -> String {
    let cells = COLUMNS.map(|column| {
        let text = match &call[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        cell(&text)
    });
    cells.join(",")
}

fn cell(text: &str) -> String {
    let is_number = text.strip_prefix(['+', '-']).is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_was_meant() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("+15550100"), "+15550100");
        assert_eq!(cell("a,b \"c\"\nd"), "\"a,b \"\"c\"\"\nd\"");
        assert_eq!(cell("=1+cmd|' /C calc'!A0"), "\"'=1+cmd|' /C calc'!A0\"");
        let call = json!({"id": "c", "duration_ms": 5, "summary": null});
        let line = csv(&call);
        assert_eq!(line.matches(',').count(), COLUMNS.len() - 1);
        assert!(line.starts_with("c,,") && line.contains(",5,"));
    }
}
