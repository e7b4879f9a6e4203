//! Drives jobs on: sends what the rate allows, collects verdicts, stops in time. One process drives a
//! job, under a lease; when it dies, another goes on from what is written down.

use std::sync::Arc;
use std::time::Duration;

use super::letter::{Course, carry_out, course_of};
use super::pace::{self, Bucket, Verdicts};
use crate::flow::Flow;
use crate::store::dead_letters::{self, Kept, State};
use crate::store::replays::letters::{self, Verdict};
use crate::store::replays::{self, Job, Status};
use crate::store::{Conn, Db, Result, audit};
use crate::time::Timestamp;

/// How long a driver has a job to itself without a word.
const LEASE: Duration = Duration::from_secs(15);

/// How often a process looks for jobs that nobody drives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a driver rests between two looks: at the least, and while it only waits for verdicts.
const REST: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// How long a driver rests after the database failed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Letters that one transaction sends or judges.
const BATCH: i64 = 100;

/// Starts looking for jobs; ends when the host should stop.
pub fn start(flow: &Arc<Flow>) {
    flow.host.spawn(look(Arc::clone(flow)));
}

async fn look(flow: Arc<Flow>) {
    // Only one process has the file: whoever drove a job before is dead.
    let mut freed = !matches!(flow.db, Db::Sqlite(_));
    loop {
        match claim(&flow, &mut freed).await {
            Ok(Some(driver)) => {
                flow.host.spawn(driver.run());
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %error, "Replays could not be looked for"),
        }
        if !flow.host.pause(LOOK_EVERY).await {
            return;
        }
    }
}

async fn claim(flow: &Arc<Flow>, freed: &mut bool) -> Result<Option<Driver>> {
    let now = flow.host.now();
    if !*freed {
        flow.db
            .write(|mut conn| Box::pin(async move { replays::release_all(&mut conn).await }))
            .await?;
        *freed = true;
    }
    // Mostly there is none, and nothing to do must not cost a commit.
    let any = flow
        .db
        .read(move |mut conn| Box::pin(async move { replays::any_to_claim(&mut conn, now).await }))
        .await?;
    if !any {
        return Ok(None);
    }
    let lease = hex::encode(flow.host.dice.bytes::<8>());
    let mine = lease.clone();
    let claimed = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move { replays::claim(&mut conn, &mine, now, LEASE).await })
        })
        .await?;
    Ok(claimed.map(|id| Driver {
        flow: Arc::clone(flow),
        id,
        lease,
        held_until: now.plus(LEASE),
        bucket: None,
    }))
}

/// Whether a driver goes on.
enum Next {
    /// After a rest.
    Rest(Duration),
    /// The job needs nobody any more, or another process has it.
    Leave,
}

/// What is known of a job before anything is written.
struct Look {
    job: Job,
    judged: Vec<(i64, Verdict)>,
    turn: Vec<(i64, Option<Kept>)>,
}

