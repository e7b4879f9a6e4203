//! What every store must do, on every backend: each statement runs on both.

use std::time::Duration;

use aftercall::conversation::{
    CallSuccess, Conversation, IvrSurrenderReason, Message, Presence, Role, Status, Transport,
};
use aftercall::end_reason::{EndReason, EndReasonSource};
use aftercall::event::{CallEvent, EventKind};
use aftercall::id::{AgentId, ConversationId, ConversationKey, EventId, MessageId, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::memory::fold::fold;
use aftercall::memory::observation::{Observation, Op, Rank};
use aftercall::memory::slot::Slot;
use aftercall::page::PageRequest;
use aftercall::room::{RoomFact, Told};
use aftercall::store::barriers::{self, Kind};
use aftercall::store::conversations::{self, Record};
use aftercall::store::dead_letters::{self, Letter};
use aftercall::store::events::{self, RoomKey};
use aftercall::store::extractions::{self, Extraction};
use aftercall::store::memories::{self, Subject};
use aftercall::store::quarantine::{self, Refused};
use aftercall::store::results::{self, ResultEvent};
use aftercall::store::timeline::{self, Step};
use aftercall::store::{self, Conn};
use aftercall::verdict::{Attempt, Failure};
use serde_json::json;

use crate::backends::{self, Backend, START};

/// Runs a body against a connection of the backend, inside a transaction.
macro_rules! write {
    ($backend:expr, $conn:ident => $body:expr) => {
        $backend
            .db
            .write(move |mut $conn| Box::pin(async move { $body }))
            .await
            .unwrap()
    };
}

fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

fn full_call(id: &str) -> Conversation {
    let object = json!({"a": [1, null, "x"]}).as_object().unwrap().clone();
    let blank = Conversation::blank(
        ConversationId::new(id).unwrap(),
        AgentId::new("agent_1").unwrap(),
        START,
    );
    Conversation {
        agent_name: Some("Front desk".into()),
        room_name: Presence::Value("room".into()),
        room_sid: Presence::Null,
        status: Status::from("on_hold"),
        transport: Transport::SipInbound,
        metadata: object.clone(),
        message_count: 2,
        started_at: Some(START),
        ended_at: Some(START.plus(Duration::from_secs(9))),
        duration_ms: Some(9_000),
        cost_cents: Some(21),
        recording_url: Some("https://example.com/r.ogg".into()),
        recording_started_at: Some(START),
        end_reason: Some(EndReason::AgentEnded),
        end_reason_source: Some(EndReasonSource::Platform),
        end_reason_raw: Some("agent_ended".into()),
        caller_identity: "sip_+14155550123".into(),
        from_number: Some("+14155550123".into()),
        to_number: Some("+18005550100".into()),
        agent_snapshot: Presence::Value(json!({"prompt": "be kind"})),
        dynamic_variables: Presence::Absent,
        ivr_menu_id: Presence::Null,
        ivr_path_taken: Presence::Value(vec![]),
        ivr_surrender_reason: Presence::Value(IvrSurrenderReason::NoGoal),
        summary: Some("Asked for an appointment.".into()),
        call_successful: Some(CallSuccess::Success),
        user_turn_count: Some(1),
        platform: "speechify".into(),
        source: "voice".into(),
        platform_fields: object,
        ..blank
    }
}

fn record(id: &str) -> Record {
    Record {
        owner: Owner::platform("speechify"),
        conversation: full_call(id),
        caller_key: CallerKey::of("speechify", "sip_+14155550123"),
        updated_at: START,
        revision: 3,
        content_hash: "hash".into(),
        fetched_at: START,
        announced: Some(json!({"status": "x"}).as_object().unwrap().clone()),
        memory_status: Some("remembered".into()),
        memory_reason: None,
        recheck_at: Some(START.plus(Duration::from_mins(1))),
        rechecks: 1,
        own: conversations::Own::default(),
    }
}

#[tokio::test]
async fn a_conversation_comes_back_as_it_was_kept() {
    for backend in backends::all("store_call").await {
        let full = record("conv_1");
        let blank = Record {
            conversation: Conversation::blank(
                ConversationId::new("conv_2").unwrap(),
                AgentId::new("agent_1").unwrap(),
                START,
            ),
            caller_key: None,
            announced: None,
            recheck_at: None,
            ..record("conv_2")
        };
        for kept in [full, blank] {
            let (once, changed) = (
                kept.clone(),
                Record {
                    revision: 4,
                    ..kept.clone()
                },
            );
            write!(backend, conn => conversations::save(&mut conn, &once).await);
            let again = changed.clone();
            write!(backend, conn => conversations::save(&mut conn, &again).await);
            let back = write!(backend, conn => conversations::get(&mut conn, &kept.key()).await);
            assert_eq!(back, Some(changed));
        }
    }
}

#[tokio::test]
async fn a_conversation_is_found_by_id_room_and_due_time() {
    for backend in backends::all("store_find").await {
        let (one, mut other) = (record("conv_1"), record("conv_1"));
        other.owner = Owner::source("mine");
        other.conversation.source = "mine".into();
        write!(backend, conn => {
            conversations::save(&mut conn, &one).await?;
            conversations::save(&mut conn, &other).await
        });
        let found = |source: Option<&'static str>| {
            let db = backend.db.clone();
            async move {
                db.read(move |mut conn| {
                    Box::pin(async move { conversations::find(&mut conn, "conv_1", source).await })
                })
                .await
                .unwrap()
                .len()
            }
        };
        assert_eq!((found(None).await, found(Some("mine")).await), (2, 1));
        let owner = Owner::platform("speechify");
        let held = write!(backend, conn => {
            conversations::in_room(&mut conn, &owner, Some("RM_1"), "room").await
        });
        assert_eq!(held.len(), 1, "a call without a session id can be of any");
        let later = START.plus(Duration::from_secs(61));
        let due = write!(backend, conn => conversations::due_rechecks(&mut conn, later, 9).await);
        assert_eq!(due.len(), 2);
        let due = write!(backend, conn => conversations::due_rechecks(&mut conn, START, 9).await);
        assert_eq!(due.len(), 0);
        assert!(write!(backend, conn => conversations::delete(&mut conn, &key("conv_1")).await));
        assert!(!write!(backend, conn => conversations::delete(&mut conn, &key("conv_1")).await));
    }
}

