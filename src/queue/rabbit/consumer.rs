//! The consumers: a channel a stage on a connection of their own, and the doorway of dead letters.
//!
//! A blocked broker stops reading from connections that publish; acks on this one still go through.
//! While the database is away nothing is consumed, so that no message is spent on it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::message::Delivery as Arrived;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ages::{Ages, Place};
use super::control;
use super::courier::{self, Courier};
use super::link::{self, Error, Result, Session, within};
use super::parcel::Parcel;
use crate::event::{Message, Stage};
use crate::queue::{self, Claim, Delivery};
use crate::time::Timestamp;
use crate::trace;
use crate::verdict::Failure;

/// How often the broker is asked whether it still knows us.
const ROLL_CALL: Duration = Duration::from_secs(20);

/// How often the connection is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a verdict rests that neither home took.
const REST: Duration = Duration::from_secs(1);

/// Letters that the doorway holds at once.
const LETTERS: u16 = 32;

/// How long an ack may take to be written.
const ACK_PATIENCE: Duration = Duration::from_secs(5);

/// A message that the broker has given us, and takes back when the connection breaks.
#[derive(Clone, Debug)]
pub(in crate::queue) struct Held {
    acker: Acker,
    /// Its place among its stage's; a letter has none.
    place: Option<Arc<Place>>,
}

impl Held {
    /// Whether the broker would still listen.
    pub(super) fn is_ours(&self) -> bool {
        self.acker.usable()
    }

    /// Tells the broker to forget it. If that fails it comes again, and every effect is idempotent.
    pub(super) async fn ack(&self) {
        let acked = timeout(ACK_PATIENCE, self.acker.ack(BasicAckOptions::default())).await;
        if !matches!(acked, Ok(Ok(true))) {
            tracing::debug!("An ack came too late: the message comes again");
        }
    }
}

/// What is to become of a message that the broker gave us.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// Once more, from then on.
    Again(Parcel, Timestamp),
    /// Given up.
    Dead(Parcel),
}

/// Publishes, waits for the confirm, then acks. When neither home takes the message, tries again as
/// long as the broker holds it for us.
pub(super) async fn carry_out(courier: &Courier, held: &Held, fate: &Fate) -> queue::Result<()> {
    loop {
        let carried = match fate.clone() {
            Fate::Again(parcel, due_at) => courier.send(parcel, due_at).await,
            Fate::Dead(parcel) => courier.bury(parcel).await,
        };
        let Err(error) = carried else {
            if let (Some(place), Fate::Again(_, due_at)) = (&held.place, fate) {
                place.put_off(*due_at);
            }
            held.ack().await;
            return Ok(());
        };
        if !held.is_ours() || !courier.host.pause(REST).await {
            return Err(error);
        }
    }
}

/// What must be so that something is consumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// The stages that somebody in this process works on.
    pub(super) wanted: [bool; Stage::ALL.len()],
    /// Whether the database answers.
    pub(super) database: bool,
}

impl Gate {
    fn admits(self, from: From) -> bool {
        self.database
            && match from {
                From::Stage(stage) => self.wanted[stage as usize],
                From::Doorway => self.wanted.contains(&true),
            }
    }
}

/// A queue that is consumed.
#[derive(Clone, Copy, Debug)]
enum From {
    Stage(Stage),
    Doorway,
}

/// The task that consumes.
pub(super) struct Task {
    pub(super) courier: Courier,
    pub(super) gate: watch::Receiver<Gate>,
    pub(super) gone: CancellationToken,
    /// Messages that each stage has in hand at the most.
    pub(super) prefetch: [u16; Stage::ALL.len()],
    pub(super) arrivals: [mpsc::UnboundedSender<Delivery>; Stage::ALL.len()],
    /// How old what arrives is.
    pub(super) ages: Ages,
}

impl Session for Task {
    async fn run(&mut self, connection: &Arc<Connection>) -> Result<()> {
        let [finalize, remember, deliver] =
            Stage::ALL.map(|stage| self.consume(connection, From::Stage(stage)));
        tokio::select! {
            ended = finalize => ended,
            ended = remember => ended,
            ended = deliver => ended,
            ended = self.consume(connection, From::Doorway) => ended,
            ended = self.watch(connection) => ended,
            () = self.gone.cancelled() => Ok(()),
        }
    }
}

impl Task {
    /// Waits until anything is to be consumed; `false` when that will not happen.
    pub(super) async fn is_needed(&mut self) -> bool {
        let needed = |gate: &Gate| gate.wanted.contains(&true);
        tokio::select! {
            () = self.gone.cancelled() => false,
            needed = self.gate.wait_for(needed) => needed.is_ok(),
        }
    }

