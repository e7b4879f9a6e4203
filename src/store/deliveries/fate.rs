//! What else becomes of deliveries: held back, sent again, cancelled, erased, grown old.

use super::hold;
use crate::id::ConversationKey;
use crate::store::memories::Subject;
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// Takes a delivery back out of the queue, unspent; it waits in its table again.
pub async fn postpone(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'pending', updated_at = $2 \
             WHERE id = $1 AND status = 'queued'",
        )
        .bind(id)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Takes back what has been in the queue since before `before` without an outcome: its message is
/// lost, or was given up. Should it still come, the attempt is made once all the same.
pub async fn release_stuck(conn: &mut Conn<'_>, before: Timestamp, now: Timestamp) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'pending', updated_at = $2 \
             WHERE status = 'queued' AND updated_at < $1",
        )
        .bind(before.as_millis())
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// Makes a delivery due now, whatever became of it, with its schedule begun anew; says whether it
/// could be: one that is on its way or cancelled can't.
pub async fn retry(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'pending', due_at = $2, spent = 0, updated_at = $2 \
             WHERE id = $1 AND status IN ('pending', 'delivered', 'failed')",
        )
        .bind(id)
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// The same for all failed deliveries of an endpoint whose events are of `since` or later, up to
/// `limit`; says how many.
pub async fn retry_failed(
    conn: &mut Conn<'_>,
    endpoint_id: &str,
    since: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<u64> {
    hold(conn).await?;
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'pending', due_at = $3, spent = 0, updated_at = $3 \
             WHERE id IN (SELECT id FROM deliveries WHERE endpoint_id = $1 AND status = 'failed' \
             AND created_at >= $2 ORDER BY place LIMIT $4)",
        )
        .bind(endpoint_id)
        .bind(since.as_millis())
        .bind(now.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// Cancels what an endpoint has not got: it is removed. What is on its way finds nobody.
pub async fn cancel_of_endpoint(
    conn: &mut Conn<'_>,
    endpoint_id: &str,
    now: Timestamp,
) -> Result<u64> {
    hold(conn).await?;
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'cancelled', due_at = NULL, updated_at = $2 \
             WHERE endpoint_id = $1 AND status IN ('pending', 'queued')",
        )
        .bind(endpoint_id)
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// Cancels one delivery, whose event is gone.
pub async fn cancel(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = 'cancelled', due_at = NULL, updated_at = $2 \
             WHERE id = $1 AND status <> 'delivered'",
        )
        .bind(id)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Erases what deliveries of a conversation hold: what endpoints answered, which may repeat what they
/// were sent. What was not sent yet is cancelled; that something was sent stays known. Says how many
/// deliveries that are. Bodies are never stored: each attempt makes its own from the records.
pub async fn erase(conn: &mut Conn<'_>, key: &ConversationKey, now: Timestamp) -> Result<u64> {
    hold(conn).await?;
    // First the deliveries: an attempt that is being written down comes before, or is refused.
    let erased = on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET due_at = NULL, updated_at = $3, \
             status = CASE WHEN status IN ('pending', 'queued') THEN 'cancelled' ELSE status END \
             WHERE owner = $1 AND conversation_id = $2",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
    });
    on!(conn, c => {
        sqlx::query(
            "UPDATE delivery_attempts SET response = '' WHERE response <> '' AND delivery_id IN \
             (SELECT id FROM deliveries WHERE owner = $1 AND conversation_id = $2)",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .execute(c)
        .await?;
    });
    Ok(erased)
}

/// The same for the deliveries of events that were emptied, wherever they came from.
pub async fn erase_of_events(
    conn: &mut Conn<'_>,
    event_ids: &[String],
    now: Timestamp,
) -> Result<()> {
    hold(conn).await?;
    on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new("UPDATE deliveries SET due_at = NULL, updated_at = ");
        query.push_bind(now.as_millis()).push(
            ", status = CASE WHEN status IN ('pending', 'queued') THEN 'cancelled' \
             ELSE status END WHERE event_id IN (",
        );
        let mut ids = query.separated(", ");
        for id in event_ids {
            ids.push_bind(id.clone());
        }
        query.push(")");
        query.build().execute(c).await?;
    });
    on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "UPDATE delivery_attempts SET response = '' WHERE response <> '' AND delivery_id IN \
             (SELECT id FROM deliveries WHERE event_id IN (",
        );
        let mut ids = query.separated(", ");
        for id in event_ids {
            ids.push_bind(id.clone());
        }
        query.push("))");
        query.build().execute(c).await?;
    });
    Ok(())
}

/// Empties what endpoints answered to events of an agent's calls with a caller: with the calls they may
/// have been sent what memory held.
pub async fn empty_answers(conn: &mut Conn<'_>, subject: &Subject) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE delivery_attempts SET response = '' WHERE response <> '' AND delivery_id IN \
             (SELECT d.id FROM conversations c JOIN deliveries d ON d.owner = c.owner \
             AND d.conversation_id = c.id WHERE c.caller_key = $1 AND c.agent_id = $2)",
        )
        .bind(subject.caller.as_str())
        .bind(&subject.agent_id)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Deletes deliveries, with their attempts, that nothing has happened to since `before`; at most
/// `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    const OLD: &str = "SELECT id FROM deliveries WHERE updated_at < $1 AND status <> 'queued' \
         ORDER BY updated_at, id LIMIT $2";
    on!(conn, c => {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "DELETE FROM delivery_attempts WHERE delivery_id IN ({OLD})"
        )))
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?;
    });
    Ok(on!(conn, c => {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM deliveries WHERE id IN ({OLD})")))
            .bind(before.as_millis())
            .bind(limit)
            .execute(c)
            .await?
            .rows_affected()
    }))
}