#[tokio::test]
async fn messages_keep_their_order_over_pages() {
    for backend in backends::all("store_messages").await {
        let messages: Vec<Message> = (0..5)
            .map(|n| Message {
                id: MessageId::new(&format!("m{n}")).unwrap(),
                role: Role::from("user"),
                content: format!("message {n}, with 'quotes' and \u{1F600}"),
                tool_name: None,
                tool_args: Some(json!({"day": "tuesday"})),
                tool_result: None,
                started_at: Some(START),
                ended_at: None,
            })
            .collect();
        let kept = messages.clone();
        write!(backend, conn => {
            conversations::replace_messages(&mut conn, &key("c"), &kept).await?;
            conversations::replace_messages(&mut conn, &key("c"), &kept).await
        });
        let mut page = PageRequest {
            size: 2,
            after: None,
        };
        let mut read = Vec::new();
        loop {
            let asked = page.clone();
            let got = write!(backend, conn => conversations::messages(&mut conn, &key("c"), &asked).await);
            read.extend(got.rows);
            page.after = got.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(read, messages);
        let all = write!(backend, conn => conversations::all_messages(&mut conn, &key("c")).await);
        assert_eq!(all, messages);
    }
}

fn call_event(id: &str) -> CallEvent {
    CallEvent {
        source: "voice".into(),
        event_id: EventId::new(id).unwrap(),
        kind: EventKind::Finished,
        occurred_at: Some(START),
        received_at: START,
        conversation_id: None,
        room: None,
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    }
}

#[tokio::test]
async fn an_event_is_done_once() {
    for backend in backends::all("store_events").await {
        let event = call_event("e1");
        let first = event.clone();
        assert!(write!(backend, conn => events::mark_done(&mut conn, &first, None, START).await));
        let second = event.clone();
        assert!(!write!(backend, conn => events::mark_done(&mut conn, &second, None, START).await));
        let is_done = |id: &str| {
            let (db, id) = (backend.db.clone(), EventId::new(id).unwrap());
            async move {
                db.read(move |mut conn| {
                    Box::pin(async move { events::is_done(&mut conn, "voice", &id).await })
                })
                .await
                .unwrap()
            }
        };
        assert!(is_done("e1").await && !is_done("e2").await);
    }
}

#[tokio::test]
async fn a_rooms_facts_are_known_by_session_id_or_by_name_and_time() {
    for backend in backends::all("store_facts").await {
        let told = |id: &str, secs: u64| Told {
            event_id: EventId::new(id).unwrap(),
            at: START.plus(Duration::from_secs(secs)),
            fact: RoomFact::Recording {
                started_at: None,
                location: None,
            },
        };
        for (one, sid) in [(told("e1", 0), "RM_1"), (told("e2", 50), "RM_2")] {
            write!(backend, conn => {
                let owner = Owner::platform("speechify");
                let room = RoomKey { owner: &owner, sid: Some(sid), name: "room" };
                events::add_fact(&mut conn, "rooms", room, &one).await?;
                events::add_fact(&mut conn, "rooms", room, &one).await
            });
        }
        for (sid, since, expected) in [
            (Some("RM_1"), 0, vec!["e1"]),
            (None, 0, vec!["e1", "e2"]),
            (None, 20, vec!["e2"]),
        ] {
            let facts = write!(backend, conn => {
                let owner = Owner::platform("speechify");
                let room = RoomKey { owner: &owner, sid, name: "room" };
                events::facts(&mut conn, room, START.plus(Duration::from_secs(since))).await
            });
            let ids: Vec<_> = facts
                .iter()
                .map(|(_, told)| told.event_id.to_string())
                .collect();
            assert_eq!(ids, expected);
        }
        let later = START.plus(Duration::from_secs(10));
        let pruned = write!(backend, conn => events::prune(&mut conn, later, 100).await);
        assert_eq!(pruned, 1);
    }
}

#[tokio::test]
async fn steps_are_written_once_and_read_in_the_order_of_the_chain() {
    for backend in backends::all("store_timeline").await {
        let step = |secs: u64, name: &str| Step {
            key: format!("{name}:e1"),
            at: START.plus(Duration::from_secs(secs)),
            step: name.into(),
            attempt: 1,
            detail: String::new(),
        };
        let told = [
            (1, "settled"),
            (0, "confirmed"),
            (1, "fetched"),
            (0, "received"),
        ];
        for (secs, name) in told.into_iter().chain(told) {
            let step = step(secs, name);
            write!(backend, conn => timeline::add(&mut conn, &key("c"), &step).await);
        }
        let mut page = PageRequest {
            size: 3,
            after: None,
        };
        let mut read = Vec::new();
        loop {
            let asked = page.clone();
            let got = write!(backend, conn => timeline::list(&mut conn, &key("c"), &asked).await);
            read.extend(got.rows.into_iter().map(|step| step.step));
            page.after = got.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(read, ["received", "confirmed", "fetched", "settled"]);
        write!(backend, conn => timeline::delete(&mut conn, &key("c")).await);
    }
}

#[tokio::test]
async fn a_barrier_only_moves_forward() {
    for backend in backends::all("store_barriers").await {
        for secs in [5, 9, 2] {
            let until = START.plus(Duration::from_secs(secs));
            write!(backend, conn => {
                barriers::raise(&mut conn, Kind::Conversation, "h", until).await
            });
        }
        let until = write!(backend, conn => {
            barriers::get(&mut conn, Kind::Conversation, &["x".into(), "h".into()]).await
        });
        assert_eq!(until, Some(START.plus(Duration::from_secs(9))));
        let other = write!(backend, conn => {
            barriers::get(&mut conn, Kind::Caller, &["h".into()]).await
        });
        assert_eq!(other, None);
    }
}

fn letter(message_id: &str) -> Letter {
    Letter {
        id: format!("dl_{message_id}"),
        stage: "finalize".into(),
        source: Some("voice".into()),
        platform: None,
        event_id: None,
        conversation_id: Some("conv_1".into()),
        agent_id: None,
        caller_identity: None,
        cause: Failure::platform("not_over", "still going"),
        attempts: vec![Attempt {
            at: START,
            code: "not_over".into(),
            message: "still going".into(),
            spent: true,
        }],
        body: "{}".into(),
        message_id: message_id.into(),
    }
}

#[tokio::test]
async fn a_second_letter_of_a_message_is_the_same_letter() {
    for backend in backends::all("store_letters").await {
        let count = || {
            let db = backend.db.clone();
            async move {
                db.read(|mut conn| {
                    Box::pin(async move { dead_letters::count_dead(&mut conn).await })
                })
                .await
                .unwrap()
            }
        };
        for _ in 0..2 {
            write!(backend, conn => dead_letters::keep(&mut conn, &letter("m1"), START).await);
        }
        assert_eq!(count().await, 1);
        write!(backend, conn => dead_letters::resolve(&mut conn, "m1", START).await);
        assert_eq!(count().await, 0);
        write!(backend, conn => dead_letters::keep(&mut conn, &letter("m1"), START).await);
        assert_eq!(count().await, 1);
        let kept = write!(backend, conn => dead_letters::get(&mut conn, "dl_m1").await).unwrap();
        assert_eq!(kept.attempts, letter("m1").attempts);
        let later = START.plus(Duration::from_secs(1));
        assert_eq!(
            write!(backend, conn => dead_letters::prune(&mut conn, later, 9).await),
            1
        );
        write!(backend, conn => dead_letters::keep(&mut conn, &letter("m2"), START).await);
        assert_eq!(
            write!(backend, conn => dead_letters::delete_of(&mut conn, "conv_1").await),
            1
        );
    }
}

#[tokio::test]
async fn a_full_quarantine_makes_room_among_its_own_kind() {
    for backend in backends::all("store_quarantine").await {
        let refused = |n: i64, reason: &str, size: i64| Refused {
            id: format!("qr_{n}"),
            source: "voice".into(),
            reason: reason.into(),
            detail: String::new(),
            headers: "v1:".into(),
            body: "v1:".into(),
            size,
        };
        let third = 30 * 1024 * 1024;
        for n in 0..3 {
            let at = START.plus(Duration::from_secs(n));
            let one = refused(i64::try_from(n).unwrap(), "too_old", third);
            assert!(write!(backend, conn => quarantine::keep(&mut conn, &one, at).await));
        }
        let kept = write!(backend, conn => quarantine::count(&mut conn).await);
        assert_eq!(kept, 2, "the oldest made room");
        let other = refused(9, "wrong_signature", third);
        assert!(!write!(backend, conn => quarantine::keep(&mut conn, &other, START).await));
        let later = START.plus(Duration::from_secs(9));
        assert_eq!(
            write!(backend, conn => quarantine::prune(&mut conn, later, 9).await),
            2
        );
    }
}

#[tokio::test]
async fn the_feed_is_read_in_the_order_of_its_commits() {
    for backend in backends::all("store_results").await {
        let event = |n: usize, kind: &str| ResultEvent {
            id: format!("evt_{n}"),
            kind: kind.into(),
            agent_id: format!("agent_{}", n % 2),
            key: Some(key("c")),
            data: json!({"n": n}),
            created_at: START,
        };
        for (n, kind) in [(3, "a"), (1, "b"), (2, "a"), (1, "b")] {
            let event = event(n, kind);
            write!(backend, conn => results::add(&mut conn, &event).await);
        }
        let read = |filter: results::Filter, after: Option<&'static str>| {
            let db = backend.db.clone();
            async move {
                db.read(move |mut conn| {
                    Box::pin(async move {
                        let after = match after {
                            Some(id) => results::place(&mut conn, id).await?,
                            None => None,
                        };
                        let page = PageRequest { size: 100, after };
                        results::list(&mut conn, &filter, &page).await
                    })
                })
                .await
                .unwrap()
                .rows
                .into_iter()
                .map(|event| event.id)
                .collect::<Vec<_>>()
            }
        };
        let all = results::Filter::default();
        assert_eq!(read(all.clone(), None).await, ["evt_3", "evt_1", "evt_2"]);
        assert_eq!(read(all, Some("evt_1")).await, ["evt_2"]);
        let of_type = results::Filter {
            kind: Some("a".into()),
            agents: vec!["agent_0".into()],
        };
        assert_eq!(read(of_type, None).await, ["evt_2"]);
        assert_eq!(
            write!(backend, conn => results::empty_citing(&mut conn, &key("c"), START).await),
            3
        );
        let later = START.plus(Duration::from_secs(9));
        assert_eq!(
            write!(backend, conn => results::prune(&mut conn, later, 9).await),
            3,
            "their places stay until then"
        );
    }
}

fn observed(value: &str) -> Observation {
    Observation {
        slot: Slot::from("identity.name"),
        object_key: String::new(),
        value: json!(value),
        op: Op::Assert,
        message_ids: vec![MessageId::new("m1").unwrap()],
        quote: format!("my name is {value}"),
        confidence: 0.9,
        said_at: START,
        seq: 0,
        due_at: None,
    }
}

async fn extract(
    conn: &mut Conn<'_>,
    conversation: &str,
    subject: &Subject,
    values: &[Observation],
) -> store::Result<()> {
    let extraction = Extraction {
        subject: subject.clone(),
        extractor: "rules/1".into(),
        rank: Rank::Rules,
        input_hash: "h".into(),
        alone: false,
    };
    extractions::replace(conn, &key(conversation), &extraction, values, START).await
}

async fn remember(backend: &Backend, subject: &Subject) -> usize {
    let subject = subject.clone();
    write!(backend, conn => {
        let held = memories::facts(&mut conn, &subject).await?;
        let seen = extractions::seen(&mut conn, &subject).await?;
        let facts = fold(&subject.agent_id, subject.caller.as_str(), &seen);
        memories::replace_facts(&mut conn, &subject, "+14155550123", &held, &facts, &[], START)
            .await?;
        Ok(facts.len())
    })
}

#[tokio::test]
async fn memory_is_kept_by_both_keys_and_comes_back() {
    for backend in backends::all("store_memories").await {
        let caller = CallerKey::of("speechify", "+14155550123").unwrap();
        let subject = Subject {
            agent_id: "agent_1".into(),
            caller: caller.clone(),
        };
        let mine = subject.clone();
        write!(backend, conn => {
            extract(&mut conn, "conv_1", &mine, &[observed("Ada"), observed("Ada")]).await?;
            extract(&mut conn, "conv_1", &mine, &[observed("Ada")]).await
        });
        assert_eq!(remember(&backend, &subject).await, 1);
        let page = PageRequest::default();
        let (asked, all) = (subject.clone(), page.clone());
        let held = write!(backend, conn => memories::current(&mut conn, &asked, &all).await);
        assert_eq!(held.rows[0].fact.value, json!("Ada"));
        let of_call = write!(backend, conn => {
            memories::of_conversation(&mut conn, &key("conv_1"), &page).await
        });
        assert_eq!(of_call.rows, held.rows);
        let other = Subject {
            agent_id: "agent_2".into(),
            caller,
        };
        let nothing = write!(backend, conn => memories::facts(&mut conn, &other).await);
        assert_eq!(nothing, []);
        write!(backend, conn => extractions::remove(&mut conn, &key("conv_1")).await);
        assert_eq!(remember(&backend, &subject).await, 0);
        let gone = write!(backend, conn => {
            extractions::of_conversation(&mut conn, &key("conv_1")).await
        });
        assert_eq!(gone, []);
    }
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_and_harms_no_neighbour() {
    for backend in backends::all("store_rollback").await {
        let writes = (0..20).map(|n| {
            let db = backend.db.clone();
            async move {
                db.write(move |mut conn| {
                    Box::pin(async move {
                        let event = call_event(&format!("e{n}"));
                        events::mark_done(&mut conn, &event, None, START).await?;
                        if n % 2 == 0 {
                            Ok(())
                        } else {
                            Err(store::Error::Corrupt("test"))
                        }
                    })
                })
                .await
                .is_ok()
            }
        });
        let outcomes = futures::future::join_all(writes).await;
        for (n, kept) in outcomes.into_iter().enumerate() {
            assert_eq!(kept, n % 2 == 0);
            let id = EventId::new(&format!("e{n}")).unwrap();
            let done = write!(backend, conn => events::is_done(&mut conn, "voice", &id).await);
            assert_eq!(done, kept, "e{n}");
        }
    }
}
