//! The queue on RabbitMQ, with the database's outbox as its second home.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::ages::Ages;
pub(super) use self::consumer::Held;
use self::consumer::{Fate, Gate, carry_out};
use self::control::Control;
use self::courier::Courier;
pub use self::greeting::Greeting;
pub use self::link::Error;
use self::link::{Link, Nodes};
use self::parcel::Parcel;
use self::publisher::Unconfirmed;
pub use self::results::{Announcement, Results};
use self::topology::Names;
use super::letter::remember;
use super::{Delivery, Result};
use crate::event::{Message, Stage};
use crate::host::Host;
use crate::secret::Secret;
use crate::store::outbox::{self, Depth};
use crate::store::{Db, dead_letters};
use crate::time::Timestamp;
use crate::verdict::Verdict;

mod ages;
mod consumer;
mod control;
mod courier;
mod greeting;
mod link;
mod parcel;
mod publisher;
mod relay;
mod results;
mod topology;

/// What the names of exchanges and queues begin with, outside of tests.
pub const PREFIX: &str = "aftercall";

/// The longest that a message waits in the broker.
pub(super) fn longest_wait() -> Duration {
    topology::Tier::longest().wait
}

/// The longest that the broker is waited for, whatever the settings say: a receiver must still have
/// time for the database.
const MAX_CONFIRM: Duration = Duration::from_millis(1_500);

/// How often the database is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(1);

/// How long a database may take to say so before nothing more is taken.
const PING_PATIENCE: Duration = Duration::from_secs(5);

/// How long the database may take to resolve a letter.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(15);

/// How long a message rests whose letter could not be resolved.
const RESOLVE_WAIT: Duration = Duration::from_secs(2);

/// Which broker, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `amqp://…[,amqp://…]`: the nodes.
    pub urls: Secret,
    /// How long a confirm is awaited.
    pub confirm_timeout: Duration,
    /// Messages that each stage has in hand at the most, in the order of [`Stage::ALL`].
    pub prefetch: [u16; Stage::ALL.len()],
    /// What the names of exchanges and queues begin with.
    pub prefix: String,
}

/// The queue on RabbitMQ.
#[derive(Clone)]
pub struct RabbitQueue(Arc<Inner>);

impl fmt::Debug for RabbitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RabbitQueue").field(&self.state()).finish()
    }
}

struct Inner {
    courier: Courier,
    control: Control,
    ages: Ages,
    news: Arc<Notify>,
    gate: watch::Sender<Gate>,
    taken: [Mutex<mpsc::UnboundedReceiver<Delivery>>; Stage::ALL.len()],
    _gone: DropGuard,
}

/// What the broker is to this process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerState {
    /// It takes messages.
    Up,
    /// It is connected, and takes none: an alarm of its memory or disk.
    Blocked,
    /// It can't be reached.
    Away,
}

impl BrokerState {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Blocked => "blocked",
            Self::Away => "away",
        }
    }
}

impl RabbitQueue {
    /// Starts the tasks that keep the queue up. The broker need not be there yet.
    pub(super) fn open(settings: &Settings, db: Db, host: &Host) -> Result<Self> {
        let nodes = Nodes::parse(&settings.urls)?;
        let names = Names::new(&settings.prefix);
        let gone = CancellationToken::new();
        let control = Control::default();
        let link = |name| Link {
            nodes: nodes.clone(),
            names: names.clone(),
            host: host.clone(),
            gone: gone.clone(),
            name,
        };
        let (publisher, publishing) = publisher::new(
            names.clone(),
            host.clone(),
            gone.clone(),
            control.clone(),
            settings.confirm_timeout.min(MAX_CONFIRM),
        );
        host.spawn(link("publisher").keep_up(publishing));
        let courier = Courier {
            publisher,
            db,
            names: names.clone(),
            host: host.clone(),
        };
        let news = Arc::new(Notify::new());
        let relay = relay::run(courier.clone(), Arc::clone(&news), gone.clone());
        host.spawn(relay);
        let (gate, seen) = watch::channel(Gate::default());
        let channels: [_; Stage::ALL.len()] = std::array::from_fn(|_| mpsc::unbounded_channel());
        let arrivals = std::array::from_fn(|stage| channels[stage].0.clone());
        let ages = Ages::default();
        let mut consuming = consumer::Task {
            courier: courier.clone(),
            gate: seen,
            gone: gone.clone(),
            prefetch: settings.prefetch,
            arrivals,
            ages: ages.clone(),
        };
        let link = link("consumer");
        host.spawn(async move {
            if consuming.is_needed().await {
                Box::pin(link.keep_up(consuming)).await;
            }
        });
        let queue = Self(Arc::new(Inner {
            courier,
            control,
            ages,
            news,
            gate,
            taken: channels.map(|(_, taken)| Mutex::new(taken)),
            _gone: gone.drop_guard(),
        }));
        host.spawn(watch_database(Arc::downgrade(&queue.0), host.clone()));
        Ok(queue)
    }

