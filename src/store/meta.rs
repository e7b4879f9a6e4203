//! Single values of the installation.

use super::{Conn, Result, on};

/// The value that is kept.
pub async fn get(conn: &mut Conn<'_>, key: &str) -> Result<Option<String>> {
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
            .bind(key)
            .fetch_optional(c)
            .await?
    }))
}

/// Keeps a value in the place of the one that was kept.
pub async fn put(conn: &mut Conn<'_>, key: &str, value: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Keeps a value unless there is one; answers the one that is kept.
pub async fn put_once(conn: &mut Conn<'_>, key: &str, value: &str) -> Result<String> {
    on!(conn, c => {
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(c)
            .await?;
    });
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(key).fetch_one(c).await?
    }))
}

/// Writes a value and takes it away again: whether this user may, and the disk has room.
pub async fn try_write(conn: &mut Conn<'_>) -> Result<()> {
    on!(conn, c => {
        sqlx::query("INSERT INTO meta (key, value) VALUES ('check', '') ON CONFLICT DO NOTHING")
            .execute(c)
            .await?;
    });
    on!(conn, c => {
        sqlx::query("DELETE FROM meta WHERE key = 'check'").execute(c).await?;
    });
    Ok(())
}
