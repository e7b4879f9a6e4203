//! Of what a job's letters have failed again: one row a cause, counted while verdicts come in.

use sqlx::FromRow;

use crate::store::{Conn, Error, Result, on};
use crate::verdict::Fault;

/// Causes that are told of at once, those with the most letters first.
const MOST: i64 = 100;

/// Of what a letter has failed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The letter.
    pub letter_id: String,
    /// The same for all letters of the same cause at the same stage.
    pub fingerprint: String,
    /// The stage that gave up.
    pub stage: String,
    /// The cause's stable code.
    pub code: String,
    /// The cause, for people.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Letters of a job that have failed again of the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The cause, as it was for the letter that failed of it first.
    pub cause: Cause,
    /// How many letters.
    pub letters: i64,
}

/// Counts a letter that has failed again.
pub(super) async fn count(conn: &mut Conn<'_>, replay_id: &str, cause: &Cause) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO replay_causes (replay_id, fingerprint, stage, code, message, fault, \
             letters, example_id) VALUES ($1, $2, $3, $4, $5, $6, 1, $7) \
             ON CONFLICT (replay_id, fingerprint) \
             DO UPDATE SET letters = replay_causes.letters + 1",
        )
        .bind(replay_id)
        .bind(&cause.fingerprint)
        .bind(&cause.stage)
        .bind(&cause.code)
        .bind(&cause.message)
        .bind(cause.fault.as_str())
        .bind(&cause.letter_id)
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct Row {
    fingerprint: String,
    stage: String,
    code: String,
    message: String,
    fault: String,
    letters: i64,
    example_id: String,
}

/// Of what the letters of a job have failed again, the causes with the most letters first.
pub async fn of(conn: &mut Conn<'_>, replay_id: &str) -> Result<Vec<Failed>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT fingerprint, stage, code, message, fault, letters, example_id \
             FROM replay_causes WHERE replay_id = $1 \
             ORDER BY letters DESC, fingerprint LIMIT $2",
        )
        .bind(replay_id)
        .bind(MOST)
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|row| {
            Ok(Failed {
                cause: Cause {
                    letter_id: row.example_id,
                    fingerprint: row.fingerprint,
                    stage: row.stage,
                    code: row.code,
                    message: row.message,
                    fault: Fault::parse(&row.fault).ok_or(Error::Corrupt("fault of a letter"))?,
                },
                letters: row.letters,
            })
        })
        .collect()
}

/// Deletes the causes of a job.
pub(super) async fn delete(conn: &mut Conn<'_>, replay_id: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query("DELETE FROM replay_causes WHERE replay_id = $1")
            .bind(replay_id)
            .execute(c)
            .await?;
    });
    Ok(())
}
