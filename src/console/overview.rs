//! The overview: is everything all right, and if not, where to look.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::access::{Refused, Session};
use super::chart::{Chart, chart};
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, counted, href, latency, number, page};
use crate::circuit::CircuitState;
use crate::event::Stage;
use crate::flow::{Flow, SourceState};
use crate::queue::rabbit::BrokerState;
use crate::stats::{self, Crms, Stats, Window};
use crate::store::dead_letters::State as Fate;
use crate::store::dead_letters::list::{self as letters, Filter};
use crate::store::passages::Passage;
use crate::time::Timestamp;

/// Causes that are shown here; the dead letters' own page has all.
const CAUSES: usize = 4;

/// How old the oldest message may be before that is a worry, in milliseconds.
const LATE: i64 = 5 * 60 * 1_000;

/// Upper ends of the bars of the latency chart, in milliseconds.
const SPREAD: [i64; 14] = [
    1_000, 2_000, 5_000, 10_000, 11_000, 12_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000,
    900_000, 3_600_000,
];

/// What stands below its bars: where each ends, as far as there is room.
const MARKS: [&str; SPREAD.len() + 1] = [
    "1 s", "", "", "10 s", "", "", "15 s", "", "30 s", "", "2 min", "", "15 min", "", "more",
];

struct Choice {
    title: &'static str,
    href: String,
    is_here: bool,
}

struct Tile {
    title: &'static str,
    told: &'static str,
    total: String,
    chart: Chart,
    /// Where the chart begins.
    from: String,
}

struct Queue {
    stage: &'static str,
    messages: String,
    oldest: Option<Moment>,
    is_late: bool,
}

/// What CRMs have not got yet, and how their endpoints stand.
struct CrmsCard {
    waiting: String,
    oldest: Option<Moment>,
    is_late: bool,
    /// Deliveries whose endpoints are off; empty is none.
    held: String,
    endpoints: String,
    /// What of them needs somebody; empty is nothing.
    trouble: String,
}

struct SourceRow {
    name: String,
    platform: &'static str,
    takes: String,
    circuit: &'static str,
    is_well: bool,
    told: String,
}

struct Cause {
    href: String,
    letters: String,
    message: String,
    stage: String,
    fault: &'static str,
}

#[derive(Template)]
#[template(path = "overview.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question that the template asks"
)]
struct Overview {
    frame: Frame,
    windows: Vec<Choice>,
    here: &'static str,
    tiles: Vec<Tile>,
    is_empty: bool,
    p50: String,
    p95: String,
    p99: String,
    delivered: String,
    spread: Chart,
    marks: [&'static str; SPREAD.len() + 1],
    now: Moment,
    sees_all: bool,
    oldest: Option<Moment>,
    is_late: bool,
    queues: Vec<Queue>,
    /// Whether messages wait that have no age to tell.
    has_waiting: bool,
    crms: Option<CrmsCard>,
    broker: Option<(&'static str, bool)>,
    sources: Vec<SourceRow>,
    dead: String,
    has_dead: bool,
    causes: Vec<Cause>,
    quarantined: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    window: String,
}

/// The first page; for who may not see it, the first that they may.
pub(super) async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    if !Section::Overview.is_open_to(&session.token) {
        let first = Section::first_for(&session.token);
        return match first {
            Some(path) => Ok(Redirect::to(path).into_response()),
            None => Err(Failure::Forbidden("This token sees no part of the console.").into()),
        };
    }
    let window = Window::parse(&asked.window).unwrap_or_default();
    let agents = session.token.agents.clone();
    let stats = stats::gather(&flow, window, &agents).await?;
    let dead = Filter {
        agents,
        state: Some(Fate::Dead),
        ..Filter::default()
    };
    let causes = flow
        .db
        .read(move |mut conn| Box::pin(async move { letters::groups(&mut conn, &dead).await }))
        .await?;
    let causes = causes.into_iter().take(CAUSES).map(|group| Cause {
        href: href(
            "/console/dead-letters",
            &[("fingerprint", &group.fingerprint)],
        ),
        letters: counted(group.count, "letter", "letters"),
        message: group.message,
        stage: group.stage,
        fault: group.fault.as_str(),
    });
    let now = flow.host.now();
    let frame = session.frame("Overview", Section::Overview);
    Ok(page(&overview(frame, &stats, causes.collect(), now))?)
}

fn overview(frame: Frame, stats: &Stats, causes: Vec<Cause>, now: Timestamp) -> Overview {
    let oldest = stats.oldest_unprocessed_at();
    Overview {
        frame,
        windows: windows(stats.window),
        here: stats.window.as_str(),
        tiles: Passage::ALL.map(|passage| tile(stats, passage)).into(),
        is_empty: stats.total(Passage::Received) == 0 && stats.latency.sorted.is_empty(),
        p50: told(stats.latency.p50),
        p95: told(stats.latency.p95),
        p99: told(stats.latency.p99),
        delivered: counted(
            i64::try_from(stats.latency.sorted.len()).unwrap_or(i64::MAX),
            "call",
            "calls",
        ),
        spread: spread(&stats.latency.sorted),
        marks: MARKS,
        now: Moment::of(now, now),
        sees_all: !stats.waiting.is_empty(),
        oldest: oldest.map(|at| Moment::of(at, now)),
        is_late: oldest.is_some_and(|at| is_late(at, now)),
        queues: stats
            .waiting
            .iter()
            .map(|one| Queue {
                stage: match one.stage {
                    Stage::Finalize => "Finalize",
                    Stage::Remember => "Remember",
                    Stage::Deliver => "Deliver",
                },
                messages: one.messages.map_or_else(|| "unknown".to_owned(), number),
                oldest: one.oldest_at.map(|at| Moment::of(at, now)),
                is_late: one.oldest_at.is_some_and(|at| is_late(at, now)),
            })
            .collect(),
        has_waiting: stats.waiting.iter().any(|one| one.messages != Some(0)),
        crms: stats.crms.map(|crms| card(&crms, now)),
        broker: stats.broker.map(|state| match state {
            BrokerState::Up => ("RabbitMQ takes messages", true),
            BrokerState::Blocked => (
                "RabbitMQ takes no messages: an alarm of memory or disk",
                false,
            ),
            BrokerState::Away => ("RabbitMQ can't be reached", false),
        }),
        sources: stats
            .sources
            .iter()
            .map(|source| row(source, stats.unread.get(&source.name), now))
            .collect(),
        dead: number(stats.dead_letters),
        has_dead: stats.dead_letters > 0,
        causes,
        quarantined: stats
            .quarantined
            .map(|kept| counted(kept, "refused delivery", "refused deliveries")),
    }
}

fn card(crms: &Crms, now: Timestamp) -> CrmsCard {
    let Crms { endpoints, backlog } = crms;
    let off: i64 = endpoints.off.iter().sum();
    let trouble = [
        (endpoints.failing, "fails", "fail"),
        (off, "is disabled", "are disabled"),
    ];
    let trouble = trouble
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| {
            format!("{} {}", number(count), if count == 1 { one } else { many })
        });
    CrmsCard {
        waiting: counted(backlog.waiting, "delivery waits", "deliveries wait"),
        oldest: backlog.oldest_at.map(|at| Moment::of(at, now)),
        is_late: backlog.oldest_at.is_some_and(|at| is_late(at, now)),
        held: match backlog.held {
            0 => String::new(),
            held => counted(held, "delivery waits", "deliveries wait"),
        },
        endpoints: counted(endpoints.enabled + off, "endpoint", "endpoints"),
        trouble: trouble.collect::<Vec<_>>().join(", "),
    }
}

