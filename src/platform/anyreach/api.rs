//! Anyreach's conversation API. A token sees what its role's scopes let it see: one without
//! `conversations:read_sensitive` would make every call look empty, and is told so instead.

use async_trait::async_trait;
use serde_json::Value;

use super::list::Place;
use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery, Listed};

/// The path that all routes begin with.
const CONVERSATIONS: [&str; 2] = ["core", "conversations"];

/// What a token needs beside reading.
const SENSITIVE: FetchError = FetchError::Unscoped {
    scope: "conversations:read_sensitive",
};

/// The half of Anyreach that answers, which is all of it.
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
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let [core, conversations] = CONVERSATIONS;
        let path = [core, conversations, id.as_str()];
        let answer = object(self.rest.get(&path, &[]).await?)?;
        let is_bare = map::is_bare(&answer);
        let fetched = map::call(answer, &self.naming).map_err(malformed)?;
        let fetched = fetched.asked_for(id)?;
        if is_bare {
            return Err(SENSITIVE);
        }
        Ok(fetched)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let place = Place::decode(query.cursor.as_deref());
        let (limit, cursor) = (place.limit.to_string(), place.cursor());
        let mut pairs = vec![("limit", limit.as_str())];
        // The platform matches parts, too: whoever asks picks.
        let caller = query.caller_identity.as_deref();
        pairs.extend(caller.map(|caller| ("user_id", caller)));
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let Value::Array(rows) = self.rest.get(&CONVERSATIONS, &pairs).await? else {
            return Err(malformed("it is not a list"));
        };
        let next = place.next(&rows).map(|place| place.encode());
        ListPage::read(rows, next, |row| {
            let fetched = map::call(object(row)?, &self.naming).map_err(malformed)?;
            Ok(Listed::from(fetched))
        })
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        text.starts_with("conv_") && text.len() > "conv_".len()
    }
}

#[cfg(test)]
mod tests;