/// A process's hold on one job.
struct Driver {
    flow: Arc<Flow>,
    id: String,
    lease: String,
    held_until: Timestamp,
    bucket: Option<Bucket>,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let rest = match self.step().await {
                Ok(Next::Rest(rest)) => rest,
                Ok(Next::Leave) => return,
                Err(error) => {
                    tracing::warn!(error = %error, "A replay could not be driven on");
                    PATIENCE
                }
            };
            if !self.flow.host.pause(rest).await {
                return self.release().await;
            }
        }
    }

    async fn step(&mut self) -> Result<Next> {
        let now = self.flow.host.now();
        let Some(look) = self.look(now).await? else {
            return Ok(Next::Leave);
        };
        let running = look.job.status == Status::Running;
        let idle = look.turn.is_empty() && look.job.in_flight() == 0;
        let mut next = Next::Rest(REST.1);
        if !look.judged.is_empty() || idle || !running && look.job.in_flight() == 0 {
            next = self.collect(look.judged, now).await?;
        } else if self.held_until.since(now) < LEASE / 2 {
            next = self.collect(Vec::new(), now).await?;
        }
        if matches!(next, Next::Leave) || look.turn.is_empty() {
            return Ok(next);
        }
        self.send(look.turn, now).await
    }

    /// Reads how the job stands, and whose turn it is.
    async fn look(&mut self, now: Timestamp) -> Result<Option<Look>> {
        let id = self.id.clone();
        let tokens = self
            .bucket
            .as_mut()
            .map_or(1, |bucket| bucket.available(now));
        let look = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    let Some(job) = replays::get(&mut conn, &id).await? else {
                        return Ok(None);
                    };
                    let judged = letters::judged(&mut conn, &id, BATCH).await?;
                    let most = tokens.min(pace::room(&job)).min(BATCH);
                    let mut turn = Vec::new();
                    if job.status == Status::Running && most > 0 {
                        for (seq, letter) in letters::ready(&mut conn, &id, most).await? {
                            turn.push((seq, dead_letters::get(&mut conn, &letter).await?));
                        }
                    }
                    Ok(Some(Look { job, judged, turn }))
                })
            })
            .await?;
        if let Some(look) = &look {
            self.bucket
                .get_or_insert_with(|| Bucket::new(look.job.plan.rate, now));
        }
        Ok(look)
    }

    /// Writes verdicts down, and what they make of the job.
    async fn collect(&mut self, judged: Vec<(i64, Verdict)>, now: Timestamp) -> Result<Next> {
        let (id, lease, until) = (self.id.clone(), self.lease.clone(), now.plus(LEASE));
        let entry_id = crate::id::fresh("audit_", now, self.flow.host.dice.bytes());
        let watched = self
            .flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    if !replays::renew(&mut conn, &id, &lease, until).await? {
                        return Ok(false);
                    }
                    let Some(mut job) = replays::get(&mut conn, &id).await? else {
                        return Ok(false);
                    };
                    count(&mut conn, &mut job, judged, now).await?;
                    let was = job.status;
                    let verdicts = verdicts(&mut conn, &job).await?;
                    pace::judge(&mut job, verdicts, now);
                    let watched = job.status == Status::Running || job.in_flight() > 0;
                    replays::save(&mut conn, &job, watched).await?;
                    if job.status != was {
                        audit::add(&mut conn, &entry(entry_id, &job, now)).await?;
                    }
                    if !watched {
                        replays::release(&mut conn, &id, &lease).await?;
                    }
                    Ok(watched)
                })
            })
            .await?;
        self.held_until = until;
        Ok(if watched {
            Next::Rest(REST.0)
        } else {
            Next::Leave
        })
    }

    /// Sends the letters whose turn it is.
    async fn send(&mut self, turn: Vec<(i64, Option<Kept>)>, now: Timestamp) -> Result<Next> {
        let turn: Vec<_> = turn
            .into_iter()
            .map(|(seq, letter)| {
                let letter = letter.map(|letter| (course_of(&self.flow, &letter), letter));
                (seq, letter)
            })
            .collect();
        let (id, lease, until) = (self.id.clone(), self.lease.clone(), now.plus(LEASE));
        let sent = self
            .flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    if !replays::renew(&mut conn, &id, &lease, until).await? {
                        return Ok(None);
                    }
                    let Some(mut job) = replays::get(&mut conn, &id).await? else {
                        return Ok(None);
                    };
                    if job.status != Status::Running {
                        return Ok(Some(0));
                    }
                    let before = job.sent;
                    for (seq, letter) in turn {
                        send(&mut conn, &mut job, seq, letter, now).await?;
                    }
                    replays::save(&mut conn, &job, true).await?;
                    Ok(Some(job.sent - before))
                })
            })
            .await?;
        let Some(sent) = sent else {
            return Ok(Next::Leave);
        };
        self.flow.queue.wake();
        self.held_until = until;
        let rest = self.bucket.as_mut().map_or(REST.1, |bucket| {
            bucket.take(sent);
            bucket.next()
        });
        Ok(Next::Rest(rest.clamp(REST.0, REST.1)))
    }

    /// Lets the job go: another process may drive it on at once.
    async fn release(self) {
        let (id, lease) = (self.id, self.lease);
        let released = self
            .flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { replays::release(&mut conn, &id, &lease).await })
            })
            .await;
        if let Err(error) = released {
            tracing::debug!(error = %error, "A replay waits until its lease is over");
        }
    }
}

/// Writes verdicts down.
async fn count(
    conn: &mut Conn<'_>,
    job: &mut Job,
    judged: Vec<(i64, Verdict)>,
    now: Timestamp,
) -> Result<()> {
    for (seq, verdict) in judged {
        if !letters::judge(conn, &job.id, seq, &verdict, job.done()).await? {
            continue;
        }
        match verdict {
            Verdict::Succeeded => job.succeeded += 1,
            Verdict::Failed(_) => job.failed += 1,
            Verdict::PassedOver => job.passed_over += 1,
        }
        job.updated_at = now;
    }
    Ok(())
}

async fn verdicts(conn: &mut Conn<'_>, job: &Job) -> Result<Verdicts> {
    let from = job.judged_from;
    Ok(Verdicts {
        canary: if job.in_canary {
            letters::tally(conn, &job.id, from, i64::MAX).await?
        } else {
            (0, 0)
        },
        last: letters::tally(conn, &job.id, from, pace::WINDOW).await?,
        left: letters::any_left(conn, &job.id).await?,
    })
}

/// Sends one letter. One that is on its way already is not sent twice: its verdict counts here, too.
async fn send(
    conn: &mut Conn<'_>,
    job: &mut Job,
    seq: i64,
    letter: Option<(Course, Kept)>,
    now: Timestamp,
) -> Result<()> {
    if !letters::send(conn, &job.id, seq).await? {
        return Ok(());
    }
    job.sent += 1;
    job.canary_left -= i64::from(job.in_canary);
    job.updated_at = now;
    match letter {
        // Its verdict is read off the letter, which is none any more.
        None => {}
        Some((_, letter)) if letter.state == State::Resolved => {}
        Some((_, letter)) if letter.state == State::Replaying && job.plan.state != letter.state => {
        }
        Some((_, letter)) if letter.state == State::Discarded && job.plan.state != letter.state => {
            count(conn, job, vec![(seq, Verdict::PassedOver)], now).await?;
        }
        Some((course, letter)) => {
            carry_out(conn, course, letter, now).await?;
        }
    }
    Ok(())
}

/// What the job came to, for the audit log.
fn entry(id: String, job: &Job, now: Timestamp) -> audit::Entry {
    audit::Entry {
        id,
        at: now,
        actor: "system".to_owned(),
        action: format!("replay.{}", job.status.as_str()),
        target: job.id.clone(),
        detail: format!(
            "{} of {} done, {} succeeded, {} failed",
            job.done(),
            job.total,
            job.succeeded,
            job.failed
        ),
    }
}
