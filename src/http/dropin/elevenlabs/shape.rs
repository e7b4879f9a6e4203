//! A call in ElevenLabs' words: a row of its list, and its single read (`platforms.md` §2.3, §2.4).

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::conversation::{CallSuccess, Conversation, Message, Presence, Status, Transport};
use crate::http::dropin::turns::{Turn, turns};
use crate::http::dropin::{named, seconds};
use crate::time::Timestamp;

/// Its word for where a call stands.
pub(in crate::http::dropin) fn status(call: &Conversation) -> &'static str {
    match call.status {
        Status::Pending => "initiated",
        Status::Active => "in-progress",
        Status::Completed => "done",
        Status::Failed => "failed",
        Status::Other(_) => "processing",
    }
}

/// Its word for how a call went.
pub(in crate::http::dropin) fn call_successful(call: &Conversation) -> &str {
    call.call_successful
        .as_ref()
        .map_or("unknown", CallSuccess::as_str)
}

fn direction(call: &Conversation) -> Option<&'static str> {
    match call.transport {
        Transport::SipInbound => Some("inbound"),
        Transport::SipOutbound => Some("outbound"),
        _ => None,
    }
}

/// Unix seconds of the beginning; of the creation where the call never began.
fn start(call: &Conversation) -> i64 {
    call.happened_at().as_secs()
}

/// A row of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::dropin) struct Row {
    agent_id: String,
    #[schema(required = true)]
    agent_name: Option<String>,
    #[schema(required = true)]
    branch_id: Option<String>,
    #[schema(required = true)]
    version_id: Option<String>,
    conversation_id: String,
    start_time_unix_secs: i64,
    call_duration_secs: i64,
    message_count: i64,
    /// `initiated`, `in-progress`, `processing`, `done` or `failed`.
    status: &'static str,
    /// Why it ended, in the platform's word.
    #[schema(required = true)]
    termination_reason: Option<String>,
    /// `success`, `failure` or `unknown`.
    call_successful: String,
    /// Only with `summary_mode=include`; absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    transcript_summary: Presence<String>,
    #[schema(required = true)]
    call_summary_title: Option<String>,
    #[schema(required = true)]
    main_language: Option<String>,
    #[schema(required = true)]
    conversation_initiation_source: Option<String>,
    #[schema(required = true)]
    tool_names: Option<Vec<String>>,
    /// `inbound`, `outbound`, or null.
    #[schema(required = true)]
    direction: Option<&'static str>,
    #[schema(required = true)]
    rating: Option<f64>,
}

impl Row {
    pub(in crate::http::dropin) fn new(
        call: &Conversation,
        sensitive: bool,
        with_summary: bool,
    ) -> Self {
        Self {
            agent_id: call.agent_id.to_string(),
            agent_name: call.agent_name.clone(),
            branch_id: None,
            version_id: None,
            conversation_id: call.id.to_string(),
            start_time_unix_secs: start(call),
            call_duration_secs: seconds(call),
            message_count: call.message_count,
            status: status(call),
            termination_reason: reason(call),
            call_successful: call_successful(call).to_owned(),
            transcript_summary: match &call.summary {
                _ if !sensitive => Presence::Absent,
                Some(summary) if with_summary => Presence::Value(summary.clone()),
                _ => Presence::Null,
            },
            call_summary_title: None,
            main_language: None,
            conversation_initiation_source: None,
            tool_names: None,
            direction: direction(call),
            rating: None,
        }
    }
}

fn reason(call: &Conversation) -> Option<String> {
    let settled = || call.end_reason.as_ref().map(ToString::to_string);
    call.end_reason_raw.clone().or_else(settled)
}

/// The telephone's side of a call.
#[derive(Debug, Serialize, ToSchema)]
struct PhoneCall {
    /// Always `sip_trunking`.
    #[serde(rename = "type")]
    kind: &'static str,
    direction: &'static str,
    phone_number_id: &'static str,
    agent_number: String,
    external_number: String,
    call_sid: &'static str,
}

