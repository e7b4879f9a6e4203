//! A replay before it runs: what it would do, and how it is to go about it.

use std::str::FromStr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::console::access::{Posted, Refused, Session};
use crate::console::dead_letters::{self, Asked};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{counted, number, page};
use crate::flow::Flow;
use crate::replay::{self, Callee, Change, Effect, Example};
use crate::store::dead_letters::State as Fate;
use crate::store::replays::Plan;
use crate::store::tokens::Scope;

/// Examples that are shown.
const SHOWN: usize = 20;

struct Row {
    href: String,
    id: String,
    stage: String,
    effect: &'static str,
    is_bad: bool,
    note: String,
}

impl Row {
    fn new(example: Example) -> Self {
        let change = example.end_reason.as_ref().map(told).unwrap_or_default();
        let facts = match i64::try_from(example.facts).unwrap_or(i64::MAX) {
            0 => String::new(),
            facts => format!("adds {}", counted(facts, "fact", "facts")),
        };
        let calls = match &example.calls[..] {
            [] => String::new(),
            calls => format!(
                "calls {}",
                calls.iter().map(named).collect::<Vec<_>>().join(", ")
            ),
        };
        let note = [example.note.unwrap_or_default(), change, facts, calls];
        let note: Vec<_> = note.into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            href: dead_letters::address(&example.id),
            effect: match example.effect {
                Effect::WouldRun => "would run",
                Effect::AlreadyDone => "already done",
                Effect::WouldFail => "would fail again",
                Effect::NotAsked => "not asked",
            },
            is_bad: example.effect == Effect::WouldFail,
            note: note.join("; "),
            stage: example.stage,
            id: example.id,
        }
    }
}

fn told(change: &Change) -> String {
    let name = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "end reason from {} to {}",
        name(&change.from),
        name(&change.to)
    )
}

/// An endpoint by its address, or by its id where the address is not for these eyes.
fn named(callee: &Callee) -> String {
    callee.url.as_ref().unwrap_or(&callee.id).clone()
}

#[derive(Template)]
#[template(path = "replays/new.html")]
struct New {
    frame: Frame,
    total: String,
    is_empty: bool,
    looked_at: String,
    effects: Vec<(&'static str, String)>,
    changes: Vec<(String, String)>,
    calls: Vec<(String, String)>,
    rows: Vec<Row>,
    filter: Vec<(&'static str, String)>,
    back: String,
}

/// Shows what a replay of a filter would do. Nothing is written.
pub(super) async fn preview(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Replays)?;
    session.require(Scope::OpsWrite)?;
    let preview = replay::preview(&flow, asked.filter(&flow, &session)?).await?;
    let effects = &preview.effects;
    let count = |n: u64| number(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(page(&New {
        frame: session.frame("Preview of a replay", Section::Replays),
        total: counted(preview.total, "letter", "letters"),
        is_empty: preview.total == 0,
        looked_at: count(effects.looked_at),
        effects: vec![
            ("would run", count(effects.would_run)),
            ("already done", count(effects.already_done)),
            ("would fail again", count(effects.would_fail)),
            ("not asked about", count(effects.not_asked)),
            (
                "would change an end reason",
                count(effects.would_change_end_reason),
            ),
            ("facts would be added", count(effects.would_add_facts)),
        ],
        changes: effects
            .end_reasons
            .iter()
            .map(|(change, calls)| (told(change), count(*calls)))
            .collect(),
        calls: effects
            .calls
            .iter()
            .map(|(callee, events)| (named(callee), count(*events)))
            .collect(),
        rows: preview
            .examples
            .into_iter()
            .take(SHOWN)
            .map(Row::new)
            .collect(),
        back: asked.href("/console/dead-letters"),
        filter: asked
            .parameters()
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
    })?)
}

/// Lets a replay run.
pub(super) async fn create(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Replays)?;
    session.require(Scope::OpsWrite)?;
    let asked = Asked::of(&posted);
    let filter = asked.filter(&flow, session)?;
    let plan = plan(&posted, filter.state.unwrap_or(Fate::Dead))?;
    let host = &flow.host;
    let id = crate::id::fresh("replay_", host.now(), host.dice.bytes());
    let told = asked.told();
    let entry = session.did(&flow, "replay.create", &id, "");
    let new = replay::NewJob {
        filter,
        told,
        usual_canary: posted.field("canary").is_none(),
        plan,
    };
    let job = replay::create(&flow, new, entry).await?;
    Ok(Redirect::to(&super::one::address(&job.id)).into_response())
}

fn plan(posted: &Posted, state: Fate) -> Result<Plan, Failure> {
    let canary = read(
        posted,
        "canary",
        0_u32,
        |n| *n <= 10_000,
        "a whole number from 0 to 10,000",
    )?;
    let canary_only = posted.field("canary_only").is_some();
    if canary_only && canary == 0 {
        return Err(Failure::Invalid(
            "A canary that is all needs at least one letter.".to_owned(),
        ));
    }
    let percent = read(
        posted,
        "stop_at",
        10.0,
        |n| (0.0..=100.0).contains(n),
        "a share from 0 to 100",
    )?;
    Ok(Plan {
        rate: read(
            posted,
            "rate",
            10.0,
            |n| (0.001..=10_000.0).contains(n),
            "letters a second, up to 10,000",
        )?,
        canary,
        canary_only,
        stop_at_failure_rate: percent / 100.0,
        state,
    })
}

fn read<T: FromStr>(
    posted: &Posted,
    name: &str,
    unless_told: T,
    fits: impl Fn(&T) -> bool,
    wanted: &str,
) -> Result<T, Failure> {
    let Some(text) = posted.field(name) else {
        return Ok(unless_told);
    };
    text.parse()
        .ok()
        .filter(fits)
        .ok_or_else(|| Failure::Invalid(format!("{name}: give {wanted}.")))
}
