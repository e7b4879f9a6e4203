//! Twilio's API: `GET /2010-04-01/Accounts/{account}/Calls/{sid}.json`, and the list beside it,
//! newest first. Every page names the next by its path.

use async_trait::async_trait;
use serde_json::Value;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::fields::Fields;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery, Listed};
use crate::signature::form;
use crate::time::Timestamp;

/// The version of the API, which its paths begin with.
const VERSION: &str = "2010-04-01";

/// Rows a page. The platform gives up to a thousand.
const LIMIT: &str = "500";

/// The half of Twilio that answers.
#[derive(Debug)]
pub struct Client {
    rest: Rest,
    naming: Naming,
    account: String,
}

impl Client {
    /// The API of this source, asked for the calls of `account` (`AC…`).
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
        let name = format!("{id}.json");
        let path = [VERSION, "Accounts", &self.account, "Calls", &name];
        let fetched = self.map(self.rest.get(&path, &[]).await?)?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let mut pairs = vec![("PageSize".to_owned(), LIMIT.to_owned())];
        if let Some(cursor) = &query.cursor {
            pairs = of_query(cursor);
        }
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = [VERSION, "Accounts", &self.account, "Calls.json"];
        let mut page = object(self.rest.get(&path, &pairs).await?)?;
        let Some(Value::Array(calls)) = page.remove("calls") else {
            return Err(malformed("it has no list of calls"));
        };
        // Only the query is taken over: an answer must not send us, and the token, elsewhere.
        let next = page
            .get("next_page_uri")
            .and_then(Value::as_str)
            .and_then(|uri| Some(uri.split_once('?')?.1.to_owned()));
        if next.is_some() && next == query.cursor {
            return Err(malformed("its pages of calls run in a circle"));
        }
        ListPage::read(calls, next, |row| self.map(row).map(Listed::from))
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        text.len() == 34
            && text.starts_with("CA")
            && text.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit())
    }
}

fn of_query(query: &str) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    form::pairs(query.as_bytes())
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

#[cfg(test)]
mod tests;
