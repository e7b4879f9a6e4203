//! Anyreach's transcript. Its shape is documented nowhere but for this: turns, and tool calls paired by
//! `call_id`. It is read as voice agents commonly write their history, in any of the common names.

use serde_json::{Map, Value};

use crate::conversation::{Message, Role};
use crate::id::ConversationId;
use crate::platform::fields::Fields;
use crate::platform::transcript::{Span, Transcript, parsed};

/// Where the turns may stand, when they are not the value itself.
const LISTS: [&str; 6] = [
    "messages",
    "turns",
    "items",
    "transcript",
    "history",
    "conversation",
];

/// The messages of a conversation.
pub(super) fn messages(conversation: &ConversationId, value: Value) -> Vec<Message> {
    let mut transcript = Transcript::of(conversation);
    for turn in turns(value) {
        if let Value::Object(turn) = turn {
            tell(&mut transcript, turn);
        }
    }
    transcript.messages()
}

fn turns(value: Value) -> Vec<Value> {
    match value {
        Value::Array(turns) => turns,
        Value::Object(mut object) => LISTS
            .iter()
            .find_map(|name| match object.remove(*name)? {
                Value::Array(turns) => Some(turns),
                nested @ Value::Object(_) => Some(turns(nested)),
                _ => None,
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn tell(transcript: &mut Transcript<'_>, turn: Map<String, Value>) {
    let mut turn = Fields::new(turn);
    let mut first = |names: &[&str]| names.iter().find_map(|name| turn.text(name));
    let kind = first(&["type"]).unwrap_or_default();
    let id = first(&["id"]);
    let call_id = first(&["call_id"]);
    let speaker = first(&["role", "speaker", "sender"]);
    let name = first(&["tool_name", "name"]);
    let mut moment = |names: &[&str]| names.iter().find_map(|name| turn.time(name));
    let at = Span {
        from: moment(&["started_at", "created_at", "timestamp", "start_time"]),
        to: moment(&["ended_at", "end_time"]),
    };
    let mut any = |names: &[&str]| {
        names
            .iter()
            .map(|name| turn.any(name))
            .find(|value| !value.is_null())
            .unwrap_or_default()
    };
    let tool_id = call_id.as_deref().or(id.as_deref());
    let answers = matches!(
        &*kind,
        "function_call_output" | "tool_result" | "tool_output"
    );
    let calls = matches!(&*kind, "function_call" | "tool_call");
    let is_tool = speaker.as_deref() == Some("tool");
    if calls || answers || is_tool {
        let args = parsed(any(&["arguments", "args", "tool_args", "parameters"]));
        let result = parsed(any(&["output", "result", "tool_result", "content"]));
        if calls || !args.is_null() {
            transcript.call(tool_id, name.clone(), args, at);
        }
        if !result.is_null() {
            transcript.answer(tool_id, name, result, at);
        }
        return;
    }
    let speaker = speaker.unwrap_or(kind);
    let speaker = Role::of(&speaker);
    let words = words(any(&["content", "text", "message", "transcript"]));
    transcript.say(id.as_deref(), speaker, words, at);
}

/// What was said: a text, or parts of it.
fn words(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(parts) => {
            let parts: Vec<String> = parts
                .into_iter()
                .map(|part| match part {
                    Value::Object(mut part) => words(part.remove("text").unwrap_or_default()),
                    other => words(other),
                })
                .filter(|part| !part.is_empty())
                .collect();
            parts.join(" ")
        }
        Value::Object(mut object) => words(object.remove("text").unwrap_or_default()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Vec<(String, String, Option<String>)> {
        let id = ConversationId::new("c").unwrap();
        messages(&id, value)
            .into_iter()
            .map(|message| {
                let role = message.role.as_str().to_owned();
                (role, message.content, message.tool_name)
            })
            .collect()
    }

    #[test]
    fn turns_are_found_in_every_common_shape() {
        let turns = json!([
            {"role": "assistant", "content": ["Acme,", {"type": "text", "text": "hello."}]},
            {"speaker": "caller", "text": "Hi."},
            {"type": "function_call", "call_id": "f1", "name": "book", "arguments": "{\"day\":1}"},
            {"type": "function_call_output", "call_id": "f1", "output": "done"},
            {"role": "user"},
            7,
        ]);
        let whole = read(turns.clone());
        let told = |n: usize| (&*whole[n].0, &*whole[n].1, whole[n].2.as_deref());
        assert_eq!(whole.len(), 3);
        assert_eq!(told(0), ("assistant", "Acme, hello.", None));
        assert_eq!(told(1), ("user", "Hi.", None));
        assert_eq!(told(2), ("tool", "", Some("book")));
        for key in LISTS {
            assert_eq!(read(json!({ key: turns })), whole, "{key}");
        }
        assert_eq!(read(json!({"history": {"items": turns}})), whole);
        for nothing in [json!(null), json!({}), json!("text"), json!({"turns": 1})] {
            assert!(read(nothing).is_empty());
        }
    }
}
