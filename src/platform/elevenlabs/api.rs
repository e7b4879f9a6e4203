//! ElevenLabs' conversation API (`platforms.md` §2.3 and §2.4), in whichever clothes: Voiceable's is the
//! same under other names.

use async_trait::async_trait;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::paged::rows;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{Api, FetchError, Fetched, ListPage, ListQuery};

/// Rows a page, the most that either platform gives.
const PAGE_SIZE: &str = "100";

/// What differs from platform to platform.
#[derive(Debug)]
pub(in crate::platform) struct Dialect {
    /// The platform's name in settings.
    pub(in crate::platform) name: &'static str,
    /// The path that all routes begin with.
    pub(in crate::platform) conversations: [&'static str; 3],
    /// Where a page says where the next one begins.
    pub(in crate::platform) cursors: &'static [&'static str],
    /// Asked of every page.
    pub(in crate::platform) asked: &'static [(&'static str, &'static str)],
    /// Whether the list can be narrowed to a caller. ElevenLabs' knows `user_id` alone, and phones are
    /// known by their number.
    pub(in crate::platform) knows_callers: bool,
    /// What conversation ids begin with, where that tells them from the names of rooms.
    pub(in crate::platform) id_prefix: Option<&'static str>,
}

/// ElevenLabs' own.
const ELEVENLABS: Dialect = Dialect {
    name: super::NAME,
    conversations: ["v1", "convai", "conversations"],
    cursors: &["next_cursor"],
    asked: &[],
    knows_callers: false,
    id_prefix: Some("conv_"),
};

/// The half that answers.
#[derive(Debug)]
pub struct Client {
    rest: Rest,
    naming: Naming,
    dialect: &'static Dialect,
}

impl Client {
    /// ElevenLabs' API of this source.
    pub(in crate::platform) fn new(source: &SourceConfig, rest: Rest) -> Self {
        Self::speaking(&ELEVENLABS, source, rest)
    }

    /// The API of this source, in a dialect.
    pub(in crate::platform) fn speaking(
        dialect: &'static Dialect,
        source: &SourceConfig,
        rest: Rest,
    ) -> Self {
        Self {
            rest,
            naming: Naming::of(source, dialect.name),
            dialect,
        }
    }
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        self.dialect.name
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let [first, second, third] = self.dialect.conversations;
        let path = [first, second, third, id.as_str()];
        let answer = object(self.rest.get(&path, &[]).await?)?;
        let fetched = map::call(answer, &self.naming, None).map_err(malformed)?;
        fetched.asked_for(id)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let dialect = self.dialect;
        let cursor = query.cursor.as_deref();
        let mut pairs = vec![("page_size", PAGE_SIZE)];
        pairs.extend(dialect.asked);
        let caller = query.caller_identity.as_deref();
        let caller = caller.filter(|_| dialect.knows_callers);
        pairs.extend(caller.map(|caller| ("user_id", caller)));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = object(self.rest.get(&dialect.conversations, &pairs).await?)?;
        let (rows, next) = rows(page, "conversations", dialect.cursors, cursor)?;
        ListPage::read(rows, next, |row| {
            map::listed(row, &self.naming).map_err(malformed)
        })
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        let behind = self.dialect.id_prefix.and_then(|it| text.strip_prefix(it));
        behind.is_some_and(|behind| !behind.is_empty())
    }
}

#[cfg(test)]
mod tests;
