//! What the rules and a language model say of one call, as one list: weighed as memory's fold weighs
//! it, but for what other calls say.

use crate::memory::fold::object_key;
use crate::memory::observation::{Observation, Op};

/// The findings of both, in the order of speech. A model that speaks `alone` leaves the rules what
/// they know best; one that speaks beside them has the last word where the two disagree.
pub fn unite(rules: Vec<Observation>, model: Vec<Observation>, alone: bool) -> Vec<Observation> {
    let mut all: Vec<Observation> = rules
        .into_iter()
        .filter(|said| {
            let outspoken = if alone {
                !said.slot.rules_know_best()
            } else {
                is_outspoken(said, &model)
            };
            !outspoken && !model.iter().any(|other| is_same(said, other))
        })
        .collect();
    all.extend(model);
    all.sort_by_key(|said| said.said_at);
    all
}

/// Whether the model says something else of the same thing, and this nowhere.
fn is_outspoken(said: &Observation, model: &[Observation]) -> bool {
    let mut of_it = model
        .iter()
        .filter(|other| other.slot == said.slot && object_key(other) == object_key(said));
    !said.slot.is_consent()
        && of_it.clone().any(|other| other.op == Op::Assert)
        && !of_it.any(|other| other.value == said.value)
}

fn is_same(one: &Observation, other: &Observation) -> bool {
    (&one.slot, &one.value, one.op) == (&other.slot, &other.value, other.op)
        && object_key(one) == object_key(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::MessageId;
    use crate::time::Timestamp;

    fn said(slot: &str, value: &str, quote: &str) -> Observation {
        Observation {
            slot: slot.into(),
            object_key: String::new(),
            value: json!(value),
            op: Op::Assert,
            message_ids: vec![MessageId::new("m1").unwrap()],
            quote: quote.to_owned(),
            confidence: 0.8,
            said_at: Timestamp::from_secs(1_780_000_000),
            seq: 0,
            due_at: None,
        }
    }

    fn values(all: &[Observation]) -> Vec<(&str, &str)> {
        all.iter()
            .map(|said| (said.value.as_str().unwrap(), said.quote.as_str()))
            .collect()
    }

    #[test]
    fn beside_the_rules_the_model_has_the_last_word() {
        let rules = vec![
            said("identity.name", "Ann", "rules"),
            said("contact.phone", "+14155550123", "rules"),
            said("identifier.order", "4417", "rules"),
            said("consent.do_not_call", "true", "rules"),
        ];
        let model = vec![
            said("identity.name", "Ann Lee", "model"),
            said("contact.phone", "+14155550123", "model"),
            said("contact.phone", "+14155550199", "model"),
        ];
        assert_eq!(
            values(&unite(rules, model, false)),
            [
                ("4417", "rules"),
                ("true", "rules"),
                ("Ann Lee", "model"),
                ("+14155550123", "model"),
                ("+14155550199", "model"),
            ]
        );
    }

    #[test]
    fn alone_it_leaves_the_rules_what_they_know_best() {
        let rules = vec![
            said("identity.name", "Ann", "rules"),
            said("contact.city", "Oslo", "rules"),
            said("identifier.order", "4417", "rules"),
            said("consent.do_not_call", "true", "rules"),
        ];
        let model = vec![said("identity.name", "Ann", "model")];
        assert_eq!(
            values(&unite(rules, model, true)),
            [("4417", "rules"), ("true", "rules"), ("Ann", "model")]
        );
    }

    #[test]
    fn a_model_that_finds_nothing_takes_nothing() {
        let rules = vec![said("identity.name", "Ann", "rules")];
        assert_eq!(values(&unite(rules, Vec::new(), false)), [("Ann", "rules")]);
    }
}
