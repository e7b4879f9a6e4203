//! Generated calls for load: the scripted ones with other callers, and a lot that decides, the same
//! for the same seed, what goes wrong on the way.

use std::time::Duration;

use super::record::Faults;
use super::script::{Answered, Script};
use crate::id::of_content;
use crate::secret::sha256_hex;

pub mod run;

/// Decides by chance, and always the same for the same seed, question and number.
#[derive(Clone, Copy, Debug)]
pub struct Lot {
    seed: u64,
}

impl Lot {
    /// A lot of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(self, question: &str, number: u64) -> f64 {
        // 32 bits: a double holds them exactly.
        let drawn = u32::try_from(self.draw(question, number) >> 32).unwrap_or(u32::MAX);
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
    }

    /// Whether what happens with this probability happens.
    pub fn falls(self, question: &str, number: u64, probability: f64) -> bool {
        self.fraction(question, number) < probability
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(self, question: &str, number: u64, bound: u64) -> u64 {
        self.draw(question, number) % bound
    }

    fn draw(self, question: &str, number: u64) -> u64 {
        let hash = sha256_hex(format!("{} {question} {number}", self.seed).as_bytes());
        u64::from_str_radix(&hash[..16], 16).unwrap_or_default()
    }
}

/// What befalls webhooks on their way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disorder {
    /// The share that is never sent.
    pub drop: f64,
    /// The share that is sent twice.
    pub duplicate: f64,
    /// The longest that one is held up; each for its own part of it.
    pub delay: Duration,
    /// The share that later ones overtake.
    pub reorder: f64,
}

/// So long a webhook is held back that is to be overtaken.
const OVERTAKEN: Duration = Duration::from_secs(2);

impl Disorder {
    /// When each copy of the `number`th webhook is sent: none if it is dropped.
    pub fn copies(&self, lot: Lot, number: u64) -> Vec<Duration> {
        if lot.falls("drop", number, self.drop) {
            return Vec::new();
        }
        let mut wait = self.delay.mul_f64(lot.fraction("delay", number));
        if lot.falls("reorder", number, self.reorder) {
            wait += OVERTAKEN;
        }
        if lot.falls("duplicate", number, self.duplicate) {
            return vec![
                wait,
                wait + self.delay.mul_f64(lot.fraction("again", number)),
            ];
        }
        vec![wait]
    }
}

/// The scripts that load is made of: those whose every webhook is accepted, without their faults.
pub fn templates(scripts: Vec<Script>) -> Vec<Script> {
    scripts
        .into_iter()
        .filter(|script| {
            let answers = &script.expect.answers;
            answers.iter().all(|answer| *answer == Answered::Accepted)
        })
        .map(|mut script| {
            script.faults = Faults::default();
            for sending in &mut script.sends {
                sending.times = 1;
            }
            script
        })
        .collect()
}

/// The `number`th generated call: one of the templates, with a caller of its own.
pub fn cast(templates: &[Script], lot: Lot, number: u64) -> Option<Script> {
    let templates_count = u64::try_from(templates.len()).ok().filter(|n| *n > 0)?;
    let chosen = usize::try_from(lot.below("template", number, templates_count)).ok()?;
    let mut script = templates.get(chosen)?.clone();
    if script.call.number.is_some() {
        let exchange = 200 + lot.below("exchange", number, 700);
        let line = lot.below("line", number, 10_000);
        script.call.number = Some(format!("+1415{exchange}{line:04}"));
    }
    if !script.call.user.is_empty() {
        let name = of_content("", &[&lot.seed.to_string(), &number.to_string()]);
        script.call.user = format!("user_{}", &name[..10]);
    }
    script.name = format!("{}-{number}", script.name);
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::script;

    #[test]
    fn the_same_seed_makes_the_same_calls() {
        let templates = templates(script::all().unwrap());
        for number in 0..200 {
            let one = cast(&templates, Lot::new(7), number).unwrap();
            let two = cast(&templates, Lot::new(7), number).unwrap();
            assert_eq!(one.name, two.name);
            assert_eq!(one.call.number, two.call.number);
            assert_eq!(one.call.user, two.call.user);
        }
        let names = |seed| -> Vec<String> {
            (0..50)
                .map(|number| cast(&templates, Lot::new(seed), number).unwrap().name)
                .collect()
        };
        assert_ne!(names(1), names(2));
    }

    #[test]
    fn the_lot_keeps_to_its_probability() {
        let lot = Lot::new(1);
        let fallen = (0..10_000).filter(|n| lot.falls("drop", *n, 0.1)).count();
        assert!((900..1_100).contains(&fallen), "{fallen}");
        assert!(!(0..1_000).any(|n| lot.falls("drop", n, 0.0)));
        assert!((0..1_000).all(|n| lot.falls("drop", n, 1.0)));
    }

    #[test]
    fn disorder_drops_doubles_and_delays() {
        let lot = Lot::new(3);
        let gone = Disorder {
            drop: 1.0,
            ..Disorder::default()
        };
        assert!(gone.copies(lot, 1).is_empty());
        let twice = Disorder {
            duplicate: 1.0,
            ..Disorder::default()
        };
        assert_eq!(twice.copies(lot, 1), [Duration::ZERO; 2]);
        let late = Disorder {
            reorder: 1.0,
            ..Disorder::default()
        };
        assert_eq!(late.copies(lot, 1), [OVERTAKEN]);
        assert_eq!(Disorder::default().copies(lot, 1), [Duration::ZERO]);
    }
}
