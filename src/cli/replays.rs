//! `aftercall replays`: jobs that put letters back to work.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Remote};
use super::output::{self, Format, field, grouped};
use super::progress::Bar;
use super::table::{Column, Table};
use super::{Globals, dead};
use crate::host::Clock;
use crate::replay::in_words;
use crate::store::replays::Status;

/// How often a job that is watched is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// `aftercall replays`
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  aftercall replays list --status running
  aftercall replays show replay_01jxd5y165f62a0v7gtr6bkg56 --follow")]
pub(super) enum Command {
    /// List the replays, newest first
    List(List),
    /// One replay, and how far it is
    Show(Show),
    /// Hold a running replay; what is on its way comes to its verdict
    Pause(One),
    /// Let a replay go on that was paused or has stopped by itself
    Resume(One),
    /// End a replay; the letters that were not sent stay as they are
    Cancel(One),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall replays list --status stopped")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Only those that stand so
    #[arg(long, value_parser = statuses())]
    status: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall replays show replay_01jxd5y165f62a0v7gtr6bkg56 --follow")]
pub(super) struct Show {
    #[command(flatten)]
    remote: Remote,
    /// The replay's id
    id: String,
    /// Watch it until it rests
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall replays pause replay_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct One {
    #[command(flatten)]
    remote: Remote,
    /// The replay's id
    id: String,
}

fn statuses() -> clap::builder::PossibleValuesParser {
    Status::ALL.map(Status::as_str).into()
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(globals, &args).await?,
        Command::Show(args) => {
            let client = Client::new(globals, &args.remote)?;
            let format = args.remote.output.format();
            if args.follow {
                return follow(&client, &args.id, format).await;
            }
            let job = client.get(&["v1", "replays", &args.id], &[]).await?;
            show(&job, format)?;
        }
        Command::Pause(args) => order(globals, &args, "pause").await?,
        Command::Resume(args) => order(globals, &args, "resume").await?,
        Command::Cancel(args) => order(globals, &args, "cancel").await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals, args: &List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let status = args.status.clone().map(|status| ("status", status));
    let query: Vec<_> = status.into_iter().collect();
    let most = args.limit as usize;
    let found = client
        .list(&["v1", "replays"], "replays", &query, most)
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&found);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::time("created at").spare(1),
        Column::word("status"),
        Column::number("done"),
        Column::number("failed").spare(2),
        Column::number("of"),
    ]);
    for job in found["replays"].as_array().into_iter().flatten() {
        let cells = ["id", "created_at", "status", "done", "failed", "total"];
        table.row_of(job, &cells);
    }
    table.say("No replays. `aftercall dead replay` makes one.")?;
    if found["has_more"] == true {
        output::note("There are more; raise --limit to see them.");
    }
    Ok(())
}

async fn order(globals: &Globals, args: &One, what: &str) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "replays", &args.id, what];
    let job = client.post(&path, &[], &json!({})).await?;
    match args.remote.output.format() {
        Format::Json => output::json(&job),
        Format::Table => Ok(output::say(&told(&job))?),
    }
}

fn show(job: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(job);
    }
    let mut shown = job.clone();
    shown["letters"] = in_words(&shown["filter"].take()).into();
    shown["failures"].take();
    Table::of_fields(
        &shown,
        &["id", "status", "reason", "letters", "done", "total"],
    )
    .say("")?;
    output::say("")?;
    tell(job)
}

/// How a job stands, and of what its letters have failed.
fn tell(job: &Value) -> anyhow::Result<()> {
    output::say(&told(job))?;
    let failures = &job["failures"];
    if failures.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    output::say("\nFailed again")?;
    dead::by_cause(failures).say("")?;
    let id = field(job, "id");
    output::say(&format!("\naftercall dead list --failed-in {id}"))?;
    Ok(())
}

/// Watches a job until nothing of it moves any more, and says how it ended: 1 when it stopped by
/// itself, or a letter failed again. Whoever stops watching does not stop the job.
pub(super) async fn follow(client: &Client, id: &str, format: Format) -> anyhow::Result<ExitCode> {
    let mut bar = Bar::new();
    let job = loop {
        let job = client.get(&["v1", "replays", id], &[]).await?;
        let (done, total) = (count(&job, "done"), count(&job, "total"));
        bar.draw(done, count(&job, "failed"), total, &progress(&job));
        if rests(&job) {
            break job;
        }
        Clock::System.sleep(ASK_EVERY).await;
    };
    bar.end();
    match format {
        Format::Json => output::json(&job)?,
        Format::Table => tell(&job)?,
    }
    Ok(if went_wrong(&job) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether letters that were replayed are dead again.
fn went_wrong(job: &Value) -> bool {
    job["status"] == "stopped" || count(job, "failed") > 0
}

/// Whether nothing of it moves any more: it does not run, and nothing is on its way.
fn rests(job: &Value) -> bool {
    job["status"] != "running" && count(job, "done") >= count(job, "sent")
}

fn count(job: &Value, name: &str) -> u64 {
    job[name].as_u64().unwrap_or(0)
}

fn progress(job: &Value) -> String {
    let (done, total) = (count(job, "done"), count(job, "total"));
    let failed = count(job, "failed");
    let mut text = format!("{} of {}", grouped(done), grouped(total));
    if failed > 0 {
        text = format!("{text}, {} failed", grouped(failed));
    }
    text
}

/// How a job stands, in words.
fn told(job: &Value) -> String {
    let (id, status) = (field(job, "id"), field(job, "status"));
    let mut text = format!(
        "{id} is {status}: {} of {} done, {} resolved, {} dead again",
        grouped(count(job, "done")),
        grouped(count(job, "total")),
        grouped(count(job, "succeeded")),
        grouped(count(job, "failed")),
    );
    if count(job, "passed_over") > 0 {
        text = format!(
            "{text}, {} gone meanwhile",
            grouped(count(job, "passed_over"))
        );
    }
    let reason = field(job, "reason");
    if !reason.is_empty() {
        text = format!("{text}\n{reason}: aftercall replays resume {id}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_in_words() {
        let job = json!({
            "id": "replay_1", "status": "stopped", "done": 1_200, "total": 4_012, "sent": 1_200,
            "succeeded": 1_100, "failed": 98, "passed_over": 2, "reason": "9 of the last 50 failed",
        });
        assert_eq!(
            told(&job),
            "replay_1 is stopped: 1,200 of 4,012 done, 1,100 resolved, 98 dead again, 2 gone meanwhile\n\
             9 of the last 50 failed: aftercall replays resume replay_1"
        );
        assert_eq!(progress(&job), "1,200 of 4,012, 98 failed");
    }

    #[test]
    fn a_job_went_wrong_when_any_letter_failed() {
        let job = |status: &str, failed: u64| json!({"status": status, "failed": failed});
        assert!(!went_wrong(&job("completed", 0)) && !went_wrong(&job("cancelled", 0)));
        assert!(went_wrong(&job("completed", 1)) && went_wrong(&job("stopped", 3)));
    }

    #[test]
    fn a_job_rests_when_nothing_is_on_its_way() {
        let job = |status: &str, sent: u64| json!({"status": status, "done": 3, "sent": sent});
        assert!(rests(&job("paused", 3)) && rests(&job("completed", 3)));
        assert!(!rests(&job("running", 3)) && !rests(&job("cancelled", 4)));
    }
}
