//! `aftercall verify`: one saved delivery, and which part of its signature fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};

use super::output::{self, Choice, Format};
use super::{Globals, WrongUsage};
use crate::config::Config;
use crate::host::Clock;
use crate::platform::{self, Delivery, Source, Webhooks};
use crate::signature::explain::Check;
use crate::time::Timestamp;

/// `aftercall verify`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall verify --source acme-voice --headers headers.txt --body body.json --explain

The headers' file has a line `Name: value` for each, as `curl -i` and proxies save them, or is one
JSON object. The body's file must hold the very bytes that were sent: an editor that adds a newline
breaks the signature.")]
pub(super) struct Args {
    /// The source that it was sent to
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The file with its headers
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// The file with its body
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// The URL that it was sent to, where the signature covers it [default: as the headers say]
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// When it arrived, as 2026-02-01T09:30:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Tell of every part whether it stands, and what would mend it
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    output: Choice,
}

pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&globals.overrides())?;
    let sources = platform::build(&config.sources, &config.memory, &platform::http_client()?)?;
    let source = find(&sources, &args.source)?;
    let Some(webhooks) = &source.webhooks else {
        let text = format!("the source {} takes no webhooks", source.name);
        return Err(WrongUsage(text).into());
    };
    let head = read(&args.headers).and_then(|bytes| Head::read(&bytes))?;
    let body = read(&args.body)?;
    let target = args.url.as_ref().unwrap_or(&head.target);
    let delivery = Delivery {
        method: &head.method,
        target,
        headers: &head.headers,
        body: &body,
    };
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let refusal = webhooks.verify(delivery, now).err();
    let checks = if args.explain {
        webhooks.explain(delivery, now)
    } else {
        Vec::new()
    };
    let refusal = refusal.map(|refusal| refusal.to_string());
    match args.output.format() {
        Format::Json => output::json(&answer(
            source,
            webhooks.as_ref(),
            refusal.as_deref(),
            &checks,
        ))?,
        Format::Table => {
            output::say(&match &refusal {
                None => format!(
                    "authentic: {} signed exactly these bytes",
                    webhooks.platform()
                ),
                Some(refusal) => format!("refused: {refusal}"),
            })?;
            if args.explain {
                output::rows(&table(&checks), "There is nothing to explain.")?;
            } else if refusal.is_some() {
                output::note("--explain tells of every part whether it stands");
            }
        }
    }
    Ok(match refusal {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn find<'a>(sources: &'a [Source], name: &str) -> Result<&'a Source, WrongUsage> {
    let known = || {
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        match names.as_slice() {
            [] => "no source is configured".to_owned(),
            names => format!("the sources are {}", names.join(", ")),
        }
    };
    sources
        .iter()
        .find(|source| source.name == name)
        .ok_or_else(|| WrongUsage(format!("no source is named {name}; {}", known())))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// What stands before a delivery's body.
struct Head {
    method: Method,
    target: Uri,
    headers: HeaderMap,
}

impl Head {
    /// Headers as lines `Name: value`, or as JSON: one object, or pairs as quarantine keeps them. The
    /// request's first line is read, too, and HTTP/2's `:method` and `:path` in place of it. Lines
    /// that are neither are passed over.
    fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("the headers' file is not text")?;
        let mut head = Self {
            method: Method::POST,
            target: Uri::default(),
            headers: HeaderMap::new(),
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => {
                for (name, value) in &object {
                    match value {
                        Value::Array(values) => {
                            for value in values {
                                head.add(name, value.as_str().unwrap_or_default())?;
                            }
                        }
                        value => head.add(name, value.as_str().unwrap_or(&value.to_string()))?,
                    }
                }
            }
            Ok(Value::Array(_)) => {
                let pairs: Vec<(String, String)> =
                    serde_json::from_str(text).context("expected pairs of a name and a value")?;
                for (name, value) in &pairs {
                    head.add(name, value)?;
                }
            }
            _ => head.read_lines(text)?,
        }
        Ok(head)
    }

    fn read_lines(&mut self, text: &str) -> anyhow::Result<()> {
        for line in text.lines() {
            let mut words = line.split(' ');
            if let (Some(method), Some(target), Some(version), None) =
                (words.next(), words.next(), words.next(), words.next())
                && version.starts_with("HTTP/")
            {
                self.add(":method", method)?;
                self.add(":path", target)?;
                continue;
            }
            let (pseudo, rest) = match line.strip_prefix(':') {
                Some(rest) => (":", rest),
                None => ("", line),
            };
            match rest.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.trim().contains(' ') => {
                    self.add(&format!("{pseudo}{name}"), value)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let value = value.trim();
        match name {
            ":method" => self.method = value.parse().context("its method can't be read")?,
            ":path" => self.target = value.parse().context("its target can't be read")?,
            name if name.starts_with(':') => {}
            name => {
                let name: HeaderName = name
                    .trim()
                    .parse()
                    .with_context(|| format!("{name:?} is no header name"))?;
                let value = HeaderValue::from_str(value)
                    .with_context(|| format!("the value of {name} can't be a header's"))?;
                self.headers.append(name, value);
            }
        }
        Ok(())
    }
}

fn answer(
    source: &Source,
    webhooks: &dyn Webhooks,
    refusal: Option<&str>,
    checks: &[Check],
) -> Value {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "part": check.part,
                "ok": check.ok,
                "detail": check.detail,
                "mend": check.mend,
            })
        })
        .collect();
    json!({
        "source": source.name,
        "platform": webhooks.platform(),
        "authentic": refusal.is_none(),
        "reason": refusal,
        "checks": checks,
    })
}

fn table(checks: &[Check]) -> comfy_table::Table {
    let mut table = output::table(&["part", "", "found", "to mend it"]);
    for check in checks {
        table.add_row([
            check.part,
            if check.ok { "ok" } else { "FAILS" },
            &output::printable(&check.detail),
            check.mend.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_from_lines_and_from_json() {
        let lines = b"POST /webhooks/acme?a=1 HTTP/1.1\r\nHost: x:80\r\nX-Sig:  t=1,v0=ab \r\n\r\n";
        let json = br#"{":path": "/webhooks/acme?a=1", "Host": "x:80", "X-Sig": ["t=1,v0=ab"]}"#;
        let pairs =
            br#"[[":path", "/webhooks/acme?a=1"], ["host", "x:80"], ["x-sig", "t=1,v0=ab"]]"#;
        for bytes in [lines.as_slice(), json.as_slice(), pairs.as_slice()] {
            let head = Head::read(bytes).unwrap();
            assert_eq!(head.method, Method::POST);
            assert_eq!(head.target, "/webhooks/acme?a=1");
            assert_eq!(head.headers.len(), 2);
            assert_eq!(head.headers["x-sig"], "t=1,v0=ab");
            assert_eq!(head.headers["host"], "x:80");
        }
        assert_eq!(Head::read(b":method: GET").unwrap().method, Method::GET);
        assert!(Head::read(b"\xff").is_err());
    }
}
