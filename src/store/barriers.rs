//! Erasure barriers: keyed hashes of what must not come back. No personal data.

use super::{Conn, Result, on};
use crate::time::Timestamp;

/// What a barrier bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One conversation, for good.
    Conversation,
    /// A caller's calls, with one agent or all.
    Caller,
    /// What an agent's calls say about a caller; the calls themselves may stay.
    Memory,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Caller => "caller",
            Self::Memory => "memory",
        }
    }
}

/// Raises a barrier: what ended before `erased_before` stays away. A later time wins.
pub async fn raise(
    conn: &mut Conn<'_>,
    kind: Kind,
    hash: &str,
    erased_before: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO barriers (hash, kind, erased_before, created_at) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (kind, hash) DO UPDATE SET erased_before = excluded.erased_before \
             WHERE excluded.erased_before > barriers.erased_before",
        )
        .bind(hash)
        .bind(kind.as_str())
        .bind(erased_before.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Until when the barriers of these hashes bar; none where there is none.
pub async fn get(conn: &mut Conn<'_>, kind: Kind, hashes: &[String]) -> Result<Option<Timestamp>> {
    let mut until = None;
    for hash in hashes {
        let before: Option<i64> = on!(conn, c => {
            sqlx::query_scalar("SELECT erased_before FROM barriers WHERE kind = $1 AND hash = $2")
                .bind(kind.as_str())
                .bind(hash)
                .fetch_optional(c)
                .await?
        });
        until = until.max(before.map(Timestamp::from_millis));
    }
    Ok(until)
}
