//! `aftercall simulate`: the simulated platforms and CRM alone, for development and load.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{Globals, output};
use crate::config::{duration, listen};
use crate::host::{Clock, Host};
use crate::shutdown::Signals;
use crate::simulate::crm::Mood;
use crate::simulate::load::run::{Load, Tally, run as play_load};
use crate::simulate::load::{Disorder, templates};
use crate::simulate::play::play;
use crate::simulate::sender::Sender;
use crate::simulate::speechify::{Largest, Platform};
use crate::simulate::{Account, enter, script, serve, sources_toml};

mod crm;
mod fill;

/// `aftercall simulate`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall simulate                            play the scripted calls once, then keep answering
  aftercall simulate --calls 1000 --rate 50     a thousand generated calls in twenty seconds
  aftercall simulate --calls 1000 --drop 0.1 --duplicate 0.05 --delay 2s
                                                the same, on a bad day
  aftercall simulate --crm flaky                the results come back, to a CRM that fails on purpose
  aftercall simulate --calls 1000000 --into-database
                                                a million in the database, in minutes")]
pub(super) struct Args {
    /// Where the simulated platform's API listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090", value_parser = listen)]
    listen: String,
    /// The aftercall that gets the webhooks
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = target)]
    target: String,
    /// Play so many generated calls instead of the scripted ones
    #[arg(long, value_name = "N")]
    calls: Option<u64>,
    /// Write the generated calls straight into the settings' database, made up in bulk, to see how
    /// pages fare at size
    #[arg(long, requires = "calls")]
    into_database: bool,
    /// So many generated calls a second
    #[arg(long, value_name = "R", default_value = "10", value_parser = rate)]
    rate: f64,
    /// The same seed makes the same calls, ids included
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The share of webhooks that are never sent
    #[arg(long, value_name = "0-1", default_value = "0", value_parser = share)]
    drop: f64,
    /// The share of webhooks that are sent twice
    #[arg(long, value_name = "0-1", default_value = "0", value_parser = share)]
    duplicate: f64,
    /// The share of webhooks that later ones overtake
    #[arg(long, value_name = "0-1", default_value = "0", value_parser = share)]
    reorder: f64,
    /// The longest that a webhook is held up
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    delay: Duration,
    #[arg(
        long,
        help = "Have that aftercall send its results to the simulated CRM, which is in this mood: \
                steady, flaky, slow, silent or dead; may be given more than once. Makes an endpoint, \
                with the token of AFTERCALL_TOKEN or of the data folder",
        value_name = "MOOD",
        value_parser = crm::mood
    )]
    crm: Vec<Mood>,
    /// The share of API requests that are answered 503
    #[arg(long, value_name = "0-1", default_value = "0", value_parser = share)]
    api_failures: f64,
}

pub(super) async fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(calls) = args.calls.filter(|_| args.into_database) {
        fill::run(globals, calls, args.seed).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut signals = Signals::listen()?;
    let host = Host::new(Clock::System);
    let mut platform = Platform::new(Account::simulated().api_token.expose(), Largest::DOCUMENTED);
    platform.failure_rate = args.api_failures;
    let platform = Arc::new(platform);
    let listener = TcpListener::bind(&args.listen).await.with_context(|| {
        format!(
            "can't listen on {}; choose another with --listen",
            args.listen
        )
    })?;
    let address = serve(&host, listener, Arc::clone(&platform))?;
    output::say(&format!(
        "# The simulated platform's API is at http://{address}.\n\
         # Its webhooks go to {}. Put this into that aftercall's settings:\n\n{}\n{}",
        args.target,
        crm::settings_toml(address),
        sources_toml(address)
    ))?;
    let sender = Sender::new(&args.target, host.clock.clone())?;
    let playing = async {
        if !wait_for(&sender, &args.target, &host).await {
            return anyhow::Ok(());
        }
        crm::subscribe(globals, args, address, &platform.crm).await?;
        match args.calls {
            Some(calls) => load(args, calls, &host, &platform, &sender).await?,
            None => scripted(args, &host, &platform, &sender).await?,
        }
        output::note("Every call is played. The API keeps answering; Ctrl-C stops it.");
        host.stop.cancelled().await;
        Ok(())
    };
    let played = tokio::select! {
        played = playing => played,
        () = signals.first(&host.stop) => Ok(()),
    };
    host.stop.cancel();
    host.drained().await;
    output::note(&format!("The API was asked {} times.", platform.requests()));
    crm::tell(&platform.crm);
    played.map(|()| ExitCode::SUCCESS)
}

