//! `[[sources]]`: the accounts that send us events, or are asked for conversations.

use std::collections::BTreeSet;
use std::time::Duration;

use ::config::ValueKind;

use super::read::{Notes, Reader, Table};
use super::{ApiConfig, PlatformName, SourceConfig, WebhookConfig, keys, units};
use crate::secret::Secret;

/// Platforms of the product contract that this version does not speak yet.
const LATER_PLATFORMS: &[&str] = &[
    "elevenlabs",
    "anyreach",
    "voiceable",
    "standard",
    "retell",
    "vapi",
    "telnyx",
    "twilio",
    "bland",
    "vonage",
    "plivo",
];

/// The largest body that either platform sends is far below (product contract §4).
const MAX_BODY: usize = 1 << 20;

impl PlatformName {
    const ALL: [Self; 2] = [Self::Speechify, Self::Livekit];

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = Self::ALL.iter().find(|name| name.as_str() == text) {
            return Ok(*name);
        }
        if LATER_PLATFORMS.contains(&text) {
            return Err(format!(
                "{text} is not supported by this version yet; it knows speechify and livekit"
            ));
        }
        let known = Self::ALL.iter().map(|name| name.as_str());
        let nearest = keys::nearest(text, known.chain(LATER_PLATFORMS.iter().copied()));
        Err(format!("{text:?} is no platform; did you mean {nearest}?"))
    }

    /// How old a signature may be unless the source says otherwise.
    fn tolerance(self) -> Duration {
        Duration::from_mins(match self {
            Self::Speechify => 30,
            Self::Livekit => 5,
        })
    }

    /// Where its conversation API is; none when it has no such API.
    fn base_url(self) -> Option<&'static str> {
        match self {
            Self::Speechify => Some("https://api.speechify.ai"),
            Self::Livekit => None,
        }
    }
}

/// Reads every source that is whole, and notes what is wrong with the others.
pub(super) fn read(settings: &Table, notes: &mut Notes<'_>) -> Vec<SourceConfig> {
    let mut reader = Reader::new(settings, String::new(), notes);
    let entries = match reader.value("sources").map(|value| &value.kind) {
        None => return Vec::new(),
        Some(ValueKind::Array(entries)) => entries,
        Some(_) => {
            reader.problem("sources", "expected a list; write [[sources]]");
            return Vec::new();
        }
    };
    let mut sources = Vec::new();
    let mut names = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("sources[{at}]");
        let ValueKind::Table(table) = &entry.kind else {
            Reader::new(settings, path, notes).problem("", "expected a table; write [[sources]]");
            continue;
        };
        let name = match table.get("name").map(|name| &name.kind) {
            Some(ValueKind::String(name)) => name.as_str(),
            _ => "",
        };
        let path = if name.is_empty() {
            format!("{path}.")
        } else {
            format!("sources.{name}.")
        };
        let mut reader = Reader::new(table, path, notes);
        if !name.is_empty() && !names.insert(name) {
            reader.problem("name", "another source has this name already");
        }
        sources.extend(source(&mut reader));
    }
    sources
}

fn source(reader: &mut Reader<'_, '_, '_>) -> Option<SourceConfig> {
    reader.only(keys::SOURCE, keys::SOURCE_LATER);
    if !reader.has("name") {
        reader.problem("name", "missing; it is the last part of the webhook's path");
    }
    if !reader.has("platform") {
        reader.problem("platform", "missing; it is speechify or livekit");
    }
    let name = reader.parsed("name", name);
    let platform = reader.parsed("platform", PlatformName::parse);
    let agent = reader.text("agent").filter(|agent| !agent.is_empty());
    let timezone = reader.parsed("timezone", units::zone);
    let region = reader.parsed("region", units::region);
    let platform = platform?;
    let webhook = webhook(reader, platform);
    let api = if reader.has("api") {
        api(reader, platform)
    } else {
        None
    };
    Some(SourceConfig {
        name: name?,
        platform,
        webhook,
        api,
        agent,
        timezone,
        region,
    })
}

fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 of the characters a-z, 0-9 and -".to_owned())
    }
}

fn webhook(reader: &mut Reader<'_, '_, '_>, platform: PlatformName) -> WebhookConfig {
    let secrets = reader.secrets("webhook.secrets");
    let mut keys = named_keys(reader);
    match platform {
        PlatformName::Speechify => {
            for key in ["webhook.key", "webhook.keys"] {
                if reader.has(key) {
                    reader.problem(
                        key,
                        "only livekit signs by a named key; use webhook.secrets",
                    );
                }
            }
            if !reader.has("webhook.secrets") || empty(reader, "webhook.secrets") {
                reader.problem(
                    "webhook.secrets",
                    "missing; without a secret every delivery would be refused",
                );
            }
        }
        PlatformName::Livekit => {
            let key = reader.text("webhook.key").filter(|key| !key.is_empty());
            let no_secrets = !reader.has("webhook.secrets") || empty(reader, "webhook.secrets");
            match key {
                Some(_) if no_secrets => reader.problem(
                    "webhook.secrets",
                    "missing; they are the API secrets of webhook.key",
                ),
                Some(key) => keys.extend(secrets.iter().map(|one| (key.clone(), one.clone()))),
                None if !no_secrets => reader.problem(
                    "webhook.key",
                    "missing; it is the API key that the secrets belong to",
                ),
                None if !reader.has("webhook.keys") || empty(reader, "webhook.keys") => reader
                    .problem(
                        "webhook.key",
                        "missing; livekit needs webhook.key and webhook.secrets, or webhook.keys",
                    ),
                None => {}
            }
        }
    }
    WebhookConfig {
        secrets,
        keys,
        tolerance: reader
            .parsed("webhook.tolerance", units::positive_duration)
            .unwrap_or(platform.tolerance()),
        max_body: reader
            .parsed("webhook.max_body", units::size)
            .unwrap_or(MAX_BODY),
    }
}

fn empty(reader: &Reader<'_, '_, '_>, key: &str) -> bool {
    reader.list(key).is_empty()
}

/// `webhook.keys = [{ key = "APIxxxx", secret = … }]`
fn named_keys(reader: &mut Reader<'_, '_, '_>) -> Vec<(String, Secret)> {
    const EXPECTED: &str = "expected { key = \"APIxxxx\", secret = { env = \"NAME\" } }";
    let mut keys = Vec::new();
    for (at, value) in reader.list("webhook.keys").iter().enumerate() {
        let path = format!("webhook.keys[{at}]");
        let ValueKind::Table(pair) = &value.kind else {
            reader.problem(&path, EXPECTED);
            continue;
        };
        let key = pair.get("key").map(|key| &key.kind);
        match (key, pair.get("secret"), pair.len()) {
            (Some(ValueKind::String(key)), Some(secret), 2) if !key.is_empty() => {
                let secret = reader.secret_in(&format!("{path}.secret"), secret);
                keys.extend(secret.map(|secret| (key.clone(), secret)));
            }
            _ => reader.problem(&path, EXPECTED),
        }
    }
    keys
}

fn api(reader: &mut Reader<'_, '_, '_>, sender: PlatformName) -> Option<ApiConfig> {
    let platform = if reader.has("api.platform") {
        reader.parsed("api.platform", PlatformName::parse)
    } else {
        Some(sender)
    };
    let given = reader.parsed("api.base_url", units::base_url);
    if !reader.has("api.token") {
        reader.problem("api.token", "missing; the platform's API asks for it");
    }
    let token = reader.secret("api.token");
    let platform = platform?;
    let Some(known) = platform.base_url() else {
        reader.problem(
            "api.platform",
            format!(
                "{} has no conversation API; name the platform whose API knows these calls, \
                 as speechify, or leave api out",
                platform.as_str()
            ),
        );
        return None;
    };
    Some(ApiConfig {
        platform,
        base_url: given.unwrap_or_else(|| known.to_owned()),
        token: token?,
    })
}
