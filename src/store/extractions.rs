//! What extractors read out of calls: one extraction a call and rank, and its observations.
//!
//! Neither rank overwrites the other. When memory is folded, all of them are weighed together.

use std::collections::BTreeSet;

use super::conversations::{from_json, to_json};
use super::memories::Subject;
use super::{Conn, Error, Result, on, stored_key};
use crate::id::{ConversationId, ConversationKey};
use crate::memory::caller::CallerKey;
use crate::memory::fold::{Origin, Seen};
use crate::memory::observation::{Observation, Rank};
use crate::time::Timestamp;

/// What one extractor read out of a conversation.
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
    /// Whether it speaks instead of lower ranks, but for what they find best: see [`seen`].
    pub alone: bool,
}

/// An extraction as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The extraction.
    pub extraction: Extraction,
    /// Whether its observations have outlived their time.
    pub aged: bool,
}

pub(super) fn rank_to_number(rank: Rank) -> i64 {
    match rank {
        Rank::Rules => 1,
        Rank::Llm => 2,
        Rank::Human => 3,
    }
}

pub(super) fn rank_of_number(rank: i64) -> Result<Rank> {
    match rank {
        1 => Ok(Rank::Rules),
        2 => Ok(Rank::Llm),
        3 => Ok(Rank::Human),
        _ => Err(Error::Corrupt("rank")),
    }
}

type Row = (String, String, String, i64, String, bool, bool);

/// The extractions of a conversation, the lowest rank first.
pub async fn of_conversation(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT agent_id, caller_key, extractor, rank, input_hash, alone, aged \
             FROM extractions WHERE owner = $1 AND conversation_id = $2 ORDER BY rank",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(
            |(agent_id, caller, extractor, rank, input_hash, alone, aged)| {
                Ok(Kept {
                    extraction: Extraction {
                        subject: Subject {
                            agent_id,
                            caller: CallerKey::stored(caller)
                                .ok_or(Error::Corrupt("caller key"))?,
                        },
                        extractor,
                        rank: rank_of_number(rank)?,
                        input_hash,
                        alone,
                    },
                    aged,
                })
            },
        )
        .collect()
}

/// Takes a conversation's extractions out, of all ranks.
pub async fn remove(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
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

/// Puts an extraction in place of the one of its rank. When the call was first remembered stays.
pub async fn replace(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    extraction: &Extraction,
    observations: &[Observation],
    now: Timestamp,
) -> Result<()> {
    let rank = rank_to_number(extraction.rank);
    on!(conn, c => {
        sqlx::query(
            "DELETE FROM observations WHERE owner = $1 AND conversation_id = $2 AND rank = $3",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(rank)
        .execute(c)
        .await?;
    });
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO extractions (owner, conversation_id, agent_id, caller_key, extractor, \
             rank, input_hash, alone, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
             COALESCE((SELECT MIN(created_at) FROM extractions \
             WHERE owner = $1 AND conversation_id = $2), $9)) \
             ON CONFLICT (owner, conversation_id, rank) DO UPDATE SET \
             agent_id = excluded.agent_id, caller_key = excluded.caller_key, \
             extractor = excluded.extractor, input_hash = excluded.input_hash, \
             alone = excluded.alone",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(&extraction.subject.agent_id)
        .bind(extraction.subject.caller.as_str())
        .bind(&extraction.extractor)
        .bind(rank)
        .bind(&extraction.input_hash)
        .bind(extraction.alone)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    for observation in observations {
        observe(conn, key, extraction, observation).await?;
    }
    Ok(())
}

async fn observe(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    extraction: &Extraction,
    observation: &Observation,
) -> Result<()> {
    let body = to_json(observation)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO observations (owner, conversation_id, rank, id, agent_id, caller_key, \
             slot, said_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (owner, conversation_id, rank, id) DO NOTHING",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(rank_to_number(extraction.rank))
        .bind(observation.id(key.id.as_str()))
        .bind(&extraction.subject.agent_id)
        .bind(extraction.subject.caller.as_str())
        .bind(observation.slot.as_str())
        .bind(observation.said_at.as_millis())
        .bind(body)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// What an extractor of this rank observed in a conversation.
pub async fn observed(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    rank: Rank,
) -> Result<Vec<Observation>> {
    let bodies: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT body FROM observations \
             WHERE owner = $1 AND conversation_id = $2 AND rank = $3 ORDER BY id",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(rank_to_number(rank))
        .fetch_all(c)
        .await?
    });
    bodies.iter().map(|body| from_json(body)).collect()
}

/// Everything that calls say about a caller. Of a call that a higher rank read alone, lower ranks
/// keep what they find best.
pub async fn seen(conn: &mut Conn<'_>, subject: &Subject) -> Result<Vec<Seen>> {
    let alone: Vec<(String, String, i64)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT owner, conversation_id, rank FROM extractions \
             WHERE agent_id = $1 AND caller_key = $2 AND alone",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    let alone: BTreeSet<_> = alone.into_iter().collect();
    let rows: Vec<(String, String, String, i64, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT o.owner, o.conversation_id, e.extractor, o.rank, o.body FROM observations o \
             JOIN extractions e ON e.owner = o.owner AND e.conversation_id = o.conversation_id \
             AND e.rank = o.rank WHERE o.agent_id = $1 AND o.caller_key = $2",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    let mut all = Vec::with_capacity(rows.len());
    for (owner, conversation_id, extractor, rank, body) in rows {
        let observation: Observation = from_json(&body)?;
        let outspoken = (rank + 1..=rank_to_number(Rank::Llm))
            .any(|higher| alone.contains(&(owner.clone(), conversation_id.clone(), higher)));
        if outspoken && !observation.slot.rules_know_best() {
            continue;
        }
        let id =
            ConversationId::new(&conversation_id).map_err(|_| Error::Corrupt("conversation id"))?;
        all.push(Seen {
            origin: Origin::Call(id),
            extractor,
            rank: rank_of_number(rank)?,
            observation,
        });
    }
    Ok(all)
}

/// A call whose observations have outlived their time.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlived {
    /// The call.
    pub key: ConversationKey,
    /// Whose memory it feeds.
    pub subject: Subject,
}

/// The calls that were first remembered before `before` and whose observations are still there,
/// the oldest first; at most `limit`.
pub async fn outlived(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<Vec<Outlived>> {
    let rows: Vec<(String, String, String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT owner, conversation_id, agent_id, caller_key FROM extractions \
             WHERE aged = FALSE AND created_at < $1 ORDER BY created_at LIMIT $2",
        )
        .bind(before.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(owner, id, agent_id, caller)| {
            Ok(Outlived {
                key: stored_key(owner, &id)?,
                subject: Subject {
                    agent_id,
                    caller: CallerKey::stored(caller).ok_or(Error::Corrupt("caller key"))?,
                },
            })
        })
        .collect()
}

/// Lets a call's observations go, but for its consents, which never age. That it was read stays
/// known, so that a replay does not bring them back.
pub async fn let_go(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
    for text in [
        "DELETE FROM observations \
         WHERE owner = $1 AND conversation_id = $2 AND slot NOT LIKE 'consent%'",
        "UPDATE extractions SET aged = TRUE WHERE owner = $1 AND conversation_id = $2",
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
