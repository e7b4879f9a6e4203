//! `aftercall completion` and `aftercall man`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, output};

/// `aftercall completion`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall completion bash > ~/.local/share/bash-completion/completions/aftercall")]
pub(super) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// `aftercall man`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall man | man -l -
  aftercall man --to /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write a page for every command into this folder instead of printing the first
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(super) fn completion(args: &CompletionArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aftercall", &mut script);
    output::say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.to {
        pages(folder)?;
    } else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        output::say(&String::from_utf8_lossy(&page))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}
