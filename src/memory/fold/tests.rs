use proptest::prelude::*;

use super::*;

/// One statement in a short form: conversation, second, slot, value, what it does, rank.
type Say = (u8, u8, &'static str, u8, Op, Rank);

fn seen((conversation, second, slot, value, op, rank): Say) -> Seen {
    let value = ["ann", "bob", "ann lee", "true"][usize::from(value % 4)];
    let conversation = ConversationId::new(&format!("conv-{conversation}")).unwrap();
    let object = if slot == "commitment.agent_will" {
        value
    } else {
        ""
    };
    Seen {
        extractor: format!("{rank:?}/1").to_lowercase(),
        rank,
        observation: Observation {
            slot: Slot::from(slot),
            object_key: object.to_owned(),
            value: Value::from(value),
            op,
            message_ids: vec![MessageId::new(&format!("m{second}")).unwrap()],
            quote: value.to_owned(),
            confidence: 0.5 + f64::from(second % 5) / 10.0,
            said_at: Timestamp::from_secs(i64::from(second)),
            seq: i64::from(second),
            due_at: None,
        },
        origin: Origin::Call(conversation),
    }
}

fn names(says: &[Say]) -> Vec<(String, i64, Option<i64>)> {
    let seen: Vec<Seen> = says.iter().copied().map(seen).collect();
    fold("agent", "+1", &seen)
        .into_iter()
        .map(|fact| {
            let value = fact.value.as_str().unwrap().to_owned();
            (
                value,
                fact.valid_from.as_secs(),
                fact.valid_to.map(Timestamp::as_secs),
            )
        })
        .collect()
}

#[track_caller]
fn check(says: &[Say], facts: &[(&str, i64, Option<i64>)]) {
    let want: Vec<_> = facts
        .iter()
        .map(|(value, from, to)| ((*value).to_owned(), *from, *to))
        .collect();
    assert_eq!(names(says), want);
}

const ANN: u8 = 0;
const BOB: u8 = 1;
const ANN_LEE: u8 = 2;
const TRUE: u8 = 3;
const NAME: &str = "identity.name";
const STOP: &str = "consent.do_not_call";
use Op::{Assert, Confirm, Retract};
use Rank::{Human, Llm, Rules};

#[test]
fn the_last_word_wins_in_the_order_of_speech() {
    check(
        &[
            (2, 20, NAME, BOB, Assert, Rules),
            (1, 10, NAME, ANN, Assert, Rules),
        ],
        &[("ann", 10, Some(20)), ("bob", 20, None)],
    );
}

#[test]
fn an_equal_value_is_support_and_no_new_fact() {
    let says = [
        (1, 10, NAME, ANN, Assert, Rules),
        (2, 20, NAME, ANN, Assert, Rules),
    ];
    check(&says, &[("ann", 10, None)]);
    let facts = fold("agent", "+1", &says.map(seen));
    assert_eq!(facts[0].evidence.len(), 2);
    assert_eq!(
        facts[0].source_conversation_id.as_ref().unwrap().as_str(),
        "conv-1"
    );
    let alone = fold("agent", "+1", &[seen(says[0])]);
    assert!(facts[0].confidence >= alone[0].confidence);
    assert_eq!(facts[0].id, alone[0].id);
}

#[test]
fn a_first_name_does_not_replace_the_whole_one() {
    check(
        &[
            (1, 10, NAME, ANN_LEE, Assert, Rules),
            (2, 20, NAME, ANN, Assert, Rules),
        ],
        &[("ann lee", 10, None)],
    );
    check(
        &[
            (1, 10, NAME, ANN, Assert, Rules),
            (2, 20, NAME, ANN_LEE, Assert, Rules),
        ],
        &[("ann", 10, Some(20)), ("ann lee", 20, None)],
    );
}

#[test]
fn a_retraction_closes_and_in_the_same_call_undoes() {
    check(
        &[
            (1, 10, NAME, ANN, Assert, Rules),
            (2, 20, NAME, ANN, Retract, Rules),
        ],
        &[("ann", 10, Some(20))],
    );
    check(
        &[
            (1, 10, NAME, ANN, Assert, Rules),
            (2, 20, NAME, BOB, Assert, Rules),
            (2, 21, NAME, BOB, Retract, Rules),
        ],
        &[("ann", 10, None)],
    );
}

#[test]
fn what_held_for_no_time_is_not_shown() {
    check(
        &[
            (1, 10, NAME, ANN, Assert, Rules),
            (2, 20, NAME, BOB, Assert, Rules),
            (3, 20, NAME, ANN, Assert, Rules),
        ],
        &[("ann", 10, Some(20)), ("ann", 20, None)],
    );
}

#[test]
fn many_values_hold_side_by_side() {
    let phone = "contact.phone";
    check(
        &[
            (1, 10, phone, ANN, Assert, Rules),
            (1, 11, phone, BOB, Assert, Rules),
            (2, 20, phone, ANN, Retract, Rules),
        ],
        &[("ann", 10, Some(20)), ("bob", 11, None)],
    );
}

#[test]
fn a_confirmation_raises_confidence_and_creates_nothing() {
    check(&[(1, 10, NAME, ANN, Confirm, Rules)], &[]);
    let says = [
        (1, 10, NAME, ANN, Assert, Rules),
        (1, 11, NAME, ANN, Confirm, Rules),
    ];
    let facts = fold("agent", "+1", &says.map(seen));
    assert!((facts[0].confidence - 0.8).abs() < 1e-9);
}

#[test]
fn ranks() {
    // Of one call the higher rank speaks, whichever came last.
    check(
        &[
            (1, 10, NAME, BOB, Assert, Llm),
            (1, 11, NAME, ANN, Assert, Rules),
        ],
        &[("bob", 10, None)],
    );
    // A later call tells what is new, whoever read it.
    check(
        &[
            (1, 10, NAME, BOB, Assert, Llm),
            (2, 20, NAME, ANN, Assert, Rules),
        ],
        &[("bob", 10, Some(20)), ("ann", 20, None)],
    );
    // A person's pin stands, and a person's removal too.
    check(
        &[
            (1, 10, NAME, BOB, Assert, Human),
            (2, 20, NAME, ANN, Assert, Llm),
        ],
        &[("bob", 10, None)],
    );
    check(
        &[
            (1, 10, NAME, BOB, Assert, Rules),
            (2, 20, NAME, BOB, Retract, Human),
            (3, 30, NAME, BOB, Assert, Llm),
        ],
        &[("bob", 10, Some(20))],
    );
}

#[test]
fn a_revocation_stands_until_it_is_taken_back() {
    check(
        &[
            (1, 10, STOP, TRUE, Assert, Rules),
            (2, 20, STOP, TRUE, Retract, Rules),
        ],
        &[("true", 10, Some(20))],
    );
    // Neither an older grant by hand nor a higher rank stands against a new revocation.
    check(
        &[
            (1, 10, STOP, TRUE, Assert, Rules),
            (2, 20, STOP, TRUE, Retract, Human),
            (3, 30, STOP, TRUE, Assert, Rules),
        ],
        &[("true", 10, Some(20)), ("true", 30, None)],
    );
}

#[test]
fn confidence_never_reaches_certainty() {
    let says: Vec<Seen> = (0..60)
        .map(|at| seen((at, at, NAME, ANN, Assert, Rules)))
        .collect();
    let facts = fold("agent", "+1", &says);
    assert!((facts[0].confidence - 0.99).abs() < f64::EPSILON);
}

fn any_say() -> impl Strategy<Value = Say> {
    let slot = prop::sample::select(vec![NAME, "contact.phone", STOP, "commitment.agent_will"]);
    let op = prop::sample::select(vec![Assert, Assert, Assert, Retract, Confirm]);
    let rank = prop::sample::select(vec![Rules, Rules, Llm, Human]);
    (0_u8..5, 0_u8..12, slot, 0_u8..4, op, rank)
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        says in prop::collection::vec(any_say(), 0..14),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        seed in any::<u64>(),
    ) {
        let seen: Vec<Seen> = says.into_iter().map(seen).collect();
        let mut shuffled = seen.clone();
        if !seen.is_empty() {
            shuffled.extend(again.iter().map(|index| index.get(&seen).clone()));
        }
        let length = shuffled.len() as u64;
        for at in 0..shuffled.len() {
            let other = (seed.wrapping_mul(at as u64 + 7) >> 7) % length.max(1);
            shuffled.swap(at, usize::try_from(other).unwrap());
        }
        prop_assert_eq!(fold("a", "c", &seen), fold("a", "c", &shuffled));
    }

    #[test]
    fn facts_of_one_id_never_overlap(says in prop::collection::vec(any_say(), 0..14)) {
        let seen: Vec<Seen> = says.into_iter().map(seen).collect();
        let facts = fold("a", "c", &seen);
        for pair in facts.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            prop_assert!(pair[0].valid_to.is_some_and(|to| to <= pair[1].valid_from));
        }
        for fact in &facts {
            prop_assert!(fact.valid_to.is_none_or(|to| to > fact.valid_from));
            prop_assert!(!fact.evidence.is_empty());
        }
    }

    #[test]
    fn a_forgotten_call_leaves_no_trace(
        says in prop::collection::vec(any_say(), 1..14),
        forgotten in 0_u8..5,
    ) {
        let all: Vec<Seen> = says.iter().copied().map(seen).collect();
        let name = format!("conv-{forgotten}");
        let rest: Vec<Seen> =
            all.iter().filter(|one| one.origin.id() != name).cloned().collect();
        let never: Vec<Seen> =
            says.into_iter().filter(|say| say.0 != forgotten).map(seen).collect();
        let facts = fold("a", "c", &rest);
        prop_assert_eq!(&facts, &fold("a", "c", &never));
        for evidence in facts.iter().flat_map(|fact| &fact.evidence) {
            prop_assert_ne!(evidence.conversation_id.as_str(), name.as_str());
        }
    }
}
