//! `aftercall dead replay`: looked at, confirmed, and watched.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::filter::Filter;
use crate::cli::ask::{self, Yes};
use crate::cli::client::{Client, Remote};
use crate::cli::output::{self, Format, counted, field, grouped};
use crate::cli::table::{Column, Table};
use crate::cli::{Globals, replays};
use crate::replay::usual_canary;

/// Letters a second unless told otherwise.
const RATE: f64 = 10.0;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall dead replay dl_3k9q0v5e2m8x1c7b4n6z0a2s4d
  aftercall dead replay --code platform_unavailable --dry-run
  aftercall dead replay --stage finalize --since 2h --canary 10 --rate 50")]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    remote: Remote,
    /// These letters
    #[arg(value_name = "ID")]
    named: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Letters a second
    #[arg(long, value_name = "N", default_value_t = RATE, value_parser = rate)]
    rate: f64,
    /// Letters that go first, and whose verdicts are awaited; 0 for none [default: 10 of several]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    canary: Option<u32>,
    /// Send the canary and nothing else
    #[arg(long, requires = "canary")]
    canary_only: bool,
    /// Stop when this share of the canary, or of the last 50, fails again
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    stop_at_failure_rate: f64,
    #[command(flatten)]
    yes: Yes,
    /// Don't wait until it is over; `aftercall replays show` says how far it is
    #[arg(long)]
    detach: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected letters a second, from 0.001 to 10000".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share from 0 to 1".to_owned()),
    }
}

