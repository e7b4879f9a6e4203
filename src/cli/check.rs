//! `aftercall check`: what is wrong, and how to mend it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::Globals;
use super::output::{self, Choice, Format};
use super::table::{Column, Table};
use crate::config::{Config, ConfigError, PlatformName, SignedBy};
use crate::extract::llm::{Llm, LlmError};
use crate::platform::{self, FetchError, ListQuery, Source};
use crate::queue::rabbit;
use crate::telemetry;

mod database;

/// `aftercall check`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall check --config /etc/aftercall.toml

Exit code 1 when anything fails; warnings are none.")]
pub(super) struct Args {
    #[command(flatten)]
    output: Choice,
}

/// How a look at one thing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Warning,
    Failed,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    what: String,
    state: State,
    found: String,
    mend: String,
}

impl Finding {
    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, State::Ok, found, "")
    }

    fn failed(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(what, State::Failed, found, mend)
    }

    fn new(
        what: impl Into<String>,
        state: State,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            state,
            found: found.into(),
            mend: mend.into(),
        }
    }
}

pub(super) async fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(&globals.overrides()) {
        Ok(config) => look(&config).await?,
        Err(error) => wrong_settings(&error),
    };
    show(args.output.format(), &findings)?;
    let failed = findings
        .iter()
        .any(|finding| finding.state == State::Failed);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Without settings there is nothing else to look at.
fn wrong_settings(error: &ConfigError) -> Vec<Finding> {
    let found = |problem: &crate::config::Problem| {
        Finding::failed(&problem.key, &problem.message, &problem.mend)
    };
    error.problems.iter().map(found).collect()
}

async fn look(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![Finding::ok("settings", "read")];
    for warning in &config.warnings {
        findings.push(Finding::new("settings", State::Warning, warning, ""));
    }
    findings.push(folder(&config.data_dir));
    findings.push(secret_key(config));
    findings.extend(telemetry::collector().map(traces));
    findings.extend(database::look(config).await);
    findings.extend(broker(config).await);
    findings.extend(sources(config).await?);
    findings.extend(language_model(config).await?);
    Ok(findings)
}

/// Whether the data folder can be written, or made. Nothing is left behind.
fn folder(path: &Path) -> Finding {
    let what = "data folder";
    let there = path.is_dir();
    let mut nearest = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    while !nearest.exists() && nearest.pop() {}
    let probe = nearest.join(format!(".aftercall-check-{}", std::process::id()));
    let shown = path.display();
    match std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe)) {
        Ok(()) if there => Finding::ok(what, format!("{shown} can be written")),
        Ok(()) => Finding::ok(what, format!("{shown} will be made by `aftercall serve`")),
        Err(error) => Finding::failed(
            what,
            format!("{} can't be written: {error}", nearest.display()),
            "give this user the folder, or choose another with data_dir",
        ),
    }
}

fn is_embedded(config: &Config) -> bool {
    config.database.url.expose().starts_with("sqlite://")
}

fn secret_key(config: &Config) -> Finding {
    let what = "secret key";
    let kept = config.data_dir.join("secret-key");
    if config.secret_key.is_some() {
        Finding::ok(what, "from the settings")
    } else if !is_embedded(config) {
        Finding::new(
            what,
            State::Warning,
            "kept in the database, beside what it seals",
            "set AFTERCALL_SECRET_KEY in all processes: openssl rand -base64 32",
        )
    } else if kept.exists() {
        Finding::ok(what, format!("from {}", kept.display()))
    } else {
        let shown = kept.display();
        Finding::ok(what, format!("{shown} will be made by `aftercall serve`"))
    }
}

/// Whether traces go where a variable says.
fn traces(variable: &str) -> Finding {
    let what = "traces";
    if telemetry::TRACES {
        Finding::ok(what, format!("go to the collector that {variable} names"))
    } else {
        Finding::new(
            what,
            State::Warning,
            format!("{variable} is set, and this build makes none"),
            "take the image of deploy/Dockerfile, or build with --features otlp",
        )
    }
}

