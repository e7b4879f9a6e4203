//! `aftercall callers consents`: what a caller refuses, read or set by hand.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::cli::client::{Client, Remote};
use crate::cli::output::{self, Format};
use crate::cli::table::Table;

/// What can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// To be called
    Calls,
    /// To be sent text messages
    Texts,
    /// To be recorded
    Recording,
}

impl What {
    /// The field of the API that says so.
    fn field(self) -> &'static str {
        match self {
            Self::Calls => "do_not_call",
            Self::Texts => "opt_out_sms",
            Self::Recording => "recording_refused",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall callers consents --caller-identity +15551234567
  aftercall callers consents --caller-identity +15551234567 --refuse calls --grant texts")]
pub(in crate::cli) struct Consents {
    #[command(flatten)]
    remote: Remote,
    /// Who called, as the platform names them
    #[arg(long, value_name = "IDENTITY")]
    caller_identity: String,
    /// What they refuse from now on; may be given more than once
    #[arg(long, value_enum, value_name = "WHAT")]
    refuse: Vec<What>,
    /// What they grant again; may be given more than once
    #[arg(long, value_enum, value_name = "WHAT")]
    grant: Vec<What>,
}

impl Consents {
    /// What is to be set; none where it is only read.
    fn change(&self) -> Option<Value> {
        let mut body = json!({"caller_identity": self.caller_identity});
        for (whats, refused) in [(&self.grant, false), (&self.refuse, true)] {
            for what in whats {
                body[what.field()] = json!(refused);
            }
        }
        let said = !self.refuse.is_empty() || !self.grant.is_empty();
        said.then_some(body)
    }
}

pub(super) async fn run(globals: &Globals, args: &Consents) -> anyhow::Result<ExitCode> {
    let client = Client::new(globals, &args.remote)?;
    let path = ["v1", "consents"];
    let consents = if let Some(change) = args.change() {
        client.post(&path, &[], &change).await?
    } else {
        let query = [("caller_identity", args.caller_identity.clone())];
        client.get(&path, &query).await?
    };
    match args.remote.output.format() {
        Format::Json => output::json(&consents)?,
        Format::Table => {
            let first = ["do_not_call", "since", "opt_out_sms", "recording_refused"];
            Table::of_fields(&consents, &first).say("")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        consents: Consents,
    }

    #[test]
    fn what_is_said_is_set_and_nothing_else() {
        let change = |words: &[&str]| {
            let words = [&["consents", "--caller-identity", "+1"], words].concat();
            Line::try_parse_from(words).unwrap().consents.change()
        };
        assert_eq!(change(&[]), None);
        assert_eq!(
            change(&["--refuse", "calls", "--grant", "texts"]).unwrap(),
            json!({"caller_identity": "+1", "do_not_call": true, "opt_out_sms": false})
        );
    }
}
