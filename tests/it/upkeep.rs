//! What has grown old, what is deleted, and what a database refuses, on every backend.

use std::time::Duration;

use aftercall::conversation::{Conversation, Message, Presence};
use aftercall::event::{CallEvent, EventKind};
use aftercall::id::{AgentId, ConversationId, ConversationKey, EventId, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::memory::observation::Rank;
use aftercall::room::{RoomFact, Told};
use aftercall::store::conversations::{self, Record};
use aftercall::store::dead_letters::State;
use aftercall::store::events::{self, RoomKey};
use aftercall::store::extractions::{self, Extraction};
use aftercall::store::memories::{self, Subject};
use aftercall::store::meta;
use aftercall::store::replays::letters::{self, Place};
use aftercall::store::replays::{self, Job, Plan, Status};
use aftercall::time::Timestamp;
use serde_json::json;

use crate::backends::{self, START};
use crate::support::{Platform, Server, completed_body, conversation_id};

fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

fn record(id: &str, held_at: Timestamp) -> Record {
    let agent = AgentId::new("agent_1").unwrap();
    let blank = Conversation::blank(ConversationId::new(id).unwrap(), agent, held_at);
    Record {
        owner: Owner::platform("speechify"),
        conversation: Conversation {
            room_name: Presence::Value("lobby".into()),
            ended_at: Some(held_at.plus(Duration::from_mins(1))),
            ..blank
        },
        caller_key: None,
        updated_at: held_at,
        revision: 1,
        content_hash: "h".into(),
        fetched_at: held_at,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: Some(held_at),
        rechecks: 0,
        own: conversations::Own::default(),
    }
}

#[tokio::test]
async fn what_a_database_refuses_is_told_apart_from_its_absence() {
    for backend in backends::all("upkeep_refusal").await {
        let extraction = Extraction {
            subject: Subject {
                agent_id: String::new(),
                caller: CallerKey::of("speechify", "+14155550123").unwrap(),
            },
            extractor: "rules/1".into(),
            rank: Rank::Rules,
            input_hash: "h".into(),
            alone: false,
        };
        let refused = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let key = key("conv_1");
                    extractions::replace(&mut conn, &key, &extraction, &[], START).await
                })
            })
            .await
            .unwrap_err();
        assert!(refused.is_refusal(), "{refused}");
        assert!(!refused.is_unavailable());
    }
}

#[tokio::test]
async fn old_calls_are_found_and_their_transcripts_deleted() {
    for backend in backends::all("upkeep_old").await {
        let later = START.plus(Duration::from_hours(1));
        let said: Message =
            serde_json::from_value(json!({"id": "m0", "role": "user", "content": "Hello."}))
                .unwrap();
        let until = START.plus(Duration::from_mins(30));
        let (swept, again, older, kept) = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    for record in [record("conv_old", START), record("conv_new", later)] {
                        conversations::save(&mut conn, &record).await?;
                        let said = std::slice::from_ref(&said);
                        conversations::replace_messages(&mut conn, &record.key(), said).await?;
                    }
                    let swept = conversations::prune_messages(&mut conn, until, 5).await?;
                    let again = conversations::prune_messages(&mut conn, until, 5).await?;
                    let older = conversations::older(&mut conn, until, 5).await?;
                    let kept = conversations::all_messages(&mut conn, &key("conv_new")).await?;
                    Ok((swept, again, older, kept))
                })
            })
            .await
            .unwrap();
        assert_eq!((swept, again, kept.len()), (1, 0, 1));
        assert_eq!(older, [key("conv_old")]);
    }
}

#[tokio::test]
async fn a_look_that_was_queued_is_due_no_more_unless_it_was_moved() {
    for backend in backends::all("upkeep_looks").await {
        let due = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let read = record("conv_1", START);
                    let mut moved = read.clone();
                    moved.recheck_at = Some(START.plus(Duration::from_secs(1)));
                    conversations::save(&mut conn, &moved).await?;
                    conversations::look_is_queued(&mut conn, &read).await?;
                    let until = START.plus(Duration::from_secs(9));
                    let still = conversations::due_rechecks(&mut conn, until, 9)
                        .await?
                        .len();
                    conversations::look_is_queued(&mut conn, &moved).await?;
                    let then = conversations::due_rechecks(&mut conn, until, 9)
                        .await?
                        .len();
                    Ok((still, then))
                })
            })
            .await
            .unwrap();
        assert_eq!(due, (1, 0));
    }
}

