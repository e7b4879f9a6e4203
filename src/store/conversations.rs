//! Conversations and their messages.

use sqlx::FromRow;

use super::callers::{self, Called};
use super::memories::Subject;
use super::{Conn, Error, Result, on, stored_key};
use crate::conversation::{CallSuccess, Conversation, Message, Role};
use crate::end_reason::{EndReason, EndReasonSource, Settled};
use crate::id::{ConversationKey, MessageId, Owner};
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

pub mod list;
mod own;
mod row;

pub use own::{Own, say};
use row::absent_fields;
pub(crate) use row::{COLUMNS, Row, from_json, to_json};

/// A stored conversation: the call, and what is kept beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Who vouches for the id.
    pub owner: Owner,
    /// The call.
    pub conversation: Conversation,
    /// Whom its memory is kept under; none for callers who are nobody.
    pub caller_key: Option<CallerKey>,
    /// When its row last changed.
    pub updated_at: Timestamp,
    /// Counts the changes of content.
    pub revision: i64,
    /// What the content hashes to.
    pub content_hash: String,
    /// When the platform was asked for this content.
    pub fetched_at: Timestamp,
    /// A hash of each value that CRMs were told last, by field; none before they were told.
    pub announced: Option<serde_json::Map<String, serde_json::Value>>,
    /// What became of remembering it.
    pub memory_status: Option<String>,
    /// Why it was skipped or failed.
    pub memory_reason: Option<String>,
    /// When it is looked at again.
    pub recheck_at: Option<Timestamp>,
    /// How often it was looked at again.
    pub rechecks: i64,
    /// What we say of the call where its platform says nothing; the call shows it.
    pub own: Own,
}

impl Record {
    /// Its key.
    pub fn key(&self) -> ConversationKey {
        ConversationKey {
            owner: self.owner.clone(),
            id: self.conversation.id.clone(),
        }
    }

    /// Whose memory it feeds; none of a caller who is nobody.
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            agent_id: self.conversation.agent_id.to_string(),
            caller: self.caller_key.clone()?,
        })
    }

    /// The call as its platform tells it, without what we say ourselves.
    pub fn of_platform(&self) -> Conversation {
        let mut call = self.conversation.clone();
        if self.summary_by().is_some() {
            call.summary = None;
        }
        if self.success_by().is_some() {
            call.call_successful = None;
        }
        call
    }

    /// Whose word the summary is, where it is not the platform's.
    pub fn summary_by(&self) -> Option<&str> {
        let (own, by) = self.own.summary.as_ref()?;
        (self.conversation.summary.as_ref() == Some(own)).then_some(by)
    }

    /// Whose word it is that the call reached its goal or not, where it is not the platform's.
    pub fn success_by(&self) -> Option<&str> {
        let (own, by) = self.own.success.as_ref()?;
        (self.conversation.call_successful.as_ref() == Some(own)).then_some(by)
    }

    /// Its settled reason.
    pub fn settled(&self) -> Settled {
        let call = &self.conversation;
        Settled {
            reason: call.end_reason.clone().zip(call.end_reason_source),
            raw: call.end_reason_raw.clone(),
        }
    }
}

/// Holds everybody else off a conversation until the transaction ends. Taken before the callers'
/// locks, so that no two writers wait for each other crosswise.
pub async fn hold(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
    let name = format!("conversation {} {}", key.owner.as_str(), key.id);
    super::lock(conn, &name).await
}

/// The conversation of a key.
pub async fn get(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Option<Record>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM conversations WHERE owner = $1 AND id = $2"
        )))
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_optional(c)
        .await?
    });
    row.map(Record::try_from).transpose()
}

