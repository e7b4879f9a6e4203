//! What memory said before: record time beside world time (`memory.md` §7.2).

use sqlx::FromRow;

use super::{Stored, Subject, facts};
use crate::id::ConversationId;
use crate::memory::fold::Fact;
use crate::store::conversations::{from_json, to_json};
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// A version of a fact, and until when memory said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The fact, with since when.
    pub stored: Stored,
    /// Until when; none while it does.
    pub recorded_to: Option<Timestamp>,
}

/// Which part of a history is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsOf {
    /// What held at this moment: world time.
    pub world: Option<Timestamp>,
    /// What memory said at this moment: record time. None: what it says now.
    pub recorded: Option<Timestamp>,
}

/// Keeps a version that memory stops saying now, without what the `forgotten` calls said.
pub(super) async fn add(
    conn: &mut Conn<'_>,
    subject: &Subject,
    old: &Stored,
    forgotten: &[ConversationId],
    now: Timestamp,
) -> Result<()> {
    let fact = forgotten.iter().try_fold(old.fact.clone(), Fact::without);
    let Some(fact) = fact.filter(|_| old.recorded_at < now) else {
        return Ok(());
    };
    let body = to_json(&fact)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO memory_log (agent_id, caller_key, id, valid_from, recorded_from, \
             recorded_to, caller_identity, created_at, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (agent_id, caller_key, id, valid_from, recorded_from) DO NOTHING",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .bind(&fact.id)
        .bind(fact.valid_from.as_millis())
        .bind(old.recorded_at.as_millis())
        .bind(now.as_millis())
        .bind(&old.caller_identity)
        .bind(old.created_at.as_millis())
        .bind(body)
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct Row {
    recorded_from: i64,
    recorded_to: i64,
    caller_identity: String,
    created_at: i64,
    body: String,
}

async fn closed(conn: &mut Conn<'_>, subject: &Subject) -> Result<Vec<Version>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT recorded_from, recorded_to, caller_identity, created_at, body \
             FROM memory_log WHERE agent_id = $1 AND caller_key = $2",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|row| {
            Ok(Version {
                stored: Stored {
                    agent_id: subject.agent_id.clone(),
                    caller_identity: row.caller_identity,
                    fact: from_json(&row.body)?,
                    created_at: Timestamp::from_millis(row.created_at),
                    recorded_at: Timestamp::from_millis(row.recorded_from),
                },
                recorded_to: Some(Timestamp::from_millis(row.recorded_to)),
            })
        })
        .collect()
}

/// What memory says of a caller's facts, past ones too, or said at a moment; in the order of world
/// time.
pub async fn history(conn: &mut Conn<'_>, subject: &Subject, as_of: AsOf) -> Result<Vec<Version>> {
    let mut versions: Vec<Version> = facts(conn, subject)
        .await?
        .into_iter()
        .map(|stored| Version {
            stored,
            recorded_to: None,
        })
        .collect();
    if let Some(at) = as_of.recorded {
        versions.extend(closed(conn, subject).await?);
        versions.retain(|version| {
            version.stored.recorded_at <= at && version.recorded_to.is_none_or(|end| at < end)
        });
    }
    if let Some(at) = as_of.world {
        versions.retain(|version| version.stored.fact.held_at(at));
    }
    versions.sort_by(|a, b| {
        let key = |version: &Version| {
            let fact = &version.stored.fact;
            (
                fact.valid_from,
                fact.slot.as_str().to_owned(),
                fact.id.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    Ok(versions)
}

/// Takes what calls said out of the log.
pub async fn forget(
    conn: &mut Conn<'_>,
    subject: &Subject,
    calls: &[ConversationId],
) -> Result<()> {
    for version in closed(conn, subject).await? {
        let fact = &version.stored.fact;
        let cites = |call: &ConversationId| {
            fact.source_conversation_id.as_ref() == Some(call)
                || fact
                    .evidence
                    .iter()
                    .any(|said| said.conversation_id == *call)
        };
        if calls.iter().any(cites) {
            let kept = calls.iter().try_fold(fact.clone(), Fact::without);
            rewrite(conn, subject, &version, kept).await?;
        }
    }
    Ok(())
}

async fn rewrite(
    conn: &mut Conn<'_>,
    subject: &Subject,
    version: &Version,
    kept: Option<Fact>,
) -> Result<()> {
    const DELETE: &str = "DELETE FROM memory_log WHERE agent_id = $1 AND caller_key = $2 \
         AND id = $3 AND valid_from = $4 AND recorded_from = $5";
    const UPDATE: &str = "UPDATE memory_log SET body = $6 WHERE agent_id = $1 AND caller_key = $2 \
         AND id = $3 AND valid_from = $4 AND recorded_from = $5";
    let body = kept.as_ref().map(to_json).transpose()?;
    let fact = &version.stored.fact;
    on!(conn, c => {
        let query = sqlx::query(if body.is_some() { UPDATE } else { DELETE })
            .bind(&subject.agent_id)
            .bind(subject.caller.as_str())
            .bind(&fact.id)
            .bind(fact.valid_from.as_millis())
            .bind(version.stored.recorded_at.as_millis());
        match body {
            Some(body) => query.bind(body).execute(c).await?,
            None => query.execute(c).await?,
        };
    });
    Ok(())
}

/// Deletes versions that memory stopped saying before `before`; at most about `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM memory_log WHERE recorded_to < $1 AND (caller_key, agent_id) IN \
             (SELECT caller_key, agent_id FROM memory_log WHERE recorded_to < $1 \
             ORDER BY recorded_to LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
