//! What every stage may use, and what the stages share: sources, their circuits, common failures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::circuit::{Circuit, CircuitState};
use crate::config;
use crate::endpoint::Payload;
use crate::extract::Extractor;
use crate::extract::llm::Llm;
use crate::host::Host;
use crate::outbound::Outbound;
use crate::platform::{Account, Source};
use crate::queue::Queue;
use crate::secret::SealKey;
use crate::store::passages::Passage;
use crate::store::{self, Db};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

/// Requests that one source's API is asked at once: a slow platform holds no more workers.
const REQUESTS_A_SOURCE: usize = 8;

/// How long work waits for a place among its source's requests.
const CROWDED_WAIT: Duration = Duration::from_millis(250);

/// How long work waits while the database is away.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// The edges and settings that the stages work with.
#[derive(Clone)]
pub struct Flow {
    /// The records.
    pub db: Db,
    /// The work.
    pub queue: Queue,
    /// Time, randomness and tasks.
    pub host: Host,
    /// The sources, by name.
    pub sources: Arc<Sources>,
    /// The key for sealed bodies and barriers.
    pub seal: SealKey,
    /// `[finalize]`
    pub finalize: config::Finalize,
    /// What finds what to remember; none when memory is off.
    pub extractor: Option<Arc<dyn Extractor>>,
    /// The language model that reads calls after the rules; none when there is none.
    pub model: Option<Arc<Llm>>,
    /// The zone of calls whose source is gone from the settings.
    pub zone: jiff::tz::TimeZone,
    /// The region of their numbers.
    pub region: String,
    /// Posts to CRMs' endpoints.
    pub outbound: Outbound,
    /// What of a conversation RabbitMQ is told, and endpoints that name no payload.
    pub payload: Payload,
    /// Results that have been added, and deliveries that have become due.
    pub news: News,
}

/// Says that there is something new to look for in the database. Looking comes first: the news may
/// be missed, as another process's always is.
#[derive(Clone, Debug, Default)]
pub struct News(Arc<watch::Sender<()>>);

impl News {
    /// There is something new.
    pub fn tell(&self) {
        self.0.send_replace(());
    }

    /// A listener, who hears what is told from now on.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

/// The configured sources, each with its API's circuit.
#[derive(Debug, Default)]
pub struct Sources {
    by_name: HashMap<String, Gated>,
    accounts: Vec<Account>,
}

#[derive(Debug)]
struct Gated {
    source: Source,
    place: usize,
    circuit: Arc<Mutex<Circuit>>,
    places: Arc<Semaphore>,
}

/// How a source stands, for people on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// Whose records its conversations are.
    pub platform: &'static str,
    /// Whether it sends webhooks.
    pub sends: bool,
    /// Whether its API is asked.
    pub asked: bool,
    /// What its API does to us, as far as this process has asked it.
    pub circuit: CircuitState,
}

/// A source that may be asked now. Dropping it gives its place back.
#[derive(Debug)]
pub struct Admitted {
    circuit: Arc<Mutex<Circuit>>,
    _place: OwnedSemaphorePermit,
}

impl Sources {
    /// The sources, all circuits closed.
    pub fn new(sources: Vec<Source>) -> Self {
        let by_name = sources
            .into_iter()
            .enumerate()
            .map(|(place, source)| {
                let gated = Gated {
                    place,
                    circuit: Arc::default(),
                    places: Arc::new(Semaphore::new(REQUESTS_A_SOURCE)),
                    source,
                };
                (gated.source.name.clone(), gated)
            })
            .collect();
        Self {
            by_name,
            accounts: Vec::new(),
        }
    }

    /// The same sources with the accounts that they belong to.
    #[must_use]
    pub fn with_accounts(mut self, accounts: Vec<Account>) -> Self {
        self.accounts = accounts;
        self
    }

