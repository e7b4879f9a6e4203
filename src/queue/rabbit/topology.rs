//! The exchanges and queues, declared the same way every time: a second declaration changes nothing.
//!
//! Everything that must not differ between two versions or two processes is a queue *argument* with a
//! fixed value; lengths and memory belong into policies, which an operator may change.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use super::link::{self, Error, Result, within};
use crate::event::Stage;
use crate::queue::letter::MAX_TAKES;

/// A queue that holds every message for the same time, then lets it go to work.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tier {
    name: &'static str,
    /// How long.
    pub(super) wait: Duration,
}

/// One set for all stages: a message's own routing key brings it back.
pub(super) const TIERS: [Tier; 7] = [
    Tier::new("1s", Duration::from_secs(1)),
    Tier::new("2s", Duration::from_secs(2)),
    Tier::new("5s", Duration::from_secs(5)),
    Tier::new("10s", Duration::from_secs(10)),
    Tier::new("30s", Duration::from_secs(30)),
    Tier::new("2m", Duration::from_mins(2)),
    Tier::new("10m", Duration::from_mins(10)),
];

impl Tier {
    const fn new(name: &'static str, wait: Duration) -> Self {
        Self { name, wait }
    }

    /// The smallest that is not shorter; none when all are.
    pub(super) fn for_wait(wait: Duration) -> Option<&'static Self> {
        TIERS.iter().find(|tier| tier.wait >= wait)
    }

    /// The longest one.
    pub(super) fn longest() -> &'static Self {
        &TIERS[TIERS.len() - 1]
    }
}

/// What the exchanges and queues are called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The direct exchange whose keys are the stages.
    pub(super) fn work(&self) -> String {
        format!("{}.work", self.prefix)
    }

    /// A stage's queue.
    pub(super) fn stage(&self, stage: Stage) -> String {
        format!("{}.{}", self.prefix, stage.as_str())
    }

    /// A tier's exchange, and its queue.
    pub(super) fn tier(&self, tier: &Tier) -> String {
        format!("{}.delay.{}", self.prefix, tier.name)
    }

    /// The doorway for dead letters.
    pub(super) fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The topic exchange that results are announced on.
    pub(super) fn results(&self) -> String {
        format!("{}.results", self.prefix)
    }
}

/// Declares everything. Work queues and their bindings come before the tiers, so that no message can
/// come out of a tier and find nobody.
pub(super) async fn declare(connection: &Connection, names: &Names) -> Result<()> {
    let channel = link::channel(connection).await?;
    let work = names.work();
    exchange(&channel, &work, ExchangeKind::Direct).await?;
    exchange(&channel, &names.results(), ExchangeKind::Topic).await?;
    let dead = names.dead();
    queue(&channel, &dead, arguments(&[])).await?;
    for stage in Stage::ALL {
        let name = names.stage(stage);
        // Through the default exchange, which leads to the queue of that name.
        let doorway = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(&dead)),
            (
                "x-delivery-limit",
                number(i32::try_from(MAX_TAKES).unwrap_or(i32::MAX)),
            ),
            ("x-dead-letter-strategy", text("at-least-once")),
        ];
        queue(&channel, &name, arguments(&doorway)).await?;
        bind(&channel, &name, &work, stage.as_str()).await?;
    }
    for tier in &TIERS {
        let name = names.tier(tier);
        let millis = i32::try_from(tier.wait.as_millis()).unwrap_or(i32::MAX);
        let back = [
            ("x-dead-letter-exchange", text(&work)),
            ("x-message-ttl", number(millis)),
            ("x-dead-letter-strategy", text("at-least-once")),
        ];
        exchange(&channel, &name, ExchangeKind::Fanout).await?;
        queue(&channel, &name, arguments(&back)).await?;
        bind(&channel, &name, &name, "").await?;
    }
    within(channel.close(200, "OK".into())).await
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn number(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

/// What every queue has, and `more`. Without `reject-publish`, dead-lettering silently falls back to
/// at most once.
fn arguments(more: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    table.insert("x-overflow".into(), text("reject-publish"));
    for (key, value) in more {
        table.insert((*key).into(), value.clone());
    }
    table
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<()> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
    within(declared).await.map_err(|error| explain(name, error))
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<()> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.into(), options, arguments);
    within(declared)
        .await
        .map(drop)
        .map_err(|error| explain(name, error))
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    within(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none))
        .await
        .map_err(|error| explain(queue, error))
}

/// A 406 says that somebody declared it otherwise, and which argument differs.
fn explain(name: &str, error: Error) -> Error {
    match (&error, error.code()) {
        (Error::Failed(found), Some(406)) => Error::Mismatch {
            name: name.to_owned(),
            found: found.to_string(),
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_takes_the_smallest_tier_that_is_not_shorter() {
        let tier = |millis| Tier::for_wait(Duration::from_millis(millis)).map(|tier| tier.name);
        assert_eq!(tier(1), Some("1s"));
        assert_eq!(tier(1_000), Some("1s"));
        assert_eq!(tier(1_001), Some("2s"));
        assert_eq!(tier(10_000), Some("10s"));
        assert_eq!(tier(600_000), Some("10m"));
        assert_eq!(tier(600_001), None);
        assert_eq!(Tier::longest().name, "10m");
    }
}
