//! A job: its letters gathered once, in the order in which they go; and what people decide about it.

use std::collections::HashSet;
use std::time::Duration;

use super::pace;
use crate::flow::Flow;
use crate::memory::caller::CallerKey;
use crate::store::dead_letters::State;
use crate::store::dead_letters::list::{self, Brief, Filter};
use crate::store::replays::letters::{self, Place};
use crate::store::replays::{self, Job, Plan, Status};
use crate::store::{Result, audit};
use crate::time::Timestamp;

/// Letters that one query reads.
const PAGE: i64 = 2_000;

/// Letters that one transaction adds: it never holds the writer for long.
const BATCH: usize = 500;

/// A job that is to be made.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Which letters. Those that are dead, unless it says otherwise.
    pub filter: Filter,
    /// The same as the job's reader is told it: without who called.
    pub told: String,
    /// How to go about it.
    pub plan: Plan,
    /// Whether nobody said how many letters go first: then the usual number, not the plan's.
    pub usual_canary: bool,
}

/// A job can't be moved so from where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replay is {}", .0.as_str())]
pub struct NotNow(pub Status);

/// Makes a job, with an entry for the audit log, and lets it run. The log is told what was asked for.
pub async fn create(flow: &Flow, new: NewJob, mut entry: audit::Entry) -> Result<Job> {
    let now = entry.at;
    let mut filter = new.filter;
    filter.state.get_or_insert(State::Dead);
    let agents = filter.agents.clone();
    let mut job = Job {
        id: entry.target.clone(),
        status: Status::Running,
        reason: String::new(),
        filter: new.told,
        agents,
        plan: new.plan,
        total: 0,
        sent: 0,
        succeeded: 0,
        failed: 0,
        passed_over: 0,
        canary_left: 0,
        in_canary: false,
        judged_from: 0,
        created_by: entry.actor.clone(),
        created_at: now,
        updated_at: now,
        finished_at: None,
    };
    let blank = job.clone();
    flow.db
        .write(move |mut conn| Box::pin(async move { replays::add(&mut conn, &blank).await }))
        .await?;
    job.total = gather(flow, &job.id, filter, now).await?;
    if new.usual_canary {
        job.plan.canary = pace::usual_canary(job.total);
    }
    job.canary_left = i64::from(job.plan.canary);
    job.in_canary = job.canary_left > 0;
    if job.total == 0 {
        job.status = Status::Completed;
        job.finished_at = Some(now);
    }
    entry.detail = told(&job);
    let made = job.clone();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                replays::save(&mut conn, &made, !made.status.is_over()).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    Ok(job)
}

/// What a job was asked for, in words.
fn told(job: &Job) -> String {
    let Plan {
        rate,
        canary,
        canary_only,
        stop_at_failure_rate,
        state: _,
    } = &job.plan;
    let alone = if *canary_only { " alone" } else { "" };
    format!(
        "{}; total {}; rate {rate}; canary {canary}{alone}; stop_at_failure_rate {stop_at_failure_rate}",
        job.filter, job.total
    )
}

/// Writes down which letters the job has, those that were given up first before all others.
async fn gather(flow: &Flow, id: &str, mut filter: Filter, now: Timestamp) -> Result<i64> {
    // A letter that dies anew meanwhile moves behind this, so that gathering comes to an end.
    let end = now.plus(Duration::from_millis(1));
    filter.until = Some(filter.until.map_or(end, |until| until.min(end)));
    let mut found: Vec<(i64, String, String)> = Vec::new();
    let mut after = (i64::MIN, String::new());
    loop {
        let (wanted, from) = (filter.clone(), after.clone());
        let page = flow
            .db
            .read(move |mut conn| {
                Box::pin(
                    async move { list::briefs(&mut conn, &wanted, (from.0, &from.1), PAGE).await },
                )
            })
            .await?;
        let Some(last) = page.last() else { break };
        after = (last.last_at, last.id.clone());
        found.extend(page.into_iter().map(|brief| {
            let lane = lane_of(flow, &brief);
            (brief.first_at, brief.id, lane)
        }));
    }
    found.sort();
    let mut lanes = HashSet::new();
    let places: Vec<_> = (0..)
        .zip(found)
        .map(|(seq, (_, letter_id, lane))| Place {
            seq,
            letter_id,
            first: lanes.insert(lane.clone()),
            lane,
        })
        .collect();
    for batch in places.chunks(BATCH) {
        let (id, batch) = (id.to_owned(), batch.to_vec());
        flow.db
            .write(move |mut conn| {
                Box::pin(async move { letters::add(&mut conn, &id, &batch).await })
            })
            .await?;
    }
    Ok(i64::try_from(places.len()).unwrap_or(i64::MAX))
}

