//! Calls that a language model has yet to read: work beside the stages, which no delivery waits for.

use std::time::Duration;

use super::{Conn, Result, on, stored_key};
use crate::id::ConversationKey;
use crate::time::Timestamp;

/// A call that somebody has claimed to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The call.
    pub key: ConversationKey,
    /// The revision of it that is to be read.
    pub revision: i64,
    /// Attempts that failed.
    pub attempts: u32,
}

/// Asks for a call to be read in this revision. One that is asked for already takes over what is new.
pub async fn put(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    revision: i64,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO readings (owner, conversation_id, revision, due_at, created_at) \
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT (owner, conversation_id) DO UPDATE SET \
             revision = excluded.revision, attempts = 0, due_at = excluded.due_at, \
             claimed_until = 0, code = '' WHERE readings.revision < excluded.revision",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(revision)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Claims up to `limit` calls whose time has come, the longest due first.
pub async fn claim(
    conn: &mut Conn<'_>,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claimed>> {
    const SQLITE: &str = "UPDATE readings SET claimed_until = $1 \
         WHERE (owner, conversation_id) IN (SELECT owner, conversation_id FROM readings \
         WHERE due_at <= $2 AND claimed_until <= $2 ORDER BY due_at LIMIT $3) \
         RETURNING owner, conversation_id, revision, attempts";
    const POSTGRES: &str = "UPDATE readings SET claimed_until = $1 \
         WHERE (owner, conversation_id) IN (SELECT owner, conversation_id FROM readings \
         WHERE due_at <= $2 AND claimed_until <= $2 ORDER BY due_at LIMIT $3 \
         FOR UPDATE SKIP LOCKED) RETURNING owner, conversation_id, revision, attempts";
    let text = match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
    };
    let rows: Vec<(String, String, i64, i64)> = on!(conn, c => {
        sqlx::query_as(text)
            .bind(now.plus(lease).as_millis())
            .bind(now.as_millis())
            .bind(limit)
            .fetch_all(c)
            .await?
    });
    rows.into_iter()
        .map(|(owner, id, revision, attempts)| {
            Ok(Claimed {
                key: stored_key(owner, &id)?,
                revision,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// Whether a call is due to be read. Most seconds have none, and that must not cost a commit.
pub async fn any_due(conn: &mut Conn<'_>, now: Timestamp) -> Result<bool> {
    let due: Option<i64> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT due_at FROM readings WHERE due_at <= $1 AND claimed_until <= $1 LIMIT 1",
        )
        .bind(now.as_millis())
        .fetch_optional(c)
        .await?
    });
    Ok(due.is_some())
}

/// Puts a call back that could not be read, due at `due_at`.
pub async fn put_back(
    conn: &mut Conn<'_>,
    claimed: &Claimed,
    code: &str,
    due_at: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE readings SET attempts = $1, code = $2, due_at = $3, claimed_until = 0 \
             WHERE owner = $4 AND conversation_id = $5 AND revision = $6",
        )
        .bind(i64::from(claimed.attempts.saturating_add(1)))
        .bind(code)
        .bind(due_at.as_millis())
        .bind(claimed.key.owner.as_str())
        .bind(claimed.key.id.as_str())
        .bind(claimed.revision)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Takes a call out that was read, or is not to be read, unless a later revision is asked for.
pub async fn remove(conn: &mut Conn<'_>, key: &ConversationKey, revision: i64) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "DELETE FROM readings WHERE owner = $1 AND conversation_id = $2 AND revision <= $3",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(revision)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// How many calls wait to be read.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT COUNT(*) FROM readings").fetch_one(c).await?
    }))
}
