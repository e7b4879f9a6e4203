//! Takes out what must never be kept, before anything else sees a transcript (product contract §7).
//!
//! Card numbers are known by their check digit and issuer; what has no form of its own (security
//! codes, PINs, passwords, one-time codes, most social security numbers) by the words around it, or
//! by the question that it answers. A phone number, an order number and a date stay.
//!
//! What was found to be secret once is taken out wherever the call repeats it: "so, 4821?"
//!
//! Redacting twice changes nothing: markers are opaque, and what a turn leaves for the next to
//! expect is read off its redacted text.

use serde_json::Value;

use crate::conversation::{Message, Role};

mod cue;
mod find;
mod json;
mod repeat;

use cue::Expected;
use repeat::Secrets;

/// What must never be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Card,
    Cvv,
    Ssn,
    Password,
    Pin,
    Code,
}

impl Kind {
    fn marker(self) -> &'static str {
        MARKERS[self as usize]
    }
}

/// What stands where something was taken out.
pub const MARKERS: [&str; 6] = [
    "[redacted card number]",
    "[redacted security code]",
    "[redacted social security number]",
    "[redacted password]",
    "[redacted PIN]",
    "[redacted one-time code]",
];

/// Passes over one text: what is taken out can bring to light what stood beside it. Two do; the
/// bound only keeps the work linear.
const PASSES: usize = 8;

/// Redacts every message of a transcript: its words, and what its tools were given and answered.
pub fn redact(messages: &mut [Message]) {
    let mut expected = Expected::default();
    let mut secrets = Secrets::default();
    for message in messages.iter_mut() {
        let answers = match message.role {
            Role::User => expected.clone(),
            _ => Expected::default(),
        };
        message.content = clean(&message.content, &answers, &mut secrets);
        match message.role {
            Role::User => expected.answered(&message.content),
            Role::Assistant | Role::Operator => expected.asked(&message.content),
            Role::System | Role::Tool | Role::Other(_) => {}
        }
        let tool = message.tool_name.as_deref().unwrap_or("");
        for value in tools(&mut message.tool_args, &mut message.tool_result) {
            json::redact(value, tool, &mut secrets);
        }
    }
    if secrets.is_empty() {
        return;
    }
    for message in messages {
        message.content = secrets.hide(&message.content);
        for value in tools(&mut message.tool_args, &mut message.tool_result) {
            json::each_text(value, &|text| secrets.hide(text));
        }
    }
}

fn tools<'a>(
    args: &'a mut Option<Value>,
    result: &'a mut Option<Value>,
) -> impl Iterator<Item = &'a mut Value> {
    [args, result].into_iter().flatten()
}

/// Redacts a text that stands alone, such as a summary.
pub fn redact_text(text: &str) -> String {
    clean(text, &Expected::default(), &mut Secrets::default())
}

/// Redacts every text and number in a JSON value, by what it says and by the name of its field.
pub fn redact_json(value: &mut Value) {
    json::redact(value, "", &mut Secrets::default());
}

/// The text without what [`find::spans`] finds in it.
fn clean(text: &str, expected: &Expected, secrets: &mut Secrets) -> String {
    let mut text = text.to_owned();
    for _ in 0..PASSES {
        let spans = find::spans(&hide(&text), expected);
        if spans.is_empty() {
            break;
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut at = 0;
        for (span, kind) in spans {
            secrets.learn(&text[span.clone()], kind);
            cleaned.push_str(&text[at..span.start]);
            cleaned.push_str(kind.marker());
            at = span.end;
        }
        cleaned.push_str(&text[at..]);
        text = cleaned;
    }
    text
}

/// Stands for a byte of a marker: neither a word nor a separator.
const HIDDEN: &str = "\u{1}";

/// The text with its markers made opaque, every place as before: nothing in a marker is speech.
pub(crate) fn hide(text: &str) -> String {
    let mut hidden = text.to_owned();
    if text.contains("[redacted ") {
        for marker in MARKERS {
            hidden = hidden.replace(marker, &HIDDEN.repeat(marker.len()));
        }
    }
    hidden
}

#[cfg(test)]
mod tests;
