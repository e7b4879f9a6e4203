//! The wiring: every edge built once from the settings, and the roles started on top of them.

use std::fs::{DirBuilder, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::circuit::CircuitState;
use crate::config::{Config, ExtractorChoice};
use crate::event::Stage;
use crate::extract::Extractor;
use crate::extract::llm::{BadLlm, Llm};
use crate::extract::rules::Rules;
use crate::flow::{Flow, News, Sources};
use crate::host::Host;
use crate::http::health::{self, OK, Probe, Readiness};
use crate::http::{self, Api, Roles, admin_token};
use crate::outbound::{self, Outbound, guard};
use crate::platform::FetchError;
use crate::queue::rabbit::{self, BrokerState};
use crate::queue::{self, Queue};
use crate::receive::Receiver;
use crate::store::{self, Db};
use crate::{console, platform, reconcile, worker};

mod begun;
mod gauges;
mod keys;
mod process;

/// How long a start waits for the keys before the present one, which a receiver can do without.
const KEYS_WAIT: Duration = Duration::from_secs(2);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Takes webhooks.
    Receiver,
    /// Works the queue.
    Worker,
    /// Answers questions.
    Api,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Receiver, Self::Worker, Self::Api];
}

/// The process can't start. The message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder is out of reach.
    #[error("{0}: {1}; check that the path exists and may be written")]
    Folder(String, #[source] io::Error),
    /// Another process works on the folder.
    #[error("{0} is in use by another aftercall; stop it, or give this one its own data_dir")]
    InUse(String),
    /// The key is not a key.
    #[error("{0} is not 32 bytes in base64; make one with: openssl rand -base64 32")]
    SecretKey(String),
    /// The key opens nothing of what the database keeps.
    #[error(
        "the secret key is another than the one that this database's records are sealed under: with it, \
         erased callers would come back; set the one before it as AFTERCALL_SECRET_KEY_PREVIOUS"
    )]
    ForeignKey,
    /// The key was made here once, and is gone.
    #[error(
        "{0} is gone, and the database's records are sealed under the key in it; put it back, or set \
         AFTERCALL_SECRET_KEY to that key"
    )]
    LostKey(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// The admin token could not be kept.
    #[error(transparent)]
    AdminToken(#[from] admin_token::Error),
    /// The address can't be listened on.
    #[error("can't listen on {0}: {1}; choose another with server.listen")]
    Listen(String, #[source] io::Error),
    /// A source can't be served.
    #[error(transparent)]
    Source(#[from] platform::BadSource),
    /// The language model can't be asked.
    #[error(transparent)]
    Model(#[from] BadLlm),
    /// CRMs can't be asked.
    #[error(transparent)]
    Outbound(#[from] outbound::BadClient),
    /// Asked to stop before it had started.
    #[error("stopped before the database was ready")]
    Stopped,
}

/// Every edge, the clock and the randomness, built once.
#[derive(Debug)]
pub struct App {
    config: Config,
    flow: Arc<Flow>,
    // Held as long as the process lives: SQLite's only writer is in here.
    _lock: Option<File>,
}

impl App {
    /// Opens what the settings name.
    pub async fn build(config: Config, host: Host) -> Result<Arc<Self>, StartError> {
        let embedded = config.database.is_embedded();
        let lock = match config.database.url.expose().strip_prefix("sqlite://") {
            Some(file) => Some(lock(&config.data_dir, Path::new(file))?),
            None => None,
        };
        let db = Db::open(config.database.url.expose(), &host).await?;
        if !embedded && config.secret_key.is_none() {
            wait_for_schema(&db, &host).await?;
        }
        let seal = keys::open(&config, &db, host.dice).await?;
        let joined = timeout(KEYS_WAIT, keys::join(&config, &db, &seal, host.dice)).await;
        match joined {
            // With the database away, that is seen to as soon as it is back.
            Err(_) | Ok(Err(StartError::Store(_))) => {}
            Ok(joined) => joined?,
        }
        let client = platform::http_client()?;
        let sources = platform::build(&config.sources, &config.memory, &client)?;
        let extractor: Option<Arc<dyn Extractor>> = match config.memory.extractor {
            ExtractorChoice::Off => None,
            ExtractorChoice::Rules | ExtractorChoice::Llm | ExtractorChoice::Both => {
                Some(Arc::new(Rules))
            }
        };
        let alone = config.memory.extractor == ExtractorChoice::Llm;
        let model = config.memory.llm.as_ref();
        let model = model.map(|llm| Llm::new(llm, alone)).transpose()?;
        let flow = Flow {
            queue: open_queue(&config, &db, &host).await?,
            db,
            sources: Arc::new(
                Sources::new(sources).with_accounts(platform::accounts(&config.sources)),
            ),
            seal,
            finalize: config.finalize.clone(),
            extractor,
            model: model.map(Arc::new),
            zone: config.memory.timezone.clone(),
            region: config.memory.region.clone(),
            outbound: Outbound::new(&config.endpoints.allow_private, guard::machine())?,
            payload: config.results.payload,
            news: News::default(),
            host,
        };
        Ok(Arc::new(Self {
            config,
            flow: Arc::new(flow),
            _lock: lock,
        }))
    }

    /// Creates or upgrades the database, and makes the key that its processes share.
    pub async fn migrate(config: &Config, host: &Host) -> Result<(), StartError> {
        let db = Db::open(config.database.url.expose(), host).await?;
        db.migrate().await?;
        if !config.database.is_embedded() {
            let seal = keys::open(config, &db, host.dice).await?;
            keys::join(config, &db, &seal, host.dice).await?;
        }
        Ok(())
    }

    /// Whether the secret key is the one of this database's records, or comes after it.
    pub async fn key_fits(config: &Config, db: &Db) -> Result<bool, StartError> {
        keys::fits(config, db).await
    }

    /// What needs the database's schema and nothing else: done as soon as that is there.
    async fn prepare(&self) -> Result<(), StartError> {
        let Flow { db, host, seal, .. } = &*self.flow;
        wait_for_schema(db, host).await?;
        keys::join(&self.config, db, seal, host.dice).await?;
        let embedded = self.config.database.is_embedded();
        let file = embedded.then(|| self.config.data_dir.join("admin-token"));
        let given = self.config.admin_token.as_ref();
        admin_token::ensure(db, host, given, file.as_deref()).await?;
        Ok(())
    }

    fn readiness(&self, roles: &[Role]) -> Probe {
        let flow = Arc::clone(&self.flow);
        let receives = roles.contains(&Role::Receiver);
        let works = roles.contains(&Role::Worker);
        Arc::new(move || {
            let flow = Arc::clone(&flow);
            Box::pin(async move {
                let mut readiness = Readiness::of_database(&flow.db).await;
                for source in flow.sources.states(flow.host.now()) {
                    let found = match source.circuit {
                        CircuitState::Open => {
                            "its API refuses our token; check api.token".to_owned()
                        }
                        CircuitState::Lacking(scope) => FetchError::Unscoped { scope }.to_string(),
                        CircuitState::Closed | CircuitState::Paused(_) => continue,
                    };
                    let what = format!("source {}", source.name);
                    readiness.checks.insert(what, found);
                }
                let broker = flow.queue.broker();
                let found = match broker {
                    None | Some(BrokerState::Up) => OK,
                    Some(BrokerState::Blocked) => {
                        "RabbitMQ takes no messages: an alarm of its memory or disk"
                    }
                    Some(BrokerState::Away) => "RabbitMQ can't be reached",
                };
                readiness
                    .checks
                    .insert("queue".to_owned(), found.to_owned());
                // A receiver needs one home of two; whoever works needs both.
                if receives {
                    readiness.ready |= broker == Some(BrokerState::Up);
                } else if works {
                    readiness.ready &= broker != Some(BrokerState::Away);
                }
                readiness
            })
        })
    }
}

async fn open_queue(config: &Config, db: &Db, host: &Host) -> queue::Result<Queue> {
    if config.queue.is_embedded() {
        let alone = config.database.is_embedded();
        return Queue::in_database(db.clone(), host.clone(), alone).await;
    }
    let settings = rabbit::Settings {
        urls: config.queue.url.clone(),
        confirm_timeout: config.queue.confirm_timeout,
        prefetch: Stage::ALL.map(worker::places),
        prefix: rabbit::PREFIX.to_owned(),
    };
    Queue::on_rabbit(&settings, db.clone(), host)
}

/// Only one process may write a SQLite file, and the queue in it is freed at the start. The lock lies
/// beside the file, for two data folders can be given one database.
fn lock(folder: &Path, database: &Path) -> Result<File, StartError> {
    let beside = database.parent().unwrap_or(folder);
    for folder in [folder, beside] {
        // It holds transcripts: nobody else has business in it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| StartError::Folder(folder.display().to_string(), error))?;
    }
    let path = database.with_added_extension("lock");
    let failed = |error| StartError::Folder(path.display().to_string(), error);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StartError::InUse(database.display().to_string()))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Waits for a PostgreSQL that is away or not migrated yet, and says so.
async fn wait_for_schema(db: &Db, host: &Host) -> Result<(), StartError> {
    loop {
        match db.pending_migrations().await {
            Ok(pending) if pending.is_empty() => return Ok(()),
            Ok(pending) => tracing::warn!(
                pending = pending.join(", "),
                "The database lacks migrations: run `aftercall migrate`"
            ),
            Err(error) => {
                gauges::without_database();
                tracing::warn!(error = %error, "The database can't be reached yet");
            }
        }
        if !host.pause(Duration::from_secs(2)).await {
            return Err(StartError::Stopped);
        }
    }
}

/// Starts what works on records.
fn work(app: &App, works: bool) {
    let flow = &app.flow;
    if works {
        worker::start(
            flow,
            app.config.retention.clone(),
            app.config.memory.retention,
        );
        reconcile::start(flow);
    }
}

/// The address that a process serves on, already taken. Until the process is built, whoever knocks
/// hears what it waits for.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    answering: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Door {
    /// Listens, and answers that the process is not ready yet.
    pub async fn open(config: &Config, host: &Host) -> Result<Self, StartError> {
        const WAITING: &str = "waits for the database, which keeps the key of its processes; with \
             AFTERCALL_SECRET_KEY set in all of them, a receiver starts without it";
        let listen = &config.server.listen;
        let failed = |error| StartError::Listen(listen.clone(), error);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let twin = listener.into_std().map_err(failed)?;
        let listener = TcpListener::from_std(twin.try_clone().map_err(failed)?).map_err(failed)?;
        let twin = TcpListener::from_std(twin).map_err(failed)?;
        let enough = host.stop.child_token();
        let waiting = health::waiting(WAITING, process::exposition(), host.clone());
        let answering = http::serve(twin, waiting, enough.clone(), host.clone());
        Ok(Self {
            listener,
            answering: Some((enough, host.spawn(answering))),
        })
    }

    /// The listener, with nobody else answering behind it.
    async fn into_listener(mut self) -> TcpListener {
        if let Some((enough, answered)) = self.answering.take() {
            enough.cancel();
            drop(answered.await);
        }
        self.listener
    }
}

/// A process that serves.
#[derive(Debug)]
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
    failure: Arc<OnceLock<StartError>>,
}

impl Running {
    /// Listens, and starts the roles.
    pub async fn start(app: Arc<App>, roles: &[Role]) -> Result<Self, StartError> {
        let door = Door::open(&app.config, &app.flow.host).await?;
        Self::start_behind(door, app, roles).await
    }

    /// Starts the roles behind an open door.
    pub async fn start_behind(
        door: Door,
        app: Arc<App>,
        roles: &[Role],
    ) -> Result<Self, StartError> {
        let listener = door.into_listener().await;
        let failed = |error| StartError::Listen(app.config.server.listen.clone(), error);
        let address = listener.local_addr().map_err(failed)?;
        let flow = &app.flow;
        let api = Api {
            flow: Arc::clone(flow),
            receiver: Receiver::new(Arc::clone(flow)),
            ready: app.readiness(roles),
            metrics: process::exposition(),
            guesses: http::guesses::Guesses::default(),
        };
        let served = Roles {
            receiver: roles.contains(&Role::Receiver),
            api: roles.contains(&Role::Api),
        };
        let pages = console::routes(Arc::clone(flow));
        let router = http::router(Arc::new(api), served, pages);
        if app.config.database.is_embedded() {
            app.prepare().await?;
        }
        flow.host.spawn(gauges::keep(Arc::clone(flow)));
        flow.host.spawn(http::serve(
            listener,
            router,
            flow.host.stop.clone(),
            flow.host.clone(),
        ));
        let works = roles.contains(&Role::Worker);
        let failure = Arc::<OnceLock<StartError>>::default();
        if app.config.database.is_embedded() {
            work(&app, works);
        } else {
            // A receiver takes calls meanwhile, if the broker is there.
            let (app, failure) = (Arc::clone(&app), Arc::clone(&failure));
            flow.host.clone().spawn(async move {
                match app.prepare().await {
                    Ok(()) => work(&app, works),
                    Err(StartError::Stopped) => {}
                    Err(error) => {
                        drop(failure.set(error));
                        app.flow.host.stop.cancel();
                    }
                }
            });
        }
        Ok(Self {
            app,
            address,
            failure,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking, finishes what is in flight, and says whether that was done in time. Fails with
    /// what kept the roles from starting, where something did.
    pub async fn stop(self) -> Result<bool, StartError> {
        let Self { app, failure, .. } = self;
        let host = app.flow.host.clone();
        let grace = app.config.server.shutdown_grace;
        host.stop.cancel();
        // The last database handle goes with the app: then its writer ends, too.
        drop(app);
        let in_time = timeout(grace, host.drained()).await.is_ok();
        match Arc::into_inner(failure).and_then(OnceLock::into_inner) {
            Some(error) => Err(error),
            None => Ok(in_time),
        }
    }
}
