//! The letters of a replay job: each waits for its turn, is sent, and has its verdict.

use sqlx::{FromRow, QueryBuilder};

use super::causes::{self, Cause};
use crate::store::dead_letters::State;
use crate::store::{Conn, Error, Result, on};
use crate::verdict::Fault;

/// A letter of a job that is to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place in the job: lower ones go first.
    pub seq: i64,
    /// The letter.
    pub letter_id: String,
    /// Whose letter it is: those of a lane run one after the other.
    pub lane: String,
    /// Whether it is the first of its lane.
    pub first: bool,
}

/// A letter's final verdict in a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its message was worked off: it is resolved.
    Succeeded,
    /// It is dead again, of this.
    Failed(Cause),
    /// It was gone, or somebody decided otherwise.
    PassedOver,
}

impl Verdict {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::PassedOver => "passed_over",
        }
    }
}

/// Adds letters to a job.
pub async fn add(conn: &mut Conn<'_>, replay_id: &str, places: &[Place]) -> Result<()> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO replay_letters (replay_id, seq, letter_id, lane, state) ",
        );
        query.push_values(places, |mut row, place| {
            row.push_bind(replay_id.to_owned())
                .push_bind(place.seq)
                .push_bind(place.letter_id.clone())
                .push_bind(place.lane.clone())
                .push_bind(if place.first { "ready" } else { "waiting" });
        });
        query.build().execute(c).await?;
    });
    Ok(())
}

/// The letters whose turn it is, first ones first: their place and id.
pub async fn ready(conn: &mut Conn<'_>, replay_id: &str, limit: i64) -> Result<Vec<(i64, String)>> {
    Ok(on!(conn, c => {
        sqlx::query_as(
            "SELECT seq, letter_id FROM replay_letters WHERE replay_id = $1 AND state = 'ready' \
             ORDER BY seq LIMIT $2",
        )
        .bind(replay_id)
        .bind(limit)
        .fetch_all(c)
        .await?
    }))
}

/// Marks a letter as sent; says whether it was its turn.
pub async fn send(conn: &mut Conn<'_>, replay_id: &str, seq: i64) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE replay_letters SET state = 'sent' \
             WHERE replay_id = $1 AND seq = $2 AND state = 'ready'",
        )
        .bind(replay_id)
        .bind(seq)
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

#[derive(FromRow)]
struct Sent {
    seq: i64,
    letter_id: String,
    state: String,
    stage: String,
    code: String,
    message: String,
    fingerprint: String,
    fault: String,
}

impl Sent {
    fn verdict(self) -> Result<Verdict> {
        Ok(match State::parse(&self.state) {
            Some(State::Resolved) => Verdict::Succeeded,
            // Dead again, and perhaps decided against since.
            Some(State::Dead | State::Discarded | State::Replaying) => Verdict::Failed(Cause {
                letter_id: self.letter_id,
                fingerprint: self.fingerprint,
                stage: self.stage,
                code: self.code,
                message: self.message,
                fault: Fault::parse(&self.fault).ok_or(Error::Corrupt("fault of a letter"))?,
            }),
            // The letter is gone.
            None if self.state.is_empty() => Verdict::PassedOver,
            None => return Err(Error::Corrupt("state of a letter")),
        })
    }
}

/// The letters that were sent and have come to a verdict since, at most `limit`.
pub async fn judged(
    conn: &mut Conn<'_>,
    replay_id: &str,
    limit: i64,
) -> Result<Vec<(i64, Verdict)>> {
    let rows: Vec<Sent> = on!(conn, c => {
        sqlx::query_as(
            "SELECT r.seq, r.letter_id, COALESCE(d.state, '') AS state,              COALESCE(d.stage, '') AS stage, COALESCE(d.code, '') AS code,              COALESCE(d.message, '') AS message, COALESCE(d.fingerprint, '') AS fingerprint,              COALESCE(d.fault, '') AS fault FROM replay_letters r \
             LEFT JOIN dead_letters d ON d.id = r.letter_id \
             WHERE r.replay_id = $1 AND r.state = 'sent' \
             AND (d.state IS NULL OR d.state <> 'replaying') ORDER BY r.seq LIMIT $2",
        )
        .bind(replay_id)
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|row| Ok((row.seq, row.verdict()?)))
        .collect()
}

/// Writes down a letter's verdict as the job's `verdict_no`th, and lets the next of its lane go;
/// says whether it had none yet.
pub async fn judge(
    conn: &mut Conn<'_>,
    replay_id: &str,
    seq: i64,
    verdict: &Verdict,
    verdict_no: i64,
) -> Result<bool> {
    let cause = match verdict {
        Verdict::Failed(cause) => Some(cause),
        Verdict::Succeeded | Verdict::PassedOver => None,
    };
    let judged = on!(conn, c => {
        sqlx::query(
            "UPDATE replay_letters SET state = $1, verdict_no = $2, fingerprint = $3 \
             WHERE replay_id = $4 AND seq = $5 AND state = 'sent'",
        )
        .bind(verdict.as_str())
        .bind(verdict_no)
        .bind(cause.map(|cause| &cause.fingerprint))
        .bind(replay_id)
        .bind(seq)
        .execute(c)
        .await?
        .rows_affected()
            == 1
    });
    if judged {
        if let Some(cause) = cause {
            causes::count(conn, replay_id, cause).await?;
        }
        on!(conn, c => {
            sqlx::query(
                "UPDATE replay_letters SET state = 'ready' WHERE replay_id = $1 AND seq = \
                 (SELECT MIN(n.seq) FROM replay_letters n WHERE n.replay_id = $1 \
                 AND n.state = 'waiting' AND n.lane = \
                 (SELECT o.lane FROM replay_letters o WHERE o.replay_id = $1 AND o.seq = $2))",
            )
            .bind(replay_id)
            .bind(seq)
            .execute(c)
            .await?;
        });
    }
    Ok(judged)
}

/// How the verdicts from the `from`th on went, the latest `limit` of them: how many there are, and
/// how many letters failed again.
pub async fn tally(
    conn: &mut Conn<'_>,
    replay_id: &str,
    from: i64,
    limit: i64,
) -> Result<(i64, i64)> {
    let verdicts: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT state FROM replay_letters WHERE replay_id = $1 AND verdict_no >= $2 \
             AND state IN ('succeeded', 'failed') ORDER BY verdict_no DESC LIMIT $3",
        )
        .bind(replay_id)
        .bind(from)
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let failed = verdicts.iter().filter(|state| *state == "failed").count();
    Ok((count(verdicts.len()), count(failed)))
}

/// Whether a letter of the job is still to be sent.
pub async fn any_left(conn: &mut Conn<'_>, replay_id: &str) -> Result<bool> {
    let found: Option<i32> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT 1 FROM replay_letters WHERE replay_id = $1 AND state IN ('ready', 'waiting') \
             LIMIT 1",
        )
        .bind(replay_id)
        .fetch_optional(c)
        .await?
    });
    Ok(found.is_some())
}

/// Deletes letters of a job, at most `limit`.
pub(super) async fn prune(conn: &mut Conn<'_>, replay_id: &str, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM replay_letters WHERE replay_id = $1 AND seq IN \
             (SELECT seq FROM replay_letters WHERE replay_id = $1 ORDER BY seq LIMIT $2)",
        )
        .bind(replay_id)
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
