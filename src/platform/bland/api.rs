//! Bland's API: `GET /v1/calls/{id}`, and `GET /v1/calls`, newest first, by offset. The key stands in
//! `authorization` as it is, without `Bearer`.

use async_trait::async_trait;
use serde_json::Value;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery, Listed};
use crate::time::Timestamp;

/// Rows a page. The platform gives up to a thousand.
const LIMIT: usize = 500;

/// The half of Bland that answers.
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

    fn map(&self, call: Value) -> Result<Fetched, FetchError> {
        let call = object(call)?;
        map::call(call, &self.naming, Timestamp::from_secs(0), false).map_err(malformed)
    }
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let answer = self.rest.get(&["v1", "calls", id.as_str()], &[]).await?;
        let fetched = self.map(answer)?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        // Calls that come in meanwhile push rows onto the next page: some come twice, none is lost.
        let from: usize = match &query.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| malformed("the cursor is none of its"))?,
        };
        let (limit, offset) = (LIMIT.to_string(), from.to_string());
        let pairs = [
            ("limit", limit.as_str()),
            ("from", offset.as_str()),
            ("ascending", "false"),
            ("sort_by", "created_at"),
        ];
        let mut page = object(self.rest.get(&["v1", "calls"], &pairs).await?)?;
        let Some(Value::Array(calls)) = page.remove("calls") else {
            return Err(malformed("it has no list of calls"));
        };
        // The platform may give fewer than it is asked for: only an empty page is the last.
        let next = (!calls.is_empty()).then(|| (from + calls.len()).to_string());
        ListPage::read(calls, next, |row| self.map(row).map(Listed::from))
    }

    fn is_conversation_id(&self, _text: &str) -> bool {
        // Ids are bare UUIDs, which rooms may be named by, too.
        false
    }
}

#[cfg(test)]
mod tests;