/// Every conversation with this id; more than one where two platforms gave the same. `source`
/// narrows it to those that came through one source.
pub async fn find(conn: &mut Conn<'_>, id: &str, source: Option<&str>) -> Result<Vec<Record>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM conversations WHERE id = $1 ORDER BY owner LIMIT 20"
        )))
        .bind(crate::id::canonical(id))
        .fetch_all(c)
        .await?
    });
    let records = rows
        .into_iter()
        .map(Record::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(records
        .into_iter()
        .filter(|record| source.is_none_or(|name| record.conversation.source == name))
        .collect())
}

/// The conversations that are known to have been held in a room: by its session id where it has
/// one, else by its name.
pub async fn in_room(
    conn: &mut Conn<'_>,
    owner: &Owner,
    sid: Option<&str>,
    name: &str,
) -> Result<Vec<Record>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM conversations \
             WHERE owner = $1 AND room_name = $2 AND (room_sid IS NULL OR $3 = '' OR room_sid = $3) \
             ORDER BY created_at DESC LIMIT 20"
        )))
        .bind(owner.as_str())
        .bind(name)
        .bind(sid.unwrap_or_default())
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Record::try_from).collect()
}

/// Writes a conversation: new, or over the one of the same key.
pub async fn save(conn: &mut Conn<'_>, record: &Record) -> Result<()> {
    let call = &record.of_platform();
    let metadata = to_json(&call.metadata)?;
    let platform_fields = to_json(&call.platform_fields)?;
    let agent_snapshot = call.agent_snapshot.value().map(to_json).transpose()?;
    let dynamic_variables = call.dynamic_variables.value().map(to_json).transpose()?;
    let ivr_path_taken = call.ivr_path_taken.value().map(to_json).transpose()?;
    let announced = record.announced.as_ref().map(to_json).transpose()?;
    let before = Called::stored(conn, &record.key()).await?;
    on!(conn, c => {
        sqlx::query(UPSERT)
            .bind(record.owner.as_str())
            .bind(call.id.as_str())
            .bind(&call.source)
            .bind(&call.platform)
            .bind(call.agent_id.as_str())
            .bind(&call.agent_name)
            .bind(call.room_name.value())
            .bind(call.room_sid.value())
            .bind(call.status.as_str())
            .bind(call.transport.as_str())
            .bind(call.created_at.as_millis())
            .bind(metadata)
            .bind(call.message_count)
            .bind(call.started_at.map(Timestamp::as_millis))
            .bind(call.ended_at.map(Timestamp::as_millis))
            .bind(call.duration_ms)
            .bind(call.cost_cents)
            .bind(&call.recording_url)
            .bind(call.recording_started_at.map(Timestamp::as_millis))
            .bind(call.end_reason.as_ref().map(EndReason::as_str))
            .bind(call.end_reason_source.map(EndReasonSource::as_str))
            .bind(&call.end_reason_raw)
            .bind(&call.caller_identity)
            .bind(record.caller_key.as_ref().map(CallerKey::as_str))
            .bind(&call.from_number)
            .bind(&call.to_number)
            .bind(agent_snapshot)
            .bind(dynamic_variables)
            .bind(call.ivr_menu_id.value())
            .bind(ivr_path_taken)
            .bind(call.ivr_surrender_reason.value().map(|reason| reason.as_str().to_owned()))
            .bind(absent_fields(call))
            .bind(&call.summary)
            .bind(call.call_successful.as_ref().map(CallSuccess::as_str))
            .bind(call.user_turn_count)
            .bind(platform_fields)
            .bind(record.updated_at.as_millis())
            .bind(call.happened_at().as_millis())
            .bind(record.revision)
            .bind(&record.content_hash)
            .bind(record.fetched_at.as_millis())
            .bind(announced)
            .bind(&record.memory_status)
            .bind(&record.memory_reason)
            .bind(record.recheck_at.map(Timestamp::as_millis))
            .bind(record.rechecks)
            .execute(c)
            .await?;
    });
    callers::note(conn, before, Some(Called::by(record))).await
}

