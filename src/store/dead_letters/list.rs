//! Which letters there are, and of how many causes.

use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};

use super::row::{Kept, Row, State};
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::store::beginnings::Beginnings;
use crate::store::{Conn, Error, Result, on};
use crate::time::Timestamp;
use crate::verdict::Fault;

/// Causes that are told of at once, those with the most letters first.
const MAX_GROUPS: i64 = 1_000;

/// Which letters are wanted; nothing set wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these agents; empty is all, also those of no agent.
    pub agents: Vec<String>,
    /// Only these; empty is all.
    pub ids: Vec<String>,
    /// Only of which this has become.
    pub state: Option<State>,
    /// Only given up by this stage.
    pub stage: Option<String>,
    /// Only of this source.
    pub source: Option<String>,
    /// Only of this platform.
    pub platform: Option<String>,
    /// The sources of that platform: a letter whose call was never fetched knows only its source.
    pub platform_sources: Vec<String>,
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only of this caller, however their number is spelled.
    pub caller_identity: Option<String>,
    /// Only of this cause.
    pub fingerprint: Option<String>,
    /// Only where the fault lies there.
    pub fault: Option<Fault>,
    /// Only with this code.
    pub code: Option<String>,
    /// Only those that failed again in this replay; a cause is then that of this failure.
    pub failed_in: Option<String>,
    /// Only where something happened then or later.
    pub since: Option<Timestamp>,
    /// Only where the last that happened was before.
    pub until: Option<Timestamp>,
}

/// Letters of the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The cause.
    pub fingerprint: String,
    /// The stage that gave up.
    pub stage: String,
    /// The cause's stable code.
    pub code: String,
    /// The cause, for people.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// How many letters.
    pub count: i64,
    /// When the first of them was given up.
    pub first_at: Timestamp,
    /// When something happened to one of them last.
    pub last_at: Timestamp,
    /// The id of one of them.
    pub example_id: String,
}

/// A page of the letters, newest `last_at` first, then by id, descending. Bodies are left out.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: &PageRequest) -> Result<Page<Kept>> {
    let (at, id) = page.before();
    let limit = page.limit();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new("");
        listed(&mut query, filter, at, id, limit);
        query.build_query_as().fetch_all(c).await?
    });
    let letters = rows
        .into_iter()
        .map(Kept::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(letters, page.size, |letter| Cursor {
        at: letter.last_at,
        id: letter.id.clone(),
    }))
}

/// The ids of the letters, those that have waited longest first; at most `limit`.
pub async fn ids(conn: &mut Conn<'_>, filter: &Filter, limit: i64) -> Result<Vec<String>> {
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT id FROM dead_letters WHERE 1 = 1");
        conditions(&mut query, filter);
        query.push(" ORDER BY last_at, id LIMIT ").push_bind(limit);
        query.build_query_scalar().fetch_all(c).await?
    }))
}

/// What a replay must know of a letter to put it in its place.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Brief {
    /// Its id.
    pub id: String,
    /// Its platform.
    pub platform: Option<String>,
    /// The conversation.
    pub conversation_id: Option<String>,
    /// Who called.
    pub caller_identity: Option<String>,
    /// When it was given up first, in Unix milliseconds.
    pub first_at: i64,
    /// When something happened to it last, in Unix milliseconds.
    pub last_at: i64,
}

/// The letters behind `after` (a `last_at` and an id), those that have waited longest first; at most
/// `limit`.
pub async fn briefs(
    conn: &mut Conn<'_>,
    filter: &Filter,
    after: (i64, &str),
    limit: i64,
) -> Result<Vec<Brief>> {
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT id, platform, conversation_id, caller_identity, first_at, last_at \
             FROM dead_letters WHERE (last_at, id) > (",
        );
        query.push_bind(after.0).push(", ").push_bind(after.1.to_owned()).push(")");
        conditions(&mut query, filter);
        query.push(" ORDER BY last_at, id LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await?
    }))
}

/// How many letters there are.
pub async fn count(conn: &mut Conn<'_>, filter: &Filter) -> Result<i64> {
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM dead_letters WHERE 1 = 1");
        conditions(&mut query, filter);
        query.build_query_scalar().fetch_one(c).await?
    }))
}

#[derive(FromRow)]
struct GroupRow {
    fingerprint: String,
    stage: String,
    code: String,
    message: String,
    fault: String,
    letters: i64,
    first_at: i64,
    last_at: i64,
    example_id: String,
}

/// The letters by their causes, those with the most letters first.
pub async fn groups(conn: &mut Conn<'_>, filter: &Filter) -> Result<Vec<Group>> {
    let rows: Vec<GroupRow> = on!(conn, c => {
        let mut query = QueryBuilder::new("");
        grouped(&mut query, filter);
        query.build_query_as().fetch_all(c).await?
    });
    rows.into_iter()
        .map(|row| {
            Ok(Group {
                fingerprint: row.fingerprint,
                stage: row.stage,
                code: row.code,
                message: row.message,
                fault: Fault::parse(&row.fault).ok_or(Error::Corrupt("fault of a letter"))?,
                count: row.letters,
                first_at: Timestamp::from_millis(row.first_at),
                last_at: Timestamp::from_millis(row.last_at),
                example_id: row.example_id,
            })
        })
        .collect()
}