    fn host(&self) -> &Host {
        &self.0.courier.host
    }

    pub(super) async fn publish(&self, message: &Message, due_at: Timestamp) -> Result<()> {
        let parcel = Parcel::new(message, self.host().now());
        self.0.courier.send(parcel, due_at).await
    }

    pub(super) fn wake(&self) {
        self.0.news.notify_one();
    }

    pub(super) async fn take(&self, stage: Stage, limit: usize) -> Result<Vec<Delivery>> {
        self.0.gate.send_if_modified(|gate| {
            let is_new = !gate.wanted[stage as usize];
            gate.wanted[stage as usize] = true;
            is_new
        });
        let mut gate = self.0.gate.subscribe();
        let mut taken = Vec::new();
        while !self.host().stop.is_cancelled() {
            let taking = async {
                let mut arrived = self.0.taken[stage as usize].lock().await;
                // What arrived before the database went is held until it is back.
                drop(gate.wait_for(|gate| gate.database).await);
                arrived.recv_many(&mut taken, limit).await
            };
            tokio::select! {
                biased;
                () = self.host().stop.cancelled() => break,
                _ = taking => {}
            }
            // The broker has taken back what came over a connection that is lost.
            taken.retain(|delivery| match &delivery.claim {
                super::Claim::Broker(held) => held.is_ours(),
                super::Claim::Row(..) => true,
            });
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
        Ok(taken)
    }

    pub(super) async fn settle(
        &self,
        delivery: Delivery,
        held: &Held,
        verdict: Verdict,
    ) -> Result<()> {
        let now = self.host().now();
        let mut parcel = Parcel::new(&delivery.message, delivery.enqueued_at);
        parcel.history = delivery.history;
        let fate = match verdict {
            Verdict::Done => {
                if self.resolve(&parcel.id, now).await.is_ok() {
                    held.ack().await;
                    return Ok(());
                }
                parcel.attempts = delivery.attempt - 1;
                Fate::Again(parcel, now.plus(RESOLVE_WAIT))
            }
            Verdict::Retry { after, why } => {
                remember(&mut parcel.history, now, &why, true);
                parcel.attempts = delivery.attempt;
                Fate::Again(parcel, now.plus(after))
            }
            Verdict::Wait { after, why } => {
                remember(&mut parcel.history, now, &why, false);
                parcel.attempts = delivery.attempt - 1;
                Fate::Again(parcel, now.plus(after))
            }
            Verdict::Defer { after } => {
                parcel.attempts = delivery.attempt - 1;
                Fate::Again(parcel, now.plus(after))
            }
            Verdict::Park { why } => {
                remember(&mut parcel.history, now, &why, true);
                parcel.attempts = delivery.attempt;
                parcel.cause = Some(why);
                Fate::Dead(parcel)
            }
        };
        carry_out(&self.0.courier, held, &fate).await
    }

    async fn resolve(&self, id: &str, now: Timestamp) -> Result<()> {
        let id = id.to_owned();
        let resolved = self.0.courier.db.write(move |mut conn| {
            Box::pin(async move { dead_letters::resolve(&mut conn, &id, now).await })
        });
        match timeout(RESOLVE_PATIENCE, resolved).await {
            Ok(resolved) => Ok(resolved?),
            Err(_) => Err(super::Error::Homeless),
        }
    }

    /// Messages in the stage's queue and its outbox rows. Those in the delay tiers belong to no stage
    /// (see [`RabbitQueue::delayed`]), but to the age of the oldest, as those in our own hands do. While
    /// the database is away, the broker's alone are told.
    pub(super) async fn depth(&self, stage: Stage) -> Result<Depth> {
        let kept = self
            .0
            .courier
            .db
            .read(move |mut conn| Box::pin(async move { outbox::depth(&mut conn, stage).await }))
            .await
            .unwrap_or_default();
        let queue = self.0.courier.names.stage(stage);
        let (waiting, takers) = self.count(&queue).await?;
        let (ages, now) = (&self.0.ages, self.host().now());
        ages.look(stage, waiting, takers, now);
        let oldest = [kept.oldest_at, ages.oldest_at(stage, now)];
        Ok(Depth {
            messages: kept.messages + waiting,
            oldest_at: oldest.into_iter().flatten().min(),
        })
    }

    /// Messages of all stages that wait in the delay tiers.
    pub(super) async fn delayed(&self) -> Result<i64> {
        let mut sum = 0;
        for tier in &topology::TIERS {
            let (messages, _) = self.count(&self.0.courier.names.tier(tier)).await?;
            sum += messages;
        }
        Ok(sum)
    }

    /// Whether no message waits to be taken.
    pub(super) async fn is_taken(&self) -> Result<bool> {
        let names = &self.0.courier.names;
        let queues = Stage::ALL.map(|stage| names.stage(stage));
        for queue in queues.iter().chain([&names.dead()]) {
            if self.count(queue).await?.0 > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Messages that wait in a queue, and how many take from it.
    async fn count(&self, queue: &str) -> Result<(i64, u32)> {
        // A blocked broker would not even hear the question.
        match self.state() {
            BrokerState::Up => Ok(self.0.control.count(queue).await?),
            BrokerState::Blocked => Err(Error::Silent.into()),
            BrokerState::Away => Err(Error::Lost.into()),
        }
    }

    pub(super) fn results(&self) -> Results {
        Results {
            publisher: self.0.courier.publisher.clone(),
            exchange: self.0.courier.names.results(),
        }
    }

    pub(super) fn state(&self) -> BrokerState {
        match self.0.courier.publisher.ready() {
            Ok(()) => BrokerState::Up,
            Err(Unconfirmed::Blocked) => BrokerState::Blocked,
            Err(_) => BrokerState::Away,
        }
    }
}

/// What a node of the broker said when it was asked.
#[derive(Debug)]
pub struct Inspected {
    /// `host:port`.
    pub node: String,
    /// What it is, when we may use it.
    pub found: std::result::Result<Found, Error>,
}

/// A node that we may use, with our exchanges and queues.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it says of itself.
    pub greeting: Greeting,
    /// Messages that wait in the dead letters' doorway.
    pub letters: i64,
    /// Whether an alarm of its memory or disk keeps it from taking messages.
    pub blocked: bool,
}

/// Connects to every node, and declares what is not there yet: a queue whose arguments differ is only
/// found that way.
pub async fn inspect(urls: &Secret, prefix: &str) -> std::result::Result<Vec<Inspected>, Error> {
    let (nodes, names) = (Nodes::parse(urls)?, Names::new(prefix));
    let mut inspected = Vec::new();
    for turn in 0..nodes.len() {
        let looked = async {
            let greeting = nodes.greet(turn).await?;
            let connection = nodes.connect("aftercall check", turn, false).await?;
            topology::declare(&connection, &names).await?;
            let channel = link::channel(&connection).await?;
            let (letters, _) = control::count(&channel, &names.dead()).await?;
            let blocked = control::is_blocked(&connection).await?;
            link::close(&connection).await;
            Ok(Found {
                greeting,
                letters,
                blocked,
            })
        };
        inspected.push(Inspected {
            node: nodes.address(turn),
            found: looked.await,
        });
    }
    Ok(inspected)
}

/// Asks the database whether it is there, once somebody takes messages, and opens and shuts the gate.
async fn watch_database(queue: std::sync::Weak<Inner>, host: Host) {
    loop {
        let Some(inner) = queue.upgrade() else { return };
        let needed = inner.gate.borrow().wanted.contains(&true);
        if needed {
            let answered = timeout(PING_PATIENCE, inner.courier.db.ping()).await;
            let database = matches!(answered, Ok(Ok(())));
            let changed = inner.gate.send_if_modified(|gate| {
                let changed = gate.database != database;
                gate.database = database;
                changed
            });
            if changed && !database {
                tracing::warn!("The database is away: no work is taken until it is back");
            }
        }
        let mut wanted = inner.gate.subscribe();
        drop(inner);
        tokio::select! {
            () = host.stop.cancelled() => return,
            () = host.clock.sleep(PING_EVERY) => {}
            changed = wanted.changed(), if !needed => drop(changed),
        }
    }
}
