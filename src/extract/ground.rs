//! The mechanical gate: an observation that its own quote does not carry is dropped
//! (`memory.md` §7.4, step 2). Every extractor's output passes through it.

use crate::conversation::{Message, Role};
use crate::memory::observation::{Observation, Op};
use crate::memory::redact::MARKERS;

/// Stands for a redaction in a folded text: no quote can hold it, so none can span it.
const REDACTED: char = '\u{0}';

/// Keeps the observations that stand: every cited message exists, the quote stands in one of them
/// after folding case and space and touches no redaction, and its speaker may say such a thing.
/// Returns them, the quote's message first among the cited, and how many were dropped.
pub fn ground(observations: Vec<Observation>, messages: &[Message]) -> (Vec<Observation>, usize) {
    let texts: Vec<String> = messages.iter().map(|m| hide(&m.content)).collect();
    let before = observations.len();
    let kept: Vec<Observation> = observations
        .into_iter()
        .filter_map(|observation| stand(observation, messages, &texts))
        .collect();
    let dropped = before - kept.len();
    (kept, dropped)
}

fn stand(mut said: Observation, messages: &[Message], texts: &[String]) -> Option<Observation> {
    let quote = fold(&said.quote);
    let sound = !quote.is_empty()
        && !quote.contains(REDACTED)
        && said.confidence.is_finite()
        && (0.0..=1.0).contains(&said.confidence)
        && !MARKERS
            .iter()
            .any(|marker| said.value.to_string().contains(marker));
    if !sound {
        return None;
    }
    let cited: Vec<usize> = said
        .message_ids
        .iter()
        .map(|id| messages.iter().position(|message| message.id == *id))
        .collect::<Option<_>>()?;
    let place = cited
        .iter()
        .position(|&at| texts[at].contains(&quote) && may_say(&said, &messages[at].role))?;
    // "Yes" to what was read back is the caller's word although the quote is the agent's.
    let answered = said.op != Op::Confirm
        || !said.slot.is_callers_word()
        || cited.iter().any(|&at| messages[at].role == Role::User);
    if !answered {
        return None;
    }
    said.message_ids[..=place].rotate_right(1);
    Some(said)
}

/// Whether words of this speaker can carry such a statement: an agent never says who the caller is.
fn may_say(said: &Observation, role: &Role) -> bool {
    match role {
        Role::User => true,
        Role::Assistant | Role::Operator => !said.slot.is_callers_word() || said.op == Op::Confirm,
        Role::Tool | Role::System | Role::Other(_) => false,
    }
}

/// Lower case, with every run of white space as one space.
fn fold(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hide(content: &str) -> String {
    let mut text = content.replace(REDACTED, " ");
    for marker in MARKERS {
        text = text.replace(marker, "\u{0}");
    }
    fold(&text)
}

#[cfg(test)]
mod tests;
