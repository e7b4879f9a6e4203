//! The letters of a filter: of how many causes they are, and each of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::asked::Asked;
use crate::console::access::{Posted, Refused, Session};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, counted, href, next, page, request};
use crate::event::Stage;
use crate::flow::Flow;
use crate::replay;
use crate::store::audit;
use crate::store::dead_letters::list::{self, Group};
use crate::store::dead_letters::{Kept, State as Fate};
use crate::store::tokens::Scope;
use crate::time::Timestamp;
use crate::verdict::Fault;

const PATH: &str = "/console/dead-letters";

/// Rows of a page.
const ROWS: usize = 50;

/// Letters that one press discards.
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
    /// How many letters a button discards; empty where there is none.
    discarded: String,
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
    // The causes stay all in sight when one of them is chosen.
    let mut all = filter.clone();
    all.fingerprint = None;
    let wanted = request(&asked.cursor, ROWS);
    let (groups, found) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let groups = list::groups(&mut conn, &all).await?;
                Ok((groups, list::list(&mut conn, &filter, &wanted).await?))
            })
        })
        .await?;
    let now = flow.host.now();
    let parameters = asked.parameters();
    let letters: i64 = groups.iter().map(|group| group.count).sum();
    let may_act = session.token.allows(Scope::OpsWrite);
    let discarded = if may_act && is_dead && !found.rows.is_empty() {
        discarded(&asked, &groups)
    } else {
        String::new()
    };
    let causes = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    let choice = |chosen: &str, value: &'static str| Choice {
        is_chosen: value == chosen,
        value,
    };
    let stages = ["receive"].into_iter().chain(Stage::ALL.map(Stage::as_str));
    let mut frame = session.frame("Dead letters", Section::DeadLetters);
    if asked.done == "discard" {
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
        discarded,
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

/// What a button discards. All that are dead are not discarded with one press.
fn discarded(asked: &Asked, groups: &[Group]) -> String {
    if !asked.is_narrow() {
        return String::new();
    }
    if !asked.failed_in.is_empty() {
        // The causes are those of now, and these letters may be of a cause of then.
        return "these letters".to_owned();
    }
    let of_cause =
        |group: &&Group| asked.fingerprint.is_empty() || group.fingerprint == asked.fingerprint;
    let letters = groups.iter().filter(of_cause).map(|group| group.count);
    counted(letters.sum(), "letter", "letters")
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
    Ok(Redirect::to(&format!("{PATH}?done=discard")).into_response())
}
