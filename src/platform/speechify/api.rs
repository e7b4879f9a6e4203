//! Speechify's conversation API: one conversation with its whole transcript, and the list
//! (`platforms.md` §4.1).

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::Value;

use super::map;
use crate::config::SourceConfig;
use crate::id::ConversationId;
use crate::platform::naming::Naming;
use crate::platform::paged::rows;
use crate::platform::rest::{Rest, malformed, object};
use crate::platform::{ANOTHER, Api, FetchError, Fetched, ListPage, ListQuery};

/// The path that all routes begin with.
const CONVERSATIONS: [&str; 3] = ["v1", "agents", "conversations"];

/// What the platform's conversation ids begin with.
const PREFIX: &str = "conv_";

/// Rows a page, the most that the platform gives.
const LIMIT: &str = "200";

/// Pages of one transcript at the most: a hundred thousand messages, far more than a call has.
const MAX_PAGES: usize = 500;

/// The half of Speechify that answers.
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

    /// The conversation, and the spelling of its id that the platform knows.
    ///
    /// The documents show ids in both cases and do not say that paths are read in either, so an id
    /// of ours that is not found is asked for once more as the platform's oldest examples spell it.
    async fn conversation(&self, id: &ConversationId) -> Result<(String, Value), FetchError> {
        let [v1, agents, conversations] = CONVERSATIONS;
        let ours = id.as_str().to_owned();
        match self
            .rest
            .get(&[v1, agents, conversations, &ours], &[])
            .await
        {
            Err(FetchError::NotFound) if self.is_conversation_id(&ours) => {
                let (prefix, rest) = ours.split_at(PREFIX.len());
                let theirs = format!("{prefix}{}", rest.to_ascii_uppercase());
                let answer = self
                    .rest
                    .get(&[v1, agents, conversations, &theirs], &[])
                    .await?;
                Ok((theirs, answer))
            }
            answer => Ok((ours, answer?)),
        }
    }

    async fn messages(&self, id: &str) -> Result<Vec<Value>, FetchError> {
        let [v1, agents, conversations] = CONVERSATIONS;
        let path = [v1, agents, conversations, id, "messages"];
        let mut messages = Vec::new();
        let mut seen = HashSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("limit", LIMIT)];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = object(self.rest.get(&path, &query).await?)?;
            let (rows, next) = rows(page, "messages", &["next_cursor"], None)?;
            messages.extend(rows);
            let Some(next) = next else {
                return Ok(messages);
            };
            if !seen.insert(next.clone()) {
                return Err(malformed("its pages of messages run in a circle"));
            }
            cursor = Some(next);
        }
        Err(malformed("its messages have too many pages"))
    }
}

#[async_trait]
impl Api for Client {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        let (spelled, answer) = self.conversation(id).await?;
        let (conversation, reason) =
            map::conversation(object(answer)?, &self.naming, None).map_err(malformed)?;
        if conversation.id != *id {
            return Err(malformed(ANOTHER));
        }
        let messages = self.messages(&spelled).await?;
        let messages = map::messages(&conversation.id, messages).map_err(malformed)?;
        Ok(Fetched {
            conversation,
            messages,
            reason,
            seen: None,
        })
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let mut pairs = vec![("limit", LIMIT)];
        pairs.extend(
            query
                .caller_identity
                .as_deref()
                .map(|who| ("caller_identity", who)),
        );
        pairs.extend(query.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = object(self.rest.get(&CONVERSATIONS, &pairs).await?)?;
        let (rows, next) = rows(
            page,
            "conversations",
            &["next_cursor"],
            query.cursor.as_deref(),
        )?;
        ListPage::read(rows, next, |row| {
            map::listed(row, &self.naming).map_err(malformed)
        })
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        // `conv_` and 26 characters of Crockford's alphabet, which has no I, L, O and U.
        text.split_at_checked(PREFIX.len())
            .is_some_and(|(prefix, rest)| {
                prefix.eq_ignore_ascii_case(PREFIX)
                    && rest.len() == 26
                    && rest.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric()
                            && !b"ilou".contains(&byte.to_ascii_lowercase())
                    })
            })
    }
}

#[cfg(test)]
mod tests;