#[tokio::test]
async fn a_calls_room_is_known_by_its_end_and_forgotten_with_the_call() {
    for backend in backends::all("upkeep_room").await {
        let (closed_at, left_over) = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let call = record("conv_1", START).conversation;
                    let owner = Owner::platform("speechify");
                    for (n, secs) in [(0, 70), (1, 90_000)] {
                        let at = START.plus(Duration::from_secs(secs));
                        let event = CallEvent {
                            source: "rooms".into(),
                            event_id: EventId::new(&format!("e{n}")).unwrap(),
                            kind: EventKind::RoomFinished,
                            occurred_at: (n == 0).then_some(at),
                            received_at: START.plus(Duration::from_secs(80)),
                            conversation_id: None,
                            room: None,
                            agent_id: None,
                            caller_identity: None,
                            hint: None,
                            body: None,
                        };
                        events::mark_done(&mut conn, &event, Some(&key("conv_1")), at).await?;
                        let told = Told {
                            event_id: event.event_id,
                            at,
                            fact: RoomFact::Recording {
                                started_at: None,
                                location: None,
                            },
                        };
                        let room = RoomKey {
                            owner: &owner,
                            sid: None,
                            name: "lobby",
                        };
                        events::add_fact(&mut conn, "rooms", room, &told).await?;
                    }
                    let closed_at = events::room_closed_at(&mut conn, &key("conv_1")).await?;
                    events::delete_facts(&mut conn, &owner, &call).await?;
                    let room = RoomKey {
                        owner: &owner,
                        sid: None,
                        name: "lobby",
                    };
                    let left_over = events::facts(&mut conn, room, START).await?;
                    Ok((closed_at, left_over))
                })
            })
            .await
            .unwrap();
        assert_eq!(closed_at, Some(START.plus(Duration::from_secs(80))));
        assert_eq!(left_over.len(), 1, "of another day");
    }
}

#[tokio::test]
async fn callers_can_be_held_on_every_database() {
    for backend in backends::all("upkeep_hold").await {
        let subject = |agent: &str| Subject {
            agent_id: agent.into(),
            caller: CallerKey::of("speechify", "+14155550123").unwrap(),
        };
        let mut subjects = vec![subject("b"), subject("a"), subject("b")];
        let held = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    memories::hold(&mut conn, &mut subjects).await?;
                    Ok(subjects)
                })
            })
            .await
            .unwrap();
        assert_eq!(held, [subject("a"), subject("b")]);
    }
}

#[tokio::test]
async fn every_table_is_measured() {
    for backend in backends::all("upkeep_sizes").await {
        let sizes = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    meta::try_write(&mut conn).await?;
                    conversations::save(&mut conn, &record("conv_1", START)).await?;
                    aftercall::store::sizes(&mut conn).await
                })
            })
            .await
            .unwrap();
        assert!(sizes.bytes > 0 && sizes.free_bytes >= 0);
        for name in ["audit", "conversations", "dead_letters", "replay_letters"] {
            let size = sizes.tables.iter().find(|size| size.table == name);
            assert!(size.unwrap().rows <= 1, "{name}");
            assert!(size.unwrap().holds().is_some(), "{name}");
        }
        let growing = sizes.tables.iter().filter(|size| size.holds().is_some());
        assert_eq!(growing.count(), 21, "a table that has words is there");
    }
}

#[tokio::test]
async fn replays_that_are_over_are_swept_out_row_by_row() {
    for backend in backends::all("upkeep_replays").await {
        let later = START.plus(Duration::from_hours(1));
        let swept = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let mut job = Job {
                        id: "replay_1".into(),
                        status: Status::Completed,
                        reason: String::new(),
                        filter: "{}".into(),
                        agents: Vec::new(),
                        plan: Plan {
                            rate: 1.0,
                            canary: 0,
                            canary_only: false,
                            stop_at_failure_rate: 0.1,
                            state: State::Dead,
                        },
                        total: 3,
                        sent: 3,
                        succeeded: 3,
                        failed: 0,
                        passed_over: 0,
                        canary_left: 0,
                        in_canary: false,
                        judged_from: 0,
                        created_by: "token_1".into(),
                        created_at: START,
                        updated_at: START,
                        finished_at: Some(START),
                    };
                    let places: Vec<_> = (0..3)
                        .map(|seq| Place {
                            seq,
                            letter_id: format!("dl_{seq}"),
                            lane: format!("{seq}"),
                            first: true,
                        })
                        .collect();
                    for id in ["replay_1", "replay_2"] {
                        job.id = id.into();
                        replays::add(&mut conn, &job).await?;
                        letters::add(&mut conn, id, &places).await?;
                        // The second still runs.
                        job.finished_at = job.finished_at.filter(|_| id == "replay_1");
                        replays::save(&mut conn, &job, id == "replay_2").await?;
                        job.status = Status::Running;
                    }
                    let mut swept = Vec::new();
                    for _ in 0..4 {
                        swept.push(replays::prune(&mut conn, later, 2).await?);
                    }
                    assert!(replays::get(&mut conn, "replay_2").await?.is_some());
                    assert!(letters::any_left(&mut conn, "replay_2").await?);
                    Ok(swept)
                })
            })
            .await
            .unwrap();
        assert_eq!(swept, [2, 1, 1, 0]);
    }
}

#[tokio::test]
async fn a_process_sweeps_as_often_as_a_short_time_needs() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, "[retention]\nquarantine = \"5s\"\n").await;
    let path = "/v1/quarantine";
    let token = server.admin_token();
    for n in 0..2 {
        let headers = [("Speechify-Signature", "t=1,v0=00")];
        let body = completed_body(&conversation_id(n));
        let (status, _) = server.post("voice", &headers, body).await.unwrap();
        assert_eq!(status, 401);
        let mut left = server.get_as(path, &token).await.1;
        assert_eq!(
            left["quarantine"].as_array().map(Vec::len),
            Some(1),
            "{left}"
        );
        for _ in 0..300 {
            left = server.get_as(path, &token).await.1;
            if left["quarantine"] == json!([]) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(left["quarantine"], json!([]), "{left}");
    }
}
