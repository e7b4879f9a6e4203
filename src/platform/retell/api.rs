//! Retell's API: `GET /v2/get-call/{id}`, and `POST /v3/list-calls`, newest first by start, whose
//! rows have no transcript.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery};
use crate::time::Timestamp;

/// Rows a page. The platform gives up to a thousand.
const LIMIT: u32 = 200;

/// The half of Retell that answers.
#[derive(Debug)]
pub struct Client {
    rest: Rest,
    naming: Naming,
}

impl Client {
    /// The API of this source.
    pub(in crate::platform) fn new(source: &SourceConfig, rest: Rest) -> Self {
        Self {
            rest,
            naming: Naming::of(source, super::NAME),
        }
    }

    fn map(&self, call: Map<String, Value>, or_at: Timestamp) -> Result<Fetched, FetchError> {
        map::call(call, &self.naming, or_at, false).map_err(malformed)
    }
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let answer = self.rest.get(&["v2", "get-call", id.as_str()], &[]).await?;
        // A call without any time has not begun, and is asked for again.
        let fetched = self.map(object(answer)?, Timestamp::from_secs(0))?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let mut asked = json!({ "sort_order": "descending", "limit": LIMIT });
        if let Some(cursor) = &query.cursor {
            asked["pagination_key"] = json!(cursor);
        }
        let mut page = object(self.rest.post(&["v3", "list-calls"], &asked).await?)?;
        let Some(Value::Array(items)) = page.remove("items") else {
            return Err(malformed("it has no list of items"));
        };
        let next = match page.remove("pagination_key") {
            Some(Value::String(next)) if !next.is_empty() => Some(next),
            _ => None,
        };
        if next.is_some() && next == query.cursor {
            return Err(malformed("its pages of calls run in a circle"));
        }
        let has_more = page.get("has_more").and_then(Value::as_bool);
        // A row without any time stands where its neighbours do.
        let mut at = items
            .iter()
            .find_map(time_of)
            .unwrap_or(Timestamp::from_secs(0));
        let next = next.filter(|_| has_more != Some(false));
        ListPage::read(items, next, |item| {
            let fetched = self.map(object(item)?, at)?;
            at = fetched.conversation.created_at;
            Ok(fetched.into())
        })
    }

    fn is_conversation_id(&self, _text: &str) -> bool {
        // Ids have had several forms, and no room is named after one.
        false
    }
}

/// When the call of a row began, or ended.
fn time_of(row: &Value) -> Option<Timestamp> {
    ["start_timestamp", "end_timestamp"]
        .into_iter()
        .find_map(|name| row.get(name)?.as_i64())
        .map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
