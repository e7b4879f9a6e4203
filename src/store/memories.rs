//! Observations, and the memory that is folded from them.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, on};
use crate::id::{ConversationId, ConversationKey};
use crate::memory::caller::CallerKey;
use crate::memory::fold::{Fact, Seen};
use crate::memory::observation::{Observation, Rank};
use crate::memory::slot::Slot;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// Whose memory it is: both keys, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent.
    pub agent_id: String,
    /// The caller.
    pub caller: CallerKey,
}

/// A conversation's current extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// Whose memory it feeds.
    pub subject: Subject,
    /// As `rules/1`.
    pub extractor: String,
    /// How much its word weighs.
    pub rank: Rank,
    /// A hash of what was extracted from.
    pub input_hash: String,
}

impl Subject {
    /// The name of the caller's lock. It may hold no U+0000, which PostgreSQL refuses.
    fn lock_name(&self) -> String {
        format!("caller {}\n{}", self.agent_id, self.caller.as_str())
    }
}

/// Holds everybody else off these callers until the transaction ends: each once, and in an order
/// that no two workers can take crosswise.
pub async fn hold(conn: &mut Conn<'_>, subjects: &mut Vec<Subject>) -> Result<()> {
    subjects.sort_by_key(Subject::lock_name);
    subjects.dedup();
    for subject in subjects {
        super::lock(conn, &subject.lock_name()).await?;
    }
    Ok(())
}

fn rank_to_number(rank: Rank) -> i64 {
    match rank {
        Rank::Rules => 1,
        Rank::Llm => 2,
        Rank::Human => 3,
    }
}

fn rank_of_number(rank: i64) -> Result<Rank> {
    match rank {
        1 => Ok(Rank::Rules),
        2 => Ok(Rank::Llm),
        3 => Ok(Rank::Human),
        _ => Err(Error::Corrupt("rank")),
    }
}

/// The current extraction of a conversation.
pub async fn extraction(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Option<Extraction>> {
    let row: Option<(String, String, String, i64, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT agent_id, caller_key, extractor, rank, input_hash FROM extractions \
             WHERE owner = $1 AND conversation_id = $2",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_optional(c)
        .await?
    });
    row.map(|(agent_id, caller, extractor, rank, input_hash)| {
        Ok(Extraction {
            subject: Subject {
                agent_id,
                caller: CallerKey::stored(caller).ok_or(Error::Corrupt("caller key"))?,
            },
            extractor,
            rank: rank_of_number(rank)?,
            input_hash,
        })
    })
    .transpose()
}

/// Takes a conversation's extraction and observations out.
pub async fn remove_extraction(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
    for text in [
        "DELETE FROM observations WHERE owner = $1 AND conversation_id = $2",
        "DELETE FROM extractions WHERE owner = $1 AND conversation_id = $2",
    ] {
        on!(conn, c => {
            sqlx::query(text)
                .bind(key.owner.as_str())
                .bind(key.id.as_str())
                .execute(c)
                .await?;
        });
    }
    Ok(())
}

/// Puts a conversation's extraction in place of the one it had.
pub async fn replace_extraction(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    extraction: &Extraction,
    observations: &[Observation],
    now: Timestamp,
) -> Result<()> {
    remove_extraction(conn, key).await?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO extractions (owner, conversation_id, agent_id, caller_key, extractor, \
             rank, input_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(&extraction.subject.agent_id)
        .bind(extraction.subject.caller.as_str())
        .bind(&extraction.extractor)
        .bind(rank_to_number(extraction.rank))
        .bind(&extraction.input_hash)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    for observation in observations {
        let body = to_json(observation)?;
        on!(conn, c => {
            sqlx::query(
                "INSERT INTO observations (owner, conversation_id, id, agent_id, caller_key, \
                 extractor, rank, said_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 ON CONFLICT (owner, conversation_id, id) DO NOTHING",
            )
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .bind(observation.id(&key.id))
            .bind(&extraction.subject.agent_id)
            .bind(extraction.subject.caller.as_str())
            .bind(&extraction.extractor)
            .bind(rank_to_number(extraction.rank))
            .bind(observation.said_at.as_millis())
            .bind(body)
            .execute(c)
            .await?;
        });
    }
    Ok(())
}

/// Every observation about a caller.
pub async fn observations(conn: &mut Conn<'_>, subject: &Subject) -> Result<Vec<Seen>> {
    let rows: Vec<(String, String, i64, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT conversation_id, extractor, rank, body FROM observations \
             WHERE agent_id = $1 AND caller_key = $2",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(conversation_id, extractor, rank, body)| {
            Ok(Seen {
                conversation_id: ConversationId::new(&conversation_id)
                    .map_err(|_| Error::Corrupt("conversation id"))?,
                extractor,
                rank: rank_of_number(rank)?,
                observation: from_json(&body)?,
            })
        })
        .collect()
}

/// A fact as it is stored, with whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The agent.
    pub agent_id: String,
    /// The caller as the platform names them.
    pub caller_identity: String,
    /// The fact.
    pub fact: Fact,
    /// When it was recorded.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, agent_id, caller_identity, slot, object_key, fact, value, confidence, \
     valid_from, valid_to, due_at, source_conversation_id, evidence, extractor, created_at";

#[derive(FromRow)]
struct Row {
    id: String,
    agent_id: String,
    caller_identity: String,
    slot: String,
    object_key: String,
    fact: String,
    value: String,
    confidence: String,
    valid_from: i64,
    valid_to: Option<i64>,
    due_at: Option<i64>,
    source_conversation_id: String,
    evidence: String,
    extractor: String,
    created_at: i64,
}

