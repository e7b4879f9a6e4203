//! One replay: how far it is, and pause, resume or cancel.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::console::access::{Posted, Refused, Session};
use crate::console::failure::Failure;
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, encode, number, page};
use crate::flow::Flow;
use crate::replay;
use crate::store::replays::{self, Job, Status};
use crate::store::tokens::Scope;

/// The address of a replay's page.
pub(super) fn address(id: &str) -> String {
    format!("/console/replays/{}", encode(id))
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
    total: i64,
    figures: Vec<(&'static str, String)>,
    plan: String,
    filter: String,
    by: String,
    made: Moment,
    finished: Option<Moment>,
    may_pause: bool,
    may_resume: bool,
    may_cancel: bool,
}

pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let job = the_job(&flow, &session, id).await?;
    let now = flow.host.now();
    let may_act = session.token.allows(Scope::OpsWrite);
    Ok(page(&One {
        frame: session.frame("Replay", Section::Replays),
        address: address(&job.id),
        status: job.status.as_str(),
        told: told(&job),
        is_bad: job.status == Status::Stopped,
        is_live: job.status == Status::Running || job.in_flight() > 0,
        done: job.done(),
        total: job.total,
        figures: vec![
            (
                "done",
                format!("{} of {}", number(job.done()), number(job.total)),
            ),
            ("succeeded", number(job.succeeded)),
            ("failed again", number(job.failed)),
            ("passed over", number(job.passed_over)),
            ("on their way", number(job.in_flight())),
        ],
        plan: plan(&job),
        filter: job.filter.clone(),
        made: Moment::of(job.created_at, now),
        finished: job.finished_at.map(|at| Moment::of(at, now)),
        may_pause: may_act && job.status == Status::Running,
        may_resume: may_act && matches!(job.status, Status::Paused | Status::Stopped),
        may_cancel: may_act && !job.status.is_over(),
        by: job.created_by,
        id: job.id,
    })?)
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
