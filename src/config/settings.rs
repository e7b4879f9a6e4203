//! From the layered table to [`Config`], section by section, with the contract's defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::ValueKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::read::{Notes, Reader, Table};
use super::{
    AddressRange, Config, Database, Endpoints, ExtractorChoice, Finalize, Llm, Memory, Queue,
    Results, Retention, Server, sources, units,
};
use crate::endpoint::Payload;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The settings. None when a part without a default is wrong: then a problem was noted.
pub(super) fn read(table: &Table, notes: &mut Notes<'_>) -> Option<Config> {
    let sources = sources::read(table, notes);
    let reader = &mut Reader::new(table, String::new(), notes);
    reader.path("data_dir");
    let data_dir = data_dir(table);
    let server = Server {
        listen: reader
            .parsed("server.listen", units::listen)
            .unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
        shutdown_grace: span(reader, "server.shutdown_grace", Duration::from_secs(25)),
    };
    let finalize = finalize(reader);
    let memory = memory(reader);
    let retention = retention(reader);
    let (endpoints, results) = (endpoints(reader), results(reader));
    let secret_key = sealing_key(reader, "secret_key");
    let previous_secret_key = sealing_key(reader, "secret_key_previous");
    let database = database(reader, &data_dir);
    let queue = queue(reader, database.as_ref());
    let admin_token = admin_token(reader, database.as_ref());
    Some(Config {
        data_dir,
        server,
        database: database?,
        queue: queue?,
        finalize,
        memory,
        retention,
        endpoints,
        results,
        sources,
        admin_token,
        secret_key,
        previous_secret_key,
        warnings: Vec::new(),
    })
}

/// Where embedded data lies.
pub(super) fn data_dir(table: &Table) -> PathBuf {
    match table.get("data_dir").map(|value| &value.kind) {
        Some(ValueKind::String(path)) if !path.is_empty() => path.into(),
        _ => "./aftercall-data".into(),
    }
}

fn span(reader: &mut Reader<'_, '_, '_>, key: &str, default: Duration) -> Duration {
    reader.parsed(key, units::duration).unwrap_or(default)
}

fn database(reader: &mut Reader<'_, '_, '_>, data_dir: &Path) -> Option<Database> {
    if !reader.has("database.url") {
        let url = format!("sqlite://{}", data_dir.join("aftercall.db").display());
        return Secret::new(url).ok().map(|url| Database { url });
    }
    let url = reader.secret("database.url")?;
    if is_postgres(&url)
        || url
            .expose()
            .strip_prefix("sqlite://")
            .is_some_and(|path| !path.is_empty())
    {
        return Some(Database { url });
    }
    reader.problem(
        "database.url",
        "expected sqlite://path, postgres://… or postgresql://…",
    );
    None
}

