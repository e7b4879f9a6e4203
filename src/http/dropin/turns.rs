//! A transcript in ElevenLabs' turns (`platforms.md` §2.3): two speakers, and tools that the agent
//! called along the way.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::conversation::{Message, Role};
use crate::time::Timestamp;

/// One turn.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Turn {
    /// `user` or `agent`.
    role: &'static str,
    /// What was said; null where a tool was called.
    #[schema(required = true)]
    message: Option<String>,
    /// Seconds since the call began.
    time_in_call_secs: i64,
    /// The tools called.
    tool_calls: Vec<ToolCall>,
    /// What they answered.
    tool_results: Vec<ToolResult>,
}

/// A tool that was called.
#[derive(Debug, Serialize, ToSchema)]
struct ToolCall {
    /// Always `system`: which kind it was is not known.
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: String,
    tool_name: String,
    /// JSON as text.
    params_as_json: String,
    tool_has_been_called: bool,
}

/// What a tool answered.
#[derive(Debug, Serialize, ToSchema)]
struct ToolResult {
    /// Always `system`: which kind it was is not known.
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: String,
    tool_name: String,
    /// JSON as text.
    result_value: String,
    is_error: bool,
    tool_has_been_called: bool,
}

/// The turns of a transcript. What was not spoken, as instructions, is left out.
pub(super) fn turns(messages: Vec<Message>, began: Timestamp) -> Vec<Turn> {
    messages
        .into_iter()
        .filter_map(|message| turn(message, began))
        .collect()
}

fn turn(message: Message, began: Timestamp) -> Option<Turn> {
    let at = message.started_at.unwrap_or(began);
    let secs = i64::try_from(at.since(began).as_secs()).unwrap_or(i64::MAX);
    let role = match message.role {
        Role::User => "user",
        Role::Assistant | Role::Operator | Role::Tool => "agent",
        Role::System | Role::Other(_) => return None,
    };
    let mut turn = Turn {
        role,
        message: None,
        time_in_call_secs: secs,
        tool_calls: Vec::new(),
        tool_results: Vec::new(),
    };
    let Some(tool_name) = message.tool_name else {
        turn.message = Some(message.content);
        return Some(turn);
    };
    let request_id = message.id.to_string();
    turn.tool_calls.push(ToolCall {
        kind: "system",
        request_id: request_id.clone(),
        tool_name: tool_name.clone(),
        params_as_json: as_text(
            message
                .tool_args
                .unwrap_or(Value::Object(serde_json::Map::new())),
        ),
        tool_has_been_called: true,
    });
    if let Some(result) = message.tool_result {
        turn.tool_results.push(ToolResult {
            kind: "system",
            request_id,
            tool_name,
            result_value: as_text(result),
            is_error: false,
            tool_has_been_called: true,
        });
    }
    Some(turn)
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