fn windows(here: Window) -> Vec<Choice> {
    let choice = |window: Window| Choice {
        title: match window {
            Window::Hour => "Hour",
            Window::Day => "Day",
            Window::Week => "Week",
            Window::Month => "Month",
        },
        href: href("/console", &[("window", window.as_str())]),
        is_here: window == here,
    };
    Window::ALL.map(choice).into()
}

fn tile(stats: &Stats, passage: Passage) -> Tile {
    let (title, told) = match passage {
        Passage::Received => ("Received", "calls came in"),
        Passage::Finalized => ("Finalized", "were settled"),
        Passage::Remembered => ("Remembered", "were gone through"),
        Passage::Delivered if has_no_crm(stats) => ("Delivered", "no endpoint is enabled"),
        Passage::Delivered => ("Delivered", "reached a CRM"),
    };
    let counts = stats.passed.iter().find(|(one, _)| *one == passage);
    let mut from = stats.since;
    let utc = |at: Timestamp| at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
    let mut values = Vec::new();
    for count in counts
        .map(|(_, counts)| counts.as_slice())
        .unwrap_or_default()
    {
        let told = format!("{}: {}", utc(from).strftime("%-d %b %H:%M"), number(*count));
        values.push((*count, told));
        from = from.plus(stats.window.span());
    }
    Tile {
        title,
        told,
        total: number(stats.total(passage)),
        chart: chart(&values),
        from: utc(stats.since).strftime("%-d %b, %H:%M").to_string(),
    }
}

/// Whether there is nobody to whom a result could go.
fn has_no_crm(stats: &Stats) -> bool {
    stats.crms.is_some_and(|crms| crms.endpoints.enabled == 0)
}

fn told(millis: Option<i64>) -> String {
    millis.map_or_else(|| "–".to_owned(), latency)
}

/// How many calls took how long.
fn spread(sorted: &[i64]) -> Chart {
    if sorted.is_empty() {
        return Chart::default();
    }
    let mut values = Vec::with_capacity(SPREAD.len() + 1);
    let mut counted = 0;
    for end in SPREAD {
        let upto = sorted.partition_point(|millis| *millis <= end);
        let here = i64::try_from(upto - counted).unwrap_or(i64::MAX);
        values.push((here, format!("up to {}: {}", latency(end), number(here))));
        counted = upto;
    }
    let rest = i64::try_from(sorted.len() - counted).unwrap_or(i64::MAX);
    values.push((rest, format!("longer: {}", number(rest))));
    chart(&values)
}

fn is_late(at: Timestamp, now: Timestamp) -> bool {
    now.as_millis() - at.as_millis() > LATE
}

fn row(source: &SourceState, unread: Option<&String>, now: Timestamp) -> SourceRow {
    let (circuit, told) = match (source.circuit, unread) {
        (CircuitState::Closed, Some(why)) => ("not read whole", why.clone()),
        (CircuitState::Closed, None) if source.asked => ("answers", String::new()),
        (CircuitState::Closed, None) => ("no API", "its events alone make its calls".to_owned()),
        (CircuitState::Open, _) => (
            "refuses us",
            "its calls wait, unspent: renew api.token".to_owned(),
        ),
        (CircuitState::Lacking(scope), _) => (
            "shows too little",
            format!("its calls wait, unspent: give api.token the scope {scope}"),
        ),
        (CircuitState::Paused(until), _) => {
            ("resting", format!("goes on {}", Moment::of(until, now).ago))
        }
    };
    SourceRow {
        name: source.name.clone(),
        platform: source.platform,
        takes: if source.sends {
            format!("/webhooks/{}", source.name)
        } else {
            "is polled".to_owned()
        },
        circuit,
        is_well: source.circuit == CircuitState::Closed && unread.is_none(),
        told,
    }
}
