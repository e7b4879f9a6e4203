//! Whether a call did what its caller wanted, as far as the words tell: for platforms that say
//! nothing of it themselves.

use std::sync::LazyLock;

use regex::Regex;

use crate::conversation::{CallSuccess, Conversation, Message, Role, Status};
use crate::end_reason::EndReason;
use crate::memory::pattern::pattern;
use crate::memory::redact::hide;

/// Turns from the end that are read: how a call ends tells how it went.
const LAST_TURNS: usize = 12;

/// Bytes of a turn that are read.
const LONGEST_TURN: usize = 4_000;

/// The caller has what they came for.
static CONTENT: LazyLock<Regex> = pattern!(
    r"\b(?:that(?:'s| is| was| will be|'ll be) (?:all|everything|exactly what) i (?:needed|wanted|was looking for)|that (?:solved|fixed|resolved|answers?|answered|did|worked|works|helps|helped)\b|(?:it|that|everything)(?:'s| is)? (?:works?|working|fixed|solved|sorted|resolved) now|you(?:'ve| have) (?:been|solved|fixed|answered)(?: \w+){0,3} (?:helpful|help|it|question|problem)|problem (?:is )?solved|glad (?:that's|it's) sorted|see you (?:then|there|on \w+))"
);
/// The caller leaves without it.
static DISCONTENT: LazyLock<Regex> = pattern!(
    r"(?:\bnot|n't) (?:help(?:ing|ful)?|solve|answer|what i (?:asked|wanted|need))\b|\b(?:useless|ridiculous|waste of (?:my )?time|unacceptable|still (?:not|broken|does(?:n't| not)|is(?:n't| not)|have the (?:same )?problem)|never ?mind,? (?:then|i'll|forget)|forget it|i'll (?:go|try|call|look|take my business) (?:somewhere|someone|elsewhere|another)|(?:speak|talk) (?:to|with) (?:a|your|the) (?:manager|supervisor)|stop calling|wrong number|i(?:'m| am) hanging up|cancel everything)\b"
);
/// The agent says that it is done.
static DONE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:has|have) (?:now |just |also |already |all )*been (?:successfully )?\w+(?:ed|made|set|sent|paid|put|done|taken)|(?:i've|i have|we've|we have) (?:now |just |also |already |successfully |gone ahead and )*(?:booked|scheduled|rescheduled|cancell?ed|updated|changed|moved|sent|processed|refunded|issued|confirmed|added|removed|reset|placed|ordered|renewed|activated|unlocked|transferred \$?\d|submitted|filed|registered|fixed|resolved|arranged|set up)|you(?:'re| are) (?:all set|booked|confirmed|registered|good to go)|(?:is|are) (?:now )?(?:booked|confirmed|scheduled|complete|active|resolved|on its way|all set)|successfully)\b"
);
/// The agent says that it can't be done.
static UNABLE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:i'm|i am|we're|we are) (?:not able|unable)|(?:can't|cannot|could not|couldn't|won't be able to) (?:find|locate|help|do|process|access|book|complete|make|change|offer|accept|verify|reserve|schedule)|unfortunately|(?:was|were) (?:not |un)(?:successful|able)|(?:has |have )?failed|(?:don't|do not) have (?:any|a) (?:\w+ )?(?:available|availability|openings?|record)|no (?:availability|openings?))\b"
);
static NOT: LazyLock<Regex> =
    pattern!(r"n't\b|\b(?:not|never|once|when|if|before|after|until|will|would|should|can)\b");

/// What the end of a call tells: the last clear word wins, and without one it is unknown.
///
/// It is a rule's verdict, not a person's: whoever keeps it keeps [`super::Rules::NAME`] beside it.
pub fn call_successful(call: &Conversation, messages: &[Message]) -> CallSuccess {
    let broken = matches!(
        call.end_reason,
        Some(EndReason::InactivityTimeout | EndReason::LoopDetected | EndReason::OverCapacity)
    );
    let nobody = call.end_reason.as_ref().is_some_and(EndReason::is_dial);
    if call.status == Status::Failed || broken || nobody {
        return CallSuccess::Failure;
    }
    messages
        .iter()
        .rev()
        .take(LAST_TURNS)
        .find_map(word)
        .unwrap_or(CallSuccess::Unknown)
}

/// What one turn says of it.
fn word(message: &Message) -> Option<CallSuccess> {
    let text = hide(&message.content);
    let text = super::call::head(&text, LONGEST_TURN);
    match message.role {
        Role::User if DISCONTENT.is_match(text) => Some(CallSuccess::Failure),
        Role::User if CONTENT.is_match(text) => Some(CallSuccess::Success),
        Role::Assistant | Role::Operator => told(text),
        _ => None,
    }
}

/// The last sentence of the agent's that is no question and says that it is done, or that it isn't.
fn told(text: &str) -> Option<CallSuccess> {
    let sentences: Vec<&str> = text.split_inclusive(['.', '!', '?']).collect();
    sentences.into_iter().rev().find_map(|sentence| {
        if sentence.ends_with('?') {
            return None;
        }
        if UNABLE.is_match(sentence) {
            return Some(CallSuccess::Failure);
        }
        let done = DONE.find(sentence)?;
        let lead = super::call::lead(sentence, done.start());
        (!NOT.is_match(lead) && !done.as_str().contains("not")).then_some(CallSuccess::Success)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::rules::tests::transcript;

    #[track_caller]
    fn check(lines: &str, expected: &CallSuccess) {
        let (call, messages) = transcript(lines);
        assert_eq!(call_successful(&call, &messages), *expected, "{lines}");
    }

    #[test]
    fn the_last_clear_word_wins() {
        check(
            "u: Cancel my order.\na: It has been cancelled.\nu: Thanks, bye.",
            &CallSuccess::Success,
        );
        check(
            "u: A table for two?\na: Unfortunately we are full.\nu: Ok, bye.",
            &CallSuccess::Failure,
        );
        check(
            "u: Friday?\na: I couldn't book Friday.\nu: Monday then.\na: You're all set for Monday.",
            &CallSuccess::Success,
        );
        check(
            "u: Did it work?\na: I've reset your modem.\nu: It still doesn't work, forget it.",
            &CallSuccess::Failure,
        );
        check("u: That's all I needed, thank you.", &CallSuccess::Success);
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        for lines in [
            "u: Hello?\na: Hi, how can I help?",
            "u: Is it ready?\na: Once it has been shipped you get a mail.",
            "u: Is it ready?\na: Has it been shipped?",
            "u: I'd like a refund.\na: We will look into it.",
            "a: Hello?",
        ] {
            check(lines, &CallSuccess::Unknown);
        }
    }

    #[test]
    fn a_call_that_broke_off_failed() {
        let (mut call, messages) = transcript("u: Hello?\na: You're all set.");
        call.end_reason = Some(EndReason::InactivityTimeout);
        assert_eq!(call_successful(&call, &messages), CallSuccess::Failure);
        call.end_reason = None;
        call.status = Status::Failed;
        assert_eq!(call_successful(&call, &messages), CallSuccess::Failure);
    }
}
