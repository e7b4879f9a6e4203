//! Observations against gold facts: micro-averaged sets per call, as the scorer of the development
//! set counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// What was asserted and not taken back, by call.
pub(super) struct Answers(BTreeMap<String, Vec<Value>>);

impl Answers {
    /// Reads what `aftercall extract` wrote, and checks that every quote stands in its message.
    pub(super) fn read(transcripts: &str, written: &str) -> Self {
        let texts: BTreeMap<(String, String), String> = transcripts
            .lines()
            .flat_map(|line| {
                let call: Value = serde_json::from_str(line).unwrap();
                let id = text(&call["conversation"]["id"]);
                let messages = call["messages"].as_array().unwrap().clone();
                messages
                    .into_iter()
                    .map(move |one| ((id.clone(), text(&one["id"])), folded(&one["content"])))
            })
            .collect();
        let answers = written.lines().map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            let id = text(&answer["conversation_id"]);
            let all = answer["observations"].as_array().unwrap().clone();
            for one in &all {
                let place = (id.clone(), text(&one["message_ids"][0]));
                assert!(texts[&place].contains(&folded(&one["quote"])), "{id}");
            }
            (id, standing(all))
        });
        Self(answers.collect())
    }
}

fn standing(observations: Vec<Value>) -> Vec<Value> {
    let key = |one: &Value| (text(&one["slot"]), one["value"].to_string());
    let taken: BTreeSet<_> = observations
        .iter()
        .filter(|one| one["op"] == "retract")
        .map(key)
        .collect();
    observations
        .into_iter()
        .filter(|one| one["op"] == "assert" && !taken.contains(&key(one)))
        .collect()
}

/// How often a slot was right, wrong, and missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Tally {
    pub(super) fn precision(self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    pub(super) fn recall(self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }

    fn f1(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        2.0 * precision * recall / (precision + recall).max(f64::EPSILON)
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
    }
}

/// A set's score.
#[derive(Default)]
pub(super) struct Score {
    slots: BTreeMap<String, Tally>,
    /// Calls where a value that must not be stored stands in an observation.
    pub(super) leaked: Vec<String>,
    /// Appointments out of calls whose every booking failed.
    pub(super) on_failed_bookings: usize,
    /// What was wrong and missed, a line a call.
    pub(super) errors: Vec<String>,
}

impl Score {
    pub(super) fn of(golds: &[Value], answers: &Answers) -> Self {
        let scored: BTreeSet<String> = golds
            .iter()
            .flat_map(|gold| facts(gold).iter().map(|fact| group(&fact["slot"])))
            .collect();
        let mut score = Self::default();
        for gold in golds {
            let id = text(&gold["conversation_id"]);
            let found = &answers.0[&id];
            let want: BTreeSet<_> = facts(gold).iter().map(wanted).collect();
            let have: BTreeSet<_> = found
                .iter()
                .map(observed)
                .map(|one| without_time(one, &want))
                .filter(|(slot, _)| scored.contains(slot))
                .collect();
            score.count(&id, &want, &have);
            let failed = gold["failed_bookings"].as_u64().unwrap_or(0) > 0;
            if failed && want.is_empty() {
                score.on_failed_bookings += have
                    .iter()
                    .filter(|(slot, _)| slot == "appointment")
                    .count();
            }
            if leaks(gold, found) {
                score.leaked.push(id);
            }
        }
        score
    }

    fn count(&mut self, id: &str, want: &BTreeSet<Fact>, have: &BTreeSet<Fact>) {
        for (facts, tally) in [
            (
                want & have,
                Tally {
                    right: 1,
                    ..Tally::default()
                },
            ),
            (
                have - want,
                Tally {
                    wrong: 1,
                    ..Tally::default()
                },
            ),
            (
                want - have,
                Tally {
                    missed: 1,
                    ..Tally::default()
                },
            ),
        ] {
            for (slot, value) in facts {
                if tally.right == 0 {
                    let what = if tally.wrong > 0 { "wrong" } else { "missed" };
                    self.errors.push(format!("{id}: {what} {slot}={value}"));
                }
                self.slots.entry(slot).or_default().add(tally);
            }
        }
    }