/// Letters of one caller run one after the other; so do those of one call whose caller is nobody.
fn lane_of(flow: &Flow, brief: &Brief) -> String {
    let platform = brief.platform.as_deref().unwrap_or_default();
    let caller = brief.caller_identity.as_deref().unwrap_or_default();
    let lane = match (CallerKey::of(platform, caller), &brief.conversation_id) {
        (Some(caller), _) => format!("caller\0{}", caller.as_str()),
        (None, Some(call)) => format!("call\0{call}"),
        (None, None) => format!("letter\0{}", brief.id),
    };
    // Who called must not be told by a row that an erasure does not know of.
    flow.seal.keyed_hash("replay lane", &lane)
}

/// Holds a running job. What is on its way comes to its verdict.
pub async fn pause(
    flow: &Flow,
    id: &str,
    entry: audit::Entry,
) -> Result<Option<std::result::Result<Job, NotNow>>> {
    decide(flow, id, entry, |job| match job.status {
        Status::Running | Status::Paused => Ok(Status::Paused),
        other => Err(NotNow(other)),
    })
    .await
}

/// Lets a job go on that was paused, or that has stopped by itself: then its failures so far are
/// forgiven, and its canary goes first again.
pub async fn resume(
    flow: &Flow,
    id: &str,
    entry: audit::Entry,
) -> Result<Option<std::result::Result<Job, NotNow>>> {
    decide(flow, id, entry, |job| match job.status {
        Status::Running | Status::Paused => Ok(Status::Running),
        Status::Stopped => {
            job.reason.clear();
            job.judged_from = job.done();
            job.canary_left = i64::from(job.plan.canary);
            job.in_canary = job.canary_left > 0;
            Ok(Status::Running)
        }
        other => Err(NotNow(other)),
    })
    .await
}

/// Ends a job. What is on its way comes to its verdict; the rest stays as it is.
pub async fn cancel(
    flow: &Flow,
    id: &str,
    entry: audit::Entry,
) -> Result<Option<std::result::Result<Job, NotNow>>> {
    decide(flow, id, entry, |job| match job.status {
        Status::Completed => Err(NotNow(Status::Completed)),
        _ => Ok(Status::Cancelled),
    })
    .await
}

/// Moves a job as somebody wants it, with an entry for the audit log. None when there is no such job.
async fn decide(
    flow: &Flow,
    id: &str,
    entry: audit::Entry,
    to: impl FnOnce(&mut Job) -> std::result::Result<Status, NotNow> + Send + 'static,
) -> Result<Option<std::result::Result<Job, NotNow>>> {
    let id = id.to_owned();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                replays::hold(&mut conn, &id).await?;
                let Some(mut job) = replays::get(&mut conn, &id).await? else {
                    return Ok(None);
                };
                let status = match to(&mut job) {
                    Ok(status) => status,
                    Err(why) => return Ok(Some(Err(why))),
                };
                if status == job.status {
                    return Ok(Some(Ok(job)));
                }
                job.status = status;
                job.updated_at = entry.at;
                if status.is_over() {
                    job.finished_at = Some(entry.at);
                }
                // Whoever drives it sees to what is on its way.
                replays::save(&mut conn, &job, true).await?;
                audit::add(&mut conn, &entry).await?;
                Ok(Some(Ok(job)))
            })
        })
        .await
}
