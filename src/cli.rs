//! The command line: what is asked for, who answers it, and the exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::config::Overrides;

mod ask;
mod audit;
mod callers;
mod check;
mod client;
mod conversations;
mod dead;
mod deliveries;
mod demo;
mod endpoints;
mod export;
mod extract;
mod memories;
mod migrate;
mod moment;
mod output;
mod progress;
mod quarantine;
mod reconcile;
mod replays;
mod serve;
mod shell;
mod simulate;
mod table;
mod terminal;
mod tokens;
mod verify;

/// Exit code 2: wrong usage. clap uses it too.
const USAGE: u8 = 2;
/// Exit code 3: the server can't be reached.
const UNREACHABLE: u8 = 3;

/// What happens after the call ends: finished calls verified, queued, settled, remembered and delivered.
#[derive(Debug, Parser)]
#[command(
    name = "aftercall",
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  aftercall demo                     see the whole product on this machine
  aftercall serve                    run it, with data in ./aftercall-data
  aftercall conversations list       ask the running server

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the server can't be reached"
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
struct Globals {
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "The settings' file [env: AFTERCALL_CONFIG] [default: ./aftercall.toml, if it is there]"
    )]
    config: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help = "Where embedded data lies [env: AFTERCALL_DATA] [default: ./aftercall-data]"
    )]
    data_dir: Option<PathBuf>,
}

impl Globals {
    fn overrides(&self) -> Overrides {
        Overrides {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            ..Overrides::default()
        }
    }

    /// A file that a flag names must be there: to name another is wrong usage, not a wrong setting.
    fn judge(&self) -> Result<(), WrongUsage> {
        let Some(path) = &self.config else {
            return Ok(());
        };
        let why = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => "is a folder; name the file in it".to_owned(),
            Ok(_) => return Ok(()),
            Err(error) => format!("can't be read: {error}"),
        };
        Err(WrongUsage(format!("--config: {} {why}", path.display())))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See the whole product on this machine, against simulated platforms, in under a minute
    Demo(demo::Args),
    /// Run the roles receiver, worker and api (all by default)
    Serve(serve::Args),
    /// Run the simulated platforms alone, for development and load
    Simulate(simulate::Args),
    /// Create or upgrade the database
    Migrate(migrate::Args),
    /// Look at the settings, the database and the sources: what is wrong, and how to mend it
    Check(check::Args),
    /// Check one saved delivery: which part of its signature fails
    Verify(verify::Args),
    /// Run the memory extractor over transcripts (JSON lines), no server needed
    Extract(extract::Args),
    /// Read, reprocess and forget conversations
    #[command(subcommand)]
    Conversations(conversations::Command),
    /// See what was given up, and put it back to work
    #[command(subcommand)]
    Dead(dead::Command),
    /// Watch, hold and end replays of dead letters
    #[command(subcommand)]
    Replays(replays::Command),
    /// Read the platforms' lists now, for calls that no webhook told of
    Reconcile(reconcile::Reconcile),
    /// Count the calls that the platforms know of, those processed, and those missing
    Coverage(reconcile::Coverage),
    /// See deliveries whose signature was wrong, and release them
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Make, list, try and change the endpoints that are sent results
    #[command(subcommand)]
    Endpoints(endpoints::Command),
    /// See what was sent to whom, and send it again
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    /// Write settled calls as lines of JSON or CSV
    Export(export::Args),
    /// Read, correct and forget what is held about a caller
    #[command(subcommand)]
    Memories(memories::Command),
    /// List callers, and erase one everywhere
    #[command(subcommand)]
    Callers(callers::Command),
    /// See who did what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Print the completion script of a shell
    Completion(shell::CompletionArgs),
    /// Print the manual page
    Man(shell::ManArgs),
}

/// The command was understood, but can't be meant so: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

impl Cli {
    /// What is logged unless a variable says otherwise: a server tells what it does, a command only
    /// what is wrong.
    pub fn log_level(&self) -> LevelFilter {
        match self.command {
            Command::Serve(_) => LevelFilter::INFO,
            // Its platform fails on purpose: a warning of that would only startle.
            Command::Demo(_) => LevelFilter::ERROR,
            _ => LevelFilter::WARN,
        }
    }

    /// Does what was asked for.
    pub async fn run(self) -> ExitCode {
        let judged = self.globals.judge();
        let done = match judged {
            Ok(()) => self.command.run(&self.globals).await,
            Err(wrong) => Err(wrong.into()),
        };
        done.unwrap_or_else(|error| {
            output::complain(&error);
            code(&error)
        })
    }
}

impl Command {
    async fn run(self, globals: &Globals) -> anyhow::Result<ExitCode> {
        match self {
            Self::Demo(args) => demo::run(globals, &args).await,
            Self::Serve(args) => serve::run(globals, args).await,
            Self::Simulate(args) => simulate::run(globals, &args).await,
            Self::Migrate(args) => migrate::run(globals, &args).await,
            Self::Check(args) => check::run(globals, &args).await,
            Self::Verify(args) => verify::run(globals, &args),
            Self::Extract(args) => extract::run(globals, &args).await,
            Self::Conversations(command) => conversations::run(globals, command).await,
            Self::Dead(command) => dead::run(globals, command).await,
            Self::Replays(command) => replays::run(globals, command).await,
            Self::Reconcile(args) => reconcile::reconcile(globals, args).await,
            Self::Coverage(args) => reconcile::coverage(globals, args).await,
            Self::Quarantine(command) => quarantine::run(globals, command).await,
            Self::Endpoints(command) => endpoints::run(globals, command).await,
            Self::Deliveries(command) => deliveries::run(globals, command).await,
            Self::Export(args) => export::run(globals, &args).await,
            Self::Memories(command) => memories::run(globals, command).await,
            Self::Callers(command) => callers::run(globals, command).await,
            Self::Audit(command) => audit::run(globals, command).await,
            Self::Tokens(command) => tokens::run(globals, command).await,
            Self::Completion(args) => shell::completion(&args),
            Self::Man(args) => shell::man(&args),
        }
    }
}

fn code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(client::Error::Unreachable { .. }) => ExitCode::from(UNREACHABLE),
        // The server knows which values a flag can have, where clap does not.
        Some(client::Error::Answered { status, .. }) if status.as_u16() == 422 => {
            ExitCode::from(USAGE)
        }
        Some(client::Error::NotAnId(_)) => ExitCode::from(USAGE),
        _ if error.is::<WrongUsage>() => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|help| help.contains("Example") && help.contains("aftercall")),
                "`{path} --help` has no example"
            );
            for inner in command.get_subcommands() {
                check(inner, &path);
            }
        }
        check(&Cli::command(), "");
    }
}
