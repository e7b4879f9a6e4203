//! The list of conversations, by every filter (product contract §8).

use sqlx::{Database, Encode, QueryBuilder, Type};

use super::{COLUMNS, Record, Row};
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::store::beginnings::Beginnings;
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// Sets the owner off from the id in a cursor; no id has control characters.
const SEPARATOR: char = '\u{1f}';

/// Which conversations are wanted; nothing set wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these agents; empty is all.
    pub agents: Vec<String>,
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only where the call stands so.
    pub status: Option<String>,
    /// Only over this transport.
    pub transport: Option<String>,
    /// Only ended for this reason.
    pub end_reason: Option<String>,
    /// Only come through this source first.
    pub source: Option<String>,
    /// Only of this platform.
    pub platform: Option<String>,
    /// Only of this caller, however their number is spelled; empty: only anonymous ones.
    pub caller_identity: Option<String>,
    /// Only with this success; `unknown` is also where the platform says nothing.
    pub call_successful: Option<String>,
    /// Only begun at these times or later; the latest counts.
    pub started_from: Option<Timestamp>,
    /// Only begun before.
    pub started_before: Option<Timestamp>,
    /// Only this long, in milliseconds, or longer.
    pub duration_min_ms: Option<i64>,
    /// Only this long, in milliseconds, or shorter.
    pub duration_max_ms: Option<i64>,
    /// Only where id, caller, a number, agent id or agent name begins so, in any case.
    pub prefix: Option<String>,
    /// Only over one of these transports; empty is all.
    pub transports: Vec<String>,
    /// Only where the call does not stand so.
    pub not_statuses: Vec<String>,
    /// Only where the caller's identity holds this, in any case.
    pub caller_part: Option<String>,
    /// Only where the number of the agent's side holds this.
    pub line_part: Option<String>,
    /// Only where the caller spoke so often, or oftener.
    pub turns_min: Option<i64>,
    /// Only where the caller spoke so often, or less often.
    pub turns_max: Option<i64>,
    /// Only in this one of Anyreach's states.
    pub anyreach_status: Option<String>,
}

/// A call's state in Anyreach's words (`platforms.md` §3): its own, where it is Anyreach's.
const ANYREACH_STATUS: &str = "CASE WHEN platform = 'anyreach' AND end_reason_raw IN \
     ('completed', 'failed', 'cancelled', 'transferred', 'unanswered') THEN end_reason_raw \
     WHEN status = 'pending' AND transport = 'web' THEN 'token_created' \
     WHEN status = 'pending' THEN 'triggered' WHEN status = 'active' THEN 'in_progress' \
     WHEN status IN ('completed', 'failed') AND end_reason = 'transferred' THEN 'transferred' \
     WHEN status = 'failed' AND end_reason = 'dial_no_answer' THEN 'unanswered' \
     WHEN status IN ('completed', 'failed') THEN status END";

/// The number of the agent's side.
const LINE: &str = "CASE WHEN transport = 'sip_outbound' THEN from_number ELSE to_number END";

/// A page of the conversations, newest `created_at` first, then by id, descending. Their agent
/// snapshots and dynamic variables, which may be large, are left out.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Record>> {
    let limit = page.limit();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS.replace(
            "agent_snapshot, dynamic_variables",
            "NULL AS agent_snapshot, NULL AS dynamic_variables",
        ));
        query.push(" FROM conversations WHERE 1 = 1");
        conditions(&mut query, filter);
        behind(&mut query, page.after.as_ref());
        query.push(" ORDER BY created_at DESC, id DESC, owner DESC LIMIT ");
        query.push_bind(limit);
        query.build_query_as().fetch_all(c).await?
    });
    let records = rows
        .into_iter()
        .map(Record::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(records, page.size, |record| Cursor {
        at: record.conversation.created_at,
        id: format!(
            "{}{SEPARATOR}{}",
            record.conversation.id,
            record.owner.as_str()
        ),
    }))
}

/// The page begins behind the cursor's row.
fn behind<DB>(query: &mut QueryBuilder<DB>, after: Option<&Cursor>)
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let Some(cursor) = after else { return };
    let (id, owner) = cursor.id.split_once(SEPARATOR).unwrap_or((&cursor.id, ""));
    query.push(" AND (created_at, id, owner) < (");
    query.push_bind(cursor.at.as_millis()).push(", ");
    query.push_bind(id.to_owned()).push(", ");
    query.push_bind(owner.to_owned()).push(")");
}

fn conditions<DB>(query: &mut QueryBuilder<DB>, filter: &Filter)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    for (column, value) in [
        (" AND agent_id = ", &filter.agent_id),
        (" AND status = ", &filter.status),
        (" AND transport = ", &filter.transport),
        (" AND end_reason = ", &filter.end_reason),
        (" AND source = ", &filter.source),
        (" AND platform = ", &filter.platform),
        (
            " AND COALESCE(call_successful, 'unknown') = ",
            &filter.call_successful,
        ),
    ] {
        if let Some(value) = value {
            query.push(column).push_bind(value.clone());
        }
    }
    if let Some(caller) = &filter.caller_identity {
        match CallerKey::sought(caller) {
            Some(key) => query
                .push(" AND caller_key = ")
                .push_bind(key.as_str().to_owned()),
            None => query
                .push(" AND caller_identity = ")
                .push_bind(caller.clone()),
        };
    }
    for (bound, value) in [
        (
            " AND happened_at >= ",
            filter.started_from.map(Timestamp::as_millis),
        ),
        (
            " AND happened_at < ",
            filter.started_before.map(Timestamp::as_millis),
        ),
        (" AND duration_ms >= ", filter.duration_min_ms),
        (" AND duration_ms <= ", filter.duration_max_ms),
        (" AND user_turn_count >= ", filter.turns_min),
        (" AND user_turn_count <= ", filter.turns_max),
    ] {
        if let Some(value) = value {
            query.push(bound).push_bind(value);
        }
    }
    for (column, values) in [
        (" AND agent_id IN (", &filter.agents),
        (" AND transport IN (", &filter.transports),
        (" AND status NOT IN (", &filter.not_statuses),
    ] {
        if !values.is_empty() {
            query.push(column);
            let mut listed = query.separated(", ");
            for value in values {
                listed.push_bind(value.clone());
            }
            query.push(")");
        }
    }
    for (column, part) in [
        ("caller_identity", &filter.caller_part),
        (LINE, &filter.line_part),
    ] {
        if let Some(part) = part {
            query.push(" AND LOWER(").push(column).push(") LIKE LOWER(");
            query.push_bind(format!("%{}%", escaped(part)));
            query.push(") ESCAPE '\\'");
        }
    }
    if let Some(status) = &filter.anyreach_status {
        query.push(" AND ").push(ANYREACH_STATUS).push(" = ");
        query.push_bind(status.clone());
    }
    if let Some(prefix) = &filter.prefix {
        prefix_of_any(query, prefix);
    }
}

/// Columns that people search by. A caller's key is their number without `sip_` and the like, where
/// it is one. Each has an index of its lowered text.
const SEARCHED: [&str; 7] = [
    "id",
    "caller_identity",
    "caller_key",
    "from_number",
    "to_number",
    "agent_id",
    "agent_name",
];

/// Any of the columns that people search by begins so.
fn prefix_of_any<DB: Beginnings>(query: &mut QueryBuilder<DB>, prefix: &str) {
    let mut join = " AND (";
    for column in SEARCHED {
        query.push(join);
        DB::push_begins(query, column, prefix);
        join = " OR ";
    }
    query.push(")");
}

/// Text that stands for itself in a pattern.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
