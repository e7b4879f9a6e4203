//! A row of `conversations`, and what it means.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

use super::{Own, Record};
use crate::conversation::{CallSuccess, Conversation, Presence, Status, Transport};
use crate::end_reason::{EndReason, EndReasonSource};
use crate::id::{AgentId, ConversationId, Owner};
use crate::memory::caller::CallerKey;
use crate::store::{Error, Result};
use crate::time::Timestamp;

/// The columns that [`Row`] reads, in every SELECT.
pub(crate) const COLUMNS: &str = "owner, id, source, platform, agent_id, agent_name, room_name, \
     room_sid, status, transport, created_at, metadata, message_count, started_at, ended_at, \
     duration_ms, cost_cents, recording_url, recording_started_at, end_reason, end_reason_source, \
     end_reason_raw, caller_identity, caller_key, from_number, to_number, agent_snapshot, \
     dynamic_variables, ivr_menu_id, ivr_path_taken, ivr_surrender_reason, absent_fields, summary, \
     call_successful, user_turn_count, platform_fields, updated_at, revision, content_hash, \
     fetched_at, announced, memory_status, memory_reason, recheck_at, rechecks, own_summary, \
     own_summary_by, own_success, own_success_by";

/// A row of `conversations`.
#[derive(Debug, FromRow)]
pub(crate) struct Row {
    owner: String,
    id: String,
    source: String,
    platform: String,
    agent_id: String,
    agent_name: Option<String>,
    room_name: Option<String>,
    room_sid: Option<String>,
    status: String,
    transport: String,
    created_at: i64,
    metadata: String,
    message_count: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    duration_ms: Option<i64>,
    cost_cents: Option<i64>,
    recording_url: Option<String>,
    recording_started_at: Option<i64>,
    end_reason: Option<String>,
    end_reason_source: Option<String>,
    end_reason_raw: Option<String>,
    caller_identity: String,
    caller_key: Option<String>,
    from_number: Option<String>,
    to_number: Option<String>,
    agent_snapshot: Option<String>,
    dynamic_variables: Option<String>,
    ivr_menu_id: Option<String>,
    ivr_path_taken: Option<String>,
    ivr_surrender_reason: Option<String>,
    absent_fields: String,
    summary: Option<String>,
    call_successful: Option<String>,
    user_turn_count: Option<i64>,
    platform_fields: String,
    updated_at: i64,
    revision: i64,
    content_hash: String,
    fetched_at: i64,
    announced: Option<String>,
    memory_status: Option<String>,
    memory_reason: Option<String>,
    recheck_at: Option<i64>,
    rechecks: i64,
    own_summary: Option<String>,
    own_summary_by: Option<String>,
    own_success: Option<String>,
    own_success_by: Option<String>,
}

impl TryFrom<Row> for Record {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let absent = |field: &str| row.absent_fields.split(',').any(|name| name == field);
        let presence = |field: &str, value: Option<String>| match value {
            Some(value) => Presence::Value(value),
            None if absent(field) => Presence::Absent,
            None => Presence::Null,
        };
        let own = Own {
            summary: row.own_summary.zip(row.own_summary_by),
            success: row
                .own_success
                .map(|word| CallSuccess::from(word.as_str()))
                .zip(row.own_success_by),
        };
        let mut conversation = Conversation {
            room_name: presence("room_name", row.room_name),
            room_sid: presence("room_sid", row.room_sid),
            agent_snapshot: parse(presence("agent_snapshot", row.agent_snapshot))?,
            dynamic_variables: parse(presence("dynamic_variables", row.dynamic_variables))?,
            ivr_menu_id: presence("ivr_menu_id", row.ivr_menu_id),
            ivr_path_taken: parse(presence("ivr_path_taken", row.ivr_path_taken))?,
            ivr_surrender_reason: presence("ivr_surrender_reason", row.ivr_surrender_reason)
                .map(|text| text.as_str().into()),
            id: ConversationId::new(&row.id).map_err(|_| Error::Corrupt("conversation id"))?,
            agent_id: AgentId::new(&row.agent_id).map_err(|_| Error::Corrupt("agent id"))?,
            agent_name: row.agent_name,
            status: Status::from(row.status.as_str()),
            transport: Transport::from(row.transport.as_str()),
            created_at: Timestamp::from_millis(row.created_at),
            metadata: from_json(&row.metadata)?,
            message_count: row.message_count,
            started_at: row.started_at.map(Timestamp::from_millis),
            ended_at: row.ended_at.map(Timestamp::from_millis),
            duration_ms: row.duration_ms,
            cost_cents: row.cost_cents,
            recording_url: row.recording_url,
            recording_started_at: row.recording_started_at.map(Timestamp::from_millis),
            end_reason: row.end_reason.as_deref().map(EndReason::from),
            end_reason_source: row
                .end_reason_source
                .as_deref()
                .and_then(EndReasonSource::parse),
            end_reason_raw: row.end_reason_raw,
            caller_identity: row.caller_identity,
            from_number: row.from_number,
            to_number: row.to_number,
            summary: row.summary,
            call_successful: row.call_successful.as_deref().map(CallSuccess::from),
            user_turn_count: row.user_turn_count,
            platform: row.platform,
            source: row.source,
            platform_fields: from_json(&row.platform_fields)?,
        };
        own.fill(&mut conversation);
        Ok(Self {
            owner: Owner::stored(row.owner),
            conversation,
            caller_key: row.caller_key.and_then(CallerKey::stored),
            updated_at: Timestamp::from_millis(row.updated_at),
            revision: row.revision,
            content_hash: row.content_hash,
            fetched_at: Timestamp::from_millis(row.fetched_at),
            announced: row.announced.as_deref().map(from_json).transpose()?,
            memory_status: row.memory_status,
            memory_reason: row.memory_reason,
            recheck_at: row.recheck_at.map(Timestamp::from_millis),
            rechecks: row.rechecks,
            own,
        })
    }
}

fn parse<T: DeserializeOwned>(text: Presence<String>) -> Result<Presence<T>> {
    Ok(match text {
        Presence::Absent => Presence::Absent,
        Presence::Null => Presence::Null,
        Presence::Value(text) => Presence::Value(from_json(&text)?),
    })
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt("JSON column"))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::Corrupt("JSON value"))
}

pub(super) fn absent_fields(call: &Conversation) -> String {
    [
        ("room_name", call.room_name.is_absent()),
        ("room_sid", call.room_sid.is_absent()),
        ("agent_snapshot", call.agent_snapshot.is_absent()),
        ("dynamic_variables", call.dynamic_variables.is_absent()),
        ("ivr_menu_id", call.ivr_menu_id.is_absent()),
        ("ivr_path_taken", call.ivr_path_taken.is_absent()),
        (
            "ivr_surrender_reason",
            call.ivr_surrender_reason.is_absent(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, absent)| absent.then_some(name))
    .collect::<Vec<_>>()
    .join(",")
}
