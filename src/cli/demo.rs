//! `aftercall demo`: the whole product on this machine, against simulated platforms and a CRM, and a
//! table of what went in and what came out.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::{Globals, output};
use crate::host::{Clock, Host};
use crate::shutdown::Signals;
use crate::simulate::enter;
use crate::simulate::foreign::Foreign;
use crate::simulate::polled::Polled;
use crate::simulate::script::{self, Take};

mod crm;
mod judge;
mod report;
mod stage;
mod table;
mod watch;

use report::{CallReport, Report};
use stage::Stage;
use table::Look;

/// By then every call must have come to what the script says.
const DEADLINE: Duration = Duration::from_secs(45);

/// Between one call's webhooks and the next one's.
const BETWEEN_CALLS: Duration = Duration::from_millis(120);

/// `aftercall demo`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall demo
  aftercall demo --keep                         leave it running, to look around
  aftercall demo --data-dir ./aftercall-demo    keep the data here
  aftercall demo --output json                  the report as JSON")]
pub(super) struct Args {
    /// Leave everything running until Ctrl-C
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    output: output::Choice,
}

pub(super) async fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let host = Host::new(Clock::System);
    let stage = Stage::set(&host, globals.data_dir.as_deref()).await?;
    let json = args.output.asked() == Some(output::Format::Json);
    output::note(&greeting(&stage));
    let report = tokio::select! {
        report = perform(&stage) => report?,
        name = signals.next() => {
            output::note(&format!("stopped by {name}, before every call had come through"));
            stage.strike().await;
            return Ok(ExitCode::FAILURE);
        }
    };
    if json {
        output::json(&serde_json::to_value(&report)?)?;
    } else {
        output::say(&table::render(&report, Look::of(&io::stdout())))?;
        output::say(&farewell(&report, &stage, args.keep))?;
    }
    if args.keep {
        output::note("It is running. Ctrl-C stops it.");
        signals.next().await;
    }
    stage.strike().await;
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays every call, and follows each until it has come to what the script says.
async fn perform(stage: &Stage) -> anyhow::Result<Report> {
    let clock = &stage.host.clock;
    watch::first_listings(stage).await?;
    let begun = clock.now();
    let others = script::foreign()?.into_iter();
    let shown = [
        Foreign::Elevenlabs.platform(),
        Foreign::Twilio.platform(),
        Polled::Anyreach.platform(),
    ];
    let others = others.filter(|script| script.platform().is_some_and(|it| shown.contains(&it)));
    let takes = script::all()?
        .iter()
        .chain(&others.collect::<Vec<_>>())
        .map(|script| script.take("demo", begun))
        .collect::<Result<Vec<Take>, _>>()?;
    for take in &takes {
        enter(&stage.platform, take);
    }
    let deadline = begun.plus(DEADLINE);
    let mut calls: FuturesUnordered<_> = (0_u32..)
        .zip(&takes)
        .map(|(n, take)| async move {
            clock.sleep(BETWEEN_CALLS * n).await;
            (n, watch::follow(stage, take, deadline).await)
        })
        .collect();
    let mut reports: Vec<(u32, CallReport)> = Vec::new();
    while let Some((n, report)) = calls.next().await {
        output::note(&table::progress(&report, Look::of(&io::stderr())));
        reports.push((n, report));
    }
    reports.sort_by_key(|(n, _)| *n);
    let mut reports: Vec<CallReport> = reports.into_iter().map(|(_, report)| report).collect();
    // Each is looked at once more: what came later may have touched it, or a forged call turned up.
    for (report, take) in reports.iter_mut().zip(&takes) {
        watch::confirm(stage, take, report).await;
    }
    let data = stage.folder.display().to_string();
    let elapsed = clock.now().since(begun);
    Ok(Report::new(reports, data, stage.url.clone(), elapsed))
}

fn greeting(stage: &Stage) -> String {
    format!(
        "aftercall demo: finished calls go in, settled and remembered calls come out\n\
         \n\
         \x20 platform   {platform}   simulated: Speechify, LiveKit, ElevenLabs, Anyreach and Twilio\n\
         \x20 aftercall  {url}   receiver, worker and API; queue and records in SQLite\n\
         \x20 CRM        {platform}/crm   simulated: of four events it fails three at first\n\
         \x20 data       {folder}\n\
         \n\
         The grace for a platform to say why a call ended is shortened from 10 s to 1 s.\n",
        platform = stage.platform_url,
        url = stage.url,
        folder = stage.folder.display(),
    )
}

fn farewell(report: &Report, stage: &Stage, keep: bool) -> String {
    let folder = stage.folder.display();
    let mut lines = report.summary.lines(report.elapsed_ms);
    lines.push(String::new());
    for (call, difference) in report.differences() {
        lines.push(format!("Not as scripted: {call}: {difference}"));
    }
    if report.ok {
        lines.push("Every call came out as scripted.".to_owned());
    }
    lines.push(format!("Your data: {folder}"));
    lines.push(String::new());
    lines.push("Try next:".to_owned());
    lines.extend(alias());
    let example = report.example();
    if keep {
        let token = stage.token_file.display();
        lines.push(format!("  export AFTERCALL_URL={}", stage.url));
        lines.push(format!("  export AFTERCALL_TOKEN=$(cat {token})"));
    } else {
        lines.push(format!("  cd {folder}"));
        lines.push("  aftercall serve &    # serves this data again, on port 8080".to_owned());
        lines.push("  export AFTERCALL_URL=http://127.0.0.1:8080".to_owned());
        lines.push("  export AFTERCALL_TOKEN=$(cat aftercall-data/admin-token)".to_owned());
    }
    lines.push("  aftercall conversations list".to_owned());
    if let Some((agent_id, caller)) = example {
        lines.push(format!(
            "  aftercall memories show --agent-id {agent_id} --caller-identity {caller}"
        ));
    }
    lines.push(
        "  curl -H \"Authorization: Bearer $AFTERCALL_TOKEN\" $AFTERCALL_URL/v1/conversations"
            .to_owned(),
    );
    lines.join("\n")
}

/// How to call this program by its name, where the shell would not find it: run by cargo, say.
fn alias() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join("aftercall").is_file())
    });
    (!found).then(|| format!("  alias aftercall={}", program.display()))
}
