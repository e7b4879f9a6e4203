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

use serde_json::{Map, Value};

use crate::conversation::{Message, Role};
use crate::end_reason::{EndReason, PlatformReason};

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

/// The redaction of one call: what was found secret in its words is taken out of whatever else it
/// tells, too.
#[derive(Debug, Default)]
pub struct Redaction {
    secrets: Secrets,
}

impl Redaction {
    /// Redacts every message of the transcript: its words, and what its tools were given and answered.
    pub fn messages(&mut self, messages: &mut [Message]) {
        let mut expected = Expected::default();
        for message in messages.iter_mut() {
            let answers = match message.role {
                Role::User => expected.clone(),
                _ => Expected::default(),
            };
            message.content = clean(&message.content, &answers, &mut self.secrets);
            match message.role {
                Role::User => expected.answered(&message.content),
                Role::Assistant | Role::Operator => expected.asked(&message.content),
                Role::System | Role::Tool | Role::Other(_) => {}
            }
            if let Some(tool) = &mut message.tool_name {
                *tool = redact_text(tool);
            }
            let tool = message.tool_name.as_deref().unwrap_or("");
            for value in tools(&mut message.tool_args, &mut message.tool_result) {
                json::redact(value, tool, &mut self.secrets);
            }
        }
        for message in messages {
            message.content = self.secrets.hide(&message.content);
            for value in tools(&mut message.tool_args, &mut message.tool_result) {
                self.repeated(value);
            }
        }
    }

    /// A text that is none of the transcript, such as the summary.
    pub fn text(&mut self, text: &str) -> String {
        let cleaned = clean(text, &Expected::default(), &mut self.secrets);
        self.secrets.hide(&cleaned)
    }

    /// Redacts every text and number in a JSON value, by what it says and by the name of its field.
    pub fn json(&mut self, value: &mut Value) {
        json::redact(value, "", &mut self.secrets);
        self.repeated(value);
    }

    /// The same for every field of an object, and for their names.
    pub fn fields(&mut self, fields: &mut Map<String, Value>) {
        json::redact_fields(fields, &Expected::default(), &mut self.secrets);
        fields.values_mut().for_each(|value| self.repeated(value));
    }

    fn repeated(&self, value: &mut Value) {
        json::each_text(value, &|text| self.secrets.hide(text));
    }
}

fn tools<'a>(
    args: &'a mut Option<Value>,
    result: &'a mut Option<Value>,
) -> impl Iterator<Item = &'a mut Value> {
    [args, result].into_iter().flatten()
}

/// Redacts a transcript whose call tells nothing else.
pub fn redact(messages: &mut [Message]) {
    Redaction::default().messages(messages);
}

/// Redacts a text that stands alone.
pub fn redact_text(text: &str) -> String {
    clean(text, &Expected::default(), &mut Secrets::default())
}

/// Redacts the word for the end of a call: some platforms let their customers write it.
pub fn redact_reason(said: PlatformReason) -> PlatformReason {
    PlatformReason {
        reason: said
            .reason
            .map(|reason| EndReason::from(&*redact_text(reason.as_str()))),
        raw: redact_text(&said.raw),
    }
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