/// Connects to every node of the broker, and declares the queues.
async fn broker(config: &Config) -> Vec<Finding> {
    if config.queue.is_embedded() {
        return vec![Finding::ok("queue", "kept in the database")];
    }
    let inspected = match rabbit::inspect(&config.queue.url, rabbit::PREFIX).await {
        Ok(inspected) => inspected,
        Err(error) => {
            let mend = "amqp://user:password@host:port/vhost, several separated by commas";
            return vec![Finding::failed("queue", error.to_string(), mend)];
        }
    };
    inspected.into_iter().map(node).collect()
}

/// RabbitMQ of this release is the oldest that dead-letters quorum queues at least once.
const OLDEST_BROKER: (u32, u32) = (3, 10);

fn node(node: rabbit::Inspected) -> Finding {
    let what = format!("broker {}", node.node);
    let found = match node.found {
        Ok(found) => found,
        Err(error) => {
            let mend = error.advice();
            return Finding::failed(what, error.to_string(), mend);
        }
    };
    let greeting = &found.greeting;
    let named = if greeting.version.is_empty() {
        "answers".to_owned()
    } else {
        format!(
            "{} {} answers, with {}",
            greeting.product,
            greeting.version,
            features(greeting)
        )
    };
    if greeting
        .release()
        .is_some_and(|release| release < OLDEST_BROKER)
    {
        let mend = "use RabbitMQ 3.10 or later: older ones may lose a dead letter";
        return Finding::failed(what, output::printable(&named), mend);
    }
    if found.blocked {
        return Finding::failed(
            what,
            format!("{named}, and takes no messages: an alarm of its memory or disk"),
            "free disk or memory on the broker: rabbitmq-diagnostics alarms; until then calls wait in \
             the database's outbox",
        );
    }
    if found.letters > 0 {
        return Finding::new(
            what,
            State::Warning,
            format!("{named}; {} dead letters wait to be filed", found.letters),
            "run a worker: it copies them into the database",
        );
    }
    Finding::ok(what, format!("{named}; it has our queues"))
}

/// What of the broker's features our topology uses.
fn features(greeting: &rabbit::Greeting) -> String {
    let mut features = vec!["quorum queues"];
    if greeting.release() >= Some(OLDEST_BROKER) {
        features.push("dead-lettering at least once");
    }
    for (capability, feature) in [
        ("publisher_confirms", "confirms"),
        ("connection.blocked", "word of alarms"),
        ("consumer_cancel_notify", "word of cancelled consumers"),
    ] {
        if greeting.capabilities.iter().any(|name| name == capability) {
            features.push(feature);
        }
    }
    features.join(", ")
}

async fn sources(config: &Config) -> anyhow::Result<Vec<Finding>> {
    if config.sources.is_empty() {
        return Ok(vec![Finding::new(
            "sources",
            State::Warning,
            "none, so no call can come in",
            "add a [[sources]] table; aftercall.example.toml has two",
        )]);
    }
    let built = platform::build(&config.sources, &config.memory, &platform::http_client()?)?;
    let mut findings = Vec::new();
    for (source, settings) in built.iter().zip(&config.sources) {
        findings.push(secrets(source, settings));
        findings.extend(unverified(source, settings.platform));
        findings.push(api(source).await);
    }
    Ok(findings)
}

fn secrets(source: &Source, settings: &crate::config::SourceConfig) -> Finding {
    let count = match settings.platform.signed_by() {
        SignedBy::Secrets => settings.webhook.secrets.len(),
        SignedBy::NamedKeys => settings.webhook.keys.len(),
        SignedBy::Polled => {
            let every = settings.reconcile.every.as_secs();
            return Finding::ok(
                format!("source {}", source.name),
                format!("sends no webhook; its API is asked every {every} s"),
            );
        }
    };
    let secrets = if count == 1 { "secret" } else { "secrets" };
    Finding::ok(
        format!("source {}", source.name),
        format!("POST /webhooks/{}, {count} {secrets}", source.name),
    )
}

