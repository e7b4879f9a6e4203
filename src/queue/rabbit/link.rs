//! Connections to RabbitMQ: which node, how patiently, and what went wrong in words of ours.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::greeting::{self, Greeting};
use super::topology::{self, Names};
use crate::host::Host;
use crate::retry::Reconnect;
use crate::secret::Secret;

/// The longest that the broker is waited for, in any one exchange with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds between heartbeats, unless the URL says otherwise: a broker that is silent for two of
/// them is gone.
const HEARTBEAT: u16 = 10;

/// RabbitMQ did not do what it was asked. Says nothing of messages, and no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL can't be read.
    #[error("queue.url is no list of amqp:// or amqps:// URLs, separated by commas")]
    Url,
    /// No node takes the connection, or it broke.
    #[error("the broker failed: {0}")]
    Failed(#[source] lapin::Error),
    /// The broker takes too long.
    #[error("the broker does not answer")]
    Silent,
    /// The connection is over.
    #[error("the connection to the broker was lost")]
    Lost,
    /// A consumer is gone without a word.
    #[error("the broker has forgotten our consumer of {0}")]
    Forgotten(String),
    /// A queue or exchange is there, and is not ours.
    #[error(
        "{name} exists with other properties: {found}; once it is empty, delete it, and it will be \
         declared anew; or give aftercall a virtual host of its own"
    )]
    Mismatch {
        /// The queue or exchange.
        name: String,
        /// The broker's word, which names the argument.
        found: String,
    },
}

impl From<lapin::Error> for Error {
    fn from(error: lapin::Error) -> Self {
        Self::Failed(error)
    }
}

impl Error {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match (self, self.code()) {
            (Self::Mismatch { .. }, _) => {
                "somebody declared it with another argument, which a broker never changes: let it run \
                 empty and delete it (rabbitmqctl delete_queue NAME), and aftercall declares it anew; \
                 or use a virtual host of aftercall's own"
            }
            (_, Some(403)) => {
                "check user and password in queue.url, and let the user configure, write and read: \
                 rabbitmqctl set_permissions -p VHOST USER '.*' '.*' '.*'"
            }
            (_, Some(530)) => "check the virtual host in queue.url: rabbitmqctl add_vhost VHOST",
            (_, Some(540 | 541)) => "use RabbitMQ 3.10 or later, with quorum queues",
            _ => "check queue.url, and that the broker runs and may be reached from here",
        }
    }

    /// The broker's reply code, where it gave one.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Failed(error) => match error.kind() {
                ErrorKind::ProtocolError(error) => Some(error.get_id()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a function that asks the broker answers.
pub(super) type Result<T> = std::result::Result<T, Error>;

/// Waits for the broker, but not for ever.
pub(super) async fn within<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    Ok(timeout(PATIENCE, asked)
        .await
        .map_err(|_| Error::Silent)??)
}

/// The broker's nodes, of which any will do.
#[derive(Clone)]
pub(super) struct Nodes(Vec<AMQPUri>);

impl Nodes {
    /// Reads `amqp://…[,amqp://…]`.
    pub(super) fn parse(urls: &Secret) -> Result<Self> {
        let nodes: Vec<AMQPUri> = urls
            .expose()
            .split(',')
            .map(|url| {
                let mut node: AMQPUri = url.trim().parse().map_err(|_| Error::Url)?;
                node.query.heartbeat.get_or_insert(HEARTBEAT);
                node.query.connection_timeout.get_or_insert(4_000);
                Ok(node)
            })
            .collect::<Result<_>>()?;
        Ok(Self(nodes))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A node's host and port.
    pub(super) fn address(&self, turn: usize) -> String {
        self.get(turn).map_or_else(String::new, |node| {
            format!("{}:{}", node.authority.host, node.authority.port)
        })
    }

    fn get(&self, turn: usize) -> Option<&AMQPUri> {
        self.0.get(turn.checked_rem(self.0.len())?)
    }

    /// Asks the node whose turn it is what it is.
    pub(super) async fn greet(&self, turn: usize) -> Result<Greeting> {
        let node = self.get(turn).ok_or(Error::Url)?;
        match timeout(PATIENCE, greeting::greet(node)).await {
            Ok(greeting) => greeting.map_err(|error| Error::Failed(error.into())),
            Err(_) => Err(Error::Silent),
        }
    }

    /// Connects to the node whose turn it is. `wary`: the last one was silent, so it is asked for a
    /// sign of life first, because a handshake that nobody answers can't be taken back.
    pub(super) async fn connect(&self, name: &str, turn: usize, wary: bool) -> Result<Connection> {
        let node = self.get(turn).ok_or(Error::Url)?.clone();
        if wary {
            self.greet(turn).await?;
        }
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_client_property("product".into(), "aftercall".into());
        within(Connection::connect_uri(node, properties)).await
    }
}

/// What is done over a connection while it lasts.
pub(super) trait Session: Send {
    /// Runs until the connection fails, or (`Ok`) nobody needs it any more.
    fn run<'a>(
        &'a mut self,
        connection: &'a Arc<Connection>,
    ) -> impl Future<Output = Result<()>> + Send + 'a;
}

/// A connection that is kept up.
pub(super) struct Link {
    pub(super) nodes: Nodes,
    pub(super) names: Names,
    pub(super) host: Host,
    /// Cancelled when nobody needs the broker any more.
    pub(super) gone: CancellationToken,
    /// What it is for; shown by the broker.
    pub(super) name: &'static str,
}

impl Link {
    /// Connects, declares the topology and runs the session; again whenever it fails, for ever. A
    /// session that ends well was the last one.
    pub(super) async fn keep_up(self, mut session: impl Session) {
        let mut waits = Reconnect::new();
        let mut turn = usize::from(self.host.dice.bytes::<1>()[0]);
        let mut wary = false;
        let mut complaint = String::new();
        loop {
            let up = tokio::select! {
                () = self.gone.cancelled() => return,
                up = self.up(turn, wary) => up,
            };
            let ended = match up {
                Ok(connection) => {
                    tracing::info!(link = self.name, "Connected to the broker");
                    waits.reset();
                    complaint.clear();
                    let connection = Arc::new(connection);
                    let ended = session.run(&connection).await;
                    close(&connection).await;
                    ended
                }
                Err(error) => Err(error),
            };
            let Err(error) = ended else { return };
            wary = matches!(error, Error::Silent);
            turn = turn.wrapping_add(1);
            // Said once, not with every attempt.
            let text = error.to_string();
            if text == complaint {
                tracing::debug!(link = self.name, error = text, "Still no broker");
            } else {
                tracing::warn!(link = self.name, error = text, "No broker; trying again");
                complaint = text;
            }
            let nap = waits.wait(self.host.dice.fraction());
            tokio::select! {
                () = self.gone.cancelled() => return,
                () = self.host.clock.sleep(nap) => {}
            }
        }
    }

    async fn up(&self, turn: usize, wary: bool) -> Result<Connection> {
        let name = format!("aftercall {}", self.name);
        let connection = self.nodes.connect(&name, turn, wary).await?;
        topology::declare(&connection, &self.names).await?;
        Ok(connection)
    }
}

/// Says goodbye, unless nobody listens.
pub(super) async fn close(connection: &Connection) {
    let goodbye = connection.close(200, "OK".into());
    drop(timeout(Duration::from_secs(1), goodbye).await);
}

/// A channel of its own.
pub(super) async fn channel(connection: &Connection) -> Result<Channel> {
    within(connection.create_channel()).await
}
