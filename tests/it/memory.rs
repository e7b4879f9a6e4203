//! Memory as a store: the same whatever the order, the copies and the races, on every backend.

use std::time::Duration;

use aftercall::id::{ConversationId, ConversationKey, MessageId, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::memory::fold::Fact;
use aftercall::memory::observation::{Observation, Op, Rank};
use aftercall::memory::slot::Slot;
use aftercall::remember::Refolding;
use aftercall::secret::{SealKey, sha256_hex};
use aftercall::store::extractions::{self, Extraction};
use aftercall::store::memories::log::{self, AsOf};
use aftercall::store::memories::{self, Subject};
use aftercall::store::pins::{self, Pin};
use aftercall::store::{self, Conn, Db, callers, consents, readings, results, traces};
use aftercall::time::Timestamp;
use serde_json::json;

use crate::backends::{self, START};

const CALLER: &str = "+14155550123";

fn seal() -> SealKey {
    SealKey::new([7; 32], None)
}

fn subject() -> Subject {
    Subject {
        agent_id: "agent_1".into(),
        caller: CallerKey::of("speechify", CALLER).unwrap(),
    }
}

fn key(call: u8) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(&format!("conv_{call}")).unwrap(),
    }
}

fn at(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

fn said(call: u8, slot: &str, value: &str, op: Op) -> Observation {
    Observation {
        slot: Slot::from(slot),
        object_key: String::new(),
        value: json!(value),
        op,
        message_ids: vec![MessageId::new(&format!("m{call}")).unwrap()],
        quote: format!("it is {value}"),
        confidence: 0.8,
        said_at: at(u64::from(call) * 100),
        seq: 0,
        due_at: None,
    }
}

/// One delivery of a call's extraction.
#[derive(Clone)]
struct Delivery {
    call: u8,
    rank: Rank,
    observations: Vec<Observation>,
}

fn rules(call: u8, observations: Vec<Observation>) -> Delivery {
    Delivery {
        call,
        rank: Rank::Rules,
        observations,
    }
}

/// Five calls, one of them read by a model too, one twice by the rules, and one that revokes.
fn deliveries() -> Vec<Delivery> {
    let one = rules(1, vec![said(1, "identity.name", "Ann", Op::Assert)]);
    let two = rules(
        2,
        vec![
            said(2, "identity.name", "Bob", Op::Assert),
            said(2, "contact.phone", "+14155550199", Op::Assert),
        ],
    );
    let upgraded = Delivery {
        rank: Rank::Llm,
        observations: vec![said(2, "identity.name", "Bobby Lee", Op::Assert)],
        ..two.clone()
    };
    let three = rules(3, vec![said(3, "contact.city", "Oslo", Op::Assert)]);
    let four = rules(4, vec![said(4, "consent.do_not_call", "true", Op::Assert)]);
    let five = rules(5, vec![said(5, "contact.city", "Rome", Op::Assert)]);
    vec![
        one.clone(),
        two.clone(),
        upgraded.clone(),
        two,
        three,
        four,
        one,
        upgraded,
        five,
    ]
}

async fn remember(conn: &mut Conn<'_>, delivery: &Delivery, now: Timestamp) -> store::Result<()> {
    let (key, subject) = (key(delivery.call), subject());
    memories::hold_caller(conn, &subject.caller).await?;
    let extraction = Extraction {
        subject: subject.clone(),
        extractor: format!("{:?}/1", delivery.rank),
        rank: delivery.rank,
        input_hash: "h".into(),
        alone: false,
    };
    extractions::replace(conn, &key, &extraction, &delivery.observations, now).await?;
    refold(conn, &key, now).await
}

async fn refold(conn: &mut Conn<'_>, key: &ConversationKey, now: Timestamp) -> store::Result<()> {
    let (seal, subject) = (seal(), subject());
    let refolding = Refolding {
        seal: &seal,
        subject: &subject,
        call: Some(key),
        caller_identity: CALLER,
        now,
    };
    refolding.run(conn).await
}

async fn facts(conn: &mut Conn<'_>) -> store::Result<Vec<Fact>> {
    let held = memories::facts(conn, &subject()).await?;
    Ok(held.into_iter().map(|stored| stored.fact).collect())
}

fn hash(facts: &[Fact]) -> String {
    sha256_hex(json!(facts).to_string().as_bytes())
}

/// What a sequence of deliveries comes to, and nothing left of it behind.
async fn outcome(db: &Db, deliveries: Vec<Delivery>) -> Vec<Fact> {
    db.write(move |mut conn| {
        Box::pin(async move {
            for delivery in &deliveries {
                remember(&mut conn, delivery, START).await?;
            }
            let facts = facts(&mut conn).await?;
            memories::delete(&mut conn, &subject().caller, None).await?;
            Ok(facts)
        })
    })
    .await
    .unwrap()
}

/// Fisher and Yates, by a generator of its own, so that a failure can be repeated.
fn shuffled(mut all: Vec<Delivery>, seed: u64) -> Vec<Delivery> {
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    for last in (1..all.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 33).unwrap() % (last + 1);
        all.swap(last, at);
    }
    all
}

