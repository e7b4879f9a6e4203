//! `aftercall extract`: the memory extractor alone, over files or pipes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Globals, output};
use crate::config::Config;
use crate::extract::lines::{self, LinesError, Options};

/// `aftercall extract`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall extract --input transcripts.jsonl --output observations.jsonl

A line in:   {\"conversation\":{\"id\":\"conv_1\"},\"messages\":[{\"id\":\"m1\",\"role\":\"user\",\"content\":\"…\"}]}
A line out:  {\"conversation_id\":\"conv_1\",\"observations\":[{\"slot\":…,\"value\":…,\"quote\":…}]}")]
pub(super) struct Args {
    /// Transcripts, one JSON object a line [default: standard input]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where observations go, one JSON object a line [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&globals.overrides())?;
    let options = Options {
        zone: config.memory.timezone,
        region: config.memory.region,
    };
    let input: Box<dyn BufRead> = match &args.input {
        Some(path) => Box::new(BufReader::new(
            File::open(path).with_context(|| shown(path))?,
        )),
        None => Box::new(io::stdin().lock()),
    };
    let into: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).with_context(|| shown(path))?),
        None => Box::new(io::stdout().lock()),
    };
    let bad = |line: lines::BadLine| output::note(&line.to_string());
    let summary = match lines::run(input, BufWriter::new(into), &options, bad) {
        // That the reader has gone, as `head` does, is no failure.
        Err(LinesError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        done => done?,
    };
    output::note(&format!(
        "{} conversations, {} observations",
        summary.conversations, summary.observations
    ));
    if summary.failed > 0 {
        output::note(&format!(
            "{} lines could not be understood; the others are done",
            summary.failed
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
