//! What must be true after every fault: nothing lost, nothing twice, the answers of a run without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;

use super::fleet::{Fleet, Mode};
use super::load::{Tally, caller};
use super::records::{Records, TOLD};
use crate::support::conversation_id;

/// How long work may take to end after the load has: the platform's third retry is a minute later.
const SETTLE_PATIENCE: Duration = Duration::from_mins(4);

/// And so much longer for every event, on a machine that does much else.
const EVENT_PATIENCE: Duration = Duration::from_millis(200);

/// RabbitMQ counts the messages of a quorum queue every 5 s: what it says in between is old.
const BROKER_COUNTS_EVERY: Duration = Duration::from_secs(6);

/// Queues that are empty for so long, and yet not every call is told of: it is lost.
const GIVEN_UP: Duration = Duration::from_secs(15);

/// Of every so-manieth call each detail is asked for; divides no period of the script.
const DETAILED: usize = 11;

/// Requests to the API at once.
const ASKED_AT_ONCE: usize = 8;

/// What the API answers about every call and caller, without the times of processing.
#[derive(Debug, PartialEq)]
pub(super) struct Answers(BTreeMap<String, Value>);

/// How a run went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) lost: usize,
    /// Results and conversations beyond one a call.
    pub(super) doubled: usize,
    pub(super) answers: Answers,
}

/// Waits until no work is left anywhere, and looks at what has become of it.
pub(super) async fn judge(fleet: &Fleet, events: usize) -> Outcome {
    let records = settled(fleet, events).await;
    let leftovers = records.leftovers().await.unwrap();
    assert!(leftovers.is_empty(), "left behind: {leftovers:?}");
    let count = async |query: &str| usize::try_from(records.count(query).await.unwrap()).unwrap();
    let told_of = count(TOLD).await;
    let told_times =
        count("SELECT COUNT(*) FROM results WHERE type = 'conversation.completed'").await;
    let kept = count("SELECT COUNT(*) FROM conversations").await;
    let corrected = count("SELECT COUNT(*) FROM results WHERE type = 'conversation.updated'").await;
    let delivered = count("SELECT COUNT(*) FROM timeline WHERE step = 'delivered'").await;
    let noted = count("SELECT COUNT(*) FROM events").await;
    assert_eq!(corrected, 0, "nothing has changed after it was told");
    assert_eq!(delivered, told_times, "the timeline tells each result");
    assert_eq!(noted, told_of, "one event a call is noted as done");
    Outcome {
        lost: events - told_of.min(kept),
        doubled: told_times - told_of + kept.saturating_sub(events),
        answers: answers(fleet, events).await,
    }
}

