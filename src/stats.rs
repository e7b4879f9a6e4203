//! How the calls fare: how many passed each stage, how long that took, what waits, and which
//! platforms answer. What the console's first page and `GET /v1/stats` tell.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::Stage;
use crate::flow::{Flow, SourceState};
use crate::queue;
use crate::queue::rabbit::BrokerState;
use crate::store::dead_letters::State;
use crate::store::dead_letters::list::{self as letters, Filter};
use crate::store::deliveries::{self, Backlog};
use crate::store::endpoints::{self, Standing};
use crate::store::passages::{self, Passage};
use crate::store::{self, quarantine, reconcile};
use crate::time::Timestamp;

/// Deliveries that percentiles are made of at most: the latest ones.
const SAMPLE: i64 = 2_000;

/// How far back is looked, and in how many equal spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// The last hour, by two minutes.
    Hour,
    /// The last day, by the half hour.
    #[default]
    Day,
    /// The last week, by four hours.
    Week,
    /// The last thirty days, by the day.
    Month,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The value of `window`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Reads what [`Window::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// How long one span is.
    pub fn span(self) -> Duration {
        match self {
            Self::Hour => Duration::from_mins(2),
            Self::Day => Duration::from_mins(30),
            Self::Week => Duration::from_hours(4),
            Self::Month => Duration::from_hours(24),
        }
    }

    /// How many spans there are.
    pub fn spans(self) -> usize {
        match self {
            Self::Hour | Self::Month => 30,
            Self::Day => 48,
            Self::Week => 42,
        }
    }
}

/// How long after their end calls were delivered, in milliseconds; none where none was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Half of them were faster.
    pub p50: Option<i64>,
    /// 95 of 100 were faster.
    pub p95: Option<i64>,
    /// 99 of 100 were faster.
    pub p99: Option<i64>,
    /// Each call's, sorted.
    pub sorted: Vec<i64>,
}

impl Latency {
    fn of(mut millis: Vec<i64>) -> Self {
        // A platform's clock may run ahead of ours.
        for value in &mut millis {
            *value = (*value).max(0);
        }
        millis.sort_unstable();
        let at = |percent: usize| {
            let rank = (millis.len() * percent).div_ceil(100);
            millis.get(rank.max(1) - 1).copied()
        };
        Self {
            p50: at(50),
            p95: at(95),
            p99: at(99),
            sorted: millis,
        }
    }
}

/// What waits at a stage; nothing is known where the broker can't be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The stage.
    pub stage: Stage,
    /// Its messages.
    pub messages: Option<i64>,
    /// When the oldest was made durable.
    pub oldest_at: Option<Timestamp>,
}

/// What CRMs have not got yet, and how their endpoints stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crms {
    /// Their endpoints.
    pub endpoints: Standing,
    /// What waits for them.
    pub backlog: Backlog,
}

/// How the calls fare.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// What was looked at.
    pub window: Window,
    /// Its beginning.
    pub since: Timestamp,
    /// Calls that passed each stage, span by span.
    pub passed: Vec<(Passage, Vec<i64>)>,
    /// From call end to delivery.
    pub latency: Latency,
    /// What waits, by stage; empty for who sees some agents only.
    pub waiting: Vec<Waiting>,
    /// The CRMs; none for who sees some agents only.
    pub crms: Option<Crms>,
    /// Dead letters.
    pub dead_letters: i64,
    /// Deliveries in quarantine; none for who sees some agents only.
    pub quarantined: Option<i64>,
    /// The sources; empty for who sees some agents only.
    pub sources: Vec<SourceState>,
    /// What keeps the lists of the sources' APIs from being read, by source.
    pub unread: BTreeMap<String, String>,
    /// The broker; none without one.
    pub broker: Option<BrokerState>,
}

impl Stats {
    /// How many calls passed a stage in the whole window.
    pub fn total(&self, passage: Passage) -> i64 {
        self.passed
            .iter()
            .filter(|(one, _)| *one == passage)
            .flat_map(|(_, counts)| counts)
            .sum()
    }

    /// When the oldest message that no stage has worked off was made durable.
    pub fn oldest_unprocessed_at(&self) -> Option<Timestamp> {
        self.waiting.iter().filter_map(|one| one.oldest_at).min()
    }
}

/// Looks. `agents` narrows to what concerns these; empty is all.
pub async fn gather(flow: &Flow, window: Window, agents: &[String]) -> store::Result<Stats> {
    let span_ms = i64::try_from(window.span().as_millis()).unwrap_or(i64::MAX);
    let spans = window.spans();
    // Spans begin on the clock's marks, so that a chart does not tremble from one look to the next.
    let spans_back = i64::try_from(spans).unwrap_or(i64::MAX);
    let now = flow.host.now().as_millis();
    let since = Timestamp::from_millis((now / span_ms + 1 - spans_back) * span_ms);
    let bound = !agents.is_empty();
    let agents = agents.to_vec();
    let (passed, millis, dead_letters, of_all) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let mut passed = Vec::with_capacity(Passage::ALL.len());
                for passage in Passage::ALL {
                    let counts =
                        passages::counts(&mut conn, passage, &agents, since, span_ms, spans);
                    passed.push((passage, counts.await?));
                }
                let millis = passages::latencies(&mut conn, &agents, since, SAMPLE).await?;
                let dead = Filter {
                    agents,
                    state: Some(State::Dead),
                    ..Filter::default()
                };
                let dead = letters::count(&mut conn, &dead).await?;
                let of_all = if bound {
                    None
                } else {
                    let crms = Crms {
                        endpoints: endpoints::standing(&mut conn).await?,
                        backlog: deliveries::backlog(&mut conn).await?,
                    };
                    Some((quarantine::count(&mut conn).await?, crms))
                };
                Ok((passed, millis, dead, of_all))
            })
        })
        .await?;
    let (quarantined, crms) = of_all.unzip();
    let mut waiting = Vec::new();
    let mut sources = Vec::new();
    let mut unread = BTreeMap::new();
    if !bound {
        for stage in Stage::ALL {
            waiting.push(waiting_at(flow, stage).await?);
        }
        sources = flow.sources.states(flow.host.now());
        unread = unread_lists(flow).await?;
    }
    Ok(Stats {
        window,
        since,
        passed,
        latency: Latency::of(millis),
        waiting,
        crms,
        dead_letters,
        quarantined,
        sources,
        unread,
        broker: flow.queue.broker(),
    })
}

/// What keeps lists from being read, by source: what is wrong with an account's API is wrong with that of
/// all of its sources.
async fn unread_lists(flow: &Flow) -> store::Result<BTreeMap<String, String>> {
    let errors = flow
        .db
        .read(|mut conn| Box::pin(async move { reconcile::errors(&mut conn).await }))
        .await?;
    let accounts = flow.sources.accounts().iter();
    Ok(accounts
        .filter_map(|account| Some((account, errors.get(&account.name)?)))
        .flat_map(|(account, error)| {
            let sources = account.sources.iter();
            sources.map(|source| (source.clone(), error.clone()))
        })
        .collect())
}

/// A broker that is away has an unknown number of messages; the rest can still be told.
async fn waiting_at(flow: &Flow, stage: Stage) -> store::Result<Waiting> {
    match flow.queue.depth(stage).await {
        Ok(depth) => Ok(Waiting {
            stage,
            messages: Some(depth.messages),
            oldest_at: depth.oldest_at,
        }),
        Err(queue::Error::Store(error)) => Err(error),
        Err(queue::Error::Broker(_) | queue::Error::Homeless) => Ok(Waiting {
            stage,
            messages: None,
            oldest_at: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(Latency::of(Vec::new()), Latency::default());
        let one = Latency::of(vec![-5]);
        assert_eq!((one.p50, one.p95, one.p99), (Some(0), Some(0), Some(0)));
        let many = Latency::of((1..=200).rev().collect());
        assert_eq!(
            (many.p50, many.p95, many.p99),
            (Some(100), Some(190), Some(198))
        );
    }

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for window in Window::ALL {
            assert_eq!(Window::parse(window.as_str()), Some(window));
        }
        assert_eq!(Window::parse("2h"), None);
    }
}
