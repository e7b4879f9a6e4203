//! The letters of a filter: of how many causes they are, and each of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::asked::Asked;
use crate::console::access::{Posted, Refused, Session};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, counted, href, next, number, page, request};
use crate::event::Stage;
use crate::flow::Flow;
use crate::page::{Page, PageRequest};
use crate::replay;
use crate::store::audit;
use crate::store::dead_letters::list::{self, Filter, Group};
use crate::store::dead_letters::{Kept, State as Fate};
use crate::store::tokens::Scope;
use crate::time::Timestamp;
use crate::verdict::Fault;

const PATH: &str = "/console/dead-letters";

/// Rows of a page.
const ROWS: usize = 50;

/// Letters that one press discards: those that have waited longest.
const MOST: i64 = 10_000;

struct Choice {
    value: &'static str,
    is_chosen: bool,
}

struct Cause {
    href: String,
    letters: String,
    message: String,
    code: String,
    stage: String,
    fault: &'static str,
    first: Moment,
    last: Moment,
    is_here: bool,
}

impl Cause {
    fn new(group: Group, here: &str, now: Timestamp) -> Self {
        Self {
            href: href(PATH, &[("fingerprint", &group.fingerprint)]),
            letters: counted(group.count, "letter", "letters"),
            is_here: group.fingerprint == here,
            message: group.message,
            code: group.code,
            stage: group.stage,
            fault: group.fault.as_str(),
            first: Moment::of(group.first_at, now),
            last: Moment::of(group.last_at, now),
        }
    }
}

struct Row {
    href: String,
    at: Moment,
    state: &'static str,
    stage: String,
    code: String,
    call: String,
    source: String,
    attempts: usize,
}

impl Row {
    fn new(letter: Kept, now: Timestamp) -> Self {
        Self {
            href: super::one::address(&letter.id),
            at: Moment::of(letter.last_at, now),
            state: letter.state.as_str(),
            stage: letter.stage,
            code: letter.code,
            call: letter
                .conversation_id
                .or(letter.event_id)
                .unwrap_or_default(),
            source: letter.source.unwrap_or_default(),
            attempts: letter.attempts.len(),
        }
    }
}

#[derive(Template)]
#[template(path = "dead_letters/listed.html")]
struct Listed {
    frame: Frame,
    asked: Asked,
    summary: String,
    causes: Vec<Cause>,
    states: Vec<Choice>,
    stages: Vec<Choice>,
    faults: Vec<Choice>,
    is_filtered: bool,
    /// The preview of a replay of these letters; empty for who may not replay.
    preview: String,
    /// The button that discards them, where there is one.
    press: Option<Press>,
    /// What a press has left, right after it; empty is nothing.
    left: String,
    rows: Vec<Row>,
    next: String,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::DeadLetters)?;
    let filter = asked.filter(&flow, &session)?;
    let is_dead = filter.state == Some(Fate::Dead);
    let may_act = session.token.allows(Scope::OpsWrite);
    // All that are dead are not discarded with one press.
    let is_group = may_act && is_dead && asked.is_narrow();
    let wanted = request(&asked.cursor, ROWS);
    let (groups, found, like_these) = look(&flow, filter, wanted, is_group).await?;
    let now = flow.host.now();
    let parameters = asked.parameters();
    let letters: i64 = groups.iter().map(|group| group.count).sum();
    let just_discarded = asked.done == "discard";
    let causes = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    let choice = |chosen: &str, value: &'static str| Choice {
        is_chosen: value == chosen,
        value,
    };
    let stages = ["receive"].into_iter().chain(Stage::ALL.map(Stage::as_str));
    let mut frame = session.frame("Dead letters", Section::DeadLetters);
    if just_discarded {
        frame.notice =
            "The letters are discarded. They can still be replayed until their retention is over.";
    }
    Ok(page(&Listed {
        frame,
        summary: format!(
            "{}, {}",
            counted(letters, "letter", "letters"),
            counted(causes, "cause", "causes")
        ),
        next: next(PATH, &parameters, found.next.as_ref()),
        is_filtered: parameters.iter().any(|(_, value)| !value.is_empty()),
        causes: groups
            .into_iter()
            .map(|group| Cause::new(group, &asked.fingerprint, now))
            .collect(),
        preview: if may_act && letters > 0 {
            asked.href("/console/replays/new")
        } else {
            String::new()
        },
        press: Press::of(like_these),
        left: if just_discarded && like_these > 0 {
            left(like_these)
        } else {
            String::new()
        },
        states: Fate::ALL
            .iter()
            .map(|state| choice(&asked.state, state.as_str()))
            .collect(),
        stages: stages.map(|stage| choice(&asked.stage, stage)).collect(),
        faults: Fault::ALL
            .iter()
            .map(|fault| choice(&asked.fault, fault.as_str()))
            .collect(),
        rows: found
            .rows
            .into_iter()
            .map(|letter| Row::new(letter, now))
            .collect(),
        asked,
    })?)
}

