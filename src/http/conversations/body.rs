//! A conversation and its parts, as clients get them (product contract §8 and §14).

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::conversation::{
    CallSuccess, IvrSurrenderReason, Message, Presence, Role, Status, Transport,
};
use crate::end_reason::{EndReason, EndReasonSource};
use crate::erased;
use crate::http::erasures::ReceiptBody;
use crate::store::conversations::Record;
use crate::store::timeline::Step;
use crate::time::Timestamp;

/// What part of a conversation a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Whether what is sensitive is shown.
    pub(crate) sensitive: bool,
    /// Whether it is a row of the list: those have a message count, and no agent snapshot and
    /// dynamic variables.
    pub(crate) row: bool,
    /// Whether the summary is shown.
    pub(crate) summary: bool,
}

/// A call. A field that the platform left out is absent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationBody {
    /// The platform's id.
    id: String,
    /// The agent that held the call.
    agent_id: String,
    /// The agent's name, where the platform says it.
    #[schema(required = true)]
    agent_name: Option<String>,
    /// The LiveKit room's name.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    room_name: Presence<String>,
    /// The LiveKit room's session id.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    room_sid: Presence<String>,
    /// `pending`, `active`, `completed`, `failed`, or a newer word of the platform.
    #[schema(value_type = String, example = "completed")]
    status: Status,
    /// `web`, `phone`, `whatsapp`, `sip_inbound`, `sip_outbound`, or a newer word of the platform.
    #[schema(value_type = String, example = "sip_inbound")]
    transport: Transport,
    /// When the platform made the record: the call's initiation, connected or not.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// How many messages there are; 0 on a single read.
    message_count: i64,
    /// When the first user joined; null when nobody did.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    started_at: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
    /// Milliseconds from start to end; null for calls that never connected.
    #[schema(required = true)]
    duration_ms: Option<i64>,
    /// What the platform charged, in US cents.
    #[schema(required = true)]
    cost_cents: Option<i64>,
    /// Why the call ended.
    #[schema(value_type = Option<String>, example = "caller_hangup", required = true)]
    end_reason: Option<EndReason>,
    /// How that is known: `platform`, `observed` or `fallback`.
    #[schema(value_type = Option<String>, example = "platform", required = true)]
    end_reason_source: Option<EndReasonSource>,
    /// The platform's own word for it.
    #[schema(required = true)]
    end_reason_raw: Option<String>,
    /// Who called, as the platform names them; empty for anonymous callers.
    caller_identity: String,
    /// The number that placed the call, in E.164.
    #[schema(required = true)]
    from_number: Option<String>,
    /// The number that received it, in E.164.
    #[schema(required = true)]
    to_number: Option<String>,
    /// The cached phone menu that was consulted.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    ivr_menu_id: Presence<String>,
    /// The presses made in it: empty is "engaged, pressed nothing", null "never engaged".
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<Vec<Object>>, required = false)]
    ivr_path_taken: Presence<Vec<Map<String, Value>>>,
    /// Why the navigator gave up.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    ivr_surrender_reason: Presence<IvrSurrenderReason>,
    /// `success`, `failure`, `unknown`; null where the platform does not say.
    #[schema(value_type = Option<String>, required = true)]
    call_successful: Option<CallSuccess>,
    /// How often the caller spoke.
    #[schema(required = true)]
    user_turn_count: Option<i64>,
    /// The platform whose record this is.
    platform: String,
    /// The source that it came through first.
    source: String,
    /// When this record last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[serde(flatten)]
    #[schema(value_type = SensitiveBody)]
    sensitive: Option<SensitiveBody>,
}

/// Absent without the scope `conversations:read_sensitive`.
#[derive(Debug, Serialize, ToSchema)]
struct SensitiveBody {
    /// What the call was about. On the list only with `summary_mode=include`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    summary: Presence<String>,
    /// Where the recording lies.
    #[schema(required = false)]
    recording_url: Option<String>,
    /// When the recording's first frame was captured: the anchor for seeking.
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    recording_started_at: Option<Timestamp>,
    /// What the platform's customer attached.
    #[schema(value_type = Object, required = false)]
    metadata: Map<String, Value>,
    /// The agent's configuration at call time. Single reads only.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<Object>, required = false)]
    agent_snapshot: Presence<Value>,
    /// The customer's variables of this call. Single reads only.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<Object>, required = false)]
    dynamic_variables: Presence<Map<String, Value>>,
    /// What the platform said beyond this model.
    #[schema(value_type = Object, required = false)]
    platform_fields: Map<String, Value>,
}

