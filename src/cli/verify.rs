//! `aftercall verify`: one saved delivery, and which part of its signature fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};

use super::check::and_mend;
use super::output::{self, Choice, Format};
use super::table::{Column, Table};
use super::{Globals, WrongUsage};
use crate::config::Config;
use crate::host::Clock;
use crate::platform::{self, Delivery, Source};
use crate::signature::explain::Check;
use crate::time::Timestamp;

/// `aftercall verify`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall verify --source acme-voice --headers headers.txt --body body.json --explain

The headers' file has a line `Name: value` for each, as `curl -i` and proxies save them, or is one
JSON object. Where the signature covers the URL, put the request's first line before them, or say
--url. The body's file must hold the very bytes that were sent: an editor that adds a newline
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
    /// The URL that it was sent to, where the signature covers it [default: webhook.url of the
    /// source, else as the headers say]
    #[arg(long, value_name = "URL", value_parser = posted_to)]
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
    let mut config = Config::load(&globals.overrides())?;
    if let Some(url) = &args.url {
        for source in &mut config.sources {
            source.webhook.url = Some(without_query(url));
        }
    }
    let sources = platform::build(&config.sources, &config.memory, &platform::http_client()?)?;
    let source = find(&sources, &args.source)?;
    let Some(webhooks) = &source.webhooks else {
        let text = format!("the source {} takes no webhooks", source.name);
        return Err(WrongUsage(text).into());
    };
    let head = read(&args.headers).and_then(|bytes| Head::read(&bytes))?;
    let body = read(&args.body)?;
    let usual = Uri::try_from(format!("/webhooks/{}", source.name))?;
    let target = args.url.as_ref().or(head.target.as_ref());
    let delivery = Delivery {
        method: &head.method,
        target: target.unwrap_or(&usual),
        headers: &head.headers,
        body: &body,
    };
    let configured = config.sources.iter().find(|one| one.name == source.name);
    let assumed = configured
        .filter(|one| one.platform.signs_url() && target.is_none())
        .and_then(|one| delivery.url(one.webhook.url.as_deref()))
        .map(|url| assumption(&url));
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let refusal = webhooks.verify(delivery, now).err();
    let judged = Judged {
        source: &source.name,
        platform: webhooks.platform(),
        refusal: refusal.map(|refusal| refusal.to_string()),
        signs_body: webhooks.signs_body(&head.headers),
        checks: args.explain.then(|| {
            let explained = webhooks.explain(delivery, now);
            assumed.clone().into_iter().chain(explained).collect()
        }),
        assumed,
    };
    match args.output.format() {
        Format::Json => output::json(&judged.answer())?,
        Format::Table => judged.tell()?,
    }
    Ok(match judged.refusal {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

/// What came of a delivery.
struct Judged<'a> {
    source: &'a str,
    platform: &'static str,
    /// Why it is not authentic; none when it is.
    refusal: Option<String>,
    /// Whether what proves it covers its body.
    signs_body: bool,
    /// Which URL was judged where nobody said to which it was posted.
    assumed: Option<Check>,
    /// Every part, where that is asked for.
    checks: Option<Vec<Check>>,
}

impl Judged<'_> {
    fn tell(&self) -> anyhow::Result<()> {
        let platform = self.platform;
        output::say(&match &self.refusal {
            None if self.signs_body => {
                format!("authentic: {platform} signed exactly these bytes")
            }
            None => format!("authentic: it carries the secret of {platform}, which signs no body"),
            Some(refusal) => format!("refused: {refusal}"),
        })?;
        if let Some(checks) = &self.checks {
            table(checks).say("There is nothing to explain.")?;
        } else if self.refusal.is_some() {
            if let Some(assumed) = &self.assumed {
                output::note(&format!("the URL is {}", assumed.detail));
            }
            output::note("--explain tells of every part whether it stands");
        }
        Ok(())
    }

    fn answer(&self) -> Value {
        let checks: Vec<_> = self
            .checks
            .iter()
            .flatten()
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
            "source": self.source,
            "platform": self.platform,
            "authentic": self.refusal.is_none(),
            "reason": self.refusal,
            "checks": checks,
        })
    }
}

/// A URL as platforms are given it.
fn posted_to(text: &str) -> Result<Uri, &'static str> {
    let uri: Option<Uri> = text.parse().ok();
    let is_web = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.host().is_some_and(|host| !host.is_empty())
    };
    uri.filter(is_web)
        .ok_or("expected the whole URL, as https://calls.example.com/webhooks/acme-voice")
}

fn without_query(url: &Uri) -> String {
    let whole = url.to_string();
    whole.split('?').next().unwrap_or_default().to_owned()
}

/// Says which URL is judged where nobody said to which the delivery was posted.
fn assumption(url: &str) -> Check {
    Check {
        part: "url",
        ok: true,
        detail: format!(
            "taken to be {url}, for the headers' file has no request line; say --url if it was another"
        ),
        mend: None,
    }
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
    /// None where the file does not say it.
    target: Option<Uri>,
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
            target: None,
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
            ":path" => self.target = Some(value.parse().context("its target can't be read")?),
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

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new([
        Column::word("part"),
        Column::word("state"),
        Column::text("found"),
    ]);
    for check in checks {
        table.row([
            check.part.to_owned(),
            if check.ok { "ok" } else { "FAILS" }.to_owned(),
            and_mend(&check.detail, check.mend.as_deref().unwrap_or_default()),
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
            assert_eq!(head.target.unwrap(), "/webhooks/acme?a=1");
            assert_eq!(head.headers.len(), 2);
            assert_eq!(head.headers["x-sig"], "t=1,v0=ab");
            assert_eq!(head.headers["host"], "x:80");
        }
        assert_eq!(Head::read(b":method: GET").unwrap().method, Method::GET);
        assert!(Head::read(b"\xff").is_err());
        assert_eq!(Head::read(b"host: x\n").unwrap().target, None);
    }

    #[test]
    fn a_url_without_a_host_is_none() {
        let whole = posted_to("https://a.example/webhooks/acme?a=1").unwrap();
        assert_eq!(without_query(&whole), "https://a.example/webhooks/acme");
        for text in ["nonsense", "/webhooks/acme", "a.example/x", "ftp://a/x", ""] {
            assert!(posted_to(text).is_err(), "{text}");
        }
    }
}
