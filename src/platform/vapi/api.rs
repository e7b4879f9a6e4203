//! Vapi's API: `GET /call/{id}`, and `GET /call`, newest first by creation. Its pages are parted by
//! the time of creation alone.

use async_trait::async_trait;
use serde_json::Value;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery, Listed};
use crate::time::Timestamp;

/// Rows a page. Rows are whole calls, with their transcripts.
const LIMIT: usize = 100;

/// The half of Vapi that answers.
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
        let fetched = self.map(self.rest.get(&["call", id.as_str()], &[]).await?)?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let limit = LIMIT.to_string();
        let mut pairs = vec![("limit", limit.as_str())];
        // Up to and with the last time seen: calls of the same instant are neither lost nor missed.
        pairs.extend(query.cursor.as_deref().map(|at| ("createdAtLe", at)));
        let Value::Array(answer) = self.rest.get(&["call"], &pairs).await? else {
            return Err(malformed("it is not a list"));
        };
        let is_full = answer.len() >= LIMIT;
        let mut page = ListPage::read(answer, None, |row| self.map(row).map(Listed::from))?;
        let created = page.rows.iter().map(|row| row.conversation.created_at);
        let oldest = created.min().filter(|_| is_full);
        page.next = oldest.map(|at| at.to_string());
        if page.next.is_some() && page.next == query.cursor {
            return Err(malformed("a whole page of it was created in one instant"));
        }
        Ok(page)
    }

    fn is_conversation_id(&self, _text: &str) -> bool {
        // Ids are bare UUIDs, which rooms may be named by, too.
        false
    }
}

#[cfg(test)]
mod tests;
