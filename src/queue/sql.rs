//! The queue in the database: the outbox is the queue, a lease is a claim on a row.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::acks::{Acks, take_out};
use super::letter::{MAX_TAKES, crashed_worker, keep, letter_of, letter_of_body, remember};
use super::{Claim, Delivery, Error, LEASE, Result};
use crate::event::{Message, Stage};
use crate::host::Host;
use crate::store::dead_letters::Letter;
use crate::store::outbox::{self, Claimed, Depth};
use crate::store::{Conn, Db};
use crate::time::Timestamp;
use crate::trace;
use crate::verdict::{Attempt, Failure, Verdict};

/// Looked for at least this often, for messages that another process put in.
const POLL: Duration = Duration::from_secs(1);

/// How long a verdict rests that the database did not take.
const REST: Duration = Duration::from_secs(1);

/// The queue in a database.
#[derive(Clone, Debug)]
pub struct SqlQueue {
    db: Db,
    host: Host,
    news: Arc<[Notify; Stage::ALL.len()]>,
    acks: Acks,
}

impl SqlQueue {
    pub(super) async fn open(db: Db, host: Host, alone: bool) -> Result<Self> {
        if alone {
            // Whoever held these is dead: they need not wait for their leases to end.
            db.write(|mut conn| Box::pin(async move { outbox::free_all(&mut conn).await }))
                .await?;
        }
        Ok(Self {
            db,
            host,
            news: Arc::default(),
            acks: Acks::default(),
        })
    }

    pub(super) async fn publish(&self, message: Message, due_at: Timestamp) -> Result<()> {
        let now = self.host.now();
        let stage = message.stage();
        self.db
            .write(move |mut conn| {
                Box::pin(async move { outbox::put(&mut conn, &message, due_at, now).await })
            })
            .await?;
        self.wake_stage(stage);
        Ok(())
    }

    pub(super) fn wake(&self) {
        for news in &*self.news {
            news.notify_one();
        }
    }

    pub(super) fn wake_stage(&self, stage: Stage) {
        self.news(stage).notify_one();
    }

    fn news(&self, stage: Stage) -> &Notify {
        &self.news[stage as usize]
    }

    pub(super) async fn take(&self, stage: Stage, limit: usize) -> Result<Vec<Delivery>> {
        // A claim that finds nothing is a commit, too: what was not told of is looked for by reading. What is
        // told between that and listening waits for the listener.
        let mut until_due = self.until_due(stage).await?;
        while !self.host.stop.is_cancelled() {
            // Listen *before* looking, so that what is put in meanwhile is not missed.
            let news = self.news(stage).notified();
            if until_due.is_zero() {
                let taken = self.claim(stage, limit).await?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
                until_due = self.until_due(stage).await?;
            }
            // A little late at most: a due time that has just passed must not spin.
            let nap = until_due.clamp(Duration::from_millis(5), POLL);
            tokio::select! {
                () = self.host.stop.cancelled() => break,
                () = news => {}
                () = self.host.clock.sleep(nap) => {}
            }
            until_due = Duration::ZERO;
        }
        Ok(Vec::new())
    }

    /// How long it is until the next message is due, as far as anybody knows.
    async fn until_due(&self, stage: Stage) -> Result<Duration> {
        let next = self
            .db
            .read(move |mut conn| Box::pin(async move { outbox::next_due(&mut conn, stage).await }))
            .await?;
        Ok(next.map_or(POLL, |due| due.since(self.host.now())))
    }

    async fn claim(&self, stage: Stage, limit: usize) -> Result<Vec<Delivery>> {
        let now = self.host.now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claim = hex::encode(self.host.dice.bytes::<8>());
        let mine = claim.clone();
        let claimed = self
            .db
            .write(move |mut conn| {
                Box::pin(
                    async move { outbox::claim(&mut conn, stage, &mine, now, LEASE, limit).await },
                )
            })
            .await?;
        let mut taken = Vec::with_capacity(claimed.len());
        for one in claimed {
            match read(&one) {
                Ok(message) => taken.push(Delivery {
                    message,
                    attempt: one.attempts.saturating_add(1),
                    history: one.history,
                    trace: trace::carried_by(&one.body),
                    enqueued_at: one.created_at,
                    claim: Claim::Row(claim.clone(), now.plus(LEASE)),
                }),
                Err(why) => self.park_unread(stage, one, claim.clone(), why).await?,
            }
        }
        Ok(taken)
    }

