//! The publisher: one task owns the publishing channel, and each message has its own confirm awaited.
//!
//! One owner, because a lapin channel shared by tasks gives one message's confirm to another. Off the
//! loop, because waiting for each would cost a round trip each. And a returned message is known by its
//! `message_id`: lapin hands it to whichever confirm comes next.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::link::{self, Error, Result, Session, within};
use super::topology::{self, Names};
use crate::host::Host;
use crate::time::Timestamp;

/// Messages written at once.
const BATCH: usize = 256;

/// Messages whose confirm is awaited at the most.
const WINDOW: usize = 2048;

/// Messages that may wait for the publisher.
const WAITING: usize = 1024;

/// How often the connection is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A broker that owes confirms and gives none for so long is gone, whatever its socket says.
const SILENCE: Duration = Duration::from_secs(3);

/// Where a message goes.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The exchange; the default one is the empty name.
    pub(super) exchange: String,
    /// The routing key.
    pub(super) key: String,
}

/// What is handed to the broker.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// Its `message_id`, too.
    pub(super) id: ShortString,
    /// What it says.
    pub(super) body: String,
    /// Everything about it.
    pub(super) properties: BasicProperties,
    /// Whether it counts as unconfirmed where no queue takes it.
    pub(super) mandatory: bool,
}

/// Why the broker does not answer for a message. It may still have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unconfirmed {
    /// There is no connection.
    Away,
    /// The broker takes nothing now.
    Blocked,
    /// Too many messages wait already.
    Crowded,
    /// No confirm came in time.
    Late,
    /// The broker has refused it.
    Refused,
    /// No queue takes it.
    Returned,
}

type Outcome = std::result::Result<(), Unconfirmed>;
type Done = oneshot::Sender<Outcome>;

struct Outgoing {
    post: Post,
    address: Address,
    done: Done,
}

/// Publishes.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    outgoing: mpsc::Sender<Outgoing>,
    status: watch::Receiver<Option<ConnectionStatus>>,
    confirm_timeout: Duration,
}

/// The task behind a [`Publisher`].
pub(super) struct Task {
    outgoing: mpsc::Receiver<Outgoing>,
    status: watch::Sender<Option<ConnectionStatus>>,
    names: Names,
    host: Host,
    gone: CancellationToken,
    control: Control,
}

/// A publisher, and the task that must be run for it.
pub(super) fn new(
    names: Names,
    host: Host,
    gone: CancellationToken,
    control: Control,
    confirm_timeout: Duration,
) -> (Publisher, Task) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (status, seen) = watch::channel(None);
    let publisher = Publisher {
        outgoing: sender,
        status: seen,
        confirm_timeout,
    };
    let task = Task {
        outgoing: receiver,
        status,
        names,
        host,
        gone,
        control,
    };
    (publisher, task)
}

impl Publisher {
    /// Whether the broker would take a message now.
    pub(super) fn ready(&self) -> Outcome {
        match &*self.status.borrow() {
            Some(status) if status.connected() && status.blocked() => Err(Unconfirmed::Blocked),
            Some(status) if status.connected() => Ok(()),
            _ => Err(Unconfirmed::Away),
        }
    }

    /// Waits until the connection comes or goes.
    pub(super) async fn changed(&mut self) {
        if self.status.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Hands a message to the broker, and returns once the broker answers for it. While the broker is
    /// away or blocked, that is known at once.
    pub(super) async fn publish(&self, post: impl Into<Post> + Send, address: Address) -> Outcome {
        let published = self.try_publish(post.into(), address).await;
        let outcome = match published {
            Ok(()) => "confirmed",
            Err(Unconfirmed::Returned) => "returned",
            Err(_) => "unconfirmed",
        };
        metrics::counter!("aftercall_broker_publishes_total", "outcome" => outcome).increment(1);
        published
    }

    async fn try_publish(&self, post: Post, address: Address) -> Outcome {
        self.ready()?;
        let (done, confirmed) = oneshot::channel();
        let outgoing = Outgoing {
            post,
            address,
            done,
        };
        self.outgoing
            .try_send(outgoing)
            .map_err(|_| Unconfirmed::Crowded)?;
        match timeout(self.confirm_timeout, confirmed).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Unconfirmed::Away),
            Err(_) => Err(Unconfirmed::Late),
        }
    }
}

/// A message that was written, and what became of it.
struct Answered {
    id: ShortString,
    done: Done,
    confirmation: lapin::Result<Confirmation>,
}

