//! `[[sources]]`: the accounts that send us events, or are asked for conversations.

use std::collections::BTreeSet;
use std::time::Duration;

use ::config::ValueKind;

use super::platforms::{KnownApi, PlatformName, SignedBy, all_names};
use super::read::{Notes, Reader, Table};
use super::{ApiConfig, Reconcile, SourceConfig, keys, units, webhook};

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
    reader.only(keys::SOURCE);
    if !reader.has("name") {
        reader.missing("name", "it is the last part of the webhook's path");
    }
    if !reader.has("platform") {
        reader.missing("platform", format!("it is one of {}", all_names()));
    }
    let name = reader.parsed("name", name);
    let platform = reader.parsed("platform", PlatformName::parse);
    let agent = reader.text("agent").filter(|agent| !agent.is_empty());
    let timezone = reader.parsed("timezone", units::zone);
    let region = reader.parsed("region", units::region);
    let platform = platform?;
    let webhook = webhook::read(reader, platform);
    let reconcile = reconcile(reader, platform);
    let api = if reader.has("api") {
        api(reader, platform)
    } else {
        if platform.signed_by() == SignedBy::Polled {
            let name = platform.as_str();
            reader.missing(
                "api.token",
                format!("{name} sends no webhook, so its API must be asked"),
            );
        }
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
        reconcile,
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

/// A platform's list is not read more often than that.
const MOST_OFTEN: Duration = Duration::from_millis(100);

fn reconcile(reader: &mut Reader<'_, '_, '_>, platform: PlatformName) -> Reconcile {
    let usual = platform.reconcile();
    Reconcile {
        every: reader
            .parsed("reconcile.every", units::at_least(MOST_OFTEN))
            .unwrap_or(usual.every),
        look_back: reader
            .parsed("reconcile.look_back", units::positive_duration)
            .unwrap_or(usual.look_back),
        settle: reader
            .parsed("reconcile.settle", units::duration)
            .unwrap_or(usual.settle),
    }
}

fn api(reader: &mut Reader<'_, '_, '_>, sender: PlatformName) -> Option<ApiConfig> {
    let platform = if reader.has("api.platform") {
        reader.parsed("api.platform", PlatformName::parse)
    } else {
        Some(sender)
    };
    let given = reader.parsed("api.base_url", units::base_url);
    if !reader.has("api.token") {
        reader.missing("api.token", "the platform's API asks for it");
    }
    let token = reader.secret("api.token");
    let account = reader.text("api.account").filter(|name| !name.is_empty());
    let platform = platform?;
    let name = platform.as_str();
    let base_url = match (platform.api(), given) {
        (KnownApi::None, _) => {
            reader.problem(
                "api.platform",
                format!(
                    "{name} has no conversation API; name the platform whose API knows these \
                     calls, as speechify, or leave api out"
                ),
            );
            return None;
        }
        (_, Some(given)) => given,
        (KnownApi::At(known), None) => known.to_owned(),
        (KnownApi::Unpublished, None) => {
            if !reader.has("api.base_url") {
                reader.missing(
                    "api.base_url",
                    format!("the address of {name}'s API is published nowhere"),
                );
            }
            return None;
        }
    };
    if let Some(what) = platform.account()
        && account.is_none()
    {
        reader.missing("api.account", format!("it is {name}'s {what}"));
    }
    Some(ApiConfig {
        platform,
        base_url,
        token: token?,
        account,
    })
}
