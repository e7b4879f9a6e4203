//! The work queue: messages in, deliveries out, verdicts carried out. It knows no stage.

use std::fmt;
use std::time::Duration;

use crate::event::{Message, Stage};
use crate::host::Host;
use crate::store::outbox::Depth;
use crate::store::{self, Db};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Verdict};

mod acks;
mod letter;
pub mod rabbit;
mod sql;

/// The queue did not take or give a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database that holds it failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] rabbit::Error),
    /// Neither the broker nor the database has taken the message.
    #[error("neither the broker nor the database takes messages")]
    Homeless,
}

/// What a queue function answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A message that was taken, until its verdict is carried out.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The attempts before it.
    pub history: Vec<Attempt>,
    /// When the message was made durable.
    pub enqueued_at: Timestamp,
    /// The trace that it carries, as a W3C `traceparent`.
    pub trace: Option<String>,
    claim: Claim,
}

/// What entitles to settle a delivery.
#[derive(Clone, Debug)]
enum Claim {
    /// A row of the outbox, and until when it is ours.
    Row(String, Timestamp),
    /// A delivery of the broker.
    Broker(rabbit::Held),
}

/// The queue, wherever it lives. The set is closed and ours: an enum.
#[derive(Clone)]
pub enum Queue {
    /// In the database.
    Sql(sql::SqlQueue),
    /// In RabbitMQ, and in the database while the broker does not answer.
    Rabbit(rabbit::RabbitQueue),
}

impl Queue {
    /// The queue in the database. `alone` says that no other process can hold a message of it.
    pub async fn in_database(db: Db, host: Host, alone: bool) -> Result<Self> {
        Ok(Self::Sql(sql::SqlQueue::open(db, host, alone).await?))
    }

    /// The queue on RabbitMQ. The broker need not be there yet.
    pub fn on_rabbit(settings: &rabbit::Settings, db: Db, host: &Host) -> Result<Self> {
        let queue = rabbit::RabbitQueue::open(settings, db, host)?;
        Ok(Self::Rabbit(queue))
    }

    /// Makes a message durable; it can be taken from `due_at` on. Returns once it is.
    pub async fn publish(&self, message: Message, due_at: Timestamp) -> Result<()> {
        match self {
            Self::Sql(queue) => queue.publish(message, due_at).await,
            Self::Rabbit(queue) => queue.publish(&message, due_at).await,
        }
    }

    /// Tells takers that a transaction has put messages into the outbox.
    pub fn wake(&self) {
        match self {
            Self::Sql(queue) => queue.wake(),
            Self::Rabbit(queue) => queue.wake(),
        }
    }

    /// The same, where all of them are of one stage: the others need not look.
    pub fn wake_stage(&self, stage: Stage) {
        match self {
            Self::Sql(queue) => queue.wake_stage(stage),
            Self::Rabbit(queue) => queue.wake(),
        }
    }

    /// Takes up to `limit` due messages of a stage; waits until there is one. Empty when the
    /// process should stop.
    pub async fn take(&self, stage: Stage, limit: usize) -> Result<Vec<Delivery>> {
        match self {
            Self::Sql(queue) => queue.take(stage, limit).await,
            Self::Rabbit(queue) => queue.take(stage, limit).await,
        }
    }

    /// Carries out a verdict. Where that fails it is tried again as long as the message is ours.
    pub async fn settle(&self, delivery: Delivery, verdict: Verdict) -> Result<()> {
        match (self, delivery.claim.clone()) {
            (Self::Sql(queue), Claim::Row(claim, until)) => {
                queue.settle(delivery, &claim, until, verdict).await
            }
            (Self::Rabbit(queue), Claim::Broker(held)) => {
                queue.settle(delivery, &held, verdict).await
            }
            _ => unreachable!("a delivery is settled with the queue that gave it"),
        }
    }

    /// How much waits at a stage.
    pub async fn depth(&self, stage: Stage) -> Result<Depth> {
        match self {
            Self::Sql(queue) => queue.depth(stage).await,
            Self::Rabbit(queue) => queue.depth(stage).await,
        }
    }

    /// Messages of all stages that wait outside their stage's queue for their time to come.
    pub async fn delayed(&self) -> Result<i64> {
        match self {
            Self::Sql(_) => Ok(0),
            Self::Rabbit(queue) => queue.delayed().await,
        }
    }

    /// How long a message can wait where it can't be taken out: the broker's longest delay. In the
    /// database nothing waits so.
    pub fn longest_wait(&self) -> Duration {
        match self {
            Self::Sql(_) => Duration::ZERO,
            Self::Rabbit(_) => rabbit::longest_wait(),
        }
    }

    /// Whether everything that has left the delays has been taken, too: no queue that a stage, or the
    /// keeper of dead letters, takes from has a message waiting. In the database nothing is out of
    /// reach.
    pub async fn is_taken(&self) -> Result<bool> {
        match self {
            Self::Sql(_) => Ok(true),
            Self::Rabbit(queue) => queue.is_taken().await,
        }
    }

    /// Where results are published for whoever has bound a queue; none without a broker.
    pub fn results(&self) -> Option<rabbit::Results> {
        match self {
            Self::Sql(_) => None,
            Self::Rabbit(queue) => Some(queue.results()),
        }
    }

    /// What the broker is to this process; none without one.
    pub fn broker(&self) -> Option<rabbit::BrokerState> {
        match self {
            Self::Sql(_) => None,
            Self::Rabbit(queue) => Some(queue.state()),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(_) => f.write_str("Queue::Sql"),
            Self::Rabbit(_) => f.write_str("Queue::Rabbit"),
        }
    }
}

/// How long a message may be held. A stage ends by itself well before.
pub const LEASE: Duration = Duration::from_secs(90);
