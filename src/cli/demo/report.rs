//! What the demo found out: one line a call, and the sums.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::crm::Told;
use super::judge::Found;
use crate::simulate::script::Answered;

/// The whole demo.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether every call came out as scripted.
    pub(super) ok: bool,
    /// Where the data is.
    data: String,
    /// Where aftercall was.
    url: String,
    /// How long it took.
    pub(super) elapsed_ms: u64,
    /// The sums.
    pub(super) summary: Summary,
    /// One a call, in the script's order.
    pub(super) calls: Vec<CallReport>,
}

/// One call.
#[derive(Debug, Serialize)]
pub(super) struct CallReport {
    /// The script's name.
    pub(super) name: String,
    /// What happens.
    pub(super) title: String,
    /// The call's id.
    pub(super) conversation_id: String,
    /// Whose agent it was.
    pub(super) agent_id: String,
    /// Who called.
    pub(super) caller_identity: String,
    /// How each delivery was answered, in order, copies included.
    pub(super) answers: Vec<Option<Answered>>,
    /// How many of them carried the bytes of an earlier one.
    pub(super) copies: usize,
    /// Whether it was found in its platform's list, which sends no webhook.
    pub(super) listed: bool,
    /// What aftercall knows; nothing where the call must stay unknown.
    #[serde(flatten)]
    pub(super) found: Option<Found>,
    /// What the CRM got of it.
    pub(super) crm: Told,
    /// From the first webhook to the outcome.
    pub(super) elapsed_ms: u64,
    /// What is not as scripted.
    pub(super) differences: Vec<String>,
}

impl CallReport {
    /// How many deliveries were answered so.
    pub(super) fn answered(&self, answer: Answered) -> usize {
        self.answers
            .iter()
            .filter(|one| **one == Some(answer))
            .count()
    }

    /// The facts of this call that hold.
    pub(super) fn held(&self) -> impl Iterator<Item = &super::judge::Held> {
        self.found.iter().flat_map(|found| &found.memories)
    }
}

/// The sums.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    calls: usize,
    webhooks: usize,
    finalized: usize,
    found_by_asking: usize,
    duplicates_absorbed: usize,
    forgeries_refused: usize,
    unreadable_parked: usize,
    retries: usize,
    memories_learned: usize,
    events_delivered: usize,
    deliveries_verified: u32,
    deliveries_failed: usize,
}

impl Summary {
    /// The sums in words.
    pub(super) fn lines(&self, elapsed_ms: u64) -> Vec<String> {
        let Self {
            calls,
            webhooks,
            finalized,
            found_by_asking,
            duplicates_absorbed,
            forgeries_refused,
            unreadable_parked,
            retries,
            memories_learned,
            events_delivered,
            deliveries_verified,
            deliveries_failed,
        } = self;
        let time = Duration::from_millis(elapsed_ms).as_secs_f64();
        vec![
            format!("{calls} calls, {webhooks} webhooks, {time:.1} s"),
            line(*finalized, "call", "calls", "finalized"),
            line(
                *found_by_asking,
                "call",
                "calls",
                "found by asking, where no webhook is sent",
            ),
            line(*memories_learned, "fact", "facts", "remembered"),
            line(*duplicates_absorbed, "duplicate", "duplicates", "absorbed"),
            line(*retries, "retry", "retries", "until the API had the answer"),
            line(
                *forgeries_refused,
                "forgery",
                "forgeries",
                "refused, and kept in quarantine",
            ),
            line(
                *unreadable_parked,
                "unreadable body",
                "unreadable bodies",
                "parked, not lost",
            ),
            line(
                *events_delivered,
                "event",
                "events",
                &format!(
                    "taken by the CRM, each once: {deliveries_verified} signed deliveries, of which it \
                     failed {deliveries_failed} on purpose"
                ),
            ),
        ]
    }
}

fn line(count: usize, one: &str, more: &str, fate: &str) -> String {
    let noun = if count == 1 { one } else { more };
    format!("  {count:>3} {noun} {fate}")
}

impl Report {
    /// The report of these calls, with their data in `data` and aftercall at `url`.
    pub(super) fn new(
        calls: Vec<CallReport>,
        data: String,
        url: String,
        elapsed: Duration,
    ) -> Self {
        let count = |answer| calls.iter().map(|call| call.answered(answer)).sum();
        let found = || calls.iter().filter_map(|call| call.found.as_ref());
        let events_delivered = calls.iter().map(|call| call.crm.delivered).sum();
        let attempts: usize = calls.iter().map(|call| call.crm.attempts as usize).sum();
        let summary = Summary {
            calls: calls.len(),
            webhooks: calls.iter().map(|call| call.answers.len()).sum(),
            finalized: found().count(),
            found_by_asking: calls.iter().filter(|call| call.listed).count(),
            duplicates_absorbed: calls.iter().map(|call| call.copies).sum(),
            forgeries_refused: count(Answered::Refused),
            unreadable_parked: count(Answered::Parked),
            retries: found().map(|found| found.retries).sum(),
            memories_learned: calls.iter().map(|call| call.held().count()).sum(),
            events_delivered,
            deliveries_verified: calls.iter().map(|call| call.crm.verified).sum(),
            deliveries_failed: attempts.saturating_sub(events_delivered),
        };
        Self {
            ok: calls.iter().all(|call| call.differences.is_empty()),
            data,
            url,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            summary,
            calls,
        }
    }

    /// What is not as scripted: the call's title and the difference.
    pub(super) fn differences(&self) -> impl Iterator<Item = (&str, &str)> {
        self.calls.iter().flat_map(|call| {
            let differences = call.differences.iter();
            differences.map(|difference| (call.title.as_str(), difference.as_str()))
        })
    }

    /// An agent and a caller who is remembered.
    pub(super) fn example(&self) -> Option<(&str, &str)> {
        let call = self
            .calls
            .iter()
            .find(|call| call.held().next().is_some())?;
        Some((&call.agent_id, &call.caller_identity))
    }
}

/// A remembered value as text: an appointment's object as its JSON.
pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