const UPSERT: &str = "INSERT INTO conversations (owner, id, source, platform, agent_id, agent_name, \
     room_name, room_sid, status, transport, created_at, metadata, message_count, started_at, \
     ended_at, duration_ms, cost_cents, recording_url, recording_started_at, end_reason, \
     end_reason_source, end_reason_raw, caller_identity, caller_key, from_number, to_number, \
     agent_snapshot, dynamic_variables, ivr_menu_id, ivr_path_taken, ivr_surrender_reason, \
     absent_fields, summary, call_successful, user_turn_count, platform_fields, updated_at, \
     happened_at, revision, content_hash, fetched_at, announced, memory_status, memory_reason, \
     recheck_at, rechecks) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
     $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, \
     $39, $40, $41, $42, $43, $44, $45, $46) \
     ON CONFLICT (owner, id) DO UPDATE SET source = excluded.source, platform = excluded.platform, \
     agent_id = excluded.agent_id, agent_name = excluded.agent_name, \
     room_name = excluded.room_name, room_sid = excluded.room_sid, status = excluded.status, \
     transport = excluded.transport, created_at = excluded.created_at, \
     metadata = excluded.metadata, message_count = excluded.message_count, \
     started_at = excluded.started_at, ended_at = excluded.ended_at, \
     duration_ms = excluded.duration_ms, cost_cents = excluded.cost_cents, \
     recording_url = excluded.recording_url, \
     recording_started_at = excluded.recording_started_at, end_reason = excluded.end_reason, \
     end_reason_source = excluded.end_reason_source, end_reason_raw = excluded.end_reason_raw, \
     caller_identity = excluded.caller_identity, caller_key = excluded.caller_key, \
     from_number = excluded.from_number, to_number = excluded.to_number, \
     agent_snapshot = excluded.agent_snapshot, dynamic_variables = excluded.dynamic_variables, \
     ivr_menu_id = excluded.ivr_menu_id, ivr_path_taken = excluded.ivr_path_taken, \
     ivr_surrender_reason = excluded.ivr_surrender_reason, \
     absent_fields = excluded.absent_fields, summary = excluded.summary, \
     call_successful = excluded.call_successful, user_turn_count = excluded.user_turn_count, \
     platform_fields = excluded.platform_fields, updated_at = excluded.updated_at, \
     happened_at = excluded.happened_at, revision = excluded.revision, \
     content_hash = excluded.content_hash, fetched_at = excluded.fetched_at, \
     announced = excluded.announced, memory_status = excluded.memory_status, \
     memory_reason = excluded.memory_reason, recheck_at = excluded.recheck_at, \
     rechecks = excluded.rechecks";

/// The conversations whose next look is due, the longest overdue first.
pub async fn due_rechecks(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<Record>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM conversations WHERE recheck_at <= $1 ORDER BY recheck_at LIMIT $2"
        )))
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Record::try_from).collect()
}

/// The look that was due is in the queue. Changes nothing else: the row may have been written since
/// it was read.
pub async fn look_is_queued(conn: &mut Conn<'_>, record: &Record) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE conversations SET recheck_at = NULL \
             WHERE owner = $1 AND id = $2 AND recheck_at = $3",
        )
        .bind(record.owner.as_str())
        .bind(record.conversation.id.as_str())
        .bind(record.recheck_at.map(Timestamp::as_millis))
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct MessageRow {
    seq: i64,
    id: String,
    role: String,
    content: String,
    tool_name: Option<String>,
    tool_args: Option<String>,
    tool_result: Option<String>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
}

impl TryFrom<MessageRow> for Message {
    type Error = Error;

    fn try_from(row: MessageRow) -> Result<Self> {
        Ok(Self {
            id: MessageId::new(&row.id).map_err(|_| Error::Corrupt("message id"))?,
            role: Role::from(row.role.as_str()),
            content: row.content,
            tool_name: row.tool_name,
            tool_args: row.tool_args.as_deref().map(from_json).transpose()?,
            tool_result: row.tool_result.as_deref().map(from_json).transpose()?,
            started_at: row.started_at.map(Timestamp::from_millis),
            ended_at: row.ended_at.map(Timestamp::from_millis),
        })
    }
}

