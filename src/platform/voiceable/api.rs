//! Voiceable's conversation API.

use async_trait::async_trait;

use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::elevenlabs::map;
use crate::platform::naming::Naming;
use crate::platform::paged::rows;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery};

/// The path that all routes begin with.
const CONVERSATIONS: [&str; 3] = ["api", "v1", "conversations"];

/// Rows a page, the most that the platform gives.
const PAGE_SIZE: &str = "100";

/// The half of Voiceable that answers, which is all of it.
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
        let [api, v1, conversations] = CONVERSATIONS;
        let path = [api, v1, conversations, id.as_str()];
        let answer = object(self.rest.get(&path, &[]).await?)?;
        let fetched = map::call(answer, &self.naming, None).map_err(malformed)?;
        if fetched.conversation.id != *id {
            return Err(malformed(
                "it is another conversation than the one asked for",
            ));
        }
        Ok(fetched)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let cursor = query.cursor.as_deref();
        // Summaries are in the list by default, and nobody reads them there.
        let mut pairs = vec![("page_size", PAGE_SIZE), ("summary_mode", "exclude")];
        let caller = query.caller_identity.as_deref();
        pairs.extend(caller.map(|caller| ("user_id", caller)));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = object(self.rest.get(&CONVERSATIONS, &pairs).await?)?;
        let (rows, next) = rows(page, "conversations", &["cursor", "next_cursor"], cursor)?;
        let rows = rows
            .into_iter()
            .map(|row| map::listed(row, &self.naming).map_err(malformed))
            .collect::<Result<_, _>>()?;
        Ok(ListPage { rows, next })
    }

    fn is_conversation_id(&self, _: &str) -> bool {
        // Their form is documented nowhere, and no room is named by one.
        false
    }
}

#[cfg(test)]
mod tests;
