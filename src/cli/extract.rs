//! `aftercall extract`: the memory extractor alone, over files or pipes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Globals, WrongUsage, output};
use crate::config::{Config, ExtractorChoice, Memory};
use crate::extract::lines::{self, LinesError, Options, Readers, Trouble};
use crate::extract::llm::{BadLlm, Llm};

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

pub(super) async fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&globals.overrides())?;
    let options = Options {
        readers: readers(&config.memory)?,
        zone: config.memory.timezone,
        region: config.memory.region,
    };
    let input: Box<dyn BufRead> = match &args.input {
        Some(path) if path.is_dir() => {
            let text = format!(
                "{} is a folder; --input takes a file of JSON lines",
                shown(path)
            );
            return Err(WrongUsage(text).into());
        }
        Some(path) => Box::new(BufReader::new(
            File::open(path).with_context(|| shown(path))?,
        )),
        None => Box::new(io::stdin().lock()),
    };
    let into: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).with_context(|| shown(path))?),
        None => Box::new(io::stdout().lock()),
    };
    if matches!(options.readers, Readers::Nobody) {
        output::note("memory.extractor is off: nothing is extracted");
    }
    let tell = |trouble: Trouble| output::note(&trouble.to_string());
    let summary = match lines::run(input, BufWriter::new(into), &options, tell).await {
        // That the reader has gone, as `head` does, is no failure.
        Err(LinesError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        done => done?,
    };
    output::note(&format!(
        "{}, {}",
        output::counted(
            summary.conversations as u64,
            "conversation",
            "conversations"
        ),
        output::counted(summary.observations as u64, "observation", "observations")
    ));
    if summary.unread > 0 {
        output::note(&format!(
            "{} read by the rules alone",
            output::counted(
                summary.unread as u64,
                "conversation was",
                "conversations were"
            )
        ));
    }
    if summary.failed > 0 {
        output::note(&format!(
            "{} could not be understood; the others are done",
            output::counted(summary.failed as u64, "line", "lines")
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Whom the settings have read.
fn readers(memory: &Memory) -> Result<Readers, BadLlm> {
    let alone = memory.extractor == ExtractorChoice::Llm;
    match (memory.extractor, &memory.llm) {
        (ExtractorChoice::Off, _) => Ok(Readers::Nobody),
        (ExtractorChoice::Llm | ExtractorChoice::Both, Some(llm)) => {
            Ok(Readers::Model(Box::new(Llm::new(llm, alone)?)))
        }
        _ => Ok(Readers::Rules),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
