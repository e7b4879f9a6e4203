//! `aftercall endpoints change`: only what is said changes.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Shape, named};
use crate::cli::WrongUsage;
use crate::cli::client::Remote;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall endpoints change ep_01jxd5y165f62a0v7gtr6bkg56 --payload full
  aftercall endpoints change ep_01jxd5y165f62a0v7gtr6bkg56 --address https://crm.example.com/v2 \\
      --header \"Authorization: Bearer $CRM_TOKEN\"")]
pub(in crate::cli) struct Change {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// The endpoint's id
    pub(super) id: String,
    /// Where it is; its headers go along only to the same scheme, host and port
    #[arg(long, value_name = "ENDPOINT")]
    address: Option<String>,
    /// Types of events, or `*`, in place of those it has; may be given more than once
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// The only agents whose events it gets; may be given more than once
    #[arg(long = "agent-id", value_name = "ID")]
    agents: Vec<String>,
    /// The events of all agents
    #[arg(long, conflicts_with = "agents")]
    all_agents: bool,
    /// How much of a conversation it gets
    #[arg(long, value_enum)]
    payload: Option<Shape>,
    /// A header of its own, as `Name: value`, in place of those it has; may be given more than once
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// No headers of its own
    #[arg(long, conflicts_with = "headers")]
    no_headers: bool,
    /// A file with a template of your own, in MiniJinja
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// The payload again, in place of a template
    #[arg(long, conflicts_with = "template")]
    no_template: bool,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Deliveries a second at the most
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Deliveries at once
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
}

impl Change {
    /// The body that changes the endpoint.
    pub(super) fn body(self) -> anyhow::Result<Value> {
        let some = |list: Vec<String>| Some(json!(list)).filter(|_| !list.is_empty());
        let none = |asked: bool| asked.then_some(Value::Null);
        let headers: Result<Map<String, Value>, WrongUsage> =
            self.headers.iter().map(|header| named(header)).collect();
        let headers = Some(headers?).filter(|headers| !headers.is_empty());
        let template = self
            .template
            .map(|path| super::template(&path))
            .transpose()?;
        let changes: Map<String, Value> = [
            ("url", self.address.map(Value::from)),
            ("events", some(self.events)),
            ("agents", some(self.agents).or(none(self.all_agents))),
            ("payload", self.payload.map(|shape| json!(shape.as_str()))),
            (
                "headers",
                headers.map(Value::Object).or(none(self.no_headers)),
            ),
            ("template", template.or(none(self.no_template))),
            ("description", self.description.map(Value::from)),
            ("rate_per_second", self.rate.map(Value::from)),
            ("max_concurrency", self.concurrency.map(Value::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
        if changes.is_empty() {
            return Err(WrongUsage("say what is to be changed: see --help".to_owned()).into());
        }
        Ok(Value::Object(changes))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        change: Change,
    }

    fn body(words: &[&str]) -> anyhow::Result<Value> {
        let line = Line::try_parse_from([&["change", "ep_1"], words].concat())?;
        line.change.body()
    }

    #[test]
    fn only_what_is_said_changes() {
        assert_eq!(
            body(&["--payload", "full"]).unwrap(),
            json!({"payload": "full"})
        );
        let words = [
            "--address",
            "https://crm.example.com/v2",
            "--no-headers",
            "--all-agents",
        ];
        let changes = json!({"url": "https://crm.example.com/v2", "headers": null, "agents": null});
        assert_eq!(body(&words).unwrap(), changes);
        assert_eq!(
            body(&["--header", "A: b", "--agent-id", "a", "--rate", "5"]).unwrap(),
            json!({"headers": {"A": "b"}, "agents": ["a"], "rate_per_second": 5})
        );
        assert!(body(&[]).unwrap_err().is::<WrongUsage>());
        assert!(body(&["--header", "x: y", "--no-headers"]).is_err());
    }
}