#[tokio::test]
async fn a_thousand_orders_come_to_one_memory() {
    for backend in backends::all("memory_orders").await {
        let wanted = outcome(&backend.db, deliveries()).await;
        assert!(
            wanted.iter().any(|fact| fact.value == json!("Bobby Lee")),
            "{wanted:?}"
        );
        assert!(
            wanted.iter().all(|fact| fact.value != json!("Bob")),
            "a lower rank is outspoken"
        );
        for seed in 0..1_000 {
            let found = outcome(&backend.db, shuffled(deliveries(), seed)).await;
            assert_eq!(hash(&found), hash(&wanted), "seed {seed}: {found:?}");
        }
    }
}

#[tokio::test]
async fn a_replay_changes_nothing_and_tells_nothing() {
    for backend in backends::all("memory_replay").await {
        let counted = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    for delivery in deliveries() {
                        remember(&mut conn, &delivery, START).await?;
                    }
                    let before = facts(&mut conn).await?;
                    let told = feed(&mut conn).await?;
                    for delivery in deliveries().into_iter().rev() {
                        remember(&mut conn, &delivery, at(9_000)).await?;
                    }
                    Ok((
                        before,
                        facts(&mut conn).await?,
                        told,
                        feed(&mut conn).await?,
                    ))
                })
            })
            .await
            .unwrap();
        let (before, after, told, told_again) = counted;
        assert_eq!(before, after);
        assert_eq!(told, told_again);
        assert!(told.iter().any(|kind| kind == "consent.changed"));
    }
}

async fn feed(conn: &mut Conn<'_>) -> store::Result<Vec<String>> {
    let all = aftercall::page::PageRequest {
        size: 100,
        after: None,
    };
    let page = results::list(conn, &results::Filter::default(), &all).await?;
    Ok(page.rows.into_iter().map(|event| event.kind).collect())
}

#[tokio::test]
async fn forgetting_a_call_is_never_having_seen_it() {
    for backend in backends::all("memory_forget").await {
        for gone in 1..=5 {
            let never: Vec<_> = deliveries()
                .into_iter()
                .filter(|delivery| delivery.call != gone)
                .collect();
            let wanted = outcome(&backend.db, never).await;
            let (found, history) = backend
                .db
                .write(move |mut conn| {
                    Box::pin(async move {
                        for (delivery, secs) in deliveries().iter().zip(0..) {
                            remember(&mut conn, delivery, at(secs)).await?;
                        }
                        let key = key(gone);
                        extractions::remove(&mut conn, &key).await?;
                        let (seal, subject) = (seal(), subject());
                        let refolding = Refolding {
                            seal: &seal,
                            subject: &subject,
                            call: Some(&key),
                            caller_identity: CALLER,
                            now: at(99),
                        };
                        refolding.run_without(&mut conn).await?;
                        let found = facts(&mut conn).await?;
                        let mut history = Vec::new();
                        for secs in 0..100 {
                            let as_of = AsOf {
                                world: None,
                                recorded: Some(at(secs)),
                            };
                            history.extend(log::history(&mut conn, &subject, as_of).await?);
                        }
                        memories::delete(&mut conn, &subject.caller, None).await?;
                        Ok((found, history))
                    })
                })
                .await
                .unwrap();
            assert_eq!(hash(&found), hash(&wanted), "call {gone}");
            let id = key(gone).id;
            for version in history {
                let fact = version.stored.fact;
                assert!(fact.source_conversation_id != Some(id.clone()), "{fact:?}");
                assert!(fact.evidence.iter().all(|said| said.conversation_id != id));
            }
        }
    }
}

