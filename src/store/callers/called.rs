//! Who called which agent, and when last: a row a pair, written with the conversations, so that the list
//! of callers need not count all calls.

use sqlx::FromRow;

use crate::id::ConversationKey;
use crate::store::conversations::Record;
use crate::store::{Conn, Result, on};

/// What a stored call says of who called whom, and when.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(in crate::store) struct Called {
    caller_key: Option<String>,
    agent_id: String,
    happened_at: i64,
}

impl Called {
    /// As the record says it.
    pub(in crate::store) fn by(record: &Record) -> Self {
        let call = &record.conversation;
        Self {
            caller_key: record
                .caller_key
                .as_ref()
                .map(|key| key.as_str().to_owned()),
            agent_id: call.agent_id.to_string(),
            happened_at: call.happened_at().as_millis(),
        }
    }

    /// As the row says it, if there is one.
    pub(in crate::store) async fn stored(
        conn: &mut Conn<'_>,
        key: &ConversationKey,
    ) -> Result<Option<Self>> {
        Ok(on!(conn, c => {
            sqlx::query_as(
                "SELECT caller_key, agent_id, happened_at FROM conversations \
                 WHERE owner = $1 AND id = $2",
            )
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .fetch_optional(c)
            .await?
        }))
    }
}

/// Writes down who called, of a call whose row has just been written or deleted: what it said before,
/// and what it says now.
pub(in crate::store) async fn note(
    conn: &mut Conn<'_>,
    before: Option<Called>,
    now: Option<Called>,
) -> Result<()> {
    if before == now {
        return Ok(());
    }
    if let Some(now) = &now {
        add(conn, now).await?;
    }
    match before {
        Some(before) => look_again(conn, &before).await,
        None => Ok(()),
    }
}

async fn add(conn: &mut Conn<'_>, called: &Called) -> Result<()> {
    let Some(key) = &called.caller_key else {
        return Ok(());
    };
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO callers (caller_key, agent_id, last_call_at) VALUES ($1, $2, $3) \
             ON CONFLICT (caller_key, agent_id) DO UPDATE SET last_call_at = excluded.last_call_at \
             WHERE callers.last_call_at < excluded.last_call_at",
        )
        .bind(key)
        .bind(&called.agent_id)
        .bind(called.happened_at)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Finds the last of a caller's calls anew: one is gone, or is told of differently.
async fn look_again(conn: &mut Conn<'_>, called: &Called) -> Result<()> {
    let Some(key) = &called.caller_key else {
        return Ok(());
    };
    for text in [
        // Held first: what comes after sees what whoever held the row before has done.
        "UPDATE callers SET last_call_at = last_call_at WHERE caller_key = $1 AND agent_id = $2",
        "DELETE FROM callers WHERE caller_key = $1 AND agent_id = $2 AND NOT EXISTS \
         (SELECT 1 FROM conversations held WHERE held.caller_key = $1 AND held.agent_id = $2)",
        "UPDATE callers SET last_call_at = (SELECT MAX(happened_at) FROM conversations held \
         WHERE held.caller_key = $1 AND held.agent_id = $2) WHERE caller_key = $1 AND agent_id = $2",
    ] {
        on!(conn, c => {
            sqlx::query(text).bind(key).bind(&called.agent_id).execute(c).await?;
        });
    }
    Ok(())
}
