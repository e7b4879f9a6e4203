//! What aftercall knows of a call, held against what the script says.

use serde::Serialize;
use serde_json::Value;

use super::report::value_text;
use crate::simulate::script::{Answered, Known, Script};

/// What aftercall knows of a call.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Found {
    /// Why it ended.
    pub(super) end_reason: Option<String>,
    /// How that is known.
    pub(super) end_reason_source: Option<String>,
    /// The facts that the call is evidence for, and that hold.
    pub(super) memories: Vec<Held>,
    /// Facts of the same caller that do not hold any more.
    pub(super) superseded: Vec<Held>,
    /// Why nothing was remembered, in aftercall's words.
    pub(super) skipped: Option<String>,
    /// How often it was tried in vain, or too early.
    pub(super) retries: usize,
    /// How often it was settled.
    pub(super) settled: usize,
    /// Whether the stage of memory is through with it.
    #[serde(skip)]
    pub(super) remembered: bool,
}

/// One fact.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Held {
    /// Its slot.
    pub(super) slot: String,
    /// Its value.
    pub(super) value: Value,
    /// As a sentence.
    pub(super) fact: String,
}

impl Held {
    fn says(&self, slot: &str, text: &str) -> bool {
        let value = value_text(&self.value).to_lowercase();
        self.slot == slot && value.contains(&text.to_lowercase())
    }
}

/// Reads what the API says about a call: the call, its memories (current and past) and its timeline.
pub(super) fn read(call: &Value, memories: &[Value], timeline: &[Value]) -> Found {
    let text = |object: &Value, name: &str| object[name].as_str().map(str::to_owned);
    let step = |row: &Value| text(row, "step").unwrap_or_default();
    let held = |row: &Value| Held {
        slot: text(row, "slot").unwrap_or_default(),
        value: row["value"].clone(),
        fact: text(row, "fact").unwrap_or_default(),
    };
    let (current, past): (Vec<_>, Vec<_>) =
        memories.iter().partition(|row| row["valid_to"].is_null());
    let mut current: Vec<Held> = current.into_iter().map(held).collect();
    current.sort_by(|a, b| rank(&a.slot).cmp(&rank(&b.slot)));
    let skipped = timeline.iter().find(|row| step(row) == "remember_skipped");
    Found {
        end_reason: text(call, "end_reason"),
        end_reason_source: text(call, "end_reason_source"),
        memories: current,
        superseded: past.into_iter().map(held).collect(),
        skipped: skipped.and_then(|row| text(row, "detail")),
        retries: count(timeline, |row| match step(row).as_str() {
            "attempt_failed" => true,
            // The grace is no attempt: nobody was asked.
            "waited" => text(row, "detail").as_deref() != Some("grace"),
            _ => false,
        }),
        settled: count(timeline, |row| step(row) == "settled"),
        remembered: timeline.iter().any(|row| step(row).starts_with("remember")),
    }
}

/// Who it is comes first, then how to reach them, then the rest.
fn rank(slot: &str) -> (usize, &str) {
    let kinds = ["identity", "contact", "identifier", "preference"];
    let kind = slot.split('.').next().unwrap_or_default();
    let place = kinds.iter().position(|known| *known == kind);
    (place.unwrap_or(kinds.len()), slot)
}

fn count(rows: &[Value], wanted: impl Fn(&Value) -> bool) -> usize {
    rows.iter().filter(|row| wanted(row)).count()
}

/// What is not as scripted in how the deliveries were answered. `answers`: the sending's place in the
/// script, and the answer.
pub(super) fn answers(script: &Script, answers: &[(usize, Option<Answered>)]) -> Vec<String> {
    let word = |answer: Option<Answered>| answer.map_or("something else", Answered::as_str);
    answers
        .iter()
        .filter_map(|(sending, got)| {
            let wanted = script.expect.answers.get(*sending).copied();
            (*got != wanted).then(|| {
                let number = sending + 1;
                format!(
                    "webhook {number}: {} expected, answered {}",
                    word(wanted),
                    word(*got)
                )
            })
        })
        .collect()
}

/// What is not, or not yet, as scripted in what is known. At most `distinct` events can settle it.
pub(super) fn outcome(known: &Known, found: &Found, distinct: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must_be = |name: &str, wanted: &str, got: Option<&str>| {
        if got != Some(wanted) {
            let got = got.unwrap_or("nothing");
            wrong.push(format!("{name}: {wanted} expected, found {got}"));
        }
    };
    let (reason, source) = (known.end_reason.as_str(), known.source.as_str());
    must_be("end_reason", reason, found.end_reason.as_deref());
    must_be(
        "end_reason_source",
        source,
        found.end_reason_source.as_deref(),
    );
    if !found.remembered {
        wrong.push("memory: the stage is not through".to_owned());
    }
    for (slot, text) in &known.remembers {
        if !found.memories.iter().any(|held| held.says(slot, text)) {
            wrong.push(format!("memory: {slot} = {text:?} expected, not found"));
        }
    }
    if known.remembers.is_empty()
        && let Some(held) = found.memories.first()
    {
        wrong.push(format!("memory: nothing expected, found {}", held.slot));
    }
    for (slot, text) in &known.supersedes {
        if found.memories.iter().any(|held| held.says(slot, text)) {
            wrong.push(format!("memory: {slot} = {text:?} must not hold any more"));
        }
    }
    let retries = usize::try_from(known.retries).unwrap_or(usize::MAX);
    if found.retries < retries {
        let got = found.retries;
        wrong.push(format!("timeline: {retries} retries expected, found {got}"));
    }
    if found.settled > distinct {
        let got = found.settled;
        wrong.push(format!(
            "timeline: settled {got} times by {distinct} events: a duplicate was not absorbed"
        ));
    }
    wrong
}

#[cfg(test)]
mod tests;
