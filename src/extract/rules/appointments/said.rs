//! What an agent's turn says became of a booking, clause by clause.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::memory::pattern::pattern;

/// What became of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Booked,
    Moved,
    Cancelled,
    Failed,
}

/// The agent says that it is booked.
static DONE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:has|have|is|are|was|were|been|it's|it is|its|that's|thats|you're|you are|youre|your \w+'s|all) (?:now |all |been |successfully |hereby |already )*(?:made|booked|confirmed|scheduled|reserved|planned|set(?: up)?|successful|complete|completed|done|fixed|arranged|a success)|(?:i've|i have|we've|we have|i|we|just) (?:now |just |successfully |already |gone ahead and )*(?:made|booked|confirmed|scheduled|schedule the|reserved|set up|placed|arranged|put you down)|(?:reservation|booking|appointment|table|visit|tour|viewing|meeting)(?: is| was| has been)? (?:successfully |now )?(?:made|booked|confirmed|scheduled|reserved|set|successful|complete|done|all set|went through)|success\w* (?:been )?(?:booked|scheduled|reserved|made|confirmed|planned)|(?:i|we) got (?:the|your|you|that) (?:\w+ )?(?:appointment|apointment|reservation|table|booking|booked)|(?:reservation|booking|appointment) (?:success|went through)|(?:was|is) a success|it went through|you (?:have )?booked the|(?:you're|you are|youre) (?:down|on the (?:schedule|calendar|books)) (?:for|on))\b"
);
/// What says so only of a booking that was just agreed to.
static AGREED_DONE: LazyLock<Regex> = pattern!(
    r"\b(?:success\w*|went through|all set|you got it|it's done|(?:email|e-mail|text) confirm\w+|confirmation (?:e-?mail|text|message|number)|see you (?:then|on|there|tomorrow)|is yours|got you (?:down|in)|put you (?:down|in)|you're in)\b"
);
static MOVED: LazyLock<Regex> = pattern!(
    r"\b(?:has been|have been|it's been|that's been|is|was|i've|i have|we've|we have|i|we) (?:now |just |successfully |all )*(?:moved|rescheduled|re-scheduled|pushed|shifted|changed|switched|updated)\b"
);
static CANCELLED: LazyLock<Regex> = pattern!(
    r"\b(?:has been|have been|it's been|that's been|it's|is|was|i've|i have|we've|we have|i|we) (?:now |just |successfully |all |gone ahead and )*cancell?ed\b"
);
/// The same words that say it is not.
static NOT_DONE: LazyLock<Regex> = pattern!(
    r"n't\b|\b(?:not|unable|unsuccessful|unsuccessfully|failed|fail|cannot|sorry|apolog\w+|unfortunately|regretfully|unavailable|no longer|(?:a|an|the|some|with|had|was) (?:\w+ )?(?:problem|trouble|issue|error)s?|went wrong|fully booked|all booked|booked (?:up|solid|out))\b"
);
/// Nor do these: "please confirm that the booking is done for three".
static NOT_YET: LazyLock<Regex> = pattern!(
    r"\b(?:confirm(?:ing|ation)? (?:that|the|me|you|your|if|a|details)|please confirm|ensure|verify|make sure|once|before|when|if|let me|should i|shall i|would|want|prefer\w*|until|after|as soon as)\b"
);
/// "Your table is booked, and no, they have no terrace": the second clause says nothing of the first.
static CLAUSE: LazyLock<Regex> = pattern!(
    r"[.!?;\n]+(?:\s|$)|,\s*(?:and|but|so|though|however)\b|\s(?:but|though|however)\s|\sand (?:the|they|no|it|there|unfortunately|you)\b"
);
/// A failed booking, wherever the sentence says it.
static FAILED: LazyLock<Regex> = pattern!(
    r"\b(?:unable to|couldn't|could not|can't|cannot|wasn't able to|was not able to|not able to|failed to|didn't|did not)\b[^.!?]{0,60}\b(?:book|make|reserve|schedule|complete|place|confirm|set|get|do|accommodate|work|go)\b|\b(?:reservation|booking|appointment|visit)\b[^.!?]{0,30}\b(?:failed|not (?:done|made|possible|successful|available|work)|unsuccessful|rejected|declined)\b|\b(?:unfortunately|sorry|apologize)\b"
);

/// What a turn says became of the booking, and where. With `agreed` the caller has just said yes to
/// it, and less is enough.
pub(super) fn outcome(text: &str, agreed: bool) -> Option<(Outcome, Range<usize>)> {
    let mut failed = None;
    for place in clauses(text) {
        let clause = &text[place.clone()];
        let at = |hit: regex::Match<'_>| place.start + hit.start()..place.start + hit.end();
        if clause.ends_with('?') {
            continue;
        }
        if NOT_DONE.is_match(clause) {
            failed = failed.or_else(|| Some((Outcome::Failed, at(FAILED.find(clause)?))));
            continue;
        }
        if let Some(hit) = CANCELLED.find(clause).filter(|_| !NOT_YET.is_match(clause)) {
            return Some((Outcome::Cancelled, at(hit)));
        }
        if let Some(hit) = MOVED.find(clause).filter(|_| !NOT_YET.is_match(clause)) {
            return Some((Outcome::Moved, at(hit)));
        }
        let done = DONE.find(clause).filter(|_| !NOT_YET.is_match(clause));
        let done = done.or_else(|| AGREED_DONE.find(clause).filter(|_| agreed));
        if let Some(hit) = done {
            return Some((Outcome::Booked, at(hit)));
        }
    }
    failed
}

/// The clauses of a turn, each with the question mark that ends it.
fn clauses(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    for stop in CLAUSE.find_iter(text) {
        let asks = stop.as_str().starts_with('?');
        found.push(from..stop.start() + usize::from(asks));
        from = stop.start()
            + stop
                .as_str()
                .find(|c: char| c.is_alphabetic())
                .unwrap_or(stop.len());
    }
    found.push(from..text.len());
    found.retain(|place| !text[place.clone()].trim().is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, agreed: bool, expected: Option<Outcome>) {
        assert_eq!(
            outcome(text, agreed).map(|(what, _)| what),
            expected,
            "{text}"
        );
    }

    #[test]
    fn what_became_of_it() {
        for text in [
            "Your table has been booked.",
            "I've scheduled your visit, but they don't allow pets.",
            "Your reservation is made, and no they don't have a terrace unfortunately.",
            "You are hereby reserved. Call them if you wish.",
            "Your appointment was a success.",
            "I got that appointment booked for you",
        ] {
            check(text, false, Some(Outcome::Booked));
        }
        for text in [
            "I was unable to book the appointment.",
            "Sorry, the reservation has not been made.",
            "Unfortunately your table could not be booked.",
        ] {
            check(text, true, Some(Outcome::Failed));
        }
        for text in [
            "Please confirm that your table is booked for two.",
            "Is it booked?",
            "Once it is confirmed you get a mail.",
            "They are open until nine.",
        ] {
            check(text, false, None);
        }
        check(
            "Your appointment has been moved to Friday.",
            false,
            Some(Outcome::Moved),
        );
        check(
            "I've cancelled your appointment.",
            false,
            Some(Outcome::Cancelled),
        );
    }

    #[test]
    fn less_is_enough_for_what_was_agreed() {
        check("This time you got it!", true, Some(Outcome::Booked));
        check("This time you got it!", false, None);
        check(
            "You should get an email confirmation.",
            true,
            Some(Outcome::Booked),
        );
    }
}