/// The records, once all queues are empty and stay so.
async fn settled(fleet: &Fleet, events: usize) -> Records {
    let patience = SETTLE_PATIENCE + EVENT_PATIENCE * u32::try_from(events).unwrap();
    let started = Instant::now();
    let (mut told, mut calm_since) = (0, None);
    loop {
        let waits = match waiting(fleet, &mut told).await {
            Ok((records, None)) => {
                let calm = calm_since.get_or_insert_with(Instant::now).elapsed();
                let enough = match fleet.mode {
                    _ if told < i64::try_from(events).unwrap() => GIVEN_UP,
                    Mode::Distributed => BROKER_COUNTS_EVERY,
                    Mode::Embedded | Mode::Database => Duration::from_secs(1),
                };
                if calm > enough {
                    return records;
                }
                None
            }
            Ok((_, waits)) => waits,
            Err(error) => Some(error.to_string()),
        };
        if waits.is_some() {
            calm_since = None;
        }
        assert!(
            started.elapsed() < patience,
            "not settled: {waits:?}\n{}",
            fleet.logged()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The records, and what waits, in words. As long as calls are told of that were not among the `told`,
/// something does: the broker, to whom every question is dear, need not be asked.
async fn waiting(fleet: &Fleet, told: &mut i64) -> sqlx::Result<(Records, Option<String>)> {
    let records = Records::of(fleet).await?;
    let outbox = records.count("SELECT COUNT(*) FROM outbox").await?;
    let told_before = std::mem::replace(told, records.count(TOLD).await?);
    let waits = if outbox > 0 {
        Some(format!("{outbox} in the outbox"))
    } else if *told > told_before {
        Some(format!("{told} told of, of which {told_before} before"))
    } else if fleet.mode == Mode::Distributed {
        busy_queues(fleet).await
    } else {
        None
    };
    Ok((records, waits))
}

/// The broker's queues that are not empty, if there are any.
async fn busy_queues(fleet: &Fleet) -> Option<String> {
    let listing = ["list_queues", "-p", &fleet.name, "--no-table-headers"];
    let queues = fleet
        .services()
        .rabbitmqctl(&[&listing[..], &["name", "messages"]].concat())
        .await;
    let busy = queues
        .lines()
        .filter(|line| !line.trim_end().ends_with("\t0"));
    Some(busy.collect::<Vec<_>>().join(", ")).filter(|busy| !busy.is_empty())
}

/// Asks the API for what a client would: every row of the list, all that is remembered of every
/// caller, and of a part of the calls each detail.
async fn answers(fleet: &Fleet, events: usize) -> Answers {
    let mut answers = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = format!("/v1/conversations?page_size=100{cursor}");
        let page = timeless(fleet.get(&page).await, false);
        for row in page["conversations"].as_array().unwrap() {
            answers.insert(format!("row of {}", row["id"]), row.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut paths = Vec::new();
    for n in (0..events).step_by(DETAILED) {
        let id = conversation_id(n);
        for part in ["", "/messages", "/memories"] {
            paths.push(format!("/v1/conversations/{id}{part}"));
        }
    }
    let callers: BTreeSet<_> = (0..events).map(|n| caller(n, events)).collect();
    for caller in callers {
        let agent = "/v1/agents/agent_01k6z9c2d4e6g8j0m2p4r6t8v0";
        let caller = caller.replace('+', "%2B");
        paths.push(format!("{agent}/memories?caller_identity={caller}"));
        paths.push(format!("{agent}/context?caller_identity={caller}"));
    }
    let asked = stream::iter(paths).map(|path| async move {
        let answer = timeless(fleet.get(&path).await, false);
        (path, answer)
    });
    let details: Vec<_> = asked.buffer_unordered(ASKED_AT_ONCE).collect().await;
    answers.extend(details);
    Answers(answers)
}

/// The answer without what says when *we* did something.
fn timeless(answer: Value, of_a_memory: bool) -> Value {
    match answer {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, _)| name != "updated_at" && !(of_a_memory && name == "created_at"))
            .map(|(name, value)| {
                let memories = of_a_memory || name == "memories";
                (name, timeless(value, memories))
            })
            .collect(),
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| timeless(item, of_a_memory)).collect()
        }
        other => other,
    }
}

impl Answers {
    /// The first few answers that are not the other's, in words.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let differing = self
            .0
            .iter()
            .filter(|(path, answer)| other.0.get(*path) != Some(*answer));
        differing
            .take(3)
            .map(|(path, answer)| format!("{path}: {answer}\ninstead of {:?}", other.0.get(path)))
            .collect()
    }
}

/// The head of the table.
pub(super) const HEADER: &str = "\
| mode | fault | events | posts | answered 200 | refused | unanswered | slowest answer, s | lost | doubled | run, s |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// The row of the table about a run (in `README.md`).
pub(super) fn row(
    name: &str,
    events: usize,
    tally: &Tally,
    outcome: &Outcome,
    took: Duration,
) -> String {
    let seen = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::SeqCst);
    format!(
        "| {name} | {events} | {} | {} | {} | {} | {:.1} | {} | {} | {:.0} |",
        seen(&tally.posted),
        seen(&tally.accepted),
        seen(&tally.refused),
        seen(&tally.unanswered),
        tally.slowest().as_secs_f64(),
        outcome.lost,
        outcome.doubled,
        took.as_secs_f64(),
    )
}