#[tokio::test]
async fn eight_workers_on_one_caller_are_as_good_as_one() {
    for backend in backends::all("memory_race").await {
        let wanted = outcome(&backend.db, deliveries()).await;
        let work = (0..8_u64).flat_map(|worker| {
            let db = backend.db.clone();
            shuffled(deliveries(), worker)
                .into_iter()
                .map(move |delivery| {
                    let db = db.clone();
                    async move {
                        db.write(move |mut conn| {
                            Box::pin(async move { remember(&mut conn, &delivery, START).await })
                        })
                        .await
                    }
                })
        });
        for done in futures::future::join_all(work).await {
            done.unwrap();
        }
        let found = backend
            .db
            .read(|mut conn| Box::pin(async move { facts(&mut conn).await }))
            .await
            .unwrap();
        assert_eq!(hash(&found), hash(&wanted));
    }
}

fn pin(id: &str, slot: &str, value: &str, op: Op, now: Timestamp) -> Pin {
    Pin {
        id: id.into(),
        subject: subject(),
        caller_identity: CALLER.into(),
        actor: "token_1".into(),
        observation: Observation {
            message_ids: Vec::new(),
            quote: String::new(),
            said_at: now,
            ..said(0, slot, value, op)
        },
    }
}

#[tokio::test]
async fn a_pin_goes_before_every_call_and_history_knows_what_was_believed() {
    for backend in backends::all("memory_pins").await {
        let (held, then, before) = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    remember(&mut conn, &deliveries()[0], at(1_000)).await?;
                    let said = pin("pin_1", "identity.name", "Anna", Op::Assert, at(1_500));
                    pins::add(&mut conn, &said).await?;
                    refold(&mut conn, &key(1), at(2_000)).await?;
                    // A later call says otherwise.
                    let later = rules(20, vec![said_later()]);
                    remember(&mut conn, &later, at(3_000)).await?;
                    let held = facts(&mut conn).await?;
                    let of = |world, recorded| AsOf { world, recorded };
                    let then = log::history(&mut conn, &subject(), of(Some(at(150)), None)).await?;
                    let before = of(None, Some(at(1_200)));
                    let before = log::history(&mut conn, &subject(), before).await?;
                    Ok((held, then, before))
                })
            })
            .await
            .unwrap();
        let current: Vec<_> = held.iter().filter(|fact| fact.is_current()).collect();
        assert_eq!(current.len(), 1, "{held:?}");
        assert_eq!(
            (&current[0].value, current[0].extractor.as_str()),
            (&json!("Anna"), "human")
        );
        assert_eq!(current[0].source_conversation_id, None);
        // In the time of the world she was Ann then; in that of the record nobody knew of Anna yet.
        assert_eq!(then.len(), 1);
        assert_eq!(then[0].stored.fact.value, json!("Ann"));
        assert_eq!(before.len(), 1);
        assert_eq!(before[0].stored.fact.valid_to, None);
        assert_eq!(before[0].recorded_to, Some(at(2_000)));
    }
}

