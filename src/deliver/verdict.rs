//! What an endpoint's answer means for the delivery and for the endpoint. Pure.

use std::time::Duration;

use crate::outbound::template::BadTemplate;
use crate::outbound::{Answer, NoAnswer};
use crate::retry;
use crate::store::deliveries::After;
use crate::verdict::{Failure, Fault};

/// The longest that a `Retry-After` is heeded.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The endpoint answered.
    Answered(Answer),
    /// It did not.
    Unanswered(NoAnswer),
    /// Its template made no body.
    Unmade(BadTemplate),
    /// Its template says that there is nothing to send.
    Nothing,
}

/// What follows from how an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// What becomes of the delivery.
    pub(super) after: After,
    /// Why it did not arrive, where it did not.
    pub(super) why: Option<Failure>,
    /// The endpoint says that it is no more.
    pub(super) gone: bool,
    /// How long the endpoint asks to be left alone.
    pub(super) rest: Option<Duration>,
}

/// Judges an attempt, the `spent`th of its schedule, the first being 1. `dice` is a number in
/// `0.0..1.0`. Any 2xx is success; a redirect is not followed, and so is a failure; 410 says that
/// nothing will ever be taken.
pub(super) fn judge(ended: &Ended, spent: u32, dice: f64) -> Meaning {
    let status = match ended {
        Ended::Answered(answer) => answer.status,
        Ended::Nothing => {
            return Meaning {
                why: Some(why(ended)),
                ..Meaning::ended(After::Skipped)
            };
        }
        Ended::Unanswered(_) | Ended::Unmade(_) => 0,
    };
    if (200..300).contains(&status) {
        return Meaning::ended(After::Delivered);
    }
    let rest = match ended {
        Ended::Answered(answer) => answer.retry_after.map(|rest| rest.min(MAX_RETRY_AFTER)),
        _ => None,
    };
    let gone = status == 410;
    let wait = retry::DELIVER.after(spent, dice).filter(|_| !gone);
    Meaning {
        after: wait.map_or(After::Failed, |wait| {
            After::Again(rest.map_or(wait, |rest| rest.max(wait)))
        }),
        why: Some(why(ended)),
        gone,
        rest,
    }
}

impl Meaning {
    fn ended(after: After) -> Self {
        Self {
            after,
            why: None,
            gone: false,
            rest: None,
        }
    }
}

fn why(ended: &Ended) -> Failure {
    let (code, message) = match ended {
        Ended::Answered(answer) => match answer.status {
            410 => (
                "endpoint_gone".to_owned(),
                "the endpoint answered 410: it wants no more".to_owned(),
            ),
            300..400 => (
                "endpoint_redirected".to_owned(),
                format!(
                    "the endpoint answered {}: redirects are not followed",
                    answer.status
                ),
            ),
            status => (
                format!("endpoint_status_{status}"),
                format!("the endpoint answered {status}"),
            ),
        },
        Ended::Unanswered(error) => (error.code().to_owned(), error.to_string()),
        Ended::Unmade(error) => (
            "template_failed".to_owned(),
            format!("the template {error}"),
        ),
        Ended::Nothing => (
            "nothing_to_send".to_owned(),
            "the template makes no body of this event: nothing was sent".to_owned(),
        ),
    };
    Failure {
        code,
        message,
        fault: Fault::Endpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Ended {
        Ended::Answered(Answer {
            status,
            body: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    #[track_caller]
    fn check(ended: &Ended, spent: u32, after: After, code: &str) {
        let meaning = judge(ended, spent, 0.5);
        assert_eq!(meaning.after, after);
        assert_eq!(meaning.why.map_or(String::new(), |why| why.code), code);
    }

    #[test]
    fn an_answer_is_understood() {
        let secs = |secs| After::Again(Duration::from_secs(secs));
        check(&answered(200, None), 1, After::Delivered, "");
        check(&answered(299, None), 10, After::Delivered, "");
        check(&answered(500, None), 1, secs(5), "endpoint_status_500");
        check(&answered(302, None), 2, secs(300), "endpoint_redirected");
        check(&answered(400, None), 9, secs(86_400), "endpoint_status_400");
        check(
            &answered(503, None),
            10,
            After::Failed,
            "endpoint_status_503",
        );
        check(&answered(410, Some(60)), 1, After::Failed, "endpoint_gone");
        check(
            &Ended::Unanswered(NoAnswer::TimedOut),
            1,
            secs(5),
            "endpoint_timeout",
        );
        check(&Ended::Nothing, 1, After::Skipped, "nothing_to_send");
        assert!(judge(&answered(410, None), 1, 0.5).gone);
    }

    #[test]
    fn a_retry_after_is_heeded_and_bounded() {
        let secs = |secs| After::Again(Duration::from_secs(secs));
        check(&answered(429, Some(90)), 1, secs(90), "endpoint_status_429");
        check(&answered(429, Some(1)), 2, secs(300), "endpoint_status_429");
        check(
            &answered(503, Some(u64::MAX)),
            1,
            secs(86_400),
            "endpoint_status_503",
        );
        let rest = judge(&answered(429, Some(90)), 10, 0.5).rest;
        assert_eq!(
            rest,
            Some(Duration::from_secs(90)),
            "the endpoint rests all the same"
        );
    }
}
