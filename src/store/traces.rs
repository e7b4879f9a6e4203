//! What may name a caller outside the tables of calls and memory: what waits, what was given up,
//! what was refused, and what rooms told. Read for an erasure, and deleted by id.

use super::{Conn, Result, on};
use crate::event::Message;
use crate::id::ConversationKey;

/// A record that may name somebody.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Trace {
    /// Its id; a room's fact's is the event's, behind its source.
    pub id: String,
    /// Who called, where the record says it apart.
    pub caller_identity: Option<String>,
    /// The agent, where the record says it apart.
    pub agent_id: Option<String>,
    /// What it holds: a JSON document, or a sealed body.
    pub body: String,
    /// When it was left, in Unix milliseconds.
    pub left_at: i64,
}

/// Where traces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Messages that wait for finalize in the database. Those of later stages are known by their ids.
    Outbox,
    /// Dead letters.
    DeadLetters,
    /// Deliveries with a wrong signature.
    Quarantine,
    /// What events told of rooms.
    RoomFacts,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Outbox,
        Self::DeadLetters,
        Self::Quarantine,
        Self::RoomFacts,
    ];

    /// What is sealed can't be searched by the database: all of it is read.
    fn select(self) -> &'static str {
        match self {
            Self::Outbox => {
                "SELECT id, CAST(NULL AS TEXT) AS caller_identity, CAST(NULL AS TEXT) AS agent_id, \
                 body, created_at AS left_at FROM outbox WHERE stage = 'finalize' AND id > $1 \
                 AND body LIKE $2 ESCAPE '\\' ORDER BY id LIMIT $3"
            }
            Self::DeadLetters => {
                "SELECT id, caller_identity, agent_id, body, first_at AS left_at \
                 FROM dead_letters WHERE id > $1 AND (stage = 'receive' \
                 OR body LIKE $2 ESCAPE '\\' OR caller_identity LIKE $2 ESCAPE '\\') \
                 ORDER BY id LIMIT $3"
            }
            Self::Quarantine => {
                "SELECT id, CAST(NULL AS TEXT) AS caller_identity, CAST(NULL AS TEXT) AS agent_id, \
                 body, received_at AS left_at FROM quarantine WHERE id > $1 AND $2 <> '' \
                 ORDER BY id LIMIT $3"
            }
            Self::RoomFacts => {
                "SELECT source || ' ' || event_id AS id, room_name AS caller_identity, \
                 CAST(NULL AS TEXT) AS agent_id, fact AS body, at AS left_at FROM room_facts \
                 WHERE source || ' ' || event_id > $1 \
                 AND (fact LIKE $2 ESCAPE '\\' OR room_name LIKE $2 ESCAPE '\\') \
                 ORDER BY source || ' ' || event_id LIMIT $3"
            }
        }
    }

    fn delete(self) -> &'static str {
        match self {
            Self::Outbox => "DELETE FROM outbox WHERE id = $1",
            Self::DeadLetters => "DELETE FROM dead_letters WHERE id = $1",
            Self::Quarantine => "DELETE FROM quarantine WHERE id = $1",
            Self::RoomFacts => "DELETE FROM room_facts WHERE source || ' ' || event_id = $1",
        }
    }
}

/// Traces that have `part` in them, behind the one of the id `after`; at
/// most `limit`.
pub async fn read(
    conn: &mut Conn<'_>,
    place: Place,
    part: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Trace>> {
    let literal = part
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    Ok(on!(conn, c => {
        sqlx::query_as(place.select())
            .bind(after)
            .bind(format!("%{literal}%"))
            .bind(limit)
            .fetch_all(c)
            .await?
    }))
}

/// Deletes a trace; says whether it was there.
pub async fn delete(conn: &mut Conn<'_>, place: Place, id: &str) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(place.delete())
            .bind(id)
            .execute(c)
            .await?
            .rows_affected()
            > 0
    }))
}

/// Deletes what waits of a conversation at the stages behind finalize, in any of its revisions.
pub async fn delete_work(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    revisions: i64,
) -> Result<u64> {
    let mut deleted = 0;
    for revision in 1..=revisions {
        for work in [
            Message::remember(key.clone(), revision),
            Message::deliver(key.clone(), revision),
        ] {
            deleted += u64::from(delete(conn, Place::Outbox, &work.id).await?);
        }
    }
    Ok(deleted)
}