    /// The accounts, in the order of the settings.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account that a source belongs to; none for a source without an API.
    pub fn account_of(&self, source: &str) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.sources.iter().any(|name| name == source))
    }

    /// The source of a name.
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.by_name.get(name).map(|gated| &gated.source)
    }

    /// Which of two names stands first in the settings. A call that came through both sources is
    /// shown under that one, whichever event was faster.
    pub fn first<'a>(&self, one: &'a str, other: &'a str) -> &'a str {
        let place = |name: &str| {
            self.by_name
                .get(name)
                .map_or(usize::MAX, |gated| gated.place)
        };
        if place(other) < place(one) {
            other
        } else {
            one
        }
    }

    /// Every source.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.by_name.values().map(|gated| &gated.source)
    }

    /// The names of a platform's sources.
    pub fn of_platform(&self, platform: &str) -> Vec<String> {
        self.all()
            .filter(|source| source.platform() == platform)
            .map(|source| source.name.clone())
            .collect()
    }

    /// A place among the source's requests, or how long to wait for one and why. Waiting is never
    /// counted as an attempt, and never in the way of another source.
    pub fn admit(&self, name: &str, host: &Host) -> Result<Admitted, Verdict> {
        let Some(gated) = self.by_name.get(name) else {
            return Err(unknown_source(name));
        };
        let place = Arc::clone(&gated.places)
            .try_acquire_owned()
            .map_err(|_| Verdict::Defer {
                after: CROWDED_WAIT,
            })?;
        let admitted = Admitted {
            circuit: Arc::clone(&gated.circuit),
            _place: place,
        };
        admitted
            .with(|circuit| circuit.admit(host.now()))
            .map_err(|after| Verdict::Wait {
                after,
                why: Failure::platform(
                    "source_paused",
                    "the source's API refuses us, or is to rest",
                ),
            })?;
        Ok(admitted)
    }

    /// How each source stands, in the order of the settings.
    pub fn states(&self, now: Timestamp) -> Vec<SourceState> {
        let mut gated: Vec<&Gated> = self.by_name.values().collect();
        gated.sort_by_key(|gated| gated.place);
        gated
            .into_iter()
            .map(|gated| SourceState {
                name: gated.source.name.clone(),
                platform: gated.source.platform(),
                sends: gated.source.webhooks.is_some(),
                asked: gated.source.api.is_some(),
                circuit: lock(&gated.circuit).state(now),
            })
            .collect()
    }
}

impl Admitted {
    /// Tells the circuit how the request went.
    pub fn with<T>(&self, tell: impl FnOnce(&mut Circuit) -> T) -> T {
        tell(&mut lock(&self.circuit))
    }
}

fn lock(circuit: &Mutex<Circuit>) -> std::sync::MutexGuard<'_, Circuit> {
    // A circuit is two plain numbers: whoever panicked left it whole.
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call passed a stage for the first time: measures how long after its end that was.
pub(crate) fn passed(passage: Passage, ended_at: Option<Timestamp>, now: Timestamp) {
    if let Some(ended_at) = ended_at {
        let after = now.since(ended_at).as_secs_f64();
        metrics::histogram!("aftercall_call_latency_seconds", "passed" => passage.as_str())
            .record(after);
    }
}

/// The source is not in the settings any more.
pub(crate) fn unknown_source(name: &str) -> Verdict {
    let message = format!("no source named {name} is configured; add it again and replay");
    Verdict::Park {
        why: Failure::ours("unknown_source", message),
    }
}

/// What becomes of work when the database fails: it waits, unspent, unless what is stored can't be
/// read, or what is to be stored is refused, which waiting does not mend.
pub(crate) fn store_failed(error: &store::Error) -> Verdict {
    match error {
        store::Error::Corrupt(_) => Verdict::Park {
            why: Failure::ours("corrupt_record", error),
        },
        store::Error::Panicked => Verdict::Park {
            why: Failure::ours("panicked", error),
        },
        // The database's own words could name the values.
        refused if refused.is_refusal() => Verdict::Park {
            why: Failure::ours("record_refused", "the database refuses the record"),
        },
        _ => Verdict::Wait {
            after: STORE_WAIT,
            why: Failure::ours("database_unavailable", "the database can't be reached"),
        },
    }
}