/// What a person should know before relying on a platform that we know from its documents alone.
fn unverified(source: &Source, platform: PlatformName) -> Option<Finding> {
    let what = platform.unverified()?;
    Some(Finding::new(
        format!("source {}: {}", source.name, platform.as_str()),
        State::Warning,
        format!("unverified against a real account: {what}"),
        "compare the first calls with the platform's own dashboard",
    ))
}

/// Asks the source's API for its newest calls, and for one of them: only that shows whether the key is
/// right, and may see what a call needs.
async fn api(source: &Source) -> Finding {
    let what = format!("source {}: api", source.name);
    let Some(api) = &source.api else {
        return Finding::ok(what, "none; the events alone make the conversations");
    };
    let asked = async {
        let page = api.list(&ListQuery::default()).await?;
        let Some(over) = page.rows.iter().find(|row| row.is_over()) else {
            return Ok(());
        };
        match api.fetch(&over.conversation.id).await {
            // The row may be ahead of the call.
            Ok(_) | Err(FetchError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    };
    match asked.await {
        Ok(()) => Finding::ok(what, format!("{} takes the token", api.platform())),
        Err(error @ FetchError::Refused { .. }) => Finding::failed(
            what,
            error.to_string(),
            "make a new API key with the platform, and set api.token",
        ),
        Err(error @ FetchError::Unscoped { .. }) => Finding::failed(
            what,
            error.to_string(),
            "give the token the scope that it lacks, or set api.token to another",
        ),
        Err(error @ FetchError::SlowDown { .. }) => {
            Finding::new(what, State::Warning, error.to_string(), "try again later")
        }
        Err(error) => Finding::failed(
            what,
            error.to_string(),
            "check api.base_url, that this machine may reach it, and whose API it is",
        ),
    }
}

/// Asks the language model for next to nothing: only that shows whether address, key and model are
/// right.
async fn language_model(config: &Config) -> anyhow::Result<Option<Finding>> {
    let Some(settings) = &config.memory.llm else {
        return Ok(None);
    };
    let what = "language model";
    let model = Llm::new(settings, false)?;
    Ok(Some(match model.probe().await {
        Ok(()) => Finding::ok(what, format!("{} answers", settings.model)),
        Err(error @ LlmError::SlowDown(_)) => {
            Finding::new(what, State::Warning, error.to_string(), "try again later")
        }
        Err(error) => Finding::failed(
            what,
            error.to_string(),
            "check memory.llm; until it answers, the rules' findings stand",
        ),
    }))
}

fn show(format: Format, findings: &[Finding]) -> anyhow::Result<()> {
    if format == Format::Json {
        let findings: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "check": finding.what,
                    "state": finding.state.as_str(),
                    "found": finding.found,
                    "mend": finding.mend,
                })
            })
            .collect();
        return output::json(&json!({ "checks": findings }));
    }
    let mut table = Table::new([
        Column::word("check"),
        Column::word("state"),
        Column::text("found"),
    ]);
    for finding in findings {
        table.row([
            finding.what.clone(),
            finding.state.as_str().to_owned(),
            and_mend(&finding.found, &finding.mend),
        ]);
    }
    table.say("Nothing was looked at.")?;
    Ok(())
}

/// What was found, and below it what mends it.
pub(super) fn and_mend(found: &str, mend: &str) -> String {
    let found = output::printable(found);
    if mend.is_empty() {
        found
    } else {
        format!("{found}\n→ {}", output::printable(mend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_judged_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folder(dir.path()).state, State::Ok);
        let deep = folder(&dir.path().join("a/b"));
        assert!(deep.found.contains("will be made"), "{deep:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder(&file.join("below")).state, State::Failed);
    }
}