/// The letters behind a place in the list.
fn listed<DB>(query: &mut QueryBuilder<DB>, filter: &Filter, at: i64, id: String, limit: i64)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push(
        "SELECT id, state, stage, source, platform, event_id, conversation_id, agent_id, \
         caller_identity, code, message, fingerprint, fault, attempts, '' AS body, message_id, \
         first_at, last_at FROM dead_letters WHERE (last_at, id) < (",
    );
    query.push_bind(at).push(", ").push_bind(id).push(")");
    conditions(query, filter);
    query
        .push(" ORDER BY last_at DESC, id DESC LIMIT ")
        .push_bind(limit);
}

/// The causes, counted without a look at the letters; what a cause is, one of its letters says.
fn grouped<DB>(query: &mut QueryBuilder<DB>, filter: &Filter)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push(
        "SELECT g.fingerprint, e.stage, e.code, e.message, e.fault, g.letters, g.first_at, \
         g.last_at, g.example_id FROM (SELECT fingerprint, COUNT(*) AS letters, \
         MIN(first_at) AS first_at, MAX(last_at) AS last_at, MAX(id) AS example_id \
         FROM dead_letters WHERE 1 = 1",
    );
    conditions(query, filter);
    query.push(
        " GROUP BY fingerprint) g JOIN dead_letters e ON e.id = g.example_id \
         ORDER BY g.letters DESC, g.fingerprint LIMIT ",
    );
    query.push_bind(MAX_GROUPS);
}

fn conditions<DB>(query: &mut QueryBuilder<DB>, filter: &Filter)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let (state, fault) = (
        filter.state.map(|state| state.as_str().to_owned()),
        filter.fault.map(|fault| fault.as_str().to_owned()),
    );
    let cause = filter.fingerprint.clone();
    // A letter that has failed of something else since did fail of that.
    let (cause_then, cause_now) = match &filter.failed_in {
        Some(_) => (cause, None),
        None => (None, cause),
    };
    for (column, value) in [
        (" AND state = ", &state),
        (" AND stage = ", &filter.stage),
        (" AND source = ", &filter.source),
        (" AND agent_id = ", &filter.agent_id),
        (" AND fingerprint = ", &cause_now),
        (" AND fault = ", &fault),
        (" AND code = ", &filter.code),
    ] {
        if let Some(value) = value {
            query.push(column).push_bind(value.clone());
        }
    }
    if let Some(caller) = &filter.caller_identity {
        of_caller(query, caller);
    }
    if let Some(replay) = &filter.failed_in {
        query
            .push(" AND id IN (SELECT letter_id FROM replay_letters WHERE replay_id = ")
            .push_bind(replay.clone())
            .push(" AND state = 'failed'");
        if let Some(cause) = cause_then {
            query.push(" AND fingerprint = ").push_bind(cause);
        }
        query.push(")");
    }
    for (bound, value) in [
        (" AND last_at >= ", filter.since),
        (" AND last_at < ", filter.until),
    ] {
        if let Some(value) = value {
            query.push(bound).push_bind(value.as_millis());
        }
    }
    if let Some(platform) = &filter.platform {
        query.push(" AND (platform = ").push_bind(platform.clone());
        if !filter.platform_sources.is_empty() {
            query.push(" OR (platform IS NULL");
            any_of(query, " AND source IN (", &filter.platform_sources);
            query.push(")");
        }
        query.push(")");
    }
    any_of(query, " AND agent_id IN (", &filter.agents);
    any_of(query, " AND id IN (", &filter.ids);
}

/// Letters of a caller. A letter has no key, for its call may never have been read: it is found by every
/// spelling that has the caller's.
fn of_caller<DB>(query: &mut QueryBuilder<DB>, caller: &str)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let Some((spelled, begun)) = CallerKey::sought(caller).and_then(|key| key.spellings()) else {
        query
            .push(" AND caller_identity = ")
            .push_bind(caller.to_owned());
        return;
    };
    query.push(" AND (FALSE");
    any_of(query, " OR caller_identity IN (", &spelled);
    query.push(" OR (");
    DB::push_begins(query, "caller_identity", &begun);
    // Beginnings are found in any case; callers are told apart by it.
    query.push(format!(
        " AND SUBSTR(caller_identity, 1, {}) = ",
        begun.len()
    ));
    query.push_bind(begun).push("))");
}

fn any_of<DB>(query: &mut QueryBuilder<DB>, column: &str, values: &[String])
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    if values.is_empty() {
        return;
    }
    query.push(column);
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value.clone());
    }
    query.push(")");
}

#[cfg(test)]
mod tests;
