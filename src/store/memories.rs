//! The memory that is folded from observations: the facts that hold and held, by both keys.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, extractions, on};
use crate::id::{ConversationId, ConversationKey};
use crate::memory::caller::CallerKey;
use crate::memory::fold::Fact;
use crate::memory::slot::Slot;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

pub mod log;

/// Whose memory it is: both keys, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent.
    pub agent_id: String,
    /// The caller.
    pub caller: CallerKey,
}

impl Subject {
    /// The subject of an agent and an identity; none for callers who are nobody, about whom nothing
    /// is held.
    pub fn of(agent_id: &str, caller_identity: &str) -> Option<Self> {
        Some(Self {
            agent_id: crate::id::canonical(agent_id),
            caller: CallerKey::of("", caller_identity)?,
        })
    }
}

/// Holds everybody else off a caller, with all agents, until the transaction ends.
pub async fn hold_caller(conn: &mut Conn<'_>, caller: &CallerKey) -> Result<()> {
    super::lock(conn, &format!("caller {}", caller.as_str())).await
}

/// Holds everybody else off these callers until the transaction ends: each once, and in an order
/// that no two workers can take crosswise.
pub async fn hold(conn: &mut Conn<'_>, subjects: &mut Vec<Subject>) -> Result<()> {
    subjects.sort_by(|a, b| (&a.caller, &a.agent_id).cmp(&(&b.caller, &b.agent_id)));
    subjects.dedup();
    for subject in subjects {
        hold_caller(conn, &subject.caller).await?;
    }
    Ok(())
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
    /// When it was recorded first.
    pub created_at: Timestamp,
    /// Since when memory says just this of it: record time.
    pub recorded_at: Timestamp,
}

const COLUMNS: &str = "id, agent_id, caller_identity, slot, object_key, fact, value, confidence, \
     valid_from, valid_to, due_at, source_conversation_id, evidence, extractor, created_at, \
     recorded_at";

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
    recorded_at: i64,
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
                // Empty: a person's pin.
                source_conversation_id: ConversationId::new(&row.source_conversation_id).ok(),
                evidence: from_json(&row.evidence)?,
                extractor: row.extractor,
            },
            agent_id: row.agent_id,
            caller_identity: row.caller_identity,
            created_at: Timestamp::from_millis(row.created_at),
            recorded_at: Timestamp::from_millis(row.recorded_at),
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
///
/// A fact that stays keeps the time it was recorded, and what is said otherwise now goes into the
/// log, but for what only the `forgotten` calls said. Each fact names the caller as the call does
/// that said it first, so that it does not matter which call was remembered last; `caller_identity`
/// is for facts without one.
pub async fn replace_facts(
    conn: &mut Conn<'_>,
    subject: &Subject,
    caller_identity: &str,
    before: &[Stored],
    facts: &[Fact],
    forgotten: &[ConversationId],
    now: Timestamp,
) -> Result<()> {
    let identities = identities(conn, subject).await?;
    for old in before {
        let same = |fact: &&Fact| fact.id == old.fact.id && fact.valid_from == old.fact.valid_from;
        if !facts
            .iter()
            .find(same)
            .is_some_and(|new| says_the_same(&old.fact, new))
        {
            log::add(conn, subject, old, forgotten, now).await?;
        }
    }
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
        let recorded_at = known
            .filter(|old| says_the_same(&old.fact, fact))
            .map_or(now, |old| old.recorded_at);
        let source = fact.source_conversation_id.as_ref();
        let caller_identity = source
            .and_then(|call| identities.get(call))
            .or_else(|| known.map(|old| &old.caller_identity))
            .map_or(caller_identity, String::as_str);
        let value = to_json(&fact.value)?;
        let evidence = to_json(&fact.evidence)?;
        on!(conn, c => {
            sqlx::query(
                "INSERT INTO memories (id, agent_id, caller_key, caller_identity, slot, \
                 object_key, fact, value, confidence, valid_from, valid_to, due_at, \
                 source_conversation_id, evidence, extractor, created_at, recorded_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
                 $17)",
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
            .bind(source.map_or("", ConversationId::as_str))
            .bind(evidence)
            .bind(&fact.extractor)
            .bind(created_at.as_millis())
            .bind(recorded_at.as_millis())
            .execute(c)
            .await?;
        });
    }
    Ok(())
}

/// Whether two versions of a fact tell a reader the same. More evidence is no news.
fn says_the_same(old: &Fact, new: &Fact) -> bool {
    (&old.value, &old.fact, old.valid_to, old.due_at)
        == (&new.value, &new.fact, new.valid_to, new.due_at)
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
    let Some(kept) = extractions::of_conversation(conn, key).await?.pop() else {
        return Ok(Page {
            rows: Vec::new(),
            next: None,
        });
    };
    let facts = facts(conn, &kept.extraction.subject).await?;
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

/// Deletes what memory holds, held and said about a caller, with every agent unless one is given;
/// says how many facts that were.
pub async fn delete(
    conn: &mut Conn<'_>,
    caller: &CallerKey,
    agent_id: Option<&str>,
) -> Result<u64> {
    for text in [
        "DELETE FROM observations WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)",
        "DELETE FROM extractions WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)",
        "DELETE FROM memory_log WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)",
        "DELETE FROM pins WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)",
    ] {
        delete_by(conn, text, caller, agent_id).await?;
    }
    let facts = "DELETE FROM memories WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)";
    delete_by(conn, facts, caller, agent_id).await
}

async fn delete_by(
    conn: &mut Conn<'_>,
    text: &'static str,
    caller: &CallerKey,
    agent_id: Option<&str>,
) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(text)
            .bind(caller.as_str())
            .bind(agent_id.unwrap_or_default())
            .execute(c)
            .await?
            .rows_affected()
    }))
}
