//! What callers refuse, by keyed hash alone: so it can be asked for after they are erased.

use super::{Conn, Result, on};
use crate::memory::slot::Slot;
use crate::time::Timestamp;

/// Whose word it is, in the place of the pair's hash: a person's, over all agents.
pub const BY_HAND: &str = "";

/// What was said of one kind of consent, to one agent or by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stance {
    /// A keyed hash of agent and caller, or [`BY_HAND`].
    pub said_to: String,
    /// Which consent.
    pub kind: Slot,
    /// When it was refused last.
    pub refused_at: Option<Timestamp>,
    /// When it was granted last.
    pub granted_at: Option<Timestamp>,
}

/// Since when a caller refuses something; none while they don't. Any agent's refusal counts, until
/// the caller grants it again to that agent, or a person does over all of them.
pub fn refused_since(stances: &[Stance], kind: &Slot) -> Option<Timestamp> {
    let of_kind = || stances.iter().filter(|stance| stance.kind == *kind);
    let by_hand = of_kind()
        .find(|stance| stance.said_to == BY_HAND)
        .and_then(|stance| stance.granted_at);
    of_kind()
        .filter_map(|stance| {
            let granted = stance.granted_at.max(by_hand);
            stance.refused_at.filter(|at| Some(*at) > granted)
        })
        .min()
}

/// Everything that was said of a caller's consents. `callers` are the caller's hashes: under the
/// present key, and under the one before.
pub async fn of_caller(conn: &mut Conn<'_>, callers: &[String]) -> Result<Vec<Stance>> {
    let mut stances = Vec::new();
    for caller in callers {
        let rows: Vec<(String, String, Option<i64>, Option<i64>)> = on!(conn, c => {
            sqlx::query_as(
                "SELECT said_to, kind, refused_at, granted_at FROM consents WHERE caller = $1 \
                 ORDER BY kind, said_to",
            )
            .bind(caller)
            .fetch_all(c)
            .await?
        });
        stances.extend(
            rows.into_iter()
                .map(|(said_to, kind, refused, granted)| Stance {
                    said_to,
                    kind: Slot::from(kind.as_str()),
                    refused_at: refused.map(Timestamp::from_millis),
                    granted_at: granted.map(Timestamp::from_millis),
                }),
        );
    }
    Ok(stances)
}

/// Keeps that something was refused or granted. Of each, the latest time stays: it does not matter
/// which call is remembered first.
pub async fn keep(conn: &mut Conn<'_>, caller: &str, stance: &Stance) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO consents (caller, said_to, kind, refused_at, granted_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (caller, said_to, kind) DO UPDATE SET \
             refused_at = CASE WHEN consents.refused_at IS NULL \
             OR excluded.refused_at > consents.refused_at \
             THEN excluded.refused_at ELSE consents.refused_at END, \
             granted_at = CASE WHEN consents.granted_at IS NULL \
             OR excluded.granted_at > consents.granted_at \
             THEN excluded.granted_at ELSE consents.granted_at END",
        )
        .bind(caller)
        .bind(&stance.said_to)
        .bind(stance.kind.as_str())
        .bind(stance.refused_at.map(Timestamp::as_millis))
        .bind(stance.granted_at.map(Timestamp::as_millis))
        .execute(c)
        .await?;
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stance(said_to: &str, refused: Option<i64>, granted: Option<i64>) -> Stance {
        Stance {
            said_to: said_to.to_owned(),
            kind: Slot::DoNotCall,
            refused_at: refused.map(Timestamp::from_secs),
            granted_at: granted.map(Timestamp::from_secs),
        }
    }

    #[track_caller]
    fn check(stances: &[Stance], since: Option<i64>) {
        let found = refused_since(stances, &Slot::DoNotCall);
        assert_eq!(found, since.map(Timestamp::from_secs));
    }

    #[test]
    fn a_refusal_counts_until_it_is_taken_back() {
        check(&[], None);
        check(&[stance("a", Some(5), None)], Some(5));
        check(&[stance("a", Some(5), Some(6))], None);
        check(&[stance("a", Some(7), Some(6))], Some(7));
        // Granted to one agent, still refused to the other.
        let both = [stance("a", Some(5), Some(9)), stance("b", Some(6), None)];
        check(&both, Some(6));
        // By hand, it is granted over all of them; until it is refused anew.
        let [a, b] = both;
        check(&[a.clone(), b, stance(BY_HAND, None, Some(8))], None);
        let anew = stance("b", Some(9), None);
        check(&[a, anew, stance(BY_HAND, None, Some(8))], Some(9));
        check(&[stance(BY_HAND, Some(3), None)], Some(3));
        let other = refused_since(&[stance("a", Some(5), None)], &Slot::OptOutSms);
        assert_eq!(other, None);
    }
}
