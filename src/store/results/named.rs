//! Whom a result tells of and which calls it cites: written beside it, so that an erasure finds it by
//! an index instead of reading the feed.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::FromRow;

use super::from_json;
use crate::memory::caller::CallerKey;
use crate::store::{Conn, Db, Result, on};

/// Results from before that one transaction goes through: it never holds the writer for long.
const BATCH: i64 = 500;

/// What the body of a result names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The caller, under whichever spelling it is told.
    pub(super) caller: Option<CallerKey>,
    /// The calls that its facts are from.
    calls: BTreeSet<String>,
}

impl Named {
    /// Reads `data` of an event. The name of an erased caller is sealed there, and stays unknown.
    pub(super) fn of(data: &Value) -> Self {
        let told = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
        let facts = ["added", "changed", "closed"]
            .iter()
            .filter_map(|list| data[*list].as_array())
            .flatten();
        let mut calls = BTreeSet::new();
        for fact in facts {
            calls.extend(told(fact, "source_conversation_id"));
            let evidence = fact["evidence"].as_array().into_iter().flatten();
            calls.extend(evidence.filter_map(|said| told(said, "conversation_id")));
        }
        calls.extend(told(data, "conversation_id"));
        Self {
            caller: data["caller_identity"]
                .as_str()
                .and_then(|identity| CallerKey::of("", identity)),
            calls,
        }
    }

    /// The caller's key as it is stored; empty for nobody.
    pub(super) fn caller_key(&self) -> &str {
        self.caller.as_ref().map_or("", CallerKey::as_str)
    }

    /// Keeps which calls a result cites, but for its own, which stands in its row.
    pub(super) async fn cite(&self, conn: &mut Conn<'_>, result_id: &str, own: &str) -> Result<()> {
        for call in self.calls.iter().filter(|call| *call != own) {
            on!(conn, c => {
                sqlx::query(
                    "INSERT INTO result_citations (conversation_id, result_id) VALUES ($1, $2) \
                     ON CONFLICT (conversation_id, result_id) DO NOTHING",
                )
                .bind(call)
                .bind(result_id)
                .execute(c)
                .await?;
            });
        }
        Ok(())
    }
}

/// Names the results that an earlier version wrote, batch by batch: those from before an upgrade, and
/// those that its processes still write while a rolling upgrade lasts.
pub async fn catch_up(db: &Db) -> Result<()> {
    while db
        .write(|mut conn| Box::pin(async move { name_batch(&mut conn).await }))
        .await?
    {}
    Ok(())
}

#[derive(FromRow)]
struct Old {
    id: String,
    conversation_id: String,
    body: String,
}

/// Names some results that are not named yet; says whether there may be more.
async fn name_batch(conn: &mut Conn<'_>) -> Result<bool> {
    let rows: Vec<Old> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, conversation_id, body FROM results WHERE caller_key IS NULL LIMIT $1",
        )
        .bind(BATCH)
        .fetch_all(c)
        .await?
    });
    for old in &rows {
        // What can't be read is told to nobody either.
        let named = Named::of(&from_json(&old.body).unwrap_or_default());
        // An erasure may have emptied it meanwhile: then it names nobody any more.
        let is_there = on!(conn, c => {
            sqlx::query("UPDATE results SET caller_key = $1 WHERE id = $2 AND caller_key IS NULL")
                .bind(named.caller_key())
                .bind(&old.id)
                .execute(c)
                .await?
                .rows_affected()
                == 1
        });
        if is_there {
            named.cite(conn, &old.id, &old.conversation_id).await?;
        }
    }
    Ok(!rows.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_names_its_caller_in_any_spelling_and_every_call_it_cites() {
        let data = json!({
            "caller_identity": "tel:+14155550999",
            "conversation_id": "own",
            "added": [{"source_conversation_id": "one", "evidence": [{"conversation_id": "two"}]}],
            "closed": [{"source_conversation_id": null, "evidence": [{"conversation_id": "three"}]}],
            "changed": [],
        });
        let named = Named::of(&data);
        assert_eq!(named.caller_key(), "+14155550999");
        let calls: Vec<_> = named.calls.iter().map(String::as_str).collect();
        assert_eq!(calls, ["one", "own", "three", "two"]);
        let sealed = json!({"caller_identity": {"sealed": "v1:"}, "scope": "caller"});
        assert_eq!(Named::of(&sealed), Named::default());
        assert_eq!(Named::of(&json!(null)), Named::default());
    }
}
