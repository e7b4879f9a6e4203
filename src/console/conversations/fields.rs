//! What else is known of a call: field by field, as text.

use crate::store::conversations::Record;
use serde_json::{Map, Value};

/// A field and its value.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// A longer text, shown as it stands.
    pub(super) is_block: bool,
}

/// The fields that have a value; those that are sensitive only for who may see them.
pub(super) fn fields(record: &Record, sensitive: bool) -> Vec<Field> {
    let call = &record.conversation;
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let time = |at: Option<crate::time::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let plain = [
        ("Id", call.id.to_string()),
        ("Agent", call.agent_id.to_string()),
        ("Platform", call.platform.clone()),
        ("Source", call.source.clone()),
        ("Transport", call.transport.to_string()),
        ("Created", call.created_at.to_string()),
        ("Started", time(call.started_at)),
        ("Ended", time(call.ended_at)),
        ("Recording starts", time(call.recording_started_at)),
        ("From", text(call.from_number.as_ref())),
        ("To", text(call.to_number.as_ref())),
        ("Room", text(call.room_name.value())),
        ("Room session", text(call.room_sid.value())),
        ("The platform's word", text(call.end_reason_raw.as_ref())),
        (
            "Goal reached",
            call.call_successful
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        (
            "Caller turns",
            call.user_turn_count
                .map(|n| n.to_string())
                .unwrap_or_default(),
        ),
        (
            "Cost in cents",
            call.cost_cents.map(|n| n.to_string()).unwrap_or_default(),
        ),
        ("Memory", text(record.memory_status.as_ref())),
        ("Memory, why", text(record.memory_reason.as_ref())),
        ("Fetched", record.fetched_at.to_string()),
        ("Next look", time(record.recheck_at)),
        ("Revision", record.revision.to_string()),
    ];
    let mut fields: Vec<Field> = plain
        .into_iter()
        .map(|(name, value)| Field {
            name,
            value,
            is_block: false,
        })
        .collect();
    if sensitive {
        let blocks = [
            ("Metadata", object(Some(&call.metadata))),
            ("Dynamic variables", object(call.dynamic_variables.value())),
            ("Platform fields", object(Some(&call.platform_fields))),
            (
                "Agent snapshot",
                call.agent_snapshot.value().map(pretty).unwrap_or_default(),
            ),
        ];
        fields.extend(blocks.into_iter().map(|(name, value)| Field {
            name,
            value,
            is_block: true,
        }));
    }
    fields.retain(|field| !field.value.is_empty());
    fields
}

fn object(value: Option<&Map<String, Value>>) -> String {
    value
        .filter(|object| !object.is_empty())
        .map(|object| pretty(&Value::Object(object.clone())))
        .unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
