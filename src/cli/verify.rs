//! `aftercall verify`: one saved delivery, and which part of its signature fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
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
    let headers = read(&args.headers).and_then(|bytes| headers(&bytes))?;
    let body = read(&args.body)?;
    let delivery = Delivery {
        headers: &headers,
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

/// Headers as lines `Name: value`, or as one JSON object. Lines that are none are passed over: the
/// request's or answer's first line, and the empty one at the end.
fn headers(bytes: &[u8]) -> anyhow::Result<HeaderMap> {
    let text = std::str::from_utf8(bytes).context("the headers' file is not text")?;
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| -> anyhow::Result<()> {
        let name: HeaderName = name
            .trim()
            .parse()
            .with_context(|| format!("{name:?} is no header name"))?;
        let value = HeaderValue::from_str(value.trim())
            .with_context(|| format!("the value of {name} can't be a header's"))?;
        headers.append(name, value);
        Ok(())
    };
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        for (name, value) in &object {
            match value {
                Value::Array(values) => {
                    for value in values {
                        add(name, value.as_str().unwrap_or_default())?;
                    }
                }
                value => add(name, value.as_str().unwrap_or(&value.to_string()))?,
            }
        }
        return Ok(headers);
    }
    for line in text.lines() {
        // HTTP/2's pseudo-headers begin with a colon, and no name has a space.
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.trim().contains(' ') => {
                add(name, value)?;
            }
            _ => {}
        }
    }
    Ok(headers)
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
        let lines = b"POST /webhooks/acme HTTP/1.1\r\nHost: x:80\r\nX-Sig:  t=1,v0=ab \r\n\r\n";
        let json = br#"{"Host": "x:80", "X-Sig": ["t=1,v0=ab"]}"#;
        for bytes in [lines.as_slice(), json.as_slice()] {
            let headers = headers(bytes).unwrap();
            assert_eq!(headers.len(), 2);
            assert_eq!(headers["x-sig"], "t=1,v0=ab");
            assert_eq!(headers["host"], "x:80");
        }
        assert!(headers(b"\xff").is_err());
    }
}