impl ConversationBody {
    pub(crate) fn new(record: Record, view: View) -> Self {
        let call = record.conversation;
        let sensitive = view.sensitive.then(|| SensitiveBody {
            summary: match call.summary {
                _ if !view.summary => Presence::Absent,
                Some(summary) => Presence::Value(summary),
                None => Presence::Null,
            },
            recording_url: call.recording_url,
            recording_started_at: call.recording_started_at,
            metadata: call.metadata,
            agent_snapshot: if view.row {
                Presence::Absent
            } else {
                call.agent_snapshot
            },
            dynamic_variables: if view.row {
                Presence::Absent
            } else {
                call.dynamic_variables.map(without_system)
            },
            platform_fields: call.platform_fields,
        });
        Self {
            id: call.id.into(),
            agent_id: call.agent_id.into(),
            agent_name: call.agent_name,
            room_name: call.room_name,
            room_sid: call.room_sid,
            status: call.status,
            transport: call.transport,
            created_at: call.created_at,
            message_count: if view.row { call.message_count } else { 0 },
            started_at: call.started_at,
            ended_at: call.ended_at,
            duration_ms: call.duration_ms,
            cost_cents: call.cost_cents,
            end_reason: call.end_reason,
            end_reason_source: call.end_reason_source,
            end_reason_raw: call.end_reason_raw,
            caller_identity: call.caller_identity,
            from_number: call.from_number,
            to_number: call.to_number,
            ivr_menu_id: call.ivr_menu_id,
            ivr_path_taken: call.ivr_path_taken,
            ivr_surrender_reason: call.ivr_surrender_reason,
            call_successful: call.call_successful,
            user_turn_count: call.user_turn_count,
            platform: call.platform,
            source: call.source,
            updated_at: record.updated_at,
            sensitive,
        }
    }
}

fn without_system(mut variables: Map<String, Value>) -> Map<String, Value> {
    variables.retain(|name, _| !name.starts_with("system__"));
    variables
}

/// A conversation that is in the queue again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queued {
    /// Its id.
    pub(crate) id: String,
    /// That it is.
    pub(crate) queued: bool,
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationList {
    /// Newest `created_at` first, then by id.
    pub(crate) conversations: Vec<ConversationBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
    /// Whether there is one.
    pub(crate) has_more: bool,
}

/// One message of a transcript.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageBody {
    /// The platform's id, unique within the conversation.
    id: String,
    /// `user`, `assistant`, `system`, `tool`, `operator`, or a newer word of the platform.
    #[schema(value_type = String, example = "user")]
    role: Role,
    #[serde(flatten)]
    #[schema(value_type = SaidBody)]
    said: Option<SaidBody>,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
}

/// Absent without the scope `conversations:read_sensitive`.
#[derive(Debug, Serialize, ToSchema)]
struct SaidBody {
    /// What was said, without what was redacted.
    #[schema(required = false)]
    content: String,
    /// The tool called.
    #[schema(required = false)]
    tool_name: Option<String>,
    /// What it was called with.
    #[schema(required = false)]
    tool_args: Option<Value>,
    /// What it answered.
    #[schema(required = false)]
    tool_result: Option<Value>,
}

impl MessageBody {
    pub(crate) fn new(message: Message, sensitive: bool) -> Self {
        Self {
            id: message.id.into(),
            role: message.role,
            said: sensitive.then_some(SaidBody {
                content: message.content,
                tool_name: message.tool_name,
                tool_args: message.tool_args,
                tool_result: message.tool_result,
            }),
            started_at: message.started_at,
            ended_at: message.ended_at,
        }
    }
}

/// A page of a transcript.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageList {
    /// In the order in which they were spoken.
    pub(crate) messages: Vec<MessageBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
    /// Whether there is one.
    pub(crate) has_more: bool,
}

/// One step of a call's way through aftercall.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepBody {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What, as `received`, `fetched`, `settled`, `remembered`.
    step: String,
    /// Which attempt it was.
    attempt: i64,
    /// More about it.
    detail: String,
}

impl From<Step> for StepBody {
    fn from(step: Step) -> Self {
        Self {
            at: step.at,
            step: step.step,
            attempt: step.attempt,
            detail: step.detail,
        }
    }
}

/// A page of a call's timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepList {
    /// Oldest first.
    pub(crate) timeline: Vec<StepBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
    /// Whether there is one.
    pub(crate) has_more: bool,
}

/// What erasing a call took away.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The call.
    id: String,
    /// Always true.
    erased: bool,
    /// What else is told of the erasure.
    #[serde(flatten)]
    about: ReceiptBody,
}

impl Receipt {
    pub(crate) fn new(id: String, receipt: &erased::Receipt) -> Self {
        Self {
            id,
            erased: true,
            about: ReceiptBody::new(receipt),
        }
    }
}