/// The causes, a page of the letters, and how many these are, where somebody may discard them.
async fn look(
    flow: &Flow,
    filter: Filter,
    wanted: PageRequest,
    is_group: bool,
) -> Result<(Vec<Group>, Page<Kept>, i64), Failure> {
    // The causes stay all in sight when one of them is chosen.
    let mut all = filter.clone();
    all.fingerprint = None;
    let seen = flow.db.read(move |mut conn| {
        Box::pin(async move {
            let groups = list::groups(&mut conn, &all).await?;
            let found = list::list(&mut conn, &filter, &wanted).await?;
            // The causes are those of now, and letters may be searched by a cause of then.
            let like_these = if is_group {
                list::count(&mut conn, &filter).await?
            } else {
                0
            };
            Ok((groups, found, like_these))
        })
    });
    Ok(seen.await?)
}

/// A button that discards letters.
#[derive(Debug, PartialEq, Eq)]
struct Press {
    /// How many it takes.
    takes: String,
    /// What is asked before it does.
    warning: String,
}

impl Press {
    /// The one for so many letters; none where there are none.
    fn of(letters: i64) -> Option<Self> {
        let (takes, first) = match letters {
            ..=0 => return None,
            1..=MOST => (counted(letters, "letter", "letters"), ""),
            _ => (
                format!("{} of {} letters", number(MOST), number(letters)),
                ", those that have waited longest",
            ),
        };
        Some(Self {
            warning: format!("Discard {takes}{first}? Their calls stay as they are now."),
            takes,
        })
    }
}

/// What is told of the letters that are left.
fn left(letters: i64) -> String {
    let are = if letters == 1 { "is" } else { "are" };
    format!(
        "{} like these {are} left: one press discards {} at the most.",
        counted(letters, "letter", "letters"),
        number(MOST)
    )
}

/// Decides against the letters of a filter.
pub(super) async fn discard(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::DeadLetters)?;
    session.require(Scope::OpsWrite)?;
    let asked = Asked::of(&posted);
    let filter = asked.filter(&flow, session)?;
    if filter.state != Some(Fate::Dead) || !asked.is_narrow() {
        let why = "Choose a cause first, or narrow what is dead otherwise.";
        return Err(Failure::Invalid(why.to_owned()).into());
    }
    // Written first: what is done to many letters must not be done without an entry.
    let entry = session.did(&flow, "dead_letter.discard", "*", &asked.told());
    audit::note(&flow.db, entry).await?;
    replay::discard_letters(&flow, &filter, MOST).await?;
    // The same search says what is left.
    let mut back = asked.parameters();
    back.push(("done", "discard"));
    Ok(Redirect::to(&href(PATH, &back)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_says_how_many_it_takes_and_what_it_leaves() {
        let takes = |letters| Press::of(letters).map(|press| press.takes);
        assert_eq!(takes(0), None);
        assert_eq!(takes(1).as_deref(), Some("1 letter"));
        assert_eq!(takes(10_000).as_deref(), Some("10,000 letters"));
        assert_eq!(takes(10_001).as_deref(), Some("10,000 of 10,001 letters"));
        let warning = |letters| Press::of(letters).unwrap().warning;
        assert_eq!(
            warning(12_345),
            "Discard 10,000 of 12,345 letters, those that have waited longest? \
             Their calls stay as they are now."
        );
        assert_eq!(
            warning(2),
            "Discard 2 letters? Their calls stay as they are now."
        );
        assert_eq!(
            left(1),
            "1 letter like these is left: one press discards 10,000 at the most."
        );
        assert!(left(2_345).starts_with("2,345 letters like these are left"));
    }
}