/// Waits until aftercall answers (`true`) or this is to stop (`false`).
async fn wait_for(sender: &Sender, target: &str, host: &Host) -> bool {
    let mut told = false;
    while !sender.is_there().await {
        if !told {
            output::note(&format!("Waiting for an aftercall at {target} …"));
            told = true;
        }
        if !host.pause(Duration::from_secs(1)).await {
            return false;
        }
    }
    true
}

async fn scripted(
    args: &Args,
    host: &Host,
    platform: &Platform,
    sender: &Sender,
) -> anyhow::Result<()> {
    for script in script::all()?.into_iter().chain(script::foreign()?) {
        // Every run makes calls of its own, unless the same seed and second are played twice.
        let salt = format!("scripted {} {}", args.seed, host.now().as_secs());
        let take = script.take(&salt, host.now())?;
        enter(platform, &take);
        let answers: Vec<String> = play(&take, sender, &host.clock)
            .await
            .into_iter()
            .map(|played| match (played.answered, played.reply.status) {
                (Some(answer), _) => answer.as_str().to_owned(),
                (None, Some(status)) => status.to_string(),
                (None, None) => "no connection".to_owned(),
            })
            .collect();
        let (title, id) = (&script.title, take.record.id.as_str());
        output::note(&format!("  {title:<26} {id}  {}", answers.join(", ")));
    }
    Ok(())
}

async fn load(
    args: &Args,
    calls: u64,
    host: &Host,
    platform: &Platform,
    sender: &Sender,
) -> anyhow::Result<()> {
    let load = Load {
        calls,
        rate: args.rate,
        seed: args.seed,
        disorder: Disorder {
            drop: args.drop,
            duplicate: args.duplicate,
            delay: args.delay,
            reorder: args.reorder,
        },
    };
    let bar = std::io::stderr().is_terminal();
    let templates = templates(script::all()?);
    let tally = play_load(load, &templates, host, platform, sender, |begun| {
        if bar {
            // A progress line that can't be written is no reason to stop.
            let _ = write!(std::io::stderr(), "\r  {begun} of {calls} calls");
        }
    })
    .await?;
    if bar {
        output::note("");
    }
    output::note(&told(&tally));
    Ok(())
}

fn told(tally: &Tally) -> String {
    let mut lines = vec![format!(
        "{} calls, {} webhooks: {} dropped, {} sent twice, {} attempts repeated",
        tally.calls, tally.webhooks, tally.dropped, tally.duplicated, tally.retried
    )];
    for (answer, count) in &tally.answers {
        lines.push(format!("  {count:>7} {answer}"));
    }
    if let (Some(p50), Some(p99)) = (tally.percentile(50), tally.percentile(99)) {
        lines.push(format!(
            "  answered within {} ms (half of them), {} ms (99 of 100)",
            p50.as_millis(),
            p99.as_millis()
        ));
    }
    if tally.answers.contains_key("404") {
        lines.push("404: that aftercall lacks the sources above; restart it with them".to_owned());
    }
    lines.join("\n")
}

/// The address of an aftercall.
fn target(text: &str) -> Result<String, &'static str> {
    let url: Option<reqwest::Url> = text.parse().ok();
    let is_web = |url: &reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url.filter(is_web) {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected the address of an aftercall, as http://127.0.0.1:8080"),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share from 0 to 1".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("expected a rate above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_are_judged() {
        assert_eq!(share("0.5"), Ok(0.5));
        for text in ["-0.1", "1.1", "NaN", "half"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "inf", "NaN", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_is_an_address_of_the_web() {
        assert!(target("http://127.0.0.1:8080").is_ok());
        for text in ["zzz", "127.0.0.1:8080", "localhost:8080", "ftp://a", ""] {
            assert!(target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_source_is_explained() {
        let mut tally = Tally::default();
        tally.answers.insert("404".to_owned(), 3);
        assert!(told(&tally).contains("lacks the sources"));
    }
}