impl Session for Task {
    async fn run(&mut self, connection: &Arc<Connection>) -> Result<()> {
        let channel = link::channel(connection).await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        self.control.connected(connection).await;
        self.status.send_replace(Some(connection.status().clone()));
        let ended = self.publish_all(connection, &channel).await;
        self.status.send_replace(None);
        self.control.lost().await;
        // Whoever waits hears that the broker is away.
        while self.outgoing.try_recv().is_ok() {}
        ended
    }
}

impl Task {
    async fn publish_all(&mut self, connection: &Connection, channel: &Channel) -> Result<()> {
        let mut written = FuturesUnordered::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut returned = HashSet::new();
        let mut heard_at = self.host.now();
        // Not begun anew with every message: under load it would never end.
        let mut next_look = std::pin::pin!(self.host.clock.sleep(LOOK_EVERY));
        loop {
            tokio::select! {
                count = self.outgoing.recv_many(&mut batch, BATCH), if written.len() < WINDOW => {
                    if count == 0 {
                        return Ok(());
                    }
                    if written.is_empty() {
                        heard_at = self.host.now();
                    }
                    // Whoever has stopped waiting has found another home for it.
                    for outgoing in batch.drain(..).filter(|one| !one.done.is_closed()) {
                        written.push(write(channel, outgoing));
                    }
                }
                Some(first) = written.next() => {
                    heard_at = self.host.now();
                    let mut answered = vec![first];
                    // A return is carried by this message's confirm or by one that came before it.
                    while let Some(Some(next)) = futures::FutureExt::now_or_never(written.next()) {
                        answered.push(next);
                    }
                    if settle(answered, &mut returned)? {
                        tracing::warn!("The broker returned a message: declaring its queues again");
                        topology::declare(connection, &self.names).await?;
                    }
                }
                () = &mut next_look => {
                    look(connection, written.is_empty(), heard_at, self.host.now())?;
                    next_look.set(self.host.clock.sleep(LOOK_EVERY));
                }
                () = self.gone.cancelled() => return Ok(()),
            }
        }
    }
}

/// Whether the connection still lives. A blocked broker owes nothing.
fn look(connection: &Connection, idle: bool, heard_at: Timestamp, now: Timestamp) -> Result<()> {
    let status = connection.status();
    if !status.connected() {
        return Err(Error::Lost);
    }
    if !idle && !status.blocked() && now.since(heard_at) > SILENCE {
        return Err(Error::Silent);
    }
    Ok(())
}

/// Tells who waits; says whether a message came back. Fails when the channel has.
fn settle(answered: Vec<Answered>, returned: &mut HashSet<ShortString>) -> Result<bool> {
    let mut failed = None;
    let mut came_back = false;
    let mut acked = Vec::with_capacity(answered.len());
    for Answered {
        id,
        done,
        confirmation,
    } in answered
    {
        match confirmation {
            Ok(Confirmation::Ack(None)) => acked.push((id, done)),
            // Its own return may be the next one in line: it is not confirmed either.
            Ok(Confirmation::Ack(Some(message))) => {
                came_back = true;
                if let Some(theirs) = message.delivery.properties.message_id() {
                    returned.insert(theirs.clone());
                }
                returned.remove(&id);
                tell(done, Err(Unconfirmed::Returned));
            }
            Ok(_) => tell(done, Err(Unconfirmed::Refused)),
            Err(error) => {
                tell(done, Err(Unconfirmed::Away));
                failed = Some(error);
            }
        }
    }
    for (id, done) in acked {
        let outcome = if returned.remove(&id) {
            Err(Unconfirmed::Returned)
        } else {
            Ok(())
        };
        tell(done, outcome);
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(came_back),
    }
}

/// Who has stopped waiting need not hear it.
fn tell(done: Done, outcome: Outcome) {
    let _ = done.send(outcome);
}

async fn write(channel: &Channel, outgoing: Outgoing) -> Answered {
    let Outgoing {
        post,
        address,
        done,
    } = outgoing;
    let options = BasicPublishOptions {
        mandatory: post.mandatory,
        ..BasicPublishOptions::default()
    };
    let published = channel.basic_publish(
        address.exchange.into(),
        address.key.into(),
        options,
        post.body.as_bytes(),
        post.properties,
    );
    let confirmation = async { published.await?.await }.await;
    Answered {
        id: post.id,
        done,
        confirmation,
    }
}