impl TryFrom<Row> for Stored {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            fact: Fact {
                id: row.id,
                slot: Slot::from(row.slot.as_str()),
                object_key: row.object_key,
                value: from_json(&row.value)?,
                fact: row.fact,
                confidence: row
                    .confidence
                    .parse()
                    .map_err(|_| Error::Corrupt("confidence"))?,
                valid_from: Timestamp::from_millis(row.valid_from),
                valid_to: row.valid_to.map(Timestamp::from_millis),
                due_at: row.due_at.map(Timestamp::from_millis),
                source_conversation_id: ConversationId::new(&row.source_conversation_id)
                    .map_err(|_| Error::Corrupt("conversation id"))?,
                evidence: from_json(&row.evidence)?,
                extractor: row.extractor,
            },
            agent_id: row.agent_id,
            caller_identity: row.caller_identity,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// Everything that memory holds or held about a caller, in the order of slot, object and time.
pub async fn facts(conn: &mut Conn<'_>, subject: &Subject) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM memories WHERE agent_id = $1 AND caller_key = $2 \
             ORDER BY slot, object_key, valid_from, id"
        )))
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Stored::try_from).collect()
}

/// How each call that a caller was observed in names the caller: one key has several spellings.
async fn identities(
    conn: &mut Conn<'_>,
    subject: &Subject,
) -> Result<BTreeMap<ConversationId, String>> {
    let rows: Vec<(String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT DISTINCT c.id, c.caller_identity FROM observations o \
             JOIN conversations c ON c.owner = o.owner AND c.id = o.conversation_id \
             WHERE o.agent_id = $1 AND o.caller_key = $2 AND c.caller_identity <> ''",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(id, identity)| {
            let id = ConversationId::new(&id).map_err(|_| Error::Corrupt("conversation id"))?;
            Ok((id, identity))
        })
        .collect()
}

/// Puts a caller's facts in place of those that were held; `before` is what [`facts`] answers.
/// A fact that stays keeps the time it was recorded; each names the caller as the call does that
/// said it first, so that it does not matter which call was remembered last; `caller_identity` is
/// for calls that are gone.
pub async fn replace_facts(
    conn: &mut Conn<'_>,
    subject: &Subject,
    caller_identity: &str,
    before: &[Stored],
    facts: &[Fact],
    now: Timestamp,
) -> Result<()> {
    let identities = identities(conn, subject).await?;
    on!(conn, c => {
        sqlx::query("DELETE FROM memories WHERE agent_id = $1 AND caller_key = $2")
            .bind(&subject.agent_id)
            .bind(subject.caller.as_str())
            .execute(c)
            .await?;
    });
    for fact in facts {
        let known = before
            .iter()
            .find(|old| old.fact.id == fact.id && old.fact.valid_from == fact.valid_from);
        let created_at = known.map_or(now, |old| old.created_at);
        let caller_identity = identities
            .get(&fact.source_conversation_id)
            .or_else(|| known.map(|old| &old.caller_identity))
            .map_or(caller_identity, String::as_str);
        let value = to_json(&fact.value)?;
        let evidence = to_json(&fact.evidence)?;
        on!(conn, c => {
            sqlx::query(
                "INSERT INTO memories (id, agent_id, caller_key, caller_identity, slot, \
                 object_key, fact, value, confidence, valid_from, valid_to, due_at, \
                 source_conversation_id, evidence, extractor, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            )
            .bind(&fact.id)
            .bind(&subject.agent_id)
            .bind(subject.caller.as_str())
            .bind(caller_identity)
            .bind(fact.slot.as_str())
            .bind(&fact.object_key)
            .bind(&fact.fact)
            .bind(value)
            .bind(fact.confidence.to_string())
            .bind(fact.valid_from.as_millis())
            .bind(fact.valid_to.map(Timestamp::as_millis))
            .bind(fact.due_at.map(Timestamp::as_millis))
            .bind(fact.source_conversation_id.as_str())
            .bind(evidence)
            .bind(&fact.extractor)
            .bind(created_at.as_millis())
            .execute(c)
            .await?;
        });
    }
    Ok(())
}

/// A page of what memory now holds about a caller, newest first.
pub async fn current(
    conn: &mut Conn<'_>,
    subject: &Subject,
    page: &PageRequest,
) -> Result<Page<Stored>> {
    let facts = facts(conn, subject).await?;
    let current = facts
        .into_iter()
        .filter(|stored| stored.fact.valid_to.is_none())
        .collect();
    Ok(newest_first(current, page))
}

/// A page of the facts that a conversation is evidence for, current or past, newest first.
pub async fn of_conversation(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    page: &PageRequest,
) -> Result<Page<Stored>> {
    let Some(extraction) = extraction(conn, key).await? else {
        return Ok(Page {
            rows: Vec::new(),
            next: None,
        });
    };
    let facts = facts(conn, &extraction.subject).await?;
    let supported = facts
        .into_iter()
        .filter(|stored| {
            stored
                .fact
                .evidence
                .iter()
                .any(|said| said.conversation_id == key.id)
        })
        .collect();
    Ok(newest_first(supported, page))
}

/// A caller has tens of facts, never millions: they are paged after they are read.
fn newest_first(mut facts: Vec<Stored>, page: &PageRequest) -> Page<Stored> {
    let key = |stored: &Stored| (stored.fact.valid_from, stored.fact.id.clone());
    facts.sort_by_key(|stored| std::cmp::Reverse(key(stored)));
    if let Some(after) = &page.after {
        facts.retain(|stored| key(stored) < (after.at, after.id.clone()));
    }
    facts.truncate(page.size.saturating_add(1));
    Page::cut(facts, page.size, |stored| Cursor {
        at: stored.fact.valid_from,
        id: stored.fact.id.clone(),
    })
}