impl PhoneCall {
    fn of(call: &Conversation) -> Option<Self> {
        let direction = direction(call)?;
        let (agent, external) = if call.is_outbound() {
            (&call.from_number, &call.to_number)
        } else {
            (&call.to_number, &call.from_number)
        };
        Some(Self {
            kind: "sip_trunking",
            direction,
            phone_number_id: "",
            agent_number: agent.clone().unwrap_or_default(),
            external_number: external.clone().unwrap_or_default(),
            call_sid: "",
        })
    }
}

/// When and how a call was held.
#[derive(Debug, Serialize, ToSchema)]
struct Metadata {
    start_time_unix_secs: i64,
    #[schema(required = true)]
    accepted_time_unix_secs: Option<i64>,
    call_duration_secs: i64,
    #[schema(required = true)]
    cost: Option<i64>,
    #[schema(required = true)]
    phone_call: Option<PhoneCall>,
    termination_reason: String,
    #[schema(required = true)]
    main_language: Option<String>,
}

/// What is thought of a call.
#[derive(Debug, Serialize, ToSchema)]
struct Analysis {
    call_successful: String,
    transcript_summary: String,
    #[schema(value_type = Object)]
    evaluation_criteria_results: Map<String, Value>,
    #[schema(value_type = Object)]
    data_collection_results: Map<String, Value>,
}

/// What the call began with.
#[derive(Debug, Serialize, ToSchema)]
struct InitiationData {
    #[schema(value_type = Object)]
    dynamic_variables: Map<String, Value>,
    #[schema(required = true)]
    user_id: Option<String>,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::dropin) struct Detail {
    agent_id: String,
    #[schema(required = true)]
    agent_name: Option<String>,
    conversation_id: String,
    /// `initiated`, `in-progress`, `processing`, `done` or `failed`.
    status: &'static str,
    #[schema(required = true)]
    user_id: Option<String>,
    /// Empty without the scope `conversations:read_sensitive`.
    transcript: Vec<Turn>,
    metadata: Metadata,
    has_audio: bool,
    has_user_audio: bool,
    has_response_audio: bool,
    /// Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<Analysis>, required = false)]
    analysis: Presence<Analysis>,
    /// Absent without the scope `conversations:read_sensitive`.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    #[schema(value_type = Option<InitiationData>, required = false)]
    conversation_initiation_client_data: Presence<InitiationData>,
}

impl Detail {
    /// A call with its transcript; none of what is sensitive without one.
    pub(in crate::http::dropin) fn new(
        call: &Conversation,
        messages: Option<Vec<Message>>,
    ) -> Self {
        let sensitive = messages.is_some();
        let has_audio = call.recording_url.is_some();
        Self {
            agent_id: call.agent_id.to_string(),
            agent_name: call.agent_name.clone(),
            conversation_id: call.id.to_string(),
            status: status(call),
            user_id: named(&call.caller_identity),
            transcript: turns(messages.unwrap_or_default(), call.happened_at()),
            metadata: Metadata {
                start_time_unix_secs: start(call),
                accepted_time_unix_secs: call.started_at.map(Timestamp::as_secs),
                call_duration_secs: seconds(call),
                cost: call.cost_cents,
                phone_call: PhoneCall::of(call),
                termination_reason: reason(call).unwrap_or_default(),
                main_language: None,
            },
            has_audio,
            has_user_audio: has_audio,
            has_response_audio: has_audio,
            analysis: if sensitive {
                analysis(call)
            } else {
                Presence::Absent
            },
            conversation_initiation_client_data: if sensitive {
                Presence::Value(InitiationData {
                    dynamic_variables: variables(call),
                    user_id: named(&call.caller_identity),
                })
            } else {
                Presence::Absent
            },
        }
    }
}

/// The customer's variables of this call, without those that the platform makes.
fn variables(call: &Conversation) -> Map<String, Value> {
    let mut variables = call.dynamic_variables.value().cloned().unwrap_or_default();
    variables.retain(|name, _| !name.starts_with("system__"));
    variables
}

fn analysis(call: &Conversation) -> Presence<Analysis> {
    if call.summary.is_none() && call.call_successful.is_none() {
        return Presence::Null;
    }
    Presence::Value(Analysis {
        call_successful: call_successful(call).to_owned(),
        transcript_summary: call.summary.clone().unwrap_or_default(),
        evaluation_criteria_results: Map::new(),
        data_collection_results: Map::new(),
    })
}
