//! What people say about a caller, beside what calls say.

use super::conversations::{from_json, to_json};
use super::memories::Subject;
use super::{Conn, Result, on};
use crate::memory::fold::{Origin, Seen};
use crate::memory::observation::{Observation, Rank};

/// Whose word a pinned fact is.
pub const EXTRACTOR: &str = "human";

/// A pin.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// Its id (`pin_…`).
    pub id: String,
    /// Whose memory it is about.
    pub subject: Subject,
    /// The caller as the person named them.
    pub caller_identity: String,
    /// Who pinned it: a token's id.
    pub actor: String,
    /// What it says, as an observation without messages.
    pub observation: Observation,
}

/// Adds a pin.
pub async fn add(conn: &mut Conn<'_>, pin: &Pin) -> Result<()> {
    let body = to_json(&pin.observation)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO pins (id, agent_id, caller_key, caller_identity, actor, pinned_at, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&pin.id)
        .bind(&pin.subject.agent_id)
        .bind(pin.subject.caller.as_str())
        .bind(&pin.caller_identity)
        .bind(&pin.actor)
        .bind(pin.observation.said_at.as_millis())
        .bind(body)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Everything that people say about a caller, the oldest first.
pub async fn seen(conn: &mut Conn<'_>, subject: &Subject) -> Result<Vec<Seen>> {
    let rows: Vec<(String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, body FROM pins WHERE agent_id = $1 AND caller_key = $2 \
             ORDER BY pinned_at, id",
        )
        .bind(&subject.agent_id)
        .bind(subject.caller.as_str())
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(id, body)| {
            Ok(Seen {
                origin: Origin::Pin(id),
                extractor: EXTRACTOR.to_owned(),
                rank: Rank::Human,
                observation: from_json(&body)?,
            })
        })
        .collect()
}
