//! What a call was about, in its own sentences: what the caller wanted, and how it ended.

use std::sync::LazyLock;

use regex::Regex;

use crate::conversation::{Message, Role};
use crate::memory::pattern::pattern;
use crate::memory::redact::hide;

/// Characters of one sentence in a summary.
const LONGEST: usize = 220;

/// Messages from the end in which the outcome is looked for.
const LAST_TURNS: usize = 8;

/// Words that open or close a call and say nothing of it.
static PLEASANTRY: LazyLock<Regex> = pattern!(
    r"^\W*(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|thanks|thank you|thank|so much|very much|you(?:'re)? welcome|bye|goodbye|have a|great|good|nice|lovely|day|evening|weekend|one|yes|no|yeah|ok|okay|sure|perfect|alright|there|sir|ma'am|you too|too|take care|how are you|doing|please|anything else|else|with|i can|help|is there|can i|how can|may|today|for calling|and|a|is)\b\W*)+$"
);
/// What a caller says when they say why they call.
static REASON: LazyLock<Regex> = pattern!(
    r"\b(?:i(?:'d| would) like|i (?:need|want|wanted|have|had|lost|can't|cannot|forgot|was (?:wondering|hoping|charged))|i'm (?:calling|trying|looking|having)|i am (?:calling|trying|looking|having)|calling (?:about|to|because)|(?:can|could) (?:you|i|we)|my \w+(?: \w+)? (?:is|isn't|was|has|hasn't|won't|doesn't|does not|did not|didn't)|help me|book|cancel|change|reschedule|where is|why)\b"
);
/// What an agent says when something comes of it.
static OUTCOME: LazyLock<Regex> = pattern!(
    r"\b(?:(?:has|have) been|i've|i have|we've|we have|you're (?:all set|booked)|is (?:now )?(?:booked|confirmed|scheduled|complete)|i'll|we'll|i will|we will|will (?:call|send|be)|unfortunately|unable|can't|cannot|couldn't)\b"
);

/// An extractive summary: nothing in it but the call's own sentences, redacted as its messages
/// are. None where the caller said nothing that tells what the call was about.
///
/// It is a rule's work, not a person's: whoever keeps it keeps [`super::Rules::NAME`] beside it.
pub fn summary(messages: &[Message]) -> Option<String> {
    let wanted = messages
        .iter()
        .filter(|message| message.role == Role::User)
        .flat_map(|message| sentences(&message.content))
        .filter(|sentence| tells(sentence));
    let (mut first, mut reason) = (None, None);
    for sentence in wanted {
        if REASON.is_match(sentence) {
            reason = Some(sentence);
            break;
        }
        first = first.or(Some(sentence));
    }
    let wanted = reason.or(first)?;
    let outcome = messages
        .iter()
        .rev()
        .take(LAST_TURNS)
        .filter(|message| matches!(message.role, Role::Assistant | Role::Operator))
        .flat_map(|message| sentences(&message.content).into_iter().rev())
        .find(|said| tells(said) && !said.ends_with('?') && OUTCOME.is_match(said));
    let caller = format!("Caller: {}", shown(wanted));
    Some(match outcome {
        Some(outcome) => format!("{caller} Agent: {}", shown(outcome)),
        None => caller,
    })
}

/// The sentences of a text, trimmed.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, char) in text.char_indices() {
        let end = at + char.len_utf8();
        let closes = matches!(char, '.' | '!' | '?')
            && text[end..].chars().next().is_none_or(char::is_whitespace);
        if closes || char == '\n' {
            found.push(text[from..end].trim());
            from = end;
        }
    }
    found.push(text[from..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Whether a sentence says something about the call, and more than a redaction.
fn tells(sentence: &str) -> bool {
    let sentence = super::call::head(sentence, 2 * LONGEST);
    sentence.split_whitespace().count() >= 3
        && !PLEASANTRY.is_match(sentence)
        && !hide(sentence).contains('\u{1}')
}

/// A sentence that is not too long, with an end.
fn shown(sentence: &str) -> String {
    if sentence.len() > LONGEST {
        let cut = super::call::head(sentence, LONGEST);
        let end = cut.rfind(' ').unwrap_or(cut.len());
        return format!("{}…", cut[..end].trim_end());
    }
    let closed = sentence.ends_with(['.', '!', '?', '…']);
    format!("{sentence}{}", if closed { "" } else { "." })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::rules::tests::transcript;

    fn of(lines: &str) -> Option<String> {
        summary(&transcript(lines).1)
    }

    #[test]
    fn what_was_wanted_and_how_it_ended() {
        assert_eq!(
            of(
                "a: Hello, how can I help?\nu: Hi there. I'd like to move my appointment to Friday\n\
                 a: Sure, one moment. Your appointment has been moved to Friday at 3 pm. Anything else?\n\
                 u: No, thank you so much!"
            )
            .unwrap(),
            "Caller: I'd like to move my appointment to Friday. Agent: Your appointment has been moved to Friday at 3 pm."
        );
        assert_eq!(
            of("u: My modem is broken again.\na: What lights do you see?").unwrap(),
            "Caller: My modem is broken again."
        );
    }

    #[test]
    fn nothing_said_is_no_summary() {
        assert_eq!(of("a: Hello?\nu: Hi. Thank you, bye."), None);
        assert_eq!(of("a: How can I help you today?"), None);
    }

    #[test]
    fn a_secret_is_in_no_summary() {
        let said = of("u: I want to pay with 4111 1111 1111 1111.\nu: I have a late bill.");
        assert_eq!(said.unwrap(), "Caller: I have a late bill.");
    }

    #[test]
    fn a_long_sentence_is_cut_between_words() {
        let said = of(&format!("u: I need {}", "help ".repeat(200))).unwrap();
        assert!(said.ends_with("help…"), "{said}");
        assert!(said.len() < 250);
    }
}
