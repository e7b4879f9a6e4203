//! The transcript: who said what, where the recording has it, and which facts rest on it.

use crate::console::show::clock;
use crate::conversation::{Conversation, Message, Role};
use crate::store::memories::Stored;
use crate::time::Timestamp;

/// A piece of what was said; a fact rests on what is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_marked: bool,
}

/// A fact beside the sentence that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    pub(super) fact: String,
    pub(super) slot: String,
    pub(super) is_past: bool,
}

/// One turn.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// What links point to.
    pub(super) anchor: String,
    pub(super) who: String,
    pub(super) is_caller: bool,
    /// Since the call's start, as `0:12`.
    pub(super) at: String,
    /// Where the recording has it, in seconds, as `12.340`; empty where nobody knows.
    pub(super) seek: String,
    /// The same for people.
    pub(super) seek_clock: String,
    pub(super) pieces: Vec<Piece>,
    pub(super) tool: String,
    pub(super) tool_args: String,
    pub(super) tool_result: String,
    pub(super) facts: Vec<Beside>,
}

/// The turns of a call, each with the facts that cite it. Without `sensitive` they say who spoke
/// when, and not what.
pub(super) fn turns(
    call: &Conversation,
    messages: Vec<Message>,
    facts: &[Stored],
    sensitive: bool,
) -> Vec<Turn> {
    messages
        .into_iter()
        .map(|message| turn(call, message, facts, sensitive))
        .collect()
}

fn turn(call: &Conversation, message: Message, facts: &[Stored], sensitive: bool) -> Turn {
    let cited = |stored: &&Stored| {
        let evidence = stored.fact.evidence.iter();
        evidence
            .into_iter()
            .any(|said| said.conversation_id == call.id && said.message_id == message.id)
    };
    let citing: Vec<&Stored> = facts.iter().filter(cited).collect();
    let quotes: Vec<&str> = citing
        .iter()
        .flat_map(|stored| &stored.fact.evidence)
        .filter(|said| said.conversation_id == call.id && said.message_id == message.id)
        .map(|said| said.quote.as_str())
        .collect();
    let offset = |from: Option<Timestamp>| {
        let (at, from) = message.started_at.zip(from)?;
        Some(at.as_millis() - from.as_millis())
    };
    let seek = offset(call.recording_started_at).filter(|millis| *millis >= 0);
    let json = |value: &Option<serde_json::Value>| match value {
        Some(value) if sensitive => serde_json::to_string_pretty(value).unwrap_or_default(),
        _ => String::new(),
    };
    Turn {
        anchor: anchor(message.id.as_str()),
        is_caller: message.role == Role::User,
        who: match message.role {
            Role::User => "Caller".to_owned(),
            Role::Assistant => "Agent".to_owned(),
            Role::System => "System".to_owned(),
            Role::Tool => "Tool".to_owned(),
            Role::Operator => "Operator".to_owned(),
            Role::Other(role) => role,
        },
        at: offset(call.started_at).map(clock).unwrap_or_default(),
        seek: seek
            .map(|millis| format!("{}.{:03}", millis / 1_000, millis % 1_000))
            .unwrap_or_default(),
        seek_clock: seek.map(clock).unwrap_or_default(),
        pieces: if sensitive {
            pieces(&message.content, &quotes)
        } else {
            Vec::new()
        },
        tool: message.tool_name.unwrap_or_default(),
        tool_args: json(&message.tool_args),
        tool_result: json(&message.tool_result),
        facts: if sensitive { citing } else { Vec::new() }
            .into_iter()
            .map(|stored| Beside {
                fact: stored.fact.fact.clone(),
                slot: stored.fact.slot.as_str().to_owned(),
                is_past: !stored.fact.is_current(),
            })
            .collect(),
    }
}

/// What links to a message point to.
pub(in crate::console) fn anchor(message_id: &str) -> String {
    format!("m-{message_id}")
}

/// Cuts a text where quotes begin and end. A quote that is not in it marks nothing.
fn pieces(text: &str, quotes: &[&str]) -> Vec<Piece> {
    let mut marked = vec![false; text.len()];
    for quote in quotes.iter().filter(|quote| !quote.is_empty()) {
        if let Some(at) = text.find(quote) {
            marked[at..at + quote.len()].fill(true);
        }
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, character) in text.char_indices() {
        match pieces.last_mut() {
            Some(last) if last.is_marked == marked[at] => last.text.push(character),
            _ => pieces.push(Piece {
                text: character.to_string(),
                is_marked: marked[at],
            }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_marked_and_nothing_is_lost() {
        let text = "Hi, I'm Zoë. Zoë Ånd.";
        let cut = pieces(text, &["I'm Zoë", "Zoë. Zoë", "not there", ""]);
        let whole: String = cut.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(whole, text);
        let marked: Vec<_> = cut.iter().filter(|piece| piece.is_marked).collect();
        assert_eq!(marked.len(), 1);
        assert_eq!(marked[0].text, "I'm Zoë. Zoë");
        assert!(pieces("", &["x"]).is_empty());
    }
}
