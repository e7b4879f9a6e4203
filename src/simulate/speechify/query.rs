//! The query parameters of the simulated API, read and judged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Largest;
use crate::page::Cursor;
use crate::simulate::record::Record;
use crate::time::Timestamp;

/// Rows a page unless told (`platforms.md` §4.1).
const DEFAULT_LIMIT: usize = 50;

/// What part of the list is wanted.
#[derive(Debug, Default)]
pub(super) struct ListFilter {
    pub(super) after: Option<Cursor>,
    pub(super) limit: usize,
    agent_id: Option<String>,
    status: Option<String>,
    transport: Option<String>,
    caller_identity: Option<String>,
    search: Option<String>,
    started_after: Option<Timestamp>,
    started_before: Option<Timestamp>,
    duration_min_ms: Option<i64>,
    duration_max_ms: Option<i64>,
}

impl ListFilter {
    pub(super) fn parse(query: &str, largest: Largest) -> Result<Self, String> {
        let mut filter = Self {
            limit: DEFAULT_LIMIT.min(largest.conversations),
            ..Self::default()
        };
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "cursor" => {
                    let cursor = Cursor::decode(&value).map_err(|_| invalid(&name))?;
                    filter.after = Some(cursor);
                }
                "limit" => filter.limit = limit(&value)?.min(largest.conversations),
                "agent_id" => filter.agent_id = Some(crate::id::canonical(&value)),
                "status" => filter.status = Some(value),
                "transport" => filter.transport = Some(value),
                "caller_identity" => filter.caller_identity = Some(value),
                "q" => filter.search = Some(value),
                "started_after" => filter.started_after = Some(parse(&name, &value)?),
                "started_before" => filter.started_before = Some(parse(&name, &value)?),
                "duration_min_ms" => filter.duration_min_ms = Some(parse(&name, &value)?),
                "duration_max_ms" => filter.duration_max_ms = Some(parse(&name, &value)?),
                _ => {}
            }
        }
        Ok(filter)
    }

    pub(super) fn wants(&self, call: &Record) -> bool {
        is(self.agent_id.as_ref(), call.agent_id.as_str())
            && is(self.status.as_ref(), call.status.as_str())
            && is(self.transport.as_ref(), call.transport.as_str())
            && is(self.caller_identity.as_ref(), &call.caller_identity)
            && self.search.as_ref().is_none_or(|text| found(text, call))
            && self
                .started_after
                .is_none_or(|bound| call.started_at.is_some_and(|at| at >= bound))
            && self
                .started_before
                .is_none_or(|bound| call.started_at.is_some_and(|at| at < bound))
            && self
                .duration_min_ms
                .is_none_or(|bound| call.duration_ms.is_some_and(|ms| ms >= bound))
            && self
                .duration_max_ms
                .is_none_or(|bound| call.duration_ms.is_some_and(|ms| ms <= bound))
    }
}

/// What part of a transcript is wanted.
#[derive(Debug)]
pub(super) struct MessagesQuery {
    pub(super) from: usize,
    pub(super) limit: usize,
}

impl MessagesQuery {
    pub(super) fn parse(query: &str, largest: Largest) -> Result<Self, String> {
        let mut asked = Self {
            from: 0,
            limit: DEFAULT_LIMIT.min(largest.messages),
        };
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "cursor" => asked.from = read_cursor(&value).ok_or_else(|| invalid(&name))?,
                "limit" => asked.limit = limit(&value)?.min(largest.messages),
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// The opaque text for "behind the first `from` messages".
pub(super) fn message_cursor(from: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("m{from}"))
}

fn read_cursor(text: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix('m')?.parse().ok()
}

/// Reads `a=1&b=two+words%21`.
fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let unreadable = || "The query string can't be read.".to_owned();
    let uri: http::Uri = format!("/?{query}").parse().map_err(|_| unreadable())?;
    let axum::extract::Query(pairs) =
        axum::extract::Query::try_from_uri(&uri).map_err(|_| unreadable())?;
    Ok(pairs)
}

fn limit(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(limit @ 1..) => Ok(limit),
        _ => Err(invalid("limit")),
    }
}

fn parse<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| invalid(name))
}

fn invalid(name: &str) -> String {
    format!("The query parameter '{name}' is invalid.")
}

fn is(wanted: Option<&String>, value: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

fn found(text: &str, call: &Record) -> bool {
    let text = text.to_lowercase();
    [
        Some(call.id.as_str()),
        Some(call.caller_identity.as_str()),
        call.from_number.as_deref(),
        call.to_number.as_deref(),
    ]
    .into_iter()
    .flatten()
    .any(|field| field.to_lowercase().contains(&text))
}
