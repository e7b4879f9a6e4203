//! The strict schema of an answer, made from our own slots and operations.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::memory::observation::Op;
use crate::memory::slot::Slot;

/// One statement, as the model gives it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Statement {
    /// One of [`slots`].
    pub(super) slot: String,
    /// What sets it apart from others of its slot; empty where nothing does.
    #[serde(default)]
    pub(super) topic: String,
    /// The value, or the title of an appointment.
    #[serde(default)]
    pub(super) value: String,
    /// `YYYY-MM-DD`, of what is booked or due.
    pub(super) date: Option<String>,
    /// `HH:MM`.
    pub(super) time: Option<String>,
    /// What it does to the value.
    #[serde(default = "assert")]
    pub(super) op: Op,
    /// The labels of the messages that say so, the quoted one first.
    pub(super) messages: Vec<usize>,
    /// The words themselves.
    pub(super) quote: String,
}

fn assert() -> Op {
    Op::Assert
}

/// The slots that a model is asked for. What is known of the line and the language, the rules see as
/// well, and more surely.
pub(super) fn slots() -> Vec<&'static str> {
    let asked = |text: &&str| {
        let slot = Slot::from(*text);
        !matches!(slot.kind(), "line" | "language")
    };
    Slot::KNOWN.iter().copied().filter(asked).collect()
}

/// `response_format` of the request: strict, so that nothing else can be answered.
pub(super) fn response_format() -> Value {
    let text = json!({"type": "string"});
    let maybe = json!({"type": ["string", "null"]});
    let statement = object(&[
        ("slot", json!({"type": "string", "enum": slots()})),
        ("topic", text.clone()),
        ("value", text.clone()),
        ("date", maybe.clone()),
        ("time", maybe.clone()),
        (
            "op",
            json!({"type": "string", "enum": ["assert", "retract", "confirm"]}),
        ),
        (
            "messages",
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
        ("quote", text),
    ]);
    let success = json!({"type": "string", "enum": ["success", "failure", "unknown"]});
    let schema = object(&[
        ("facts", json!({"type": "array", "items": statement})),
        ("summary", maybe),
        ("call_successful", success),
    ]);
    json!({
        "type": "json_schema",
        "json_schema": {"name": "call", "strict": true, "schema": schema},
    })
}

/// Strict schemas require every property, and allow no other.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}
