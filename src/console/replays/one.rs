//! One replay: how far it is, and pause, resume or cancel.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::console::access::{Posted, Refused, Session};
use crate::console::dead_letters;
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, counted, encode, href, number, page};
use crate::flow::Flow;
use crate::replay;
use crate::store::replays::causes::{self, Failed};
use crate::store::replays::{self, Job, Status};
use crate::store::tokens::Scope;

/// The address of a replay's page.
pub(super) fn address(id: &str) -> String {
    format!("/console/replays/{}", encode(id))
}

/// A part of the bar, in thousandths of its width.
struct Part {
    class: &'static str,
    x: i64,
    width: i64,
}

/// How far a job is: what is resolved, what has failed again, and what was passed over.
struct Bar {
    told: String,
    parts: Vec<Part>,
}

impl Bar {
    fn of(job: &Job) -> Self {
        let shares = [
            ("good", job.succeeded),
            ("bad", job.failed),
            ("faint", job.passed_over),
        ];
        let place = |letters: i64| letters * 1_000 / job.total.max(1);
        let (mut before, mut parts) = (0, Vec::new());
        for (class, letters) in shares.into_iter().filter(|(_, letters)| *letters > 0) {
            let x = place(before);
            before += letters;
            // A failure in fifty thousand must be seen, too.
            let width = (place(before) - x).max(4);
            parts.push(Part { class, x, width });
        }
        Self {
            told: format!(
                "{} of {} letters have a verdict: {} resolved, {} failed again",
                number(job.done()),
                number(job.total),
                number(job.succeeded),
                number(job.failed)
            ),
            parts,
        }
    }
}

struct Figure {
    name: &'static str,
    count: String,
    is_bad: bool,
}

/// Letters that have failed again of the same.
struct Cause {
    href: String,
    letters: String,
    message: String,
    code: String,
    stage: String,
    fault: &'static str,
    first: String,
    first_href: String,
}

impl Cause {
    fn new(failed: Failed, replay: &str) -> Self {
        let Failed { cause, letters } = failed;
        // They may have been replayed since, and be anything by now.
        let about = [
            ("state", "any"),
            ("fingerprint", cause.fingerprint.as_str()),
            ("failed_in", replay),
        ];
        Self {
            href: href("/console/dead-letters", &about),
            letters: counted(letters, "letter", "letters"),
            message: cause.message,
            code: cause.code,
            stage: cause.stage,
            fault: cause.fault.as_str(),
            first_href: dead_letters::address(&cause.letter_id),
            first: cause.letter_id,
        }
    }
}

#[derive(Template)]
#[template(path = "replays/one.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what the page shows, each by itself"
)]
struct One {
    frame: Frame,
    address: String,
    id: String,
    status: &'static str,
    told: String,
    is_bad: bool,
    is_live: bool,
    done: i64,
    bar: Bar,
    figures: Vec<Figure>,
    causes: Vec<Cause>,
    plan: String,
    letters: String,
    by: String,
    made: Moment,
    finished: Option<Moment>,
    may_pause: bool,
    may_resume: bool,
    may_cancel: bool,
    /// The preview of a replay of what has failed; empty where there is none to be had.
    again: String,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let job = the_job(&flow, &session, id).await?;
    let id = job.id.clone();
    let failed = flow
        .db
        .read(move |mut conn| Box::pin(async move { causes::of(&mut conn, &id).await }))
        .await?;
    let now = flow.host.now();
    let may_act = session.token.allows(Scope::OpsWrite);
    let filter = serde_json::from_str(&job.filter).unwrap_or_default();
    Ok(page(&One {
        frame: session.frame("Replay", Section::Replays),
        address: address(&job.id),
        status: job.status.as_str(),
        told: told(&job),
        is_bad: went_wrong(&job),
        is_live: job.status == Status::Running || job.in_flight() > 0,
        done: job.done(),
        bar: Bar::of(&job),
        figures: figures(&job),
        causes: failed
            .into_iter()
            .map(|one| Cause::new(one, &job.id))
            .collect(),
        plan: plan(&job),
        letters: replay::in_words(&filter),
        made: Moment::of(job.created_at, now),
        finished: job.finished_at.map(|at| Moment::of(at, now)),
        may_pause: may_act && job.status == Status::Running,
        may_resume: may_act && matches!(job.status, Status::Paused | Status::Stopped),
        may_cancel: may_act && !job.status.is_over(),
        again: if may_act && job.status.is_over() && job.failed > 0 {
            href("/console/replays/new", &[("failed_in", &job.id)])
        } else {
            String::new()
        },
        by: job.created_by,
        id: job.id,
    })?)
}

