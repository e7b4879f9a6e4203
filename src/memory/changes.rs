//! What a new fold changed: the lists of a `memory.changed` event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::memory::fold::Fact;

/// What is new, different and gone. All lists are in the order of the fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Facts that hold now, under ids that held nothing before.
    pub added: Vec<Fact>,
    /// Facts that hold now and said something else before.
    pub changed: Vec<Fact>,
    /// Facts that held before and no longer do: with the time they ended, or as they were if
    /// nothing that said so is left.
    pub closed: Vec<Fact>,
}

impl Changes {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.closed.is_empty()
    }
}

/// Compares two folds of one caller. More evidence for what is known already is no change.
pub fn changes(before: &[Fact], after: &[Fact]) -> Changes {
    let held = current(before);
    let holds = current(after);
    let mut changes = Changes::default();
    for fact in after.iter().filter(|fact| fact.is_current()) {
        match held.get(fact.id.as_str()) {
            None => changes.added.push(fact.clone()),
            Some(old) if (&old.value, old.due_at) != (&fact.value, fact.due_at) => {
                changes.changed.push(fact.clone());
            }
            Some(_) => {}
        }
    }
    for fact in before.iter().filter(|fact| fact.is_current()) {
        if !holds.contains_key(fact.id.as_str()) {
            let ended = after
                .iter()
                .rfind(|past| past.id == fact.id && past.valid_from == fact.valid_from);
            changes.closed.push(ended.unwrap_or(fact).clone());
        }
    }
    changes
}

fn current(facts: &[Fact]) -> BTreeMap<&str, &Fact> {
    facts
        .iter()
        .filter(|fact| fact.is_current())
        .map(|fact| (fact.id.as_str(), fact))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::id::ConversationId;
    use crate::memory::slot::Slot;
    use crate::time::Timestamp;

    fn fact(id: &str, value: &str, from: i64, to: Option<i64>) -> Fact {
        Fact {
            id: id.to_owned(),
            slot: Slot::Name,
            object_key: String::new(),
            value: Value::from(value),
            fact: Slot::Name.sentence(&Value::from(value), ""),
            confidence: 0.9,
            valid_from: Timestamp::from_secs(from),
            valid_to: to.map(Timestamp::from_secs),
            due_at: None,
            source_conversation_id: ConversationId::new("c").ok(),
            evidence: Vec::new(),
            extractor: "rules/1".to_owned(),
        }
    }

    #[test]
    fn tells_what_is_new_different_and_gone() {
        let before = [
            fact("a", "Ann", 1, None),
            fact("b", "Bob", 1, None),
            fact("c", "Cy", 1, None),
        ];
        let after = [
            fact("a", "Ann", 1, Some(5)),
            fact("a", "Anna", 5, None),
            fact("b", "Bob", 1, Some(6)),
            fact("d", "Dee", 2, None),
        ];
        let found = changes(&before, &after);
        assert_eq!(found.added, [after[3].clone()]);
        assert_eq!(found.changed, [after[1].clone()]);
        assert_eq!(found.closed, [after[2].clone(), before[2].clone()]);
    }

    #[test]
    fn more_evidence_is_no_change() {
        let before = [fact("a", "Ann", 1, None)];
        let mut surer = before.clone();
        surer[0].confidence = 0.99;
        assert!(changes(&before, &surer).is_empty());
        assert!(changes(&[], &[]).is_empty());
        assert!(!changes(&[], &before).is_empty());
    }
}
