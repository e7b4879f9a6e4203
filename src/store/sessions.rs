//! The console's sessions: stored as hashes, for a time, and never longer than their token works.

use sqlx::FromRow;

use super::tokens::{self, Token};
use super::{Conn, Result, on};
use crate::secret::sha256_hex;
use crate::time::Timestamp;

/// How a session's key is stored. It has 256 random bits, so that a plain hash can't be guessed back.
pub fn hash(key: &str) -> String {
    sha256_hex(key.as_bytes())
}

/// Opens a session under the hash of its key, for the token of `token_hash`.
pub async fn open(
    conn: &mut Conn<'_>,
    hash: &str,
    token_hash: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO console_sessions (hash, token_hash, created_at, expires_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(hash)
        .bind(token_hash)
        .bind(now.as_millis())
        .bind(expires_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct Row {
    token_hash: String,
}

/// The token that a session stands for, expired and revoked ones too; none when there is no such
/// session any more, or when the token's text was replaced since.
pub async fn token(conn: &mut Conn<'_>, hash: &str, now: Timestamp) -> Result<Option<Token>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT token_hash FROM console_sessions WHERE hash = $1 AND expires_at > $2",
        )
        .bind(hash)
        .bind(now.as_millis())
        .fetch_optional(c)
        .await?
    });
    match row {
        Some(row) => tokens::by_hash(conn, &row.token_hash).await,
        None => Ok(None),
    }
}

/// Ends a session.
pub async fn close(conn: &mut Conn<'_>, hash: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query("DELETE FROM console_sessions WHERE hash = $1")
            .bind(hash)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Deletes sessions that ended before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM console_sessions WHERE hash IN (SELECT hash FROM console_sessions \
             WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