/// Whether it ended otherwise than it should: by itself, or with letters that are dead again.
pub(super) fn went_wrong(job: &Job) -> bool {
    job.status == Status::Stopped || (job.status.is_over() && job.failed > 0)
}

fn figures(job: &Job) -> Vec<Figure> {
    let figure = |name, count| Figure {
        name,
        count,
        is_bad: false,
    };
    let done = format!("{} of {}", number(job.done()), number(job.total));
    vec![
        figure("done", done),
        figure("resolved", number(job.succeeded)),
        Figure {
            is_bad: job.failed > 0,
            ..figure("failed again", number(job.failed))
        },
        figure("passed over", number(job.passed_over)),
        figure("on their way", number(job.in_flight())),
    ]
}

/// Pauses, resumes or cancels.
pub(super) async fn decide(
    State(flow): State<Arc<Flow>>,
    Path((id, decision)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::OpsWrite)?;
    let job = the_job(&flow, session, id).await?;
    let did = |action: &str| session.did(&flow, action, &job.id, "");
    let decided = match decision.as_str() {
        "pause" => replay::pause(&flow, &job.id, did("replay.pause")).await?,
        "resume" => replay::resume(&flow, &job.id, did("replay.resume")).await?,
        "cancel" => replay::cancel(&flow, &job.id, did("replay.cancel")).await?,
        _ => return Err(Failure::NotFound("page").into()),
    };
    match decided {
        None => Err(Failure::NotFound("replay").into()),
        Some(Err(why)) => Err(Failure::Conflict(format!("{why}.")).into()),
        Some(Ok(job)) => Ok(Redirect::to(&address(&job.id)).into_response()),
    }
}

async fn the_job(flow: &Flow, session: &Session, id: String) -> Result<Job, Failure> {
    session.enter(Section::Replays)?;
    let job = flow
        .db
        .read(move |mut conn| Box::pin(async move { replays::get(&mut conn, &id).await }))
        .await?;
    let agents = &session.token.agents;
    job.filter(|job| agents.is_empty() || job.agents == *agents)
        .ok_or(Failure::NotFound("replay"))
}

fn told(job: &Job) -> String {
    match job.status {
        Status::Running if job.in_canary => "The canary is on its way; its verdicts are awaited.",
        Status::Running => "Letters are sent.",
        Status::Paused => "Somebody holds it. What is on its way comes to its verdict.",
        Status::Stopped => return job.reason.clone(),
        Status::Cancelled => "Somebody has ended it. The rest stays as it is.",
        Status::Completed if job.plan.canary_only => {
            "The canary has its verdicts; it was all that was asked for."
        }
        Status::Completed if job.failed > 0 => {
            let failed = counted(job.failed, "letter is", "letters are");
            return format!("Every letter has its verdict, and {failed} dead again.");
        }
        Status::Completed => "Every letter has its verdict.",
    }
    .to_owned()
}

fn plan(job: &Job) -> String {
    let plan = &job.plan;
    let canary = match plan.canary {
        0 => "no canary".to_owned(),
        n if plan.canary_only => format!("a canary of {n}, and no more"),
        n => format!("a canary of {n} first"),
    };
    format!(
        "{} a second, {canary}, stops above {:.0} of 100 failures",
        plan.rate,
        plan.stop_at_failure_rate * 100.0
    )
}