    /// Carries a verdict out; while the database is away, again as long as the row is ours.
    pub(super) async fn settle(
        &self,
        delivery: Delivery,
        claim: &str,
        until: Timestamp,
        verdict: Verdict,
    ) -> Result<()> {
        let stage = delivery.message.stage();
        let settlement = Settlement::of(delivery, verdict, self.host.now());
        if let Settlement::Done(id) = &settlement {
            let now = self.host.now();
            if self
                .acks
                .ack(&self.db, id.clone(), claim.to_owned(), now)
                .await
            {
                return Ok(());
            }
        }
        let given_up = matches!(settlement, Settlement::Park(_));
        while let Err(error) = self.carry_out(&settlement, claim).await {
            let away = matches!(&error, Error::Store(error) if error.is_unavailable());
            let ours = self.host.now().plus(REST) < until;
            if !away || !ours || !self.host.pause(REST).await {
                return Err(error);
            }
        }
        if given_up {
            metrics::counter!("aftercall_dead_letters_total", "stage" => stage.as_str())
                .increment(1);
        }
        self.wake_stage(stage);
        Ok(())
    }

    async fn carry_out(&self, settlement: &Settlement, claim: &str) -> Result<()> {
        let (now, claim) = (self.host.now(), claim.to_owned());
        let settlement = settlement.clone();
        self.db
            .write(move |mut conn| {
                Box::pin(async move {
                    match settlement {
                        Settlement::Done(id) => take_out(&mut conn, &[(id, claim)], now).await,
                        Settlement::Again(again) => {
                            let due_at = now.plus(again.after);
                            let (id, history) = (&again.id, &again.history);
                            outbox::put_back(
                                &mut conn,
                                id,
                                &claim,
                                again.attempts,
                                history,
                                due_at,
                            )
                            .await?;
                            Ok(())
                        }
                        Settlement::Park(letter) => park(&mut conn, &letter, &claim, now).await,
                    }
                })
            })
            .await?;
        Ok(())
    }

    async fn park_unread(
        &self,
        stage: Stage,
        one: Claimed,
        claim: String,
        why: Failure,
    ) -> Result<()> {
        let now = self.host.now();
        let mut letter = letter_of_body(stage.as_str(), one.id, one.body, why, one.history);
        remember(&mut letter.attempts, now, &letter.cause, true);
        self.db
            .write(move |mut conn| {
                Box::pin(async move { park(&mut conn, &letter, &claim, now).await })
            })
            .await?;
        Ok(())
    }

    pub(super) async fn depth(&self, stage: Stage) -> Result<Depth> {
        Ok(self
            .db
            .read(move |mut conn| Box::pin(async move { outbox::depth(&mut conn, stage).await }))
            .await?)
    }
}

/// What a verdict makes of a message's row.
#[derive(Clone)]
enum Settlement {
    /// It leaves.
    Done(String),
    /// It stays, for later.
    Again(Again),
    /// It leaves, and a letter stays.
    Park(Box<Letter>),
}

#[derive(Clone)]
struct Again {
    id: String,
    attempts: u32,
    history: Vec<Attempt>,
    after: Duration,
}

impl Settlement {
    fn of(delivery: Delivery, verdict: Verdict, now: Timestamp) -> Self {
        let Delivery {
            message,
            attempt,
            mut history,
            ..
        } = delivery;
        let id = message.id.clone();
        let (attempts, after) = match verdict {
            Verdict::Done => return Self::Done(id),
            Verdict::Park { why } => {
                remember(&mut history, now, &why, true);
                let body = message.encode();
                return Self::Park(Box::new(letter_of(&message, body, why, history)));
            }
            Verdict::Retry { after, why } => {
                remember(&mut history, now, &why, true);
                (attempt, after)
            }
            Verdict::Wait { after, why } => {
                remember(&mut history, now, &why, false);
                (attempt - 1, after)
            }
            Verdict::Defer { after } => (attempt - 1, after),
        };
        Self::Again(Again {
            id,
            attempts,
            history,
            after,
        })
    }
}

fn read(claimed: &Claimed) -> std::result::Result<Message, Failure> {
    if claimed.takes > MAX_TAKES {
        return Err(crashed_worker());
    }
    Message::decode(&claimed.body).map_err(|error| Failure::poison("unreadable_message", error))
}

/// The message leaves the queue and the letter is there, or neither.
async fn park(
    conn: &mut Conn<'_>,
    letter: &Letter,
    claim: &str,
    now: Timestamp,
) -> crate::store::Result<()> {
    if outbox::remove(conn, &letter.message_id, claim).await? {
        keep(conn, letter, now).await?;
    }
    Ok(())
}