pub(super) async fn run(globals: &Globals, mut args: Replay) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let format = args.remote.output.format();
    args.filter.ids.append(&mut args.named);
    if args.dry_run {
        let found = preview(&client, &args.filter).await?;
        match format {
            Format::Json => output::json(&found)?,
            Format::Table => show(&found)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let named = args.filter.ids.len();
    let asked = super::is_to_be_asked(args.yes, named > 0, "replay")?;
    if asked && named != 1 && !is_meant(&client, &args).await? {
        return Ok(ExitCode::SUCCESS);
    }
    let body = json!({
        "filter": args.filter.body(),
        "rate": args.rate,
        "canary": args.canary,
        "canary_only": args.canary_only,
        "stop_at_failure_rate": args.stop_at_failure_rate,
    });
    let job = client.post(&["v1", "replays"], &[], &body).await?;
    // Who names a letter means one that is there.
    let found = job["total"].as_u64().unwrap_or(0);
    if let Some(told) = missing(found, &args.filter.ids) {
        output::note(&told);
    }
    if found == 0 {
        match format {
            Format::Json => output::json(&job)?,
            Format::Table => output::say("No letters match.")?,
        }
        return Ok(ExitCode::from(u8::from(named > 0)));
    }
    let id = field(&job, "id");
    if args.detach {
        match format {
            Format::Json => output::json(&job)?,
            Format::Table => output::say(&format!("{id} runs: aftercall replays show {id}"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    if io::stderr().is_terminal() {
        output::note(&format!("{id} runs, also when you stop watching."));
    }
    replays::follow(&client, &id, format).await
}

/// What is said of letters that were named, and of which so many are there to be replayed.
fn missing(found: u64, named: &[String]) -> Option<String> {
    let wanted: BTreeSet<_> = named.iter().collect();
    let lost = (wanted.len() as u64).saturating_sub(found);
    match named {
        _ if lost == 0 => None,
        [id] => Some(format!(
            "{id} is no letter that can be replayed: it is not there, or not dead"
        )),
        _ => Some(format!(
            "{lost} of the {} letters that are named are not there, or not dead",
            wanted.len()
        )),
    }
}

async fn preview(client: &Client, filter: &Filter) -> anyhow::Result<Value> {
    let body = json!({"filter": filter.body(), "dry_run": true});
    Ok(client.post(&["v1", "replays"], &[], &body).await?)
}

/// Says what will happen, and asks.
async fn is_meant(client: &Client, args: &Replay) -> anyhow::Result<bool> {
    let found = preview(client, &args.filter).await?;
    let total = found["total"].as_u64().unwrap_or(0);
    if total == 0 {
        output::say("No letters match.")?;
        return Ok(false);
    }
    show(&found)?;
    let usual = usual_canary(i64::try_from(total).unwrap_or(i64::MAX));
    let canary = args.canary.unwrap_or(usual);
    let question = question(total, args.rate, canary.into());
    Ok(ask::ask(&format!("\n{question}"))?)
}

/// As `Replay 4,012 letters, 10 of them first, at 10 a second (about 7 min)?`
fn question(total: u64, rate: f64, canary: u64) -> String {
    let first = if canary > 0 && canary < total {
        format!(", {canary} of them first")
    } else {
        String::new()
    };
    #[expect(clippy::cast_precision_loss, reason = "it is said about how long")]
    let seconds = total as f64 / rate;
    let long = if seconds < 90.0 {
        format!("{:.0} s", seconds.ceil())
    } else if seconds < 5_400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    };
    format!(
        "Replay {}{first}, at {rate} a second (about {long})?",
        counted(total, "letter", "letters")
    )
}

/// What would happen, letter by letter, and altogether.
fn show(found: &Value) -> anyhow::Result<()> {
    let mut table = Table::new([
        Column::word("letter"),
        Column::word("stage").spare(1),
        Column::word("conversation").spare(2),
        Column::word("effect"),
        Column::text("note"),
    ]);
    for example in found["examples"].as_array().into_iter().flatten() {
        table.row([
            field(example, "id"),
            field(example, "stage"),
            field(example, "conversation_id"),
            field(example, "effect"),
            note(example),
        ]);
    }
    table.say("No letters match.")?;
    if found["total"] != 0 {
        output::say(&format!("\n{}", summary(found)))?;
    }
    Ok(())
}

fn note(example: &Value) -> String {
    let mut parts = Vec::new();
    let reason = &example["end_reason"];
    if reason.is_object() {
        let word = |name: &str| Some(field(reason, name)).filter(|word| !word.is_empty());
        let none = || "none".to_owned();
        parts.push(format!(
            "end reason {} to {}",
            word("from").unwrap_or_else(none),
            word("to").unwrap_or_else(none)
        ));
    }
    match example["facts"].as_u64() {
        None | Some(0) => {}
        Some(facts) => parts.push(counted(facts, "fact more", "facts more")),
    }
    let calls: Vec<_> = (example["calls"].as_array().into_iter().flatten())
        .map(callee)
        .collect();
    if !calls.is_empty() {
        parts.push(format!("calls {}", calls.join(", ")));
    }
    parts.extend(Some(field(example, "note")).filter(|note| !note.is_empty()));
    parts.join("; ")
}

/// An endpoint by its address, or by its id where the address is not for these eyes.
fn callee(call: &Value) -> String {
    let url = field(call, "url");
    if url.is_empty() {
        field(call, "endpoint_id")
    } else {
        url
    }
}

fn summary(found: &Value) -> String {
    let effects = &found["effects"];
    let number = |name: &str| effects[name].as_u64().unwrap_or(0);
    let total = found["total"].as_u64().unwrap_or(0);
    let mut text = counted(total, "letter", "letters");
    if number("looked_at") < total {
        text = format!("{text}; of the {} looked at,", grouped(number("looked_at")));
    } else {
        text.push(':');
    }
    let parts: Vec<_> = [
        ("would_run", "would run"),
        ("already_done", "have nothing left to do"),
        ("would_fail", "would fail again"),
        ("not_asked", "not asked about"),
        ("would_change_end_reason", "would change an end reason"),
        ("would_add_facts", "facts would be added"),
    ]
    .into_iter()
    .filter(|(name, _)| number(name) > 0)
    .map(|(name, words)| format!("{} {words}", grouped(number(name))))
    .collect();
    let mut text = format!("{text} {}", parts.join(", "));
    for call in effects["would_call"].as_array().into_iter().flatten() {
        let count = call["count"].as_u64().unwrap_or(0);
        let often = match count {
            1 => "once".to_owned(),
            many => format!("{} times", grouped(many)),
        };
        text = format!("{text}\nwould call {} {often}", callee(call));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_what_will_happen() {
        assert_eq!(
            question(4_012, 10.0, 10),
            "Replay 4,012 letters, 10 of them first, at 10 a second (about 7 min)?"
        );
        assert_eq!(
            question(1, 0.5, 0),
            "Replay 1 letter, at 0.5 a second (about 2 s)?"
        );
        assert!(question(50_000, 1.0, 10).ends_with("(about 13.9 h)?"));
    }

    #[test]
    fn letters_that_are_not_there_are_told_of() {
        let named = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let told = |found, ids: &[&str]| missing(found, &named(ids)).unwrap_or_default();
        assert!(told(0, &["dl_x"]).starts_with("dl_x is no letter"));
        assert!(told(1, &["dl_x", "dl_y", "dl_z"]).starts_with("2 of the 3 letters"));
        assert_eq!(
            (told(1, &["dl_x", "dl_x"]), told(4, &[])),
            Default::default()
        );
    }

    #[test]
    fn effects_are_told_in_words() {
        let found = json!({
            "total": 4_012,
            "effects": {"looked_at": 100, "would_run": 15, "already_done": 10, "would_fail": 0,
                        "not_asked": 75},
        });
        assert_eq!(
            summary(&found),
            "4,012 letters; of the 100 looked at, 15 would run, 10 have nothing left to do, \
             75 not asked about"
        );
        let example = json!({
            "end_reason": {"from": null, "to": "caller_hangup"}, "facts": 2, "note": null,
            "calls": [{"endpoint_id": "ep_1", "url": "https://crm.example.com/a"}],
        });
        assert_eq!(
            note(&example),
            "end reason none to caller_hangup; 2 facts more; calls https://crm.example.com/a"
        );
        let found = json!({
            "total": 1,
            "effects": {"looked_at": 1, "would_run": 1, "would_call": [
                {"endpoint_id": "ep_1", "url": null, "count": 1},
                {"endpoint_id": "ep_2", "url": "https://crm.example.com/b", "count": 1_200},
            ]},
        });
        assert_eq!(
            summary(&found),
            "1 letter: 1 would run\nwould call ep_1 once\n\
             would call https://crm.example.com/b 1,200 times"
        );
    }
}