/// Puts a conversation's messages in place of those it had.
pub async fn replace_messages(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    messages: &[Message],
) -> Result<()> {
    delete_messages(conn, key).await?;
    for (seq, message) in (0_i64..).zip(messages) {
        let args = message.tool_args.as_ref().map(to_json).transpose()?;
        let result = message.tool_result.as_ref().map(to_json).transpose()?;
        on!(conn, c => {
            sqlx::query(
                "INSERT INTO messages (owner, conversation_id, seq, id, role, content, tool_name, \
                 tool_args, tool_result, started_at, ended_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .bind(seq)
            .bind(message.id.as_str())
            .bind(message.role.as_str())
            .bind(&message.content)
            .bind(&message.tool_name)
            .bind(args)
            .bind(result)
            .bind(message.started_at.map(Timestamp::as_millis))
            .bind(message.ended_at.map(Timestamp::as_millis))
            .execute(c)
            .await?;
        });
    }
    Ok(())
}

async fn delete_messages(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM messages WHERE owner = $1 AND conversation_id = $2")
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .execute(c)
            .await?
            .rows_affected()
    }))
}

/// Deletes the transcripts of conversations that were held before `before`; of `limit` of them at
/// most. The conversations stay.
pub async fn prune_messages(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM messages WHERE (owner, conversation_id) IN \
             (SELECT held.owner, held.id FROM conversations held WHERE held.happened_at < $1 \
             AND EXISTS (SELECT 1 FROM messages said \
             WHERE said.owner = held.owner AND said.conversation_id = held.id) \
             ORDER BY held.happened_at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// The conversations that were held before `before`, the oldest first; at most `limit`.
pub async fn older(
    conn: &mut Conn<'_>,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<ConversationKey>> {
    let rows: Vec<(String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT owner, id FROM conversations WHERE happened_at < $1 \
             ORDER BY happened_at, owner, id LIMIT $2",
        )
        .bind(before.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(owner, id)| stored_key(owner, &id))
        .collect()
}

/// A page of a conversation's messages, in the order they were spoken.
pub async fn messages(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    page: &PageRequest,
) -> Result<Page<Message>> {
    // The sort key is the place in the transcript; the cursor's time carries it.
    let after = page
        .after
        .as_ref()
        .map_or(-1, |cursor| cursor.at.as_millis());
    let limit = i64::try_from(page.size)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let rows = message_rows(conn, key, after, limit).await?;
    let page = Page::cut(rows, page.size, |row| Cursor {
        at: Timestamp::from_millis(row.seq),
        id: row.id.clone(),
    });
    let rows = page
        .rows
        .into_iter()
        .map(Message::try_from)
        .collect::<Result<_>>()?;
    Ok(Page {
        rows,
        next: page.next,
    })
}

/// All of a conversation's messages.
pub async fn all_messages(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Vec<Message>> {
    let rows = message_rows(conn, key, -1, i64::MAX).await?;
    rows.into_iter().map(Message::try_from).collect()
}

async fn message_rows(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    after: i64,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    Ok(on!(conn, c => {
        sqlx::query_as(
            "SELECT seq, id, role, content, tool_name, tool_args, tool_result, started_at, ended_at \
             FROM messages WHERE owner = $1 AND conversation_id = $2 AND seq > $3 \
             ORDER BY seq LIMIT $4",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await?
    }))
}

/// Deletes a conversation and its messages; says whether it was there.
pub async fn delete(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<bool> {
    delete_messages(conn, key).await?;
    let Some(before) = Called::stored(conn, key).await? else {
        return Ok(false);
    };
    on!(conn, c => {
        sqlx::query("DELETE FROM conversations WHERE owner = $1 AND id = $2")
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .execute(c)
            .await?;
    });
    callers::note(conn, Some(before), None).await?;
    Ok(true)
}