fn said_later() -> Observation {
    said(20, "identity.name", "Zoe", Op::Assert)
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_refused_stays() {
    for backend in backends::all("memory_age").await {
        let (left, again, stances) = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    for delivery in deliveries() {
                        remember(&mut conn, &delivery, START).await?;
                    }
                    let old = extractions::outlived(&mut conn, at(1), 50).await?;
                    assert_eq!(old.len(), 6, "five calls, one of two ranks");
                    for outlived in old {
                        extractions::let_go(&mut conn, &outlived.key).await?;
                        refold(&mut conn, &outlived.key, at(2)).await?;
                    }
                    assert_eq!(extractions::outlived(&mut conn, at(1), 50).await?, []);
                    log::prune(&mut conn, at(100), 100).await?;
                    let left = facts(&mut conn).await?;
                    let again = extractions::of_conversation(&mut conn, &key(1)).await?;
                    let caller = seal().keyed_hashes("consent", CALLER);
                    let stances = consents::of_caller(&mut conn, &caller).await?;
                    Ok((left, again, stances))
                })
            })
            .await
            .unwrap();
        let left: Vec<_> = left.iter().map(|fact| fact.slot.as_str()).collect();
        assert_eq!(left, ["consent.do_not_call"]);
        assert!(again.iter().all(|kept| kept.aged));
        assert!(consents::refused_since(&stances, &Slot::DoNotCall).is_some());
    }
}

#[tokio::test]
async fn a_call_waits_to_be_read_once_in_its_latest_revision() {
    for backend in backends::all("memory_readings").await {
        backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let conn = &mut conn;
                    let lease = Duration::from_secs(30);
                    readings::put(conn, &key(1), 2, START).await?;
                    readings::put(conn, &key(1), 1, START).await?;
                    assert_eq!(readings::count(conn).await?, 1);
                    assert!(readings::any_due(conn, START).await?);
                    let taken = readings::claim(conn, START, lease, 9).await?;
                    assert_eq!(taken[0].revision, 2);
                    assert_eq!(readings::claim(conn, START, lease, 9).await?, []);
                    readings::put_back(conn, &taken[0], "llm_unavailable", at(5)).await?;
                    assert!(!readings::any_due(conn, at(4)).await?);
                    let again = readings::claim(conn, at(5), lease, 9).await?;
                    assert_eq!(again[0].attempts, 1);
                    // Whoever dies holding it loses it to the next.
                    assert_eq!(readings::claim(conn, at(36), lease, 9).await?, again);
                    readings::remove(conn, &key(1), 1).await?;
                    assert_eq!(readings::count(conn).await?, 1);
                    readings::remove(conn, &key(1), 2).await?;
                    assert_eq!(readings::count(conn).await?, 0);
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn callers_and_their_traces_are_found_on_every_database() {
    for backend in backends::all("memory_callers").await {
        backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let conn = &mut conn;
                    let caller = subject().caller;
                    remember(conn, &deliveries()[0], START).await?;
                    assert_eq!(callers::agents(conn, &caller).await?, ["agent_1"]);
                    assert_eq!(callers::identities(conn, &caller, None).await?, [CALLER]);
                    assert_eq!(
                        callers::calls(conn, &caller, Some("a"), at(9), 9).await?,
                        []
                    );
                    let page = aftercall::page::PageRequest::default();
                    let filter = callers::Filter {
                        agents: vec!["agent_1".into()],
                        prefix: Some("+1_%".into()),
                        caller: Some(caller.clone()),
                    };
                    assert_eq!(callers::list(conn, &filter, &page).await?.rows, []);
                    for place in traces::Place::ALL {
                        assert_eq!(traces::read(conn, place, CALLER, "", 9).await?, []);
                        assert!(!traces::delete(conn, place, "nothing").await?);
                    }
                    assert_eq!(traces::delete_work(conn, &key(1), 2).await?, 0);
                    let told = results::Told::OfMemory;
                    let emptied = results::empty_of_caller(conn, None, &caller, told, START);
                    assert!(emptied.await? > 0);
                    assert_eq!(feed(conn).await?, [""; 0]);
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}
