//! How far the feed of results has been published to RabbitMQ, and which process goes on with it.

use std::time::Duration;

use super::{Conn, Result, on};
use crate::time::Timestamp;

/// The time of the last result that was published: no two results share one.
pub async fn place(conn: &mut Conn<'_>) -> Result<Timestamp> {
    let place: i64 = on!(conn, c => {
        sqlx::query_scalar("SELECT place FROM announcer").fetch_one(c).await?
    });
    Ok(Timestamp::from_millis(place))
}

/// Takes the feed for `time`, and answers how far it has been published; none while another has it.
pub async fn claim(
    conn: &mut Conn<'_>,
    lease: &str,
    now: Timestamp,
    time: Duration,
) -> Result<Option<Timestamp>> {
    let place: Option<i64> = on!(conn, c => {
        sqlx::query_scalar(
            "UPDATE announcer SET lease = $1, leased_until = $2 WHERE leased_until <= $3 \
             RETURNING place",
        )
        .bind(lease)
        .bind(now.plus(time).as_millis())
        .bind(now.as_millis())
        .fetch_optional(c)
        .await?
    });
    Ok(place.map(Timestamp::from_millis))
}

/// Notes how far the feed has been published, and lets it go; says whether it still was `lease`'s.
pub async fn release(conn: &mut Conn<'_>, lease: &str, place: Timestamp) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("UPDATE announcer SET place = $1, lease = '', leased_until = 0 WHERE lease = $2")
            .bind(place.as_millis())
            .bind(lease)
            .execute(c)
            .await?
            .rows_affected()
            == 1
    }))
}
