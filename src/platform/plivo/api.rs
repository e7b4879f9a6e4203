//! Plivo's API: `GET /v1/Account/{auth id}/Call/{uuid}/`, and the list beside it, newest first, by
//! offset.

use async_trait::async_trait;
use serde_json::Value;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::fields::Fields;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery, Listed};
use crate::time::Timestamp;

/// Rows a page, the most that the platform gives.
const LIMIT: &str = "20";

/// The half of Plivo that answers.
#[derive(Debug)]
pub struct Client {
    rest: Rest,
    naming: Naming,
    account: String,
}

impl Client {
    /// The API of this source, asked for the calls of `account` (the auth id).
    pub(in crate::platform) fn new(source: &SourceConfig, rest: Rest, account: &str) -> Self {
        Self {
            rest,
            naming: Naming::of(source, super::NAME),
            account: account.to_owned(),
        }
    }

    fn map(&self, call: Value) -> Result<Fetched, FetchError> {
        let fields = Fields::new(object(call)?);
        map::resource(fields, &self.naming, Timestamp::from_secs(0)).map_err(malformed)
    }
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let path = ["v1", "Account", &self.account, "Call", id.as_str(), ""];
        let fetched = self.map(self.rest.get(&path, &[]).await?)?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        // Calls that come in meanwhile push rows onto the next page: some come twice, none is lost.
        let offset = query.cursor.as_deref().unwrap_or("0");
        let from: usize = offset
            .parse()
            .map_err(|_| malformed("the cursor is none of its"))?;
        let path = ["v1", "Account", &self.account, "Call", ""];
        let pairs = [("limit", LIMIT), ("offset", offset)];
        let mut page = object(self.rest.get(&path, &pairs).await?)?;
        let Some(Value::Array(calls)) = page.remove("objects") else {
            return Err(malformed("it has no list of objects"));
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