fn is_postgres(url: &Secret) -> bool {
    let url = url.expose();
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn queue(reader: &mut Reader<'_, '_, '_>, database: Option<&Database>) -> Option<Queue> {
    // Every webhook is answered within four seconds.
    let confirmed = units::within(Duration::from_millis(1), Duration::from_secs(4));
    let confirm_timeout = reader
        .parsed("queue.confirm_timeout", confirmed)
        .unwrap_or(Duration::from_secs(1));
    let url = if reader.has("queue.url") {
        reader.secret("queue.url")?
    } else {
        Secret::new("embedded").ok()?
    };
    let text = url.expose();
    let is_amqp = |node: &str| {
        let node = node.trim();
        node.starts_with("amqp://") || node.starts_with("amqps://")
    };
    let message = if text == "embedded" {
        None
    } else if !text.split(',').all(is_amqp) {
        Some("expected \"embedded\" or amqp://…")
    } else if database.is_some_and(|database| !is_postgres(&database.url)) {
        Some(
            "RabbitMQ needs PostgreSQL: its workers run in several processes, and a SQLite file \
             belongs to one; set database.url to postgres://…, or leave queue.url out",
        )
    } else {
        None
    };
    if let Some(message) = message {
        reader.problem("queue.url", message);
        return None;
    }
    Some(Queue {
        url,
        confirm_timeout,
    })
}

fn finalize(reader: &mut Reader<'_, '_, '_>) -> Finalize {
    /// 2026-01-01T00:00:00Z
    const ROLLOUT: Timestamp = Timestamp::from_secs(1_767_225_600);
    Finalize {
        grace: span(reader, "finalize.grace", Duration::from_secs(10)),
        fallback_since: reader
            .parsed("finalize.fallback_since", str::parse)
            .unwrap_or(ROLLOUT),
        max_wait: span(reader, "finalize.max_wait", Duration::from_mins(10)),
        recheck: reader
            .parsed_list("finalize.recheck", units::positive_duration)
            .unwrap_or_else(|| vec![Duration::from_mins(1), Duration::from_mins(15)]),
    }
}

fn memory(reader: &mut Reader<'_, '_, '_>) -> Memory {
    let extractor = reader
        .parsed("memory.extractor", |text| match text {
            "rules" => Ok(ExtractorChoice::Rules),
            "llm" => Ok(ExtractorChoice::Llm),
            "both" => Ok(ExtractorChoice::Both),
            "off" => Ok(ExtractorChoice::Off),
            _ => Err(format!(
                "{text:?} is none; expected rules, llm, both or off"
            )),
        })
        .unwrap_or(ExtractorChoice::Rules);
    let wanted = matches!(extractor, ExtractorChoice::Llm | ExtractorChoice::Both);
    Memory {
        extractor,
        timezone: reader
            .parsed("memory.timezone", units::zone)
            .unwrap_or(jiff::tz::TimeZone::UTC),
        region: reader
            .parsed("memory.region", units::region)
            .unwrap_or_else(|| "US".to_owned()),
        retention: span(reader, "memory.retention", days(90)),
        llm: llm(reader, wanted),
    }
}

/// Read also when it is not used, so that what is wrong with it is told.
fn llm(reader: &mut Reader<'_, '_, '_>, wanted: bool) -> Option<Llm> {
    let base_url = reader.parsed("memory.llm.base_url", |text| {
        let is_http = ["http://", "https://"]
            .iter()
            .any(|start| text.starts_with(start));
        if is_http {
            Ok(text.to_owned())
        } else {
            Err("expected an http or https URL, as https://api.openai.com/v1")
        }
    });
    let model = reader.text("memory.llm.model");
    let api_key = reader.secret("memory.llm.api_key");
    let timeout = reader
        .parsed("memory.llm.timeout", units::positive_duration)
        .unwrap_or(Duration::from_mins(1));
    if !wanted {
        return None;
    }
    for key in ["memory.llm.base_url", "memory.llm.model"] {
        if !reader.has(key) {
            reader.problem(key, "is needed while memory.extractor is llm or both");
        }
    }
    Some(Llm {
        base_url: base_url?,
        model: model?,
        api_key,
        timeout,
    })
}

fn retention(reader: &mut Reader<'_, '_, '_>) -> Retention {
    Retention {
        conversations: span(reader, "retention.conversations", Duration::ZERO),
        messages: span(reader, "retention.messages", days(365)),
        events: span(reader, "retention.events", days(30)),
        dead_letters: span(reader, "retention.dead_letters", days(90)),
        deliveries: span(reader, "retention.deliveries", days(30)),
        quarantine: span(reader, "retention.quarantine", days(7)),
        audit: span(reader, "retention.audit", Duration::ZERO),
    }
}

fn endpoints(reader: &mut Reader<'_, '_, '_>) -> Endpoints {
    let allow_private: Vec<AddressRange> = reader
        .parsed_list("endpoints.allow_private", str::parse)
        .unwrap_or_default();
    if allow_private.iter().any(AddressRange::is_everything) {
        reader.warning(
            "endpoints.allow_private",
            "lets endpoints lead to every address, the metadata service of a cloud among them; name \
             the CRM's own range",
        );
    }
    Endpoints { allow_private }
}

fn results(reader: &mut Reader<'_, '_, '_>) -> Results {
    let read = |text: &str| {
        Payload::parse(text).ok_or_else(|| format!("{text:?} is none; expected thin or full"))
    };
    Results {
        payload: reader.parsed("results.payload", read).unwrap_or_default(),
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// Characters of the first admin token at the least: whoever guesses it may do everything.
const SHORTEST_TOKEN: usize = 8;

/// The first admin token. A short one goes on working where an embedded database is there already.
fn admin_token(reader: &mut Reader<'_, '_, '_>, database: Option<&Database>) -> Option<Secret> {
    let token = reader.secret("admin_token")?;
    if token.expose().chars().count() >= SHORTEST_TOKEN {
        return Some(token);
    }
    let message = format!(
        "can be guessed: expected at least {SHORTEST_TOKEN} characters; `openssl rand -hex 24` makes \
         a good one"
    );
    let file = database.and_then(|database| database.url.expose().strip_prefix("sqlite://"));
    if file.is_some_and(|file| Path::new(file).exists()) {
        reader.warning("admin_token", &message);
        return Some(token);
    }
    reader.problem("admin_token", message);
    None
}

/// A key of 32 bytes in base64, kept as text until it is used.
fn sealing_key(reader: &mut Reader<'_, '_, '_>, key: &str) -> Option<Secret> {
    let secret = reader.secret(key)?;
    match BASE64.decode(secret.expose()) {
        Ok(bytes) if bytes.len() == 32 => Some(secret),
        Ok(bytes) => {
            let message = format!("expected 32 bytes in base64, found {}", bytes.len());
            reader.problem(key, message);
            None
        }
        Err(_) => {
            reader.problem(key, "expected 32 bytes in base64: openssl rand -base64 32");
            None
        }
    }
}