    async fn watch(&self, connection: &Connection) -> Result<()> {
        while connection.status().connected() {
            self.courier.host.clock.sleep(LOOK_EVERY).await;
        }
        Err(Error::Lost)
    }

    /// Consumes one queue, whenever the gate is open, over a channel of its own.
    async fn consume(&self, connection: &Connection, from: From) -> Result<()> {
        let (queue, prefetch) = match from {
            From::Stage(stage) => (
                self.courier.names.stage(stage),
                self.prefetch[stage as usize],
            ),
            From::Doorway => (self.courier.names.dead(), LETTERS),
        };
        let mut gate = self.gate.clone();
        let stop = &self.courier.host.stop;
        let channel = link::channel(connection).await?;
        within(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        loop {
            let opened = gate.wait_for(|gate| gate.admits(from)).await.is_ok();
            if !opened || stop.is_cancelled() {
                return std::future::pending().await;
            }
            let subscribed = channel.basic_consume(
                queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            let mut messages = within(subscribed).await?;
            let closed = async {
                tokio::select! {
                    _ = gate.wait_for(|gate| !gate.admits(from)) => {}
                    () = stop.cancelled() => {}
                }
            };
            tokio::select! {
                ended = self.take_in(&channel, &mut messages, from, &queue) => return ended,
                () = closed => {}
            }
            let cancelled = channel.basic_cancel(messages.tag(), BasicCancelOptions::default());
            within(cancelled).await?;
            // What had arrived before is held, not given back: giving back counts as a delivery.
            while let Some(arrived) = messages.next().await {
                self.arrive(arrived?, from).await;
            }
        }
    }

    async fn take_in(
        &self,
        channel: &Channel,
        consumer: &mut Consumer,
        from: From,
        queue: &str,
    ) -> Result<()> {
        loop {
            tokio::select! {
                arrived = consumer.next() => match arrived {
                    Some(arrived) => self.arrive(arrived?, from).await,
                    None => return Err(Error::Lost),
                },
                () = self.courier.host.clock.sleep(ROLL_CALL) => {
                    let (_, consumers) = control::count(channel, queue).await?;
                    if consumers == 0 {
                        return Err(Error::Forgotten(queue.to_owned()));
                    }
                }
            }
        }
    }

    async fn arrive(&self, arrived: Arrived, from: From) {
        let now = self.courier.host.now();
        match from {
            From::Stage(stage) => {
                let parcel = Parcel::read(&arrived, Some(stage), now);
                let held = Held {
                    acker: arrived.acker,
                    place: Some(self.ages.hold(stage, parcel.enqueued_at)),
                };
                self.hand_over(parcel, held, stage, now);
            }
            From::Doorway => {
                let parcel = Parcel::read(&arrived, None, now);
                let held = Held {
                    acker: arrived.acker,
                    place: None,
                };
                self.file(parcel, &held).await;
            }
        }
    }

    fn hand_over(&self, mut parcel: Parcel, held: Held, stage: Stage, now: Timestamp) {
        if let Some(due_at) = parcel.due_at.take()
            && due_at.since(now) > Duration::from_secs(1)
        {
            return self.see_to(held, Fate::Again(parcel, due_at));
        }
        match Message::decode(&parcel.body) {
            Ok(message) => {
                let delivery = Delivery {
                    message,
                    attempt: parcel.attempts.saturating_add(1),
                    history: parcel.history,
                    trace: trace::carried_by(&parcel.body),
                    enqueued_at: parcel.enqueued_at,
                    claim: Claim::Broker(held),
                };
                // Bounded by the prefetch; nobody takes any more when the process is ending.
                drop(self.arrivals[stage as usize].send(delivery));
            }
            Err(error) => {
                let why = Failure::poison("unreadable_message", error);
                queue::letter::remember(&mut parcel.history, now, &why, true);
                parcel.cause = Some(why);
                self.see_to(held, Fate::Dead(parcel));
            }
        }
    }

    /// Carries a fate out, off the loop.
    fn see_to(&self, held: Held, fate: Fate) {
        let courier = self.courier.clone();
        self.courier.host.spawn(async move {
            if let Err(error) = carry_out(&courier, &held, &fate).await {
                tracing::warn!(error = %error, "A message could not be passed on: it comes again");
            }
        });
    }

    /// Copies a letter into the database, then lets the broker forget it.
    async fn file(&self, parcel: Parcel, held: &Held) {
        let letter = courier::letter(parcel, self.courier.host.now());
        while held.is_ours() {
            match self.courier.file(letter.clone()).await {
                Ok(()) => return held.ack().await,
                Err(error) => {
                    tracing::warn!(error = %error, "A dead letter could not be filed yet");
                }
            }
            if !self.courier.host.pause(REST).await {
                return;
            }
        }
    }
}
