//! A page of a list in a platform's answer, and where the next one begins.

use serde_json::{Map, Value};

use super::FetchError;
use super::rest::malformed;

/// The rows that stand under `name`, and the next page's cursor, which stands under one of
/// `cursors`; `asked` is the cursor of this page. A page that says there is more, but not where, is
/// half an answer, and pages that run in a circle would be read for ever.
pub(super) fn rows(
    mut page: Map<String, Value>,
    name: &str,
    cursors: &[&str],
    asked: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), FetchError> {
    let Some(Value::Array(rows)) = page.remove(name) else {
        return Err(malformed(&format!("it has no list of {name}")));
    };
    let next = cursors.iter().find_map(|key| match page.get(*key)? {
        Value::String(next) if !next.is_empty() => Some(next.clone()),
        Value::Number(next) => Some(next.to_string()),
        _ => None,
    });
    let next = match (page.get("has_more").and_then(Value::as_bool), next) {
        (Some(false), _) => None,
        (Some(true), None) => return Err(malformed("it says that there is more, and not where")),
        (_, next) => next,
    };
    if next.is_some() && next.as_deref() == asked {
        return Err(malformed(&format!("its pages of {name} run in a circle")));
    }
    Ok((rows, next))
}
