//! The audit log: who did what to what. Entries are only ever added.

use sqlx::FromRow;

use super::{Conn, Db, Result, on};
use crate::host::Host;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// One thing that somebody did. Names ids only, nothing that a caller said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id (`audit_…`).
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: the id of a token, or `system`.
    pub actor: String,
    /// What, as `token.create`.
    pub action: String,
    /// The id it was done to.
    pub target: String,
    /// More about it.
    pub detail: String,
}

impl Entry {
    /// An entry of something that the token of this id does now.
    pub fn now(host: &Host, actor: &str, action: &str, target: &str, detail: &str) -> Self {
        Self {
            id: crate::id::fresh("audit_", host.now(), host.dice.bytes()),
            at: host.now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// Adds an entry. Belongs into the transaction of what it tells.
pub async fn add(conn: &mut Conn<'_>, entry: &Entry) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO audit (id, at, actor, action, target, detail) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&entry.id)
        .bind(entry.at.as_millis())
        .bind(&entry.actor)
        .bind(&entry.action)
        .bind(&entry.target)
        .bind(&entry.detail)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Adds an entry in a transaction of its own, before what it tells is begun: what can't be done in one
/// transaction must not be done without a trace.
pub async fn note(db: &Db, entry: Entry) -> Result<()> {
    db.write(move |mut conn| Box::pin(async move { add(&mut conn, &entry).await }))
        .await
}

#[derive(FromRow)]
struct Row {
    id: String,
    at: i64,
    actor: String,
    action: String,
    target: String,
    detail: String,
}

/// Which entries are wanted; nothing set wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this action.
    pub action: Option<String>,
    /// Only by this token.
    pub actor: Option<String>,
    /// Only done to this.
    pub target: Option<String>,
    /// Only done then or later.
    pub since: Option<Timestamp>,
    /// Only done before.
    pub until: Option<Timestamp>,
}

/// A page of the log, newest first.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: &PageRequest) -> Result<Page<Entry>> {
    let (at, id) = page.before();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT id, at, actor, action, target, detail FROM audit WHERE (at, id) < (",
        );
        query.push_bind(at).push(", ").push_bind(id).push(")");
        for (column, value) in [
            (" AND action = ", &filter.action),
            (" AND actor = ", &filter.actor),
            (" AND target = ", &filter.target),
        ] {
            if let Some(value) = value {
                query.push(column).push_bind(value.clone());
            }
        }
        for (bound, value) in [(" AND at >= ", filter.since), (" AND at < ", filter.until)] {
            if let Some(value) = value {
                query.push(bound).push_bind(value.as_millis());
            }
        }
        query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await?
    });
    let entries = rows
        .into_iter()
        .map(|row| Entry {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            actor: row.actor,
            action: row.action,
            target: row.target,
            detail: row.detail,
        })
        .collect();
    Ok(Page::cut(entries, page.size, |entry| Cursor {
        at: entry.at,
        id: entry.id.clone(),
    }))
}

/// Deletes entries from before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM audit WHERE id IN \
             (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