    /// The tally of a slot, of a kind of slots, or of all.
    pub(super) fn slot(&self, name: &str) -> Tally {
        let mut sum = Tally::default();
        for (slot, tally) in &self.slots {
            if name == "all" || slot == name || slot.starts_with(&format!("{name}.")) {
                sum.add(*tally);
            }
        }
        sum
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:28} {:>6} {:>7} {:>7} {:>7}",
            "slot", "gold", "P", "R", "F1"
        )?;
        for slot in self.slots.keys().map(String::as_str).chain(["all"]) {
            let tally = self.slot(slot);
            let gold = tally.right + tally.missed;
            let (precision, recall, f1) = (tally.precision(), tally.recall(), tally.f1());
            writeln!(
                f,
                "{slot:28} {gold:6} {precision:7.3} {recall:7.3} {f1:7.3}"
            )?;
        }
        writeln!(f, "must not be stored, and is: {}", self.leaked.len())
    }
}

/// A slot and a value in a form that can be compared.
type Fact = (String, String);

fn facts(gold: &Value) -> &Vec<Value> {
    gold["facts"].as_array().unwrap()
}

fn wanted(fact: &Value) -> Fact {
    let slot = text(&fact["slot"]);
    if slot == "appointment" {
        return (slot, format!("{} {}", fact["date"], fact["time"]));
    }
    (group(&fact["slot"]), normal(&slot, &text(&fact["value"])))
}

fn observed(one: &Value) -> Fact {
    let slot = text(&one["slot"]);
    let value = &one["value"];
    if slot == "appointment" {
        return (slot, format!("{} {}", value["date"], value["time"]));
    }
    (group(&one["slot"]), normal(&slot, &text(value)))
}

/// Gold without a time takes any.
fn without_time(one: Fact, want: &BTreeSet<Fact>) -> Fact {
    let date = one.1.split(' ').next().unwrap_or_default();
    let open = (one.0.clone(), format!("{date} null"));
    if one.0 == "appointment" && !want.contains(&one) && want.contains(&open) {
        return open;
    }
    one
}

fn group(slot: &Value) -> String {
    let slot = text(slot);
    if slot.starts_with("identifier.") {
        return "identifier".to_owned();
    }
    slot
}

fn normal(slot: &str, value: &str) -> String {
    let lower = value.to_lowercase();
    if slot == "contact.phone" {
        let digits: String = lower.chars().filter(char::is_ascii_digit).collect();
        return digits[digits.len().saturating_sub(10)..].to_owned();
    }
    if slot.starts_with("identity.") || slot == "contact.address" || slot == "contact.city" {
        let mut words: Vec<&str> = lower
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        words.sort_unstable();
        return words.join(" ");
    }
    let words = lower.split(' ');
    let words = words.filter(|word| slot != "contact.email" || !matches!(*word, "at" | "dot"));
    let joined: String = words.collect();
    joined.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Whether a value that must not be stored stands in an observation as a whole.
fn leaks(gold: &Value, found: &[Value]) -> bool {
    let plain = |text: &str| -> String {
        let lower = text.to_lowercase();
        lower.chars().filter(char::is_ascii_alphanumeric).collect()
    };
    gold["must_not_store"]
        .as_array()
        .unwrap()
        .iter()
        .any(|secret| {
            let secret = plain(&text(&secret["value"]));
            found.iter().any(|one| {
                let held = [plain(&text(&one["value"])), plain(&text(&one["quote"]))];
                secret.len() >= 3 && held.contains(&secret)
            })
        })
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn folded(value: &Value) -> String {
    let lower = text(value).to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}
